import hashlib
import os
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import MediaError
from mmsearch.media.scan import Entry, Problem, content_hash, walk
from mmsearch.types import Modality


def touch(path, content=b"x"):
    path = Path(os.fsdecode(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@contextmanager
def without_root(folder):
    """Permissions mean nothing to root: take another user's rights, who may at least reach the test's folder."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def paths(found):
    return [one.path for one in found]


def test_entries_carry_size_time_and_modality(tmp_path):
    touch(tmp_path / "a" / "b.JPG", b"12345")
    os.utime(tmp_path / "a" / "b.JPG", ns=(1, 1_700_000_000_123_456_789))
    assert list(walk(tmp_path)) == [Entry(b"a/b.JPG", 5, 1_700_000_000_123_456_789, Modality.IMAGE)]
    assert list(walk(os.fsencode(tmp_path))) == list(walk(tmp_path))


def test_folders_sort_with_their_slash(tmp_path):
    for name in ("a.txt", "a/b.txt", "a0.txt", "a-.txt", "B.txt", "a/b/c.txt", "a/b.d/c.txt"):
        touch(tmp_path / name)
    assert paths(walk(tmp_path)) == [
        b"B.txt", b"a-.txt", b"a.txt", b"a/b.d/c.txt", b"a/b.txt", b"a/b/c.txt", b"a0.txt",
    ]  # fmt: skip


names = st.lists(st.sampled_from([b" ", b"-", b".x", b"/", b"0", b"a", b"b", b"\n", b"\xe9", b"\xff"]), min_size=1).map(
    b"".join
)


@given(st.sets(names, max_size=12))
def test_order_is_that_of_the_path_bytes(tmp_path_factory, relative):
    root = os.fsencode(tmp_path_factory.mktemp("walk"))
    made = set()
    for name in relative:
        parts = [part for part in name.split(b"/") if part.strip(b".")]
        parts = [part.lstrip(b".") or b"a" for part in parts]
        if parts:
            path = b"/".join(parts[:-1] + [parts[-1] + b".txt"])
            touch(root + b"/" + path)
            made.add(path)
    assert paths(walk(root)) == sorted(made)


@pytest.mark.parametrize("name", [b"new\nline.jpg", b"caf\xe9.jpg", b"\xff\xfe.jpg", b" .jpg", b"-rf.jpg", b"'\";.jpg"])
def test_any_file_name_works(tmp_path, name):
    touch(os.fsencode(tmp_path) + b"/" + name)
    assert paths(walk(tmp_path)) == [name]


def test_hidden_files_sidecars_and_other_suffixes_are_skipped(tmp_path):
    for name in (".hidden.jpg", ".git/a.jpg", "metadata.jsonl", "metadata.csv", "a.pdf", "noending", "b.jpg"):
        touch(tmp_path / name)
    assert paths(walk(tmp_path)) == [b"b.jpg"]


def test_links_to_files_are_followed_and_links_to_folders_are_reported(tmp_path):
    touch(tmp_path / "far" / "a.jpg", b"1234567")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file.jpg").symlink_to(tmp_path / "far" / "a.jpg")
    (root / "folder").symlink_to(tmp_path / "far")
    (root / "loop").symlink_to(root)
    file, folder, loop = walk(root)
    assert (file.path, file.size) == (b"file.jpg", 7)
    assert (folder.path, folder.on_purpose) == (b"folder/", True)
    assert (loop.path, loop.on_purpose) == (b"loop/", True)


def test_broken_links_and_link_loops_are_failures(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    gone, around = walk(tmp_path)
    assert gone == Problem(b"gone.jpg", "broken link: no such file or directory")
    assert around.path == b"round.jpg"
    assert "too many levels of symbolic links" in around.reason
    assert not around.on_purpose


def test_fifos_sockets_and_links_to_them_are_never_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "link.mp3").symlink_to(tmp_path / "pipe.mp3")
    monkeypatch.chdir(tmp_path)  # the name of a socket may have 108 bytes
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.txt")
    assert list(walk(tmp_path)) == []


def test_a_folder_that_cannot_be_read_is_a_failure(tmp_path):
    touch(tmp_path / "closed" / "a.jpg")
    touch(tmp_path / "open.jpg")
    (tmp_path / "closed").chmod(0)
    with without_root(tmp_path):
        closed, entry = walk(tmp_path)
    (tmp_path / "closed").chmod(0o755)
    assert closed == Problem(b"closed/", "folder cannot be read: permission denied")
    assert entry.path == b"open.jpg"


def test_a_file_that_cannot_be_read_has_no_hash(tmp_path):
    touch(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").chmod(0)
    with without_root(tmp_path), pytest.raises(MediaError, match="permission denied"):
        content_hash(tmp_path / "a.jpg")


def test_exclude_matches_names_and_relative_paths(tmp_path):
    for name in ("keep.jpg", "a/skip.jpg", "a/keep.jpg", "raw/x.jpg", "b/raw/deep/x.jpg", "é1.jpg", "b/thumb_1.jpg"):
        touch(tmp_path / name)
    assert paths(walk(tmp_path, exclude=["raw/", "a/s*", "thumb_*", "?1.jpg"])) == [b"a/keep.jpg", b"keep.jpg"]
    assert paths(walk(tmp_path, exclude=["*/x.jpg", "RAW"]))[-1] == "é1.jpg".encode()


def test_a_prefix_limits_the_walk_and_keeps_the_root(tmp_path):
    for name in ("a/b/c.jpg", "a/d.jpg", "e.jpg", "f.pdf"):
        touch(tmp_path / name)
    assert paths(walk(tmp_path, b"a")) == [b"a/b/c.jpg", b"a/d.jpg"]
    assert paths(walk(tmp_path, b"a/b/")) == [b"a/b/c.jpg"]
    assert paths(walk(tmp_path, b"e.jpg")) == [b"e.jpg"]
    assert list(walk(tmp_path, b"f.pdf")) == [Problem(b"f.pdf", "no picture, sound or text by its suffix")]
    assert paths(walk(tmp_path, b"a", exclude=["a/b"])) == [b"a/d.jpg"]


def test_a_missing_root_is_an_error_of_the_call(tmp_path):
    touch(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match="no such file or directory"):
        walk(tmp_path / "nowhere")
    with pytest.raises(MediaError, match="no such file or directory"):
        walk(tmp_path, b"nowhere")
    with pytest.raises(MediaError, match="not a folder"):
        walk(tmp_path / "a.jpg")


def test_a_file_deleted_during_the_walk_was_never_there(tmp_path):
    for name in ("a.jpg", "b.jpg", "c/d.jpg"):
        touch(tmp_path / name)
    found = walk(tmp_path)
    assert next(found).path == b"a.jpg"
    (tmp_path / "b.jpg").unlink()
    assert paths(found) == [b"c/d.jpg"]


def test_hash_is_blake2b_of_the_content(tmp_path):
    content = os.urandom(3 << 20) + b"tail"
    touch(tmp_path / "a", content)
    assert content_hash(tmp_path / "a") == hashlib.blake2b(content, digest_size=16).digest()
    assert content_hash(os.fsencode(tmp_path / "a")) == content_hash(tmp_path / "a")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (Path.mkdir, "is a directory"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.write_bytes(b""), "empty"),
    ],
)
def test_hash_of_what_is_no_file_is_an_error_and_does_not_wait(tmp_path, make, reason):
    make(tmp_path / "a")
    with pytest.raises(MediaError, match=reason):
        content_hash(tmp_path / "a")
