"""Tuned chains in the catalog."""

import sqlite3

import pytest
from made import picture

import mmsearch
from mmsearch import Record
from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store.chains import Tuned

ONE = Tuned("text", "image", "fake", "1", "nnn:0.5", {"p": 0.01})
OTHER = Tuned("image", "text", "fake", "1", "", {})


@pytest.fixture
def tuned(index):
    index.add_items([Record(id="red", image=picture("red"))])
    with index._store.writer() as writer:
        writer.keep_chains([ONE, OTHER])
    return index


def sql(index, statement):
    index.close()
    with sqlite3.connect(index.folder / "catalog.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def test_they_are_kept_replaced_and_forgotten(tuned):
    assert tuned.chains.kept() == (OTHER, ONE)
    again = Tuned("text", "image", "fake", "1", "qbnorm", {"p": 0.02})
    elsewhere = Tuned("text", "image", "fake.fit-image", "abc", "nnn", {})
    with tuned._store.writer() as writer:
        writer.keep_chains([again, elsewhere])
    assert tuned.chains.kept() == (OTHER, again, elsewhere)
    with tuned._store.writer() as writer:
        writer.forget_chains([again])
    assert tuned.chains.kept() == (OTHER, elsewhere)
    assert list(tuned.verify()) == []


def test_a_search_knows_them_by_its_snapshot(tuned):
    first = tuned._store.snapshot()
    assert first.chains == (("image", "text", "fake", "1", ""), ("text", "image", "fake", "1", "nnn:0.5"))
    with tuned._store.writer() as writer:
        writer.forget_chains([ONE])
    assert [chain[0] for chain in tuned._store.snapshot().chains] == ["image"]
    assert len(first.chains) == 2


@pytest.mark.parametrize(
    "wrong", [Tuned("video", "image", "s", "1", "", {}), Tuned("text", "image", "s", "1", "", {"x": object()})]
)
def test_what_cannot_be_kept(tuned, wrong):
    version = tuned._store.snapshot().version
    with tuned._store.writer() as writer, pytest.raises(StoreError):
        writer.keep_chains([wrong])
    assert tuned._store.snapshot().version == version


@pytest.mark.parametrize(
    "damage", ["card = '['", "card = '[1]'", "asked = 'video'", "chain = x'00'", "version = x'00'"]
)
def test_what_cannot_be_read_is_told_and_left_out(tuned, damage):
    folder = tuned.folder
    sql(tuned, f"UPDATE chains SET {damage} WHERE asked = 'text'")
    with mmsearch.open(folder) as index:
        assert any("the tuned chain of" in said for said in index.verify())
        if "card" in damage:
            with pytest.raises(IndexDamaged, match="verify --repair"):
                index.chains.kept()
    done = mmsearch.repair(folder)
    assert any("was left out: `mmsearch tune` makes another" in said for said in done.done)
    assert done.lost == ()
    with mmsearch.open(folder) as index:
        assert index.chains.kept() == (OTHER,)
        assert list(index.verify()) == []


def test_a_copy_has_them(tuned, tmp_path):
    tuned.snapshot(tmp_path / "copy")
    with mmsearch.open(tmp_path / "copy") as copy:
        assert copy.chains.kept() == (OTHER, ONE)


def test_they_survive_a_damaged_catalog(tuned, tmp_path):
    folder = tuned.folder
    sql(tuned, "DROP TABLE sidecars")
    mmsearch.repair(folder)
    with mmsearch.open(folder) as index:
        assert index.chains.kept() == (OTHER, ONE)
