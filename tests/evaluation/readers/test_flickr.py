"""Flickr's token files and tables of captions, and the lists of their splits."""

import pytest
from made_datasets import media, text, texts

from mmsearch.errors import DatasetError
from mmsearch.evaluation import datasets
from mmsearch.evaluation.datasets import read

TOKEN = (
    "1000268201_693b08cb0e.jpg#0\tA child in a pink dress .\n"
    "1000268201_693b08cb0e.jpg#1\tA girl going into a wooden building .\n"
    "1001773457_577c3a7d70.jpg#0\tA black dog and a spotted dog are fighting\n"
    "2258277193_586949ec62.jpg.1#0\tpeople waiting at the subway\n"
    "2090545563_a4e66ec76b.jpg#0\tTwo girls play on a skateboard .\n"
    "3385593926_d3e9c21170.jpg#0\tThe dogs are in the snow .\n"
)
PICTURES = (
    "1000268201_693b08cb0e.jpg",
    "1001773457_577c3a7d70.jpg",
    "2090545563_a4e66ec76b.jpg",
    "3385593926_d3e9c21170.jpg",
)


def lists(folder, name="Flickr_8k.{}Images.txt", suffix=".jpg", end="\n"):
    for split, picture in zip(("train", "dev", "test"), (PICTURES[0], *PICTURES[2:]), strict=True):
        text(folder / name.format(split), picture.removesuffix(".jpg") + suffix + end)


@pytest.fixture
def flickr8k(tmp_path):
    """As the two archives unpack."""
    media(tmp_path, *(f"Flicker8k_Dataset/{name}" for name in PICTURES))
    text(tmp_path / "Flickr8k_text" / "Flickr8k.token.txt", TOKEN)
    text(tmp_path / "Flickr8k_text" / "Flickr8k.lemma.token.txt", "1000268201_693b08cb0e.jpg#0\ta child in a dress\n")
    text(tmp_path / "Flickr8k_text" / "CrowdFlowerAnnotations.txt", "1056338697_4f7d7ce270.jpg\t#2\t1\t3\t0\n")
    lists(tmp_path / "Flickr8k_text")
    return tmp_path


@pytest.mark.parametrize("place", [".", "Flickr8k_text", "Flickr8k_text/Flickr8k.token.txt"])
def test_the_test_pictures_of_flickr8k_are_found_from_anywhere(flickr8k, place):
    dataset = read(flickr8k / place)
    assert dataset.split == "test"
    assert texts(dataset, "image") == {f"image:{PICTURES[3]}": ["The dogs are in the snow ."]}
    assert dataset.records[0].image == flickr8k / "Flicker8k_Dataset" / PICTURES[3]
    assert dataset.warnings == (
        "only the split test is taken; there are also: dev, train",
        "files that no split names left out: 2, the first: 1001773457_577c3a7d70.jpg",
    )


@pytest.mark.parametrize(("split", "picture"), [("dev", 2), ("val", 2), ("train", 0)])
def test_splits_are_those_of_the_lists(flickr8k, split, picture):
    assert list(texts(read(flickr8k, split=split), "image")) == [f"image:{PICTURES[picture]}"]


def test_what_is_learned_from_is_the_training_split(flickr8k):
    assert read(flickr8k, usual=datasets.LEARNED).split == "train"


def test_the_picture_that_is_named_wrongly_is_counted_as_missing(flickr8k):
    dataset = read(flickr8k, split="all")
    assert len(texts(dataset, "image")) == 4
    assert dataset.warnings == ("missing files left out: 1 of 5, the first: 2258277193_586949ec62.jpg.1",)


def test_lines_may_end_as_windows_ends_them_and_the_file_may_have_a_mark(flickr8k):
    expected = read(flickr8k)
    path = text(flickr8k / "Flickr8k_text" / "Flickr8k.token.txt", TOKEN.replace("\n", "\r\n"), "utf-8-sig")
    lists(path.parent, end="\r\n")
    assert read(flickr8k) == expected


def test_lines_that_are_no_captions_are_counted_and_named(flickr8k):
    path = text(flickr8k / "Flickr8k_text" / "Flickr8k.token.txt", TOKEN.replace("jpg#1\t", "jpg "))
    assert "lines that make no sense left out: 1, the first: line 2 of Flickr8k.token.txt" in read(path).warnings


def test_lemmas_are_read_if_they_are_named(flickr8k):
    found = texts(read(flickr8k / "Flickr8k_text" / "Flickr8k.lemma.token.txt"), "image")
    assert found == {f"image:{PICTURES[0]}": ["a child in a dress"]}


def test_without_lists_everything_is_read_and_a_split_is_refused(flickr8k):
    for path in (flickr8k / "Flickr8k_text").glob("Flickr_8k.*"):
        path.unlink()
    assert (read(flickr8k).split, len(texts(read(flickr8k), "image"))) == (None, 4)
    with pytest.raises(DatasetError, match="there is no split 'test'; it states no splits"):
        read(flickr8k, split="test")


def test_a_picture_in_two_lists_is_refused(flickr8k):
    text(flickr8k / "Flickr8k_text" / "Flickr_8k.trainImages.txt", f"{PICTURES[0]}\n{PICTURES[3]}\n")
    with pytest.raises(DatasetError, match=f"{PICTURES[3]} is in two splits, test and train"):
        read(flickr8k)


FLICKR30K = (
    "image_name| comment_number| comment\n"
    '1000092795.jpg| 0| Two young guys with shaggy hair , one with a " Superman " shirt .\n'
    "1000092795.jpg| 1| Two men in green shirts are standing in a yard .\n"
    "2199200615.jpg| 3| A dog runs .\n"
    "2199200615.jpg| 4   A dog runs across the grass .\n"
)


@pytest.fixture
def flickr30k(tmp_path):
    """As it unpacks from Kaggle, with the pictures in a folder of the same name."""
    folder = tmp_path / "flickr30k_images"
    media(folder / "flickr30k_images", "1000092795.jpg", "2199200615.jpg")
    text(folder / "results.csv", FLICKR30K)
    return folder


def test_the_table_of_flickr30k_and_its_broken_line(flickr30k):
    dataset = read(flickr30k)
    assert texts(dataset, "image") == {
        "image:1000092795.jpg": [
            'Two young guys with shaggy hair , one with a " Superman " shirt .',
            "Two men in green shirts are standing in a yard .",
        ],
        "image:2199200615.jpg": ["A dog runs .", "A dog runs across the grass ."],
    }
    assert dataset.warnings == ("captions taken from lines without their second bar: 1, the first: 2199200615.jpg",)
    assert dataset.records[0].image == flickr30k / "flickr30k_images" / "1000092795.jpg"


def test_lists_may_leave_the_suffix_out(flickr30k):
    text(flickr30k / "train.txt", "2199200615\n")
    text(flickr30k / "test.txt", "1000092795\n")
    assert list(texts(read(flickr30k), "image")) == ["image:1000092795.jpg"]


def test_lists_of_something_else_are_no_splits(flickr30k):
    text(flickr30k / "test.txt", "something else\n")
    assert read(flickr30k).split is None


@pytest.mark.parametrize(
    "content",
    [
        'image,caption\na.jpg,A dog runs .\na.jpg,"A dog , brown , runs ."\n',
        "image,caption\r\na.jpg,A dog runs .\r\na.jpg,A dog , brown , runs .\r\n",  # as some write it, without quotes
        '\ufeffimage_name,comment_number,comment\na.jpg,0,A dog runs .\na.jpg,1,"A dog , brown , runs ."\n',
        "image;caption\na.jpg;A dog runs .\na.jpg;A dog , brown , runs .\n",
        "file_name\ttext\na.jpg\tA dog runs .\na.jpg\tA dog , brown , runs .\n",
    ],
)
def test_tables_as_people_write_them(tmp_path, content):
    path = text(media(tmp_path, "Images/a.jpg") / "captions.txt", content)
    assert texts(read(path), "image") == {"image:a.jpg": ["A dog runs .", "A dog , brown , runs ."]}
    assert texts(read(tmp_path), "image") == texts(read(path), "image")


def test_quotes_that_do_not_pair_swallow_no_lines(tmp_path):
    content = 'image,caption\na.jpg,"Stop" says a sign\nb.jpg," A dog , brown , runs .\na.jpg,A "cat" sleeps\n'
    found = texts(read(text(media(tmp_path, "a.jpg", "b.jpg") / "captions.txt", content)), "image")
    assert found == {
        "image:a.jpg": ['"Stop" says a sign', 'A "cat" sleeps'],
        "image:b.jpg": ['" A dog , brown , runs .'],
    }


def test_a_table_in_another_encoding(tmp_path):
    content = "image,caption\na.jpg,Die Käserei über dem Gürtel hat schöne Öfen\n"
    path = text(media(tmp_path, "a.jpg") / "captions.txt", content, "windows-1252")
    assert texts(read(path), "image") == {"image:a.jpg": ["Die Käserei über dem Gürtel hat schöne Öfen"]}


def test_a_table_can_name_splits_and_sounds(tmp_path):
    content = "file_name,split,caption\na.wav,train,A dog barks\nb.wav,test,Rain\nc.wav,,A train\n"
    path = text(media(tmp_path, "a.wav", "b.wav", "c.wav") / "mine.csv", content)
    dataset = read(path)
    assert texts(dataset, "audio") == {"audio:b.wav": ["Rain"]}
    assert dataset.warnings[1] == "files that no split names left out: 1, the first: c.wav"
    path = text(path, content + "b.wav,train,Rain\n")
    with pytest.raises(DatasetError, match="b.wav is in two splits, test and train"):
        read(path)


def test_rows_without_a_file_or_a_caption_are_counted(tmp_path):
    path = text(media(tmp_path, "a.jpg") / "captions.txt", "image,caption\na.jpg,A dog\n,A ghost\na.jpg,\na.jpg\n")
    dataset = read(path)
    assert texts(dataset, "image") == {"image:a.jpg": ["A dog"]}
    assert dataset.warnings == (
        "blank captions left out: 2",
        "lines that make no sense left out: 1, the first: line 3 of captions.txt",
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("image,caption\n", "there are no rows with image"),
        ("image,caption\n\n,\n", "there are no rows with image"),
        ("a,b\nc,d\n", "no reader knows this; there are readers of: Karpathy's JSON, COCO captions, Clotho"),
        ("", "no reader knows this"),
        ("image,caption\na.jpg," + "x" * 200_000, "field larger than field limit"),
        ("image,caption\na.jpg,\0\1\2\3", "not text: binary content"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path, content, complaint):
    path = text(media(tmp_path, "a.jpg") / "captions.txt", content)
    with pytest.raises(DatasetError, match=f"captions.txt.*{complaint}"):
        read(path)
