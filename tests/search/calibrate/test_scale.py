import numpy as np
import pytest

from mmsearch.search.calibrate.scale import ENOUGH, WORD, Background, Cut, Scale, Scales
from mmsearch.search.calibrate.tail import Tail, confidence
from mmsearch.search.candidates import Candidates
from mmsearch.types import Modality

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT
draw = np.random.default_rng(0)
# Whatever asks, pictures have cosines of .2 about .1; texts have cosines of .4 about -.1.
IMAGES = Tail.fit(draw.normal(0.1, 0.01, 256))
TEXTS = Tail.fit(draw.normal(0.3, 0.05, 256))


def scales(image=IMAGES, text=TEXTS, rows=ENOUGH, expected=0.0):
    def scale(centre, tail):
        return Scale(centre, rows, None if tail is None else Background(tail, tail, expected, Cut(0.9, WORD)))

    return Scales({IMAGE: scale(0.1, image), TEXT: scale(-0.1, text)})


def candidates(modalities, cosines):
    count = len(cosines)
    cosines = np.array(cosines, np.float32)
    return Candidates(np.arange(count), np.arange(count), np.array(modalities, object), cosines, cosines)


def test_a_list_goes_by_how_rare_a_cosine_is():
    both = scales()
    rare, common = np.array([0.26], np.float32), np.array([0.30], np.float32)  # .06 above, against .10 below its own
    assert both.scores(IMAGE, rare) > both.scores(TEXT, common)
    assert rare - 0.1 < common + 0.1  # the other way round by centred cosines


@pytest.mark.parametrize(("image", "text"), [(IMAGES, None), (None, TEXTS), (None, None)])
def test_without_all_backgrounds_it_goes_by_centred_cosines(image, text):
    found = scales(image, text)
    cosines = np.array([0.3, 0.2], np.float32)
    assert found.scores(IMAGE, cosines) == pytest.approx(cosines - 0.1)
    assert found.scores(TEXT, cosines) == pytest.approx(cosines + 0.1)
    assert not found.known


def test_one_modality_alone_goes_by_centred_cosines():
    empty = Scales({IMAGE: scales().by_modality[IMAGE], TEXT: Scale(0.0, 0)})
    assert empty.known
    assert empty.scores(IMAGE, np.array([0.3], np.float32)) == pytest.approx(0.2)


def test_confidence_falls_in_each_modality_whatever_the_order():
    found = candidates([IMAGE, TEXT, IMAGE, TEXT], [0.2, 0.1, 0.23, 0.3])
    image = scales().by_modality[IMAGE].confidences(np.array([0.23, 0.2], np.float32))
    confidences = scales().confidences(found)
    assert confidences[[0, 2]] == pytest.approx(image)
    assert confidences[1] > confidences[3]
    assert np.isnan(scales(text=None).confidences(found)[[1, 3]]).all()


def test_the_more_is_expected_the_less_a_cosine_says():
    cosines = np.array([0.22], np.float32)
    high, low = (scales(expected=expected).by_modality[IMAGE] for expected in (0.0, 0.02))
    assert low.confidences(cosines) < high.confidences(cosines)
    assert (low.evidence(cosines) == high.evidence(cosines)).all()


@pytest.mark.parametrize(
    ("found", "least", "unmatched"),
    [
        (candidates([IMAGE, TEXT], [0.2, 0.1]), scales(), True),
        (candidates([IMAGE, TEXT], [0.26, 0.1]), scales(), False),
        (candidates([IMAGE, TEXT], [0.2, 0.35]), scales(), False),
        (candidates([IMAGE, TEXT], [0.2, 0.1]), scales(text=None), False),
        (candidates([IMAGE, TEXT], [0.2, 0.1]), scales(rows=ENOUGH // 2), True),
        (candidates([IMAGE, TEXT], [0.2, 0.1]), scales(rows=ENOUGH // 2 - 1), False),
        (candidates([], []), scales(), False),
    ],
)
def test_nothing_matches_if_no_modality_reaches_its_cut(found, least, unmatched):
    best = least.unmatched(found, least.confidences(found))
    assert (best is not None) == unmatched
    if unmatched:
        assert best == pytest.approx(least.confidences(found).max())


def test_each_modality_has_a_cut_of_its_own():
    def with_cuts(image, text):
        return Scales({IMAGE: Scale(0, 100, Background(IMAGES, IMAGES, 0, Cut(image))),
                       TEXT: Scale(0, 100, Background(TEXTS, TEXTS, 0, Cut(text)))})  # fmt: skip

    found, confidences = candidates([IMAGE, TEXT], [0.2, 0.1]), np.array([0.5, 0.25], np.float32)
    assert with_cuts(0.75, 0.25).unmatched(found, confidences) is None
    assert with_cuts(0.5, 0.75).unmatched(found, confidences) is None
    assert with_cuts(0.75, 0.5).unmatched(found, confidences) == 0.5


def test_a_list_goes_by_what_was_found_and_confidence_by_what_was_expected_too():
    scale, cosines = Scale(0.1, 100, Background(IMAGES, TEXTS, 0.02, Cut(0.9))), np.array([0.22, 0.4], np.float32)
    nearer = np.log((0.9 - IMAGES.knots[-1]) / (1 - cosines))  # than most of the others find
    assert scale.evidence(cosines) == pytest.approx(IMAGES.evidence(cosines - 0.1) + nearer, abs=1e-4)
    assert scale.confidences(cosines) == pytest.approx(confidence(TEXTS.evidence(cosines - 0.12)), abs=1e-4)


def test_to_a_single_word_a_lower_cut_applies():
    weak = candidates([IMAGE, TEXT], [0.2, 0.1])
    least = scales()
    confidences = np.array([WORD + 0.01, 0.0], np.float32)
    assert least.unmatched(weak, confidences) == pytest.approx(WORD + 0.01)
    assert least.unmatched(weak, confidences, is_word=True) is None
    assert least.unmatched(weak, confidences - 0.02, is_word=True) is not None


def test_what_is_found_agrees_in_its_own_modality_only():
    before = scales(expected=0.1)
    after = before.agreeing({IMAGE: 0.03})
    cosines = np.array([0.25], np.float32)
    assert after.by_modality[IMAGE].background.expected == pytest.approx(0.07)
    assert after.by_modality[IMAGE].confidences(cosines) > before.by_modality[IMAGE].confidences(cosines)
    assert after.scores(IMAGE, cosines) == before.scores(IMAGE, cosines)  # a list goes by the cosines
    assert after.by_modality[TEXT] == before.by_modality[TEXT]
    assert scales(image=None).agreeing({IMAGE: 0.03}).by_modality[IMAGE].background is None


def test_a_copy_of_what_asks_comes_before_what_is_merely_rare():
    """Pictures that have nothing to do with each other may be near, texts and pictures never are."""
    near, narrow = Tail.fit(draw.normal(0.5, 0.15, 256)), Tail.fit(draw.normal(0.1, 0.01, 256))
    both = scales(near, narrow)
    cosines = np.linspace(-0.2, 1, 500).astype(np.float32)
    as_pictures, as_texts = both.scores(IMAGE, cosines), both.scores(TEXT, cosines)
    assert (np.diff(as_pictures) > 0).all()
    assert (np.diff(as_texts) > 0).all()
    assert near.evidence(np.array([0.9])) < narrow.evidence(np.array([0.2]))  # a copy would be behind what is rare
    assert as_pictures[-1] > both.scores(TEXT, np.array([0.1], np.float32))[0]
    usual = cosines - 0.1 < near.knots[-1]
    assert (as_pictures[usual] == near.evidence((cosines - np.float32(0.1))[usual])).all()
