"""Clotho's tables of five captions, one file a split."""

import pytest
from made_datasets import media, text, texts

from mmsearch.errors import DatasetError
from mmsearch.evaluation import datasets
from mmsearch.evaluation.datasets import read

HEADER = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\r\n"
SANTA = (
    "Santa Motor.wav,A machine whines and squeals.,A person is using electric clippers.,Someone is trimming.,"
    'The whirring of a pump.,"While rhythmically punching, a machine whines."\r\n'
)
PORTO = " typical neighborhood in Porto.wav,Birds sing.,Cars pass.,A child calls.,Steps.,Wind.\r\n"
CAPTIONS = ["Birds sing.", "Cars pass.", "A child calls.", "Steps.", "Wind."]


@pytest.fixture
def clotho(tmp_path):
    media(tmp_path, "evaluation/Santa Motor.wav", "development/ typical neighborhood in Porto.wav")
    text(tmp_path / "clotho_captions_evaluation.csv", HEADER + SANTA)
    text(tmp_path / "clotho_captions_development.csv", HEADER + PORTO)
    return tmp_path


def test_evaluation_is_what_is_measured(clotho):
    dataset = read(clotho)
    assert dataset.split == "evaluation"
    assert texts(dataset, "audio") == {
        "audio:evaluation/Santa Motor.wav": [
            "A machine whines and squeals.",
            "A person is using electric clippers.",
            "Someone is trimming.",
            "The whirring of a pump.",
            "While rhythmically punching, a machine whines.",
        ]
    }
    assert dataset.records[0].audio == clotho / "evaluation" / "Santa Motor.wav"
    assert dataset.warnings == ("only the split evaluation is taken; there are also: development",)


@pytest.mark.parametrize("split", ["development", "dev", "train"])
def test_development_is_what_is_learned_from_and_names_keep_their_blanks(clotho, split):
    dataset = read(clotho, split=split)
    assert texts(dataset, "audio") == {"audio:development/ typical neighborhood in Porto.wav": CAPTIONS}
    assert read(clotho, usual=datasets.LEARNED).split == "development"


def test_a_blank_that_was_lost_on_disk_does_not_matter(clotho):
    path = clotho / "development" / " typical neighborhood in Porto.wav"
    path.rename(path.with_name(path.name.strip()))
    assert read(clotho, split="dev").records[0].audio == path.with_name(path.name.strip())


@pytest.mark.parametrize(
    ("table", "sounds"),
    [
        ("clotho_csv_files", "clotho_audio_files/evaluation"),
        (".", "clotho_audio_evaluation/evaluation"),
        (".", "clotho_audio_evaluation"),
        ("clotho_captions", "audio/evaluation"),
        ("evaluation", "evaluation"),
    ],
)
def test_sounds_lie_where_archives_and_loaders_put_them(tmp_path, table, sounds):
    media(tmp_path / sounds, "Santa Motor.wav")
    path = text(tmp_path / table / "clotho_captions_evaluation.csv", HEADER + SANTA)
    assert read(path).records[0].audio == tmp_path / sounds / "Santa Motor.wav"


def test_a_name_in_two_splits_is_two_sounds(clotho):
    media(clotho, "development/Santa Motor.wav")
    text(clotho / "clotho_captions_development.csv", HEADER + SANTA.replace("A machine", "Another machine"))
    found = texts(read(clotho, split="all"), "audio")
    assert sorted(found) == ["audio:development/Santa Motor.wav", "audio:evaluation/Santa Motor.wav"]
    assert found["audio:development/Santa Motor.wav"][0] == "Another machine whines and squeals."


def test_a_file_alone_is_its_split_and_a_split_selects_its_sibling(clotho):
    path = clotho / "clotho_captions_development.csv"
    assert read(path).split == "development"
    assert read(path, split="evaluation").split == "evaluation"
    with pytest.raises(DatasetError, match=r"no split 'gold'; there are: development \(1\), evaluation \(1\)"):
        read(path, split="gold")


def test_missing_sounds_blank_captions_and_broken_lines_are_counted(clotho):
    rows = SANTA + "Radio Garble.wav,a,b,c,d,e\r\n" + "Santa Motor.wav\r\n" + "Santa Motor.wav,One more.,,,,\r\n"
    text(clotho / "clotho_captions_evaluation.csv", HEADER + rows)
    assert read(clotho, split="evaluation").warnings == (
        "missing files left out: 1 of 2, the first: evaluation/Radio Garble.wav",
        "lines that make no sense left out: 1, the first: line 4 of clotho_captions_evaluation.csv",
        "blank captions left out: 4",
        "files named again, their entries taken together: 1",
    )
