import numpy as np
import pytest

import mmsearch
from mmsearch.search.calibrate import update as module
from mmsearch.search.calibrate.bank import QUESTIONS, name
from mmsearch.search.calibrate.yardstick import Yardstick
from mmsearch.store import backgrounds

DIM = 64


def rows(count, seed):
    made = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def kept(index):
    with index.hold() as view:
        return {(one.asked, one.target): one for one in backgrounds.read(view.query)}


def best(questions, found):
    """The twenty best cosines of each."""
    return -np.sort(-(questions @ found.T), axis=1)[:, :20]


def bank(index):
    with index.hold() as view:
        return backgrounds.bank(view.query, "fake", "1").vectors[:QUESTIONS].astype(np.float32)


def test_made_questions_have_the_best_cosine_of_all_rows(index):
    pictures = rows(150, 0)
    index.add_vectors(pictures, modality="image")
    found = kept(index)["text", "image"]
    assert (found.bank, len(found.best)) == (name(), QUESTIONS)
    assert found.best == pytest.approx(best(bank(index), pictures), abs=1e-6)
    exemplars = index.model.tagger.exemplars(index.model.heads[0].space, "image")
    first = np.argsort(-(bank(index) @ pictures.T), axis=1)[:, :20]
    owners = np.repeat(np.arange(QUESTIONS), 20)
    shared = Yardstick(exemplars, bank(index)).shared(bank(index), pictures[first.ravel()], owners)
    assert found.shared.ravel() == pytest.approx(shared, abs=1e-3)
    assert np.ptp(found.shared) > 0.1
    index.add_vectors(rows(50, 1), modality="text")
    text = kept(index)["text", "text"]
    assert (text.best.shape, text.shared) == ((QUESTIONS, 1), None)  # texts have no classes


def test_what_is_added_by_and_by_gives_the_same_as_at_once(index, monkeypatch, tmp_path):
    all_rows = rows(300, 1)
    compared = []
    real = module.exact.block
    monkeypatch.setattr(
        module.exact, "block", lambda parts, *rest: compared.append(sum(map(len, parts))) or real(parts, *rest)
    )
    for start in range(0, 300, 100):
        index.add_vectors(all_rows[start : start + 100], modality="image")
    assert compared == [100, 100, 100]  # no row twice
    found, at_once = kept(index)["text", "image"], tmp_path / "at once"
    assert found.best == pytest.approx(best(bank(index), all_rows), abs=1e-6)
    with mmsearch.open(at_once, model="fake") as other:
        other.add_vectors(all_rows, modality="image")
        assert found.shared == pytest.approx(kept(other)["text", "image"].shared, abs=2e-3)


def test_who_goes_on_writing_compares_what_is_new_and_reads_what_is_kept_once(index, monkeypatch):
    compared, looks = [], []
    real, read = module.exact.block, backgrounds.read
    monkeypatch.setattr(
        module.exact, "block", lambda parts, *rest: compared.append(sum(map(len, parts))) or real(parts, *rest)
    )
    monkeypatch.setattr(backgrounds, "read", lambda *query: looks.append(query) or read(*query))
    with index.writing():
        for start, count in ((0, 100), (100, 100), (200, 1), (201, 1), (202, 1), (203, 97)):
            index.add_vectors(rows(count, 100 + start), modality="image")
    assert compared == [100, 100, 100]
    assert len(looks) == 3  # at the beginning, and after what was kept has changed
    everything = np.concatenate([rows(count, 100 + start) for start, count in ((0, 100), (100, 100), (200, 1))])
    everything = np.concatenate([everything, rows(1, 301), rows(1, 302), rows(97, 303)])
    assert kept(index)["text", "image"].best == pytest.approx(best(bank(index), everything), abs=1e-6)


def test_a_few_new_rows_wait_for_more(index):
    index.add_vectors(rows(200, 2), modality="image")
    before, version = kept(index)["text", "image"], index.searcher._store.snapshot().version
    index.add_vectors(rows(2, 3), modality="image")
    assert sum(kept(index)["text", "image"].covered.values()) == sum(before.covered.values()) == 200
    assert index.searcher._store.snapshot().version == version + 1  # no commit but that of the rows
    index.add_vectors(rows(8, 4), modality="image")
    assert sum(kept(index)["text", "image"].covered.values()) == 210


def test_removed_rows_count_until_all_is_compared_anew(index):
    pictures = rows(100, 5)
    index.add_vectors(pictures, modality="image", ids=[f"p{n}" for n in range(100)])
    high = kept(index)["text", "image"].best
    index.remove(ids=[f"p{n}" for n in range(50)])
    assert (kept(index)["text", "image"].best == high).all()
    index.optimize()
    left = best(bank(index), pictures[50:])
    assert kept(index)["text", "image"].best == pytest.approx(left, abs=1e-6)
    assert (left < high).any()


def test_rows_that_a_compaction_moved_are_compared_again(index):
    pictures = rows(100, 6)
    index.add_vectors(pictures, modality="image", ids=[f"p{n}" for n in range(100)])
    index.remove(ids=[f"p{n}" for n in range(60)])
    index.compact()
    assert ("text", "image") in kept(index)  # still good enough
    more = rows(5, 7)
    index.add_vectors(more, modality="image")
    expected = best(bank(index), np.concatenate([pictures[60:], more]))
    assert kept(index)["text", "image"].best == pytest.approx(expected, abs=1e-6)


def test_items_held_out_are_compared_when_their_kind_is_set_aside(index):
    """Pictures of two kinds: what a picture of one kind finds in the other is the background, not its own kind."""
    centres = rows(20, 8)
    pictures = np.repeat(centres, 5, axis=0) + 0.02 * rows(100, 9)
    index.add_vectors(pictures, modality="image")
    level = kept(index)["image", "image"].best
    unit = pictures / np.linalg.norm(pictures, axis=1, keepdims=True)
    own = np.sort(unit @ unit.T, axis=1)[:, -4]
    assert level.max() < 0.7 < own.min()
    assert len(level) == 100
    assert ("audio", "image") not in kept(index)


def test_a_very_small_index_is_not_calibrated(index):
    index.add_vectors(rows(19, 10), modality="image")
    assert kept(index) == {}
    index.add_vectors(rows(1, 11), modality="image")
    assert ("text", "image") in kept(index)
    assert ("text", "text") not in kept(index)
    index.add_vectors(rows(1, 12), modality="text")  # one that is alone in an index that is not small
    assert ("text", "text") in kept(index)


def test_questions_are_encoded_once(index, monkeypatch):
    index.add_vectors(rows(50, 13), modality="image")
    monkeypatch.setattr(module, "banks", None)
    index.add_vectors(rows(50, 14), modality="audio")
    assert ("text", "audio") in kept(index)


def test_other_questions_begin_anew(index, monkeypatch):
    index.add_vectors(rows(50, 15), modality="image")
    with index._store.writer() as writer:
        old = backgrounds.Bank("fake", "1", "older", np.eye(DIM, dtype=np.float16))
        gone = backgrounds.Background("text", "image", "fake", "1", "older", {1: 50}, np.ones((DIM, 1), np.float32))
        writer.keep_backgrounds([old], [gone])
    index.add_vectors(rows(1, 16), modality="image")
    found = kept(index)["text", "image"]
    assert (found.bank, len(found.best), found.best.max() < 0.9) == (name(), QUESTIONS, True)


def test_a_damaged_bank_or_background_is_made_again(index):
    index.add_vectors(rows(100, 17), modality="image")
    before = kept(index)["text", "image"]
    for damage in ("UPDATE banks SET vectors = substr(vectors, 1, 100 * 4 * dim)", "UPDATE backgrounds SET width = 10"):
        with index._store.writer() as writer:
            writer._alter(lambda sql, damage=damage: sql(damage))
        index.add_vectors(rows(1, 18), modality="text")
        assert kept(index)["text", "image"].best.shape == before.best.shape == (QUESTIONS, 20)
        assert len(bank(index)) == QUESTIONS
