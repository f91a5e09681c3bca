import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.errors import MediaError
from mmsearch.media.scan import Entry, Problem, walk
from mmsearch.types import Modality


@pytest.fixture
def tree(tmp_path):
    """Make files (bytes paths) below a root; gives the root."""
    root = tmp_path / "root"
    root.mkdir()

    def make(*paths, content=b"x"):
        for path in paths:
            full = root / os.fsdecode(path)
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(content)
        return root

    return make


def paths_of(found):
    return [entry.path for entry in found if isinstance(entry, Entry)]


def problems_of(found):
    return {problem.path: problem for problem in found if isinstance(problem, Problem)}


# Names that sort differently with and without the `/` of a folder, and bytes that are no UTF-8.
_names = st.text(alphabet="a.!0/é", min_size=1, max_size=4).map(os.fsencode) | st.sampled_from(
    [b"\xff", b"a\n", b"\xe9"]
)


@given(st.lists(_names, max_size=14), st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_is_that_of_the_bytes_of_relative_paths(names, data):
    with tempfile.TemporaryDirectory() as folder:
        made = set()
        for name in names:
            parts = [part for part in name.split(b"/") if part.strip(b".")]
            path = b"/".join(parts) + data.draw(st.sampled_from([b".txt", b".JPG", b".wav"]))
            full = Path(folder) / os.fsdecode(path)
            try:
                full.parent.mkdir(parents=True, exist_ok=True)
                full.write_bytes(b"x")
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue
            if not any(part.startswith(b".") for part in path.split(b"/")):
                made.add(path)
        assert paths_of(walk(Path(folder))) == sorted(made)


def test_entries_say_size_time_and_modality(tree):
    root = tree(b"b.txt", b"a/photo.JPG", b"a/s.ogg", content=b"12345")
    os.utime(root / "b.txt", ns=(0, 1_234_567_890_123_456_789))
    found = list(walk(root))
    assert [(entry.path, entry.size, entry.modality) for entry in found] == [
        (b"a/photo.JPG", 5, Modality.IMAGE),
        (b"a/s.ogg", 5, Modality.AUDIO),
        (b"b.txt", 5, Modality.TEXT),
    ]
    assert found[2].mtime_ns == 1_234_567_890_123_456_789


def test_hidden_files_sidecars_and_other_suffixes_are_no_entries(tree):
    root = tree(b".a.txt", b".git/a.txt", b"metadata.csv", b"s/metadata.jsonl", b"a.exe", b"b", b"s/records.jsonl")
    assert list(walk(root)) == [Entry(b"s/records.jsonl", 1, (root / "s/records.jsonl").stat().st_mtime_ns, "text")]


def test_names_may_hold_newlines_and_invalid_utf8(tree):
    names = [b"a\nb.txt", b"caf\xe9/\xff\xfe.png", b" .txt"]
    assert paths_of(walk(tree(*names))) == sorted(names)


def test_a_file_deleted_during_the_walk_is_as_if_it_had_never_been_there(tree):
    root = tree(b"a.txt", b"b.txt")
    found = walk(root)
    assert next(found).path == b"a.txt"
    (root / "b.txt").unlink()
    assert list(found) == []


def test_fifos_and_sockets_are_neither_opened_nor_listed(tree, monkeypatch):
    root = tree(b"a.txt")
    os.mkfifo(root / "b.txt")
    (root / "c.txt").symlink_to(root / "b.txt")
    monkeypatch.chdir(root)  # the name of a socket may have 108 bytes
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.txt")
    assert paths_of(walk(root)) == [b"a.txt"]


def test_a_broken_link_is_a_problem_and_the_rest_goes_on(tree):
    root = tree(b"a.txt", b"c.txt")
    (root / "b.png").symlink_to("nowhere.png")
    found = list(walk(root))
    assert paths_of(found) == [b"a.txt", b"c.txt"]
    assert problems_of(found)[b"b.png"].reason.startswith("broken link")
    assert not problems_of(found)[b"b.png"].on_purpose


def test_link_loops_end(tree):
    root = tree(b"a/a.txt")
    (root / "self.txt").symlink_to("self.txt")
    (root / "a" / "up").symlink_to("..")
    found = list(walk(root))
    assert paths_of(found) == [b"a/a.txt"]
    assert problems_of(found)[b"a/up/"].on_purpose
    assert problems_of(found)[b"self.txt"].reason.startswith("broken link")


def test_links_to_files_are_followed(tree):
    root = tree(b"a.txt", content=b"12345678")
    (root / "b.txt").symlink_to("a.txt")
    assert [(entry.path, entry.size) for entry in walk(root)] == [(b"a.txt", 8), (b"b.txt", 8)]


@pytest.mark.parametrize(
    ("globs", "left"),
    [
        ([], [b"a.txt", b"raw/a.txt", b"raw/deep/b.jpg", b"x/raw.jpg"]),
        (["raw"], [b"a.txt", b"x/raw.jpg"]),
        (["raw/"], [b"a.txt", b"x/raw.jpg"]),
        (["*.txt"], [b"raw/deep/b.jpg", b"x/raw.jpg"]),
        (["raw/*.txt"], [b"a.txt", b"raw/deep/b.jpg", b"x/raw.jpg"]),
        (["raw/*"], [b"a.txt", b"x/raw.jpg"]),
        (["x", "deep"], [b"a.txt", b"raw/a.txt"]),
        (["RAW", "?.TXT"], [b"a.txt", b"raw/a.txt", b"raw/deep/b.jpg", b"x/raw.jpg"]),
    ],
)
def test_globs_leave_out_names_and_paths(tree, globs, left):
    root = tree(b"a.txt", b"raw/a.txt", b"raw/deep/b.jpg", b"x/raw.jpg")
    assert paths_of(walk(root, exclude=globs)) == left


def test_a_question_mark_is_one_character_even_of_a_name_that_is_no_utf8(tree):
    root = tree("é.txt".encode(), b"\xff.txt", b"ab.txt")
    assert paths_of(walk(root, exclude=["?.txt"])) == [b"ab.txt"]
    assert paths_of(walk(root, exclude="?.*")) == [b"ab.txt"]


def test_a_prefix_walks_one_folder_or_one_file(tree):
    root = tree(b"a/b/c.txt", b"a/d.txt", b"a.txt", b"e.bin")
    assert paths_of(walk(root, b"a")) == paths_of(walk(os.fsencode(root), b"a/")) == [b"a/b/c.txt", b"a/d.txt"]
    assert paths_of(walk(root, b"a", exclude=["a/b"])) == [b"a/d.txt"]
    assert paths_of(walk(root, b"a/d.txt")) == [b"a/d.txt"]
    assert problems_of(walk(root, b"e.bin"))[b"e.bin"].reason == "no picture, sound or text by its suffix"


def test_a_deep_tree_costs_no_recursion(tmp_path):
    depth = 900
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):  # by descriptor: the whole path is longer than a path may be when made, not when walked
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("end.txt", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert paths_of(walk(tmp_path)) == [b"d/" * depth + b"end.txt"]


def test_a_missing_root_and_roots_that_are_no_folders_are_errors_at_once(tree):
    root = tree(b"a.txt")
    os.mkfifo(root / "fifo")
    with pytest.raises(MediaError, match="no such file"):
        walk(root / "gone")
    with pytest.raises(MediaError, match="not a folder"):
        walk(root / "a.txt")
    with pytest.raises(MediaError, match="not a folder and not a regular file"):
        walk(root, b"fifo")
    with pytest.raises(MediaError, match="no such file"):
        walk(root, b"gone.txt")
    with pytest.raises(MediaError):
        walk(b"nul\0byte")


def test_an_unreadable_folder_is_a_problem_and_the_rest_goes_on(as_nobody, tree):
    root = tree(b"a.txt", b"shut/b.txt", b"z.txt")
    (root / "shut").chmod(0)
    try:
        assert as_nobody("for found in scan.walk(Path('root')): print(found.path, getattr(found, 'reason', ''))") == (
            "b'a.txt' \nb'shut/' folder cannot be read: permission denied\nb'z.txt' \n"
        )
        assert as_nobody("try: scan.walk(Path('root'), b'shut')\nexcept MediaError as e: print(e)").endswith(
            "permission denied\n"
        )
    finally:
        (root / "shut").chmod(stat.S_IRWXU)
