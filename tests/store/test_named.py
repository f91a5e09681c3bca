"""What a user means when they name something."""

import pytest

from mmsearch import Record
from mmsearch.errors import QueryError
from mmsearch.store.named import ids, only


@pytest.mark.parametrize("name", ["\udcff\udcfe", "\ud800", "~\0/x.txt", "id:gone", "id:id:gone"])
def test_a_name_that_nothing_can_have_is_not_there(full, name):
    with pytest.raises(QueryError, match="nothing in the index has the id .* or is at that path"):
        full.named(name)
    with pytest.raises(QueryError, match="nothing in the index is at ") as caught:
        full.remove(paths=[name])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (b"", "a path is a str or a Path, not b''"),
        (b"media", "a path is a str or a Path, not b'media'"),
        (None, "a path is a str or a Path, not None"),
        (5, "a path is a str or a Path, not 5"),
        ("", "a blank path names nothing"),
        (" \n", "a blank path names nothing"),
    ],
)
def test_what_is_no_path_stands_for_nothing(full, media, monkeypatch, path, said):
    monkeypatch.chdir(media)
    for ask in (lambda: full.named(path), lambda: full.remove(paths=[media / "red.png", path])):
        with pytest.raises(QueryError, match=said):
            ask()
    assert len(full) == 8


def test_one_path_and_one_id_are_not_taken_letter_by_letter(full, media):
    full.add_items([Record(id="mine", text="my own"), Record(id="m", text="another")])
    assert full.remove(paths=str(media / "red.png")) == full.remove(paths=media / "sea.md") == 1
    assert full.remove(ids="mine") == 1
    assert len(full) == 7


def test_neighbours_whose_names_begin_alike_stay(index, tmp_path):
    """Of roots, of folders below a root, and of folders in which roots are."""
    for name in ("in/a/b/1", "in/a/b/2", "in/a/b0/3", "in/a/b1/4", "in/a/b.x/5", "in/ab/6", "inn/7"):
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    index.add([tmp_path / "in" / "a", tmp_path / "in" / "ab", tmp_path / "inn"])

    def left():
        return sorted(item.path.stem for item in index.items())

    assert len(index.named(tmp_path / "in" / "a" / "b")) == 2
    assert len(index.named(tmp_path / "in")) == 6
    assert index.remove(paths=[tmp_path / "in" / "a" / "b"]) == 2
    assert left() == ["3", "4", "5", "6", "7"]
    assert len(index.named(tmp_path / "in" / "ab" / "6.txt")) == 1
    assert index.remove(paths=[tmp_path / "in" / "a"]) == 3
    assert left() == ["6", "7"]
    assert index.remove(paths=[tmp_path / "in"]) == 1
    assert left() == ["7"]


def test_a_name_may_be_written_as_in_a_sum(full, media, monkeypatch):
    monkeypatch.chdir(media)
    full.add_items([Record(id="mine", text="one"), Record(id="id:mine", text="two"), Record(id="id:own", text="three")])
    assert full.named("mine") == ["mine"] and full.named("id:mine") == ["id:mine"]
    assert full.named("id:own") == full.named("id:id:own") == ["id:own"]
    assert full.named("id: red.png") == full.named("red.png") == full.named(media / "red.png")


def test_a_folder_is_named_in_one_query_and_in_the_order_of_its_paths(full, media):
    paths = {item.id: item.path for item in full.items()}
    wanted = sorted(paths, key=lambda id_: bytes(paths[id_]))
    with full.hold() as view:
        asked = []

        class Counted:
            roots = staticmethod(view.roots)

            def query(self, *arguments):
                asked.append(arguments)
                return view.query(*arguments)

        assert ids(Counted(), media) == wanted
    assert len(asked) < len(wanted)


def test_a_file_whose_name_is_no_utf_8_is_found(index, media):
    path = media / "\udcff.txt"
    path.write_text("red")
    index.add([media])
    assert len(index.named(path)) == len(index.named(str(path))) == 1


def test_one_item_is_meant(full, media):
    assert only("it", ["a"]) == "a"
    with pytest.raises(QueryError, match="media stands for 8 items; name one by its id, such as "):
        only("media", full.named(media))
    with pytest.raises(QueryError, match="nothing in the index came from it"):
        only("it", [])


def test_a_file_of_which_nothing_could_be_read(index, media):
    (media / "bad.png").write_bytes(b"no picture")
    index.add([media])
    with pytest.raises(QueryError, match=r"bad\.png"):
        index.within(media / "bad.png", "red")
