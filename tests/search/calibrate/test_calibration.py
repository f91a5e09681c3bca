"""What the catalog keeps of a direction, made ready: tails, cut and yardstick, against the same by hand."""

import numpy as np
import pytest

from mmsearch.search.calibrate.calibration import Calibration
from mmsearch.search.calibrate.scale import CUTS, OTHERS, PLAIN, WORD, Cut
from mmsearch.search.calibrate.tail import LEAST, Tail
from mmsearch.search.calibrate.yardstick import FIRST_ROWS, Yardstick, agreement
from mmsearch.search.lanes import Lane
from mmsearch.search.route import Route
from mmsearch.store import backgrounds
from mmsearch.store.backgrounds import Background, Bank
from mmsearch.types import Modality

IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO
LEVELS = np.linspace(0.6, 0.2, 40, dtype=np.float32)[:, None]


def rows(count, seed):
    """Unit vectors that lean to one side, as those of models do."""
    drawn = np.random.default_rng(seed).standard_normal((count, 64)) + 0.5
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def calibration(index, asked, target):
    with index.hold() as view:
        finder, way = index.searcher._finder, Route(index.model.heads[0].space)
        return finder._calibrations.of(view, [asked], target, way)


def keep(index, found, bank=None):
    with index._store.writer() as writer:
        writer.keep_backgrounds([] if bank is None else [bank], [found])


def same(tail, best):
    fitted = Tail.fit(best)
    assert tail.knots == pytest.approx(fitted.knots, abs=1e-4)
    assert (tail.shape, tail.scale) == pytest.approx((fitted.shape, fitted.scale), rel=0.02, abs=1e-4)


@pytest.fixture
def filled(index):
    index.add_vectors(rows(150, 0), modality="image")
    index.add_vectors(rows(70, 1), modality="text")
    index.add_vectors(rows(80, 2), modality="audio")
    return index


@pytest.mark.parametrize("target", [IMAGE, TEXT])
def test_made_questions_are_judged_by_what_is_to_be_expected_of_them(filled, target):
    calibration(filled, TEXT, IMAGE)  # of one modality nothing is left to another
    found, answers = calibration(filled, TEXT, target), rows(*((150, 0) if target is IMAGE else (70, 1)))
    with filled.hold() as view:
        (kept,) = (one for one in backgrounds.read(view.query) if (one.asked, one.target) == (TEXT, target))
        bank = backgrounds.bank(view.query, "fake", "1").vectors.astype(np.float32)
    questions, words = np.split(bank, 2)
    centred = (questions @ answers.T).max(axis=1) - questions @ (answers.sum(axis=0) / (100 + len(answers)))
    exemplars = filled.model.tagger.exemplars(filled.model.heads[0].space, target)
    expected = Yardstick(exemplars, words).expected(questions, own=True)
    if target is IMAGE:
        expected -= agreement(kept.shared, FIRST_ROWS)
    assert np.ptp(expected) > 0.05
    same(found.plain, centred)
    same(found.judged, centred - expected)
    assert found.cut == Cut(CUTS[target], WORD)
    assert found.has_classes is (target is IMAGE)
    (scale,) = found.scales(questions[:1])
    assert scale.background.expected == pytest.approx(Yardstick(exemplars, words).expected(questions[:1])[0], abs=1e-5)
    assert (scale.rows, scale.background.cut) == (len(answers), found.cut)


@pytest.mark.parametrize(("asked", "target"), [(IMAGE, AUDIO), (AUDIO, IMAGE), (AUDIO, AUDIO)])
def test_other_questions_are_judged_as_they_are(filled, asked, target):
    found = calibration(filled, asked, target)
    assert found.cut == Cut(OTHERS[asked])
    assert (found.yardstick, found.has_classes) == (None, False)
    assert found.judged is found.plain
    assert found.scales(rows(1, 5))[0].background.expected == 0


def kept(**changed):
    return Background(**{"asked": "text", "target": "image", "space": "fake", "version": "1", "bank": "made",
                         "covered": {1: 150}, "best": LEVELS, "shared": LEVELS / 2, **changed})  # fmt: skip


def bank(**changed):
    return Bank(**{"space": "fake", "version": "1", "name": "made", "vectors": rows(80, 3).astype(np.float16),
                   **changed})  # fmt: skip


def test_without_what_is_shared_nothing_is_expected_and_another_cut_applies(filled):
    keep(filled, kept(shared=None), bank())
    found = calibration(filled, TEXT, IMAGE)
    assert (found.cut, found.yardstick) == (Cut(PLAIN[IMAGE]), None)
    assert found.judged is found.plain


@pytest.mark.parametrize("other", [bank(name="other"), bank(vectors=rows(60, 3).astype(np.float16))])
def test_a_background_needs_the_questions_that_it_is_of(filled, other):
    keep(filled, kept(), bank())
    assert calibration(filled, TEXT, IMAGE) is not None
    keep(filled, kept(), other)
    assert calibration(filled, TEXT, IMAGE) is None


def test_too_few_questions_tell_nothing(filled):
    keep(filled, kept(asked="audio", bank="held out", best=LEVELS[: LEAST - 1], shared=None))
    assert calibration(filled, AUDIO, IMAGE) is None
    keep(filled, kept(asked="audio", bank="held out", best=LEVELS[:LEAST], shared=None))
    assert calibration(filled, AUDIO, IMAGE) is not None


def test_what_is_added_is_that_of_each_question_by_itself():
    yardstick, tail = Yardstick(rows(30, 6), rows(20, 7)), Tail.fit(LEVELS[:, 0])
    one = Calibration(Lane("fake", IMAGE, (), 5, np.zeros(64, np.float32)), Cut(0.5), tail, tail, yardstick)
    questions, found = rows(4, 8), [rows(3, 9), np.empty((0, 0)), rows(5, 10), rows(1, 11)]
    alone = [one.agreements(question[None], [some])[0] for question, some in zip(questions, found, strict=True)]
    assert one.agreements(questions, found) == pytest.approx(alone, abs=1e-6)
    assert alone[1] == 0 < min(alone[0], alone[2], alone[3])
    shared = yardstick.shared(questions[:1], found[0], np.zeros(3, int))
    assert alone[0] == pytest.approx(agreement(shared[None], 5)[0], abs=1e-6)
