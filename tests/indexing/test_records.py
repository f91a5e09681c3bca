"""Adding what is not a file: PIL pictures, arrays, bytes, texts, vectors."""

import io

import numpy as np
import pytest
from made import RATE, picture, tone

from mmsearch import Record


def png(colour):
    buffer = io.BytesIO()
    picture(colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "image", [picture("red"), png("red"), np.asarray(picture("red")), np.asarray(picture("red").convert("RGBA"))]
)
def test_pictures(index, image):
    index.add_items([Record(id="x1", image=image, metadata={"year": 2024}), Record(id="x2", image=picture("blue"))])
    first, _ = index.search("red", target="image", k=2)
    assert (first.id, first.metadata, first.path) == ("x1", {"year": 2024}, None)
    assert first.properties == {"width": 64, "height": 48}


def test_sounds(index):
    stereo = np.stack([tone("low"), tone("low")], axis=1)
    pcm = (tone("whistle") * 32767).astype(np.int16)
    index.add_items([Record(id="low", audio=(stereo, RATE)), Record(id="whistle", audio=(pcm, RATE))])
    assert [hit.id for hit in index.search("low", target="audio", k=1)] == ["low"]
    assert [hit.id for hit in index.search("whistle", target="audio", k=1)] == ["whistle"]


def test_files(index, media):
    index.add_items([Record(id="p", image=media / "red.png"), Record(id="s", audio=str(media / "sounds" / "low.wav"))])
    assert [hit.id for hit in index.search("red", target="image", k=1)] == ["p"]
    assert [hit.id for hit in index.search("low", target="audio", k=1)] == ["s"]


def test_one_item_with_several_media(index):
    index.add_items([Record(id="both", image=picture("red"), text="a blue caption")])
    assert len(index) == 1
    assert index.counts().segments == 2
    assert index.search("red", target="image")[0].id == "both"
    assert index.search("blue", target="text")[0].id == "both"
    assert [hit.modality for hit in index.search("blue caption")] == ["text"]
    assert index.items()[0].modalities == {"image", "text"}


def test_ready_vectors(index):
    vector = np.zeros(64)
    vector[3] = 5
    index.add_items([Record(id="v", vectors={"image": vector})])
    (hit,) = index.search("red", target="image")
    assert (hit.id, round(hit.cosine, 3)) == ("v", 1.0)
    assert index.verify() == []


def test_the_same_id_replaces(index):
    index.add_items([Record(id="x", image=picture("red"))])
    report = index.add_items([Record(id="x", image=picture("blue"))])
    assert report.added == 1
    assert len(index) == 1
    assert index.search("blue", target="image")[0].cosine == pytest.approx(1, abs=1e-3)
    assert index.verify() == []


def test_records_without_an_id_get_one(index):
    index.add_items([Record(text="one"), Record(text="two")])
    assert len({item.id for item in index.items()}) == 2


@pytest.mark.parametrize(
    "record",
    [
        Record(id="bad"),
        Record(id="bad", image=b"no picture"),
        Record(id="bad", image="/no/such/file.png"),
        Record(id="bad", image=np.zeros((3, 3, 7))),
        Record(id="bad", audio=(np.full(50, np.nan), RATE)),
        Record(id="bad", audio=(tone("low"), 0)),
        Record(id="bad", text="  "),
        Record(id="bad", text=5),
        Record(id="bad", vectors={"text": "abc"}),
        Record(id="bad", text="half \ud800 character"),
        Record(id="bad", vectors={"image": np.ones(3)}),
        Record(id="bad", vectors={"image": np.zeros(64)}),
        Record(id="bad", vectors={"smell": np.ones(64)}),
        Record(id="bad", text="fine", metadata={"when": object()}),
        Record(id="bad", text="fine", metadata={"when": float("nan")}),
    ],
)
def test_one_bad_record_stops_no_other(index, record):
    report = index.add_items([Record(id="a", text="one"), record, Record(id="b", text="two")])
    assert report.added == 2
    (failure,) = report.failed
    assert (failure.id, failure.path) == ("bad", None)
    assert failure.reason
    assert {item.id for item in index.items()} == {"a", "b"}
    assert index.verify() == []


def test_records_may_come_from_a_generator_that_never_ends_early(index):
    report = index.add_items(Record(id=str(number), text=f"number {number}") for number in range(1000))
    assert report.added == len(index) == 1000


def test_an_error_in_the_callers_generator_keeps_what_was_finished_and_is_raised(index):
    def records():
        yield from (Record(id=str(number), text=f"number {number}") for number in range(500))
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        index.add_items(records())
    assert index.verify() == []
    index.add_items([Record(id="after", text="after")])
    assert "after" in {item.id for item in index.items()}


def test_a_vector_of_a_modality_that_there_is_not(index):
    report = index.add_items([Record(id="a", vectors={"imge": [1.0] * 64})])
    assert report.failed[0].reason == "imge: no modality; there are: image, text, audio; did you mean image?"


def test_removing(full, media):
    assert full.remove(paths=[media / "red.png"]) == 1
    assert "red.png" not in {hit.path.name for hit in full.search("red", k=50)}
    assert full.remove(paths=[media / "sounds"]) == 2
    full.add_items([Record(id="mine", text="my own")])
    assert full.remove(ids=["mine"]) == 1
    assert full.remove(paths=[media]) == 5
    assert len(full) == 0
    assert full.verify() == []


def test_removing_what_is_not_there_removes_nothing(full, media):
    from mmsearch.errors import QueryError

    for asked in (
        {"paths": [media / "nowhere.png"]},
        {"ids": ["nobody"]},
        {"paths": [media / "red.png", "/elsewhere"]},
    ):
        with pytest.raises(QueryError, match=r"nowhere|nobody|elsewhere|blank"):
            full.remove(**asked)
    assert len(full) == 8


def test_removing_the_item_of_a_file_by_id(full, media):
    (red,) = (item.id for item in full.items() if item.path.name == "red.png")
    assert full.remove(ids=[red]) == 1
    assert full.verify() == []
    assert full.add([media]).added == 1


def test_replacing_the_item_of_a_file_by_a_record(full, media):
    (red,) = (item.id for item in full.items() if item.path.name == "red.png")
    full.add_items([Record(id=red, text="mine")])
    assert full.verify() == []
    assert len(full) == 8


def test_a_removed_file_comes_back_when_it_is_indexed_again(full, media):
    full.remove(paths=[media / "red.png"])
    assert full.add([media]).added == 1


def test_a_home_that_nobody_has(index, media):
    bad, good = Record(id="a", image="~nosuchuser/x.jpg"), Record(id="b", image=media / "red.png")
    report = index.add_items([bad, good])
    assert (report.added, [(failure.id, failure.reason) for failure in report.failed]) == (
        1, [("a", "no such file or directory")]
    )  # fmt: skip


@pytest.mark.parametrize("depth", [101, 970, 985, 3000, 100_000])
def test_metadata_that_are_nested_too_deeply_cost_their_record(index, tmp_path, depth):
    deep = {}
    for _ in range(min(depth, 3000)):
        deep = {"a": deep}
    lines = ['{"text": "x", "meta": ' + '{"a": ' * depth + "1" + "}" * depth + "}", '{"text": "y", "meta": [[1]]}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    report = index.add([tmp_path / "a.jsonl"])
    assert (report.added, len(index)) == (1, 1)
    assert "nested too deeply" in report.failed[0].reason
    report = index.add_items([Record(id="b", text="x", metadata=deep), Record(id="c", text="y")])
    assert (report.added, [failure.id for failure in report.failed]) == (1, ["b"])


def test_progress_counts_files_and_not_what_is_wrong_in_them(index, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n' + "{\n" * 300)
    (tmp_path / "b.txt").write_text("y")
    (tmp_path / "c.txt").write_bytes(bytes(99))
    told = []
    report = index.add([tmp_path], exclude=["index"], progress=told.append)
    assert len(report.failed) == 301
    assert (told[-1].added, told[-1].failed, told[-1].total) == (2, 1, 3)
