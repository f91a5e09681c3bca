import sqlite3

import numpy as np
import pytest

import mmsearch
from mmsearch import engine
from mmsearch.store import backgrounds
from mmsearch.store.backgrounds import Background, Bank

BEST = np.linspace(0.4, 0.1, 64, dtype=np.float32).reshape(32, 2)
MADE = Bank("fake", "1", "made-1", np.eye(32, 64, dtype=np.float16))


def background(**changed):
    return Background(
        **{
            "asked": "text", "target": "image", "space": "fake", "version": "1", "bank": "made-1", "covered": {1: 50},
            "best": BEST, "shared": BEST / 2, **changed,
        }
    )  # fmt: skip


@pytest.fixture
def filled(index):
    index.add_vectors(np.random.default_rng(0).standard_normal((10, 64)), modality="image")
    return index


def keep(index, banks, found):
    with index._store.writer() as writer:
        writer.keep_backgrounds(banks, found)


def test_what_is_kept_is_read(filled):
    keep(filled, [MADE], [background(), background(target="audio", covered={1: 2, 7: 9}, shared=None)])
    audio, image = backgrounds.read(filled._store.query)
    assert (image.asked, image.target, image.bank, dict(image.covered)) == ("text", "image", "made-1", {1: 50})
    assert dict(audio.covered) == {1: 2, 7: 9}
    np.testing.assert_array_equal(image.best, BEST)
    np.testing.assert_allclose(image.shared, BEST / 2, rtol=1e-3)
    assert audio.shared is None
    found = backgrounds.bank(filled._store.query, "fake", "1")
    assert found.name == "made-1"
    np.testing.assert_array_equal(found.vectors, MADE.vectors)
    assert backgrounds.bank(filled._store.query, "fake", "2") is None
    assert filled.verify() == []


def test_a_direction_is_kept_once_and_a_space_without_vectors_not_at_all(filled):
    keep(filled, [MADE], [background()])
    other = background(bank="made-2", best=BEST[:20], shared=None)
    keep(filled, [], [other, background(space="gone"), background(version="2")])
    (found,) = backgrounds.read(filled._store.query)
    assert (found.bank, len(found.best)) == ("made-2", 20)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE backgrounds SET best = x'010203'", "text->image"),
        ("UPDATE backgrounds SET best = x'0000c07f'", "text->image"),  # NaN
        ("UPDATE backgrounds SET width = 3", "text->image"),
        ("UPDATE backgrounds SET shared = x'003c'", "text->image"),  # of one question
        ("UPDATE backgrounds SET covered = '[1]'", "text->image"),
        ("UPDATE backgrounds SET target = 'smell'", "text->smell"),
        ("UPDATE banks SET dim = 7", "fake"),
        ("UPDATE banks SET vectors = 'x'", "fake"),
    ],
)
def test_what_cannot_be_read_is_told_and_left_out(filled, damage, said):
    keep(filled, [MADE], [background()])
    folder = filled.folder
    filled.close()
    with sqlite3.connect(folder / "catalog.sqlite") as catalog:
        catalog.execute(damage)
    catalog.close()
    with mmsearch.open(folder) as opened:
        assert len(opened.search("red", target="image")) == 10
        assert [problem for problem in opened.verify() if said in problem]
    done = engine.repair(folder)
    assert any(said in sentence for sentence in done.done)
    assert (done.lost, done.left) == ((), ())
    with mmsearch.open(folder) as opened:
        assert opened.verify() == []


def test_a_catalog_that_is_copied_keeps_what_can_be_read(filled):
    keep(filled, [MADE], [background()])
    folder = filled.folder
    filled.close()
    with sqlite3.connect(folder / "catalog.sqlite") as catalog:
        catalog.execute("DROP TABLE settings")
    catalog.close()
    engine.repair(folder)
    with mmsearch.open(folder) as opened:
        (found,) = backgrounds.read(opened._store.query)
        np.testing.assert_array_equal(found.best, BEST)
        np.testing.assert_allclose(found.shared, BEST / 2, rtol=1e-3)
