"""COCO's captions_*.json, one file a split."""

import json

import pytest
from made_datasets import media, text, texts

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import read


def write(folder, name, captions, *, images=None, first="images"):
    fields = {
        "info": {"description": "COCO 2017 Dataset", "year": 2017},
        "licenses": [],
        "images": [
            {"license": 4, "file_name": file, "coco_url": f"http://images.cocodataset.org/{file}", "id": number}
            for number, file in enumerate(images or dict.fromkeys(file for file, _ in captions))
        ],
    }
    ids = {image["file_name"]: image["id"] for image in fields["images"]}
    annotations = [
        {"image_id": ids.get(file, 999), "id": n, "caption": said} for n, (file, said) in enumerate(captions)
    ]
    fields |= {"annotations": annotations}
    if first == "annotations":  # as some copies have it
        fields = {"annotations": annotations, **fields}
    return text(folder / name, json.dumps(fields))


@pytest.fixture
def coco(tmp_path):
    media(tmp_path, "val2017/000000179765.jpg", "val2017/000000190236.jpg", "train2017/000000391895.jpg")
    write(
        tmp_path / "annotations",
        "captions_val2017.json",
        [
            ("000000179765.jpg", "A black Honda motorcycle parked in front of a garage."),
            ("000000190236.jpg", "An office cubicle with four computers.\n"),
            ("000000179765.jpg", "A Honda motorcycle parked in a grass driveway"),
        ],
    )
    write(tmp_path / "annotations", "captions_train2017.json", [("000000391895.jpg", "A man with a red helmet ")])
    text(tmp_path / "annotations" / "instances_val2017.json", '{"images": [], "annotations": []}')
    return tmp_path


def test_pictures_lie_in_the_folder_of_their_split_beside_the_annotations(coco):
    dataset = read(coco / "annotations" / "captions_val2017.json")
    assert dataset.split == "val2017"
    assert dataset.warnings == ()
    assert dataset.records[0].image == coco / "val2017" / "000000179765.jpg"
    assert texts(dataset, "image") == {
        "image:000000179765.jpg": [
            "A black Honda motorcycle parked in front of a garage.",
            "A Honda motorcycle parked in a grass driveway",
        ],
        "image:000000190236.jpg": ["An office cubicle with four computers."],
    }


@pytest.mark.parametrize("place", [".", "annotations"])
def test_a_folder_offers_its_files_as_splits_and_val_is_taken(coco, place):
    dataset = read(coco / place)
    assert dataset.split == "val2017"
    assert dataset.warnings == ("only the split val2017 is taken; there are also: train2017",)


@pytest.mark.parametrize("place", [".", "annotations/captions_val2017.json"])
def test_a_split_selects_the_file(coco, place):
    dataset = read(coco / place, split="train")
    assert dataset.split == "train2017"
    assert texts(dataset, "image") == {"image:000000391895.jpg": ["A man with a red helmet"]}


def test_everything_is_both_files(coco):
    dataset = read(coco, split="all")
    assert dataset.split is None
    assert len(texts(dataset, "image")) == 3
    assert dataset.name == f"{coco.name}/annotations"


def test_a_split_without_a_file_is_refused_and_the_others_are_counted(coco):
    with pytest.raises(DatasetError, match=r"no split 'test'; there are: train2017 \(1\), val2017 \(2\)"):
        read(coco, split="test")


def test_years_that_begin_alike_must_be_named(coco):
    write(coco / "annotations", "captions_val2014.json", [("a.jpg", "a dog")])
    with pytest.raises(DatasetError, match="several splits are called val: val2014, val2017; name one of them"):
        read(coco)
    assert read(coco, split="val2017").split == "val2017"


def test_annotations_may_stand_first(tmp_path):
    media(tmp_path, "a.jpg")
    path = write(tmp_path, "mine.json", [("a.jpg", "a dog")], first="annotations")
    assert texts(read(path), "image") == {"image:a.jpg": ["a dog"]}


def test_captions_after_the_fifth_are_left_out_of_coco_only(tmp_path):
    media(tmp_path, "a.jpg")
    captions = [("a.jpg", f"caption {n}") for n in range(7)]
    own = read(write(tmp_path, "captions_val2014.json", captions))
    assert texts(own, "image") == {"image:a.jpg": [f"caption {n}" for n in range(5)]}
    assert own.warnings == ("captions after a picture's first 5 left out, as papers do: 2",)
    other = read(write(tmp_path, "captions_mine.json", captions))
    assert len(texts(other, "image")["image:a.jpg"]) == 7


def test_pictures_without_captions_stay_and_captions_without_pictures_are_counted(tmp_path):
    media(tmp_path, "a.jpg", "b.jpg")
    path = write(tmp_path, "captions_x.json", [("a.jpg", "a dog"), ("c.jpg", "a ghost")], images=["a.jpg", "b.jpg"])
    dataset = read(path)
    assert [record.id for record in dataset.records if record.image] == ["image:a.jpg", "image:b.jpg"]
    assert list(texts(dataset, "image")) == ["image:a.jpg"]
    assert dataset.warnings == ("captions of pictures that are not listed left out: 1, the first: of 999",)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"images": [{"file_name": "a.jpg", "id": 1}]}, '"annotations" is null; expected a list of objects'),
        (
            {"images": [{"file_name": "a.jpg", "id": 1}], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]},
            "an annotation has image_id, bbox and no caption; expected COCO's",
        ),
        ({"images": [{"file_name": 1}]}, '"images" 1: "file_name" is a number; expected a text'),
        (
            {"images": [{"file_name": "a.jpg", "id": 1}, {"file_name": "b.jpg", "id": 1}], "annotations": []},
            "several images have the same id; expected another for each",
        ),
        ({"annotations": [{"image_id": 1}]}, '"images" is null; expected a list of objects'),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, fields, complaint):
    path = text(media(tmp_path, "a.jpg") / "instances_val2017.json", json.dumps(fields))
    with pytest.raises(DatasetError, match=f"instances_val2017.json[:,] {complaint}"):
        read(path)
