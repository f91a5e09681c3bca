"""What a user means when they name something."""

import pytest

from mmsearch.errors import QueryError
from mmsearch.store.named import only


@pytest.mark.parametrize("name", ["\udcff\udcfe", "\ud800"])
def test_a_name_that_is_no_utf_8_is_not_there(full, name):
    with pytest.raises(QueryError, match="nothing in the index has the id .* or is at that path"):
        full.named(name)


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
