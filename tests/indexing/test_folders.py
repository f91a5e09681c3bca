"""Indexing folders: what is added, left alone, renamed, copied, changed, gone and broken."""

import os
import shutil
import sqlite3

import numpy as np
import pytest
import soundfile
from made import RATE, picture, tone

import mmsearch
from mmsearch.errors import IndexLocked, MediaError, ModelMismatch
from mmsearch.indexing import decoding
from mmsearch.media.formats import READER
from mmsearch.media.isolated import Isolated


@pytest.fixture
def no_decoding(monkeypatch):
    """Fails the test if anything is decoded from now on."""

    def refuse(*args, **kwargs):
        raise AssertionError("something was decoded")

    return lambda: monkeypatch.setattr(Isolated, "read", refuse)


def paths(index):
    return {item.path for item in index.items()}


def counts(report):
    return {
        name: value
        for name in ("added", "updated", "reused", "unchanged", "removed")
        if (value := getattr(report, name))
    } | ({"failed": len(report.failed)} if report.failed else {})


def test_everything_in_a_folder_is_added(index, media):
    report = index.add([media])
    assert counts(report) == {"added": 8}
    assert report.segments == 8
    assert set(report.seconds) == {"scan", "decode", "encode", "commit", "total"}
    assert index.verify() == []
    held = index.counts()
    assert held.items_by_modality == {"audio": 2, "image": 4, "text": 2}


def test_nothing_is_opened_the_second_time(full, media, monkeypatch):
    (media / "bad.png").write_bytes(b"no picture")
    full.add([media])
    monkeypatch.setattr(Isolated, "open", lambda *_: pytest.fail("a file was opened"))
    report = full.add([media])
    assert counts(report) == {"unchanged": 8, "failed": 1}
    assert report.failed[0].path == media / "bad.png"


def test_a_file_that_failed_is_tried_again_when_more_can_be_read(full, media, monkeypatch):
    (media / "bad.png").write_bytes(b"no picture")
    full.add([media])
    monkeypatch.setattr("mmsearch.indexing.plan.READER", READER + 1)
    assert counts(full.add([media])) == {"unchanged": 8, "failed": 1}
    opened = []
    monkeypatch.setattr(Isolated, "open", lambda *_: opened.append(1))
    assert counts(full.add([media])) == {"unchanged": 8, "failed": 1}
    assert not opened  # it was tried, and is known to fail now


def test_a_renamed_file_keeps_its_id_and_is_not_decoded(full, media, no_decoding):
    before = {item.path: item.id for item in full.items()}
    (media / "sounds" / "deep").mkdir()
    (media / "red.png").rename(media / "sounds" / "deep" / "zz.png")  # behind its old place
    (media / "yellow.png").rename(media / "aa.png")  # before it
    no_decoding()
    assert counts(full.add([media])) == {"reused": 2, "unchanged": 6}
    after = {item.path: item.id for item in full.items()}
    assert after[media / "sounds" / "deep" / "zz.png"] == before[media / "red.png"]
    assert after[media / "aa.png"] == before[media / "yellow.png"]
    assert len(after) == 8
    assert full.verify() == []


def test_a_copied_file_is_an_item_of_its_own_and_is_not_decoded(full, media, no_decoding):
    shutil.copy(media / "red.png", media / "copy.png")
    shutil.copy(media / "red.png", media / "copy2.png")
    no_decoding()
    assert counts(full.add([media])) == {"reused": 2, "unchanged": 8}
    hits = full.search("red", target="image", k=3)
    assert {hit.path.name for hit in hits} == {"red.png", "copy.png", "copy2.png"}
    assert len({hit.id for hit in hits}) == 3
    assert full.verify() == []


def test_two_copies_do_not_both_take_the_place_of_one_vanished_file(full, media):
    shutil.copy(media / "red.png", media / "one.png")
    shutil.copy(media / "red.png", media / "two.png")
    (media / "red.png").unlink()
    assert counts(full.add([media])) == {"reused": 2, "unchanged": 7}
    assert {path.name for path in paths(full)} >= {"one.png", "two.png"}
    assert len(full) == 9
    assert full.verify() == []


def test_a_file_that_changed_is_replaced(full, media):
    picture("purple").save(media / "red.png")
    os.utime(media / "red.png", ns=(1, 1))
    assert counts(full.add([media])) == {"updated": 1, "unchanged": 7}
    (hit,) = full.search("purple", target="image", k=1)
    assert hit.path.name == "red.png"
    assert len(full) == 8
    assert full.verify() == []


def test_a_file_that_was_only_touched_is_not_decoded(full, media, no_decoding):
    os.utime(media / "red.png", ns=(1, 1))
    no_decoding()
    assert counts(full.add([media])) == {"reused": 1, "unchanged": 7}
    assert counts(full.add([media])) == {"unchanged": 8}


def test_vanished_files_are_removed(full, media):
    (media / "red.png").unlink()
    shutil.rmtree(media / "sounds")
    assert counts(full.add([media])) == {"unchanged": 5, "removed": 3}
    assert all(path.exists() for path in paths(full))
    assert full.verify() == []


def test_scanning_a_part_removes_nothing_elsewhere(full, media):
    (media / "red.png").unlink()
    assert counts(full.add([media / "sounds"])) == {"unchanged": 2}
    assert len(full) == 8
    (media / "sounds" / "low.wav").unlink()
    assert counts(full.add([media / "sounds"])) == {"unchanged": 1, "removed": 1}
    assert counts(full.add([media / "green.png"])) == {"unchanged": 1}
    assert len(full) == 7


def test_an_empty_root_is_taken_for_a_drive_that_is_not_mounted(full, media):
    for path in [*media.rglob("*.*")]:
        path.unlink()
    report = full.add([media])
    assert counts(report) == {}
    assert "not mounted" in report.warnings[0]
    assert len(full) == 8
    assert counts(full.add([media], prune=True)) == {"removed": 8}
    assert len(full) == 0


def test_files_in_a_folder_that_cannot_be_read_are_kept(full, media, monkeypatch):
    real = os.scandir

    def refuse(path):
        if os.fsencode(path).rstrip(b"/").endswith(b"sounds"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = full.add([media])
    assert counts(report) == {"unchanged": 6, "failed": 1}
    assert "permission denied" in report.failed[0].reason
    assert len(full) == 8


def test_an_empty_part_of_a_root_is_taken_for_a_drive_that_is_not_mounted(full, media):
    for path in (media / "sounds").iterdir():
        path.unlink()
    report = full.add([media / "sounds"])
    assert counts(report) == {}
    assert "not mounted" in report.warnings[0]
    assert len(full) == 8


def test_paths_inside_one_another_are_indexed_once(index, media):
    assert counts(index.add([media / "sounds", media, media / "red.png", media])) == {"added": 8}
    assert len(index.search("red low", k=20)) == 8


def test_a_folder_in_the_place_of_a_file(full, media):
    (media / "red.png").unlink()
    (media / "red.png").mkdir()
    assert counts(full.add([media])) == {"removed": 1, "unchanged": 7}


def test_a_root_without_media_is_not_empty(full, media):
    for path in [*media.rglob("*.*")]:
        path.unlink()
    (media / "program.exe").write_bytes(b"MZ")
    assert counts(full.add([media])) == {"removed": 8}


def test_a_date_that_no_calendar_holds(index, media):
    os.utime(media / "red.png", (9.3e9, 9.3e9))
    os.utime(media / "blue.png", (-9.3e9, -9.3e9))
    assert counts(index.add([media])) == {"added": 8}
    assert counts(index.add([media])) == {"unchanged": 8}
    assert len(index.search("red", target="image")) == 4


def test_a_folder_of_the_name_of_the_index_is_not_left_out(media):
    (media / "trip" / "index").mkdir(parents=True)
    picture("black").save(media / "trip" / "index" / "x.png")
    with mmsearch.open(media / "index", model="fake") as index:
        assert counts(index.add([media])) == {"added": 9}


def test_metadata_reach_all_files_though_one_was_indexed_alone(full, media):
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "year": 1}\n{"file_name": "blue.png", "year": 2}')
    full.add([media / "red.png"])
    full.add([media / "sounds"])
    full.add([media])
    assert {hit.path.name for hit in full.search("red", where="year > 0")} == {"red.png", "blue.png"}


def test_roots_never_overlap(index, media):
    index.add([media / "sounds"])
    assert counts(index.add([media])) == {"added": 6, "unchanged": 2}
    assert len(index) == 8
    assert counts(index.add([media.parent])) == {"unchanged": 8}
    assert index.verify() == []


def test_a_folder_and_a_file_beside_it_in_one_run(index, media):
    index.add([media / "sounds", media / "red.png"])
    assert {item.path for item in index.items()} == {media / "red.png", *(media / "sounds").iterdir()}
    assert index.verify() == []


def test_a_single_file(index, media):
    assert counts(index.add([media / "red.png"])) == {"added": 1}
    assert counts(index.add([media])) == {"added": 7, "unchanged": 1}


def test_excluded_files_are_left_out(index, media):
    assert counts(index.add([media], exclude=["*.png", "sounds"])) == {"added": 2}


def test_the_index_may_lie_inside_what_it_indexes(media):
    with mmsearch.open(media / "index", model="fake") as index:
        (media / "index" / "thumbs").mkdir()
        picture("red").save(media / "index" / "thumbs" / "x.png")
        assert counts(index.add([media])) == {"added": 8}


def test_bad_files_stop_nothing_and_are_named(index, media):
    (media / "empty.jpg").write_bytes(b"")
    (media / "noise.png").write_bytes(os.urandom(500))
    (media / "cut.png").write_bytes((media / "red.png").read_bytes()[:60])
    (media / "noise.wav").write_bytes(os.urandom(500))
    (media / "blank.txt").write_text(" \n")
    shutil.copy(media / "red.png", media / "picture.wav")
    soundfile.write(media / "nan.wav", np.full(100, np.nan), RATE, subtype="FLOAT")
    (media / "loop").symlink_to(media)
    (media / "gone.jpg").symlink_to(media / "nowhere.jpg")
    os.mkfifo(media / "pipe.mp3")
    report = index.add([media])
    assert counts(report) == {"added": 8, "failed": 8}
    assert {failure.path.name for failure in report.failed} == {
        "empty.jpg", "noise.png", "cut.png", "noise.wav", "blank.txt", "picture.wav", "nan.wav", "gone.jpg",
    }  # fmt: skip
    assert all(failure.reason for failure in report.failed)
    assert any("loop" in warning for warning in report.warnings)
    assert index.verify() == []
    assert index.counts().failed == 7  # a broken link is no file
    picture("red").save(media / "cut.png")
    os.utime(media / "cut.png", ns=(7, 7))
    assert counts(index.add([media])) == {"unchanged": 8, "failed": 7} | {"reused": 1}


def test_names_that_are_no_text(index, media):
    for name in (b"a\nb.png", b"\xff\xfe.png", b'it\'s "q".png'):
        picture("orange").save(media / os.fsdecode(name))
    report = index.add([media])
    assert (report.added + report.reused, report.failed) == (11, ())
    assert counts(index.add([media])) == {"unchanged": 11}
    assert len([hit for hit in index.search("orange", target="image", k=3) if hit.path.exists()]) == 3


def test_metadata_beside_the_media(index, media):
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "year": 1999}\n')
    (media / "sounds" / "metadata.csv").write_text("file,place\nlow.wav,harbour\n")
    index.add([media])
    assert [hit.path.name for hit in index.search("red", where="year = 1999")] == ["red.png"]
    assert [hit.path.name for hit in index.search("red", where="place = 'harbour'")] == ["low.wav"]


def test_metadata_that_changed_are_applied_without_decoding(full, media, no_decoding):
    no_decoding()
    (media / "metadata.jsonl").write_text(
        '{"file_name": "red.png", "year": 1}\n{"file_name": "sounds/low.wav", "year": 2}'
    )
    assert counts(full.add([media])) == {"unchanged": 8}
    assert {h.path.name: h.metadata["year"] for h in full.search("red", where="year > 0")} == {
        "red.png": 1,
        "low.wav": 2,
    }
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "year": 5}\n')
    full.add([media])
    assert {h.path.name: h.metadata["year"] for h in full.search("red", where="year > 0")} == {"red.png": 5}
    (media / "metadata.jsonl").write_text("{nonsense")
    report = full.add([media])
    assert "metadata.jsonl" in report.failed[0].reason
    assert {h.path.name: h.metadata["year"] for h in full.search("red", where="year > 0")} == {"red.png": 5}


def test_records_in_a_file_are_items_of_their_own(index, media):
    (media / "captions.jsonl").write_text(
        '{"id": "x", "text": "purple rain", "year": 1984}\nnonsense\n{"text": "x y"}\n'
    )
    report = index.add([media])
    assert counts(report) == {"added": 9, "failed": 1}
    assert "line 2" in report.failed[0].reason
    (hit,) = index.search("purple rain", target="text", k=1)
    assert (hit.excerpt, hit.metadata) == ("purple rain", {"year": 1984, "id": "x"})
    assert len(index) == 10


def test_metadata_follow_a_file_that_is_renamed(index, media):
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "year": 1}')
    index.add([media])
    (media / "red.png").rename(media / "crimson.png")
    (media / "metadata.jsonl").write_text('{"file_name": "crimson.png", "year": 2}')
    index.add([media])
    assert {h.path.name: h.metadata["year"] for h in index.search("red", where="year > 0")} == {"crimson.png": 2}


def test_records_keep_their_metadata_when_sidecars_change_and_files_are_copied(index, media):
    (media / "captions.jsonl").write_text('{"text": "purple rain", "year": 1984}')
    index.add([media])
    (media / "metadata.jsonl").write_text('{"file_name": "red.png", "year": 1}')
    shutil.copy(media / "captions.jsonl", media / "copy.jsonl")
    (media / "captions.jsonl").rename(media / "moved.jsonl")
    index.add([media])
    found = {hit.path.name: hit.metadata for hit in index.search("purple rain", target="text", where="year = 1984")}
    assert found == {"copy.jsonl": {"year": 1984}, "moved.jsonl": {"year": 1984}}


def test_the_same_content_under_a_name_of_another_kind_is_no_copy(full, media):
    shutil.copy(media / "red.png", media / "red.wav")
    (media / "line.txt").write_text('{"text": "purple rain"}')
    full.add([media])
    shutil.copy(media / "line.txt", media / "line.jsonl")
    assert "red.wav" in {failure.path.name for failure in full.add([media]).failed}
    assert {hit.excerpt for hit in full.search("purple rain", target="text", k=2)} == {
        "purple rain", '{"text": "purple rain"}',
    }  # fmt: skip


def test_a_missing_folder(index, media):
    with pytest.raises(MediaError, match="no file or folder"):
        index.add([media, media / "nowhere"])
    assert len(index) == 0


def test_a_second_writer_is_refused(full, media):
    with full._store.writer(), pytest.raises(IndexLocked):
        full.add([media])


def test_another_model_or_other_weights(full, media):
    with pytest.raises(ModelMismatch, match="fake"):
        mmsearch.open(full.folder, model="lite")
    connection = sqlite3.connect(full.folder / "catalog.sqlite")
    with connection:
        connection.execute("UPDATE meta SET value = replace(value, '\"1\"', '\"0\"') WHERE key = 'model'")
    connection.close()
    with mmsearch.open(full.folder) as again, pytest.raises(ModelMismatch, match="another version"):
        again.search("red")


def test_a_long_sound_is_committed_whole(index, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.tile(tone("low"), 300), RATE)
    report = index.add([tmp_path / "long.wav"])
    assert (report.added, report.segments) == (1, 119)
    assert index.verify() == []


def test_a_file_that_changes_while_it_is_read_is_tried_again(index, media, monkeypatch):
    monkeypatch.setattr(decoding, "_changed", lambda path, state: path.name == "red.png")
    report = index.add([media])
    assert counts(report) == {"added": 7, "failed": 1}
    assert "changed while" in report.failed[0].reason
    monkeypatch.undo()
    os.utime(media / "red.png", ns=(5, 5))
    assert counts(index.add([media])) == {"added": 1, "unchanged": 7}


def test_progress_is_told(index, media):
    told = []
    index.add([media], progress=told.append)
    assert (told[-1].total, told[-1].added) == (8, 8)


def test_files_are_counted_beside_a_run_that_takes_long(index, media, monkeypatch):
    monkeypatch.setattr("mmsearch.indexing.run.COUNT_AFTER_SECONDS", 0)
    monkeypatch.setattr("mmsearch.indexing.run.PROGRESS_SECONDS", 0)
    monkeypatch.setattr("mmsearch.indexing.pipeline.JOBS", 1)
    for number in range(300):
        picture("red", (200, 200 + number)).save(media / f"{number}.png")
    totals = []
    index.add([media], exclude=["*.md"], progress=lambda now: totals.append((now.added, now.total)))
    assert any(total == 307 and added < 300 for added, total in totals)
    assert totals[-1] == (307, 307)
