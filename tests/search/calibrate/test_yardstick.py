import re

import numpy as np
import pytest

from mmsearch.captions import own_bank
from mmsearch.search.calibrate import yardstick as module
from mmsearch.search.calibrate.bank import LONGEST, QUESTIONS, questions
from mmsearch.search.calibrate.yardstick import AGREEMENT, FAMILIARITY_ALONE, FIRST_ROWS, WORDS, Yardstick, agreement
from mmsearch.search.lexical.language import STOP

AXES = np.eye(64, dtype=np.float32)
CLASSES, SAID = AXES[:20], AXES[30:60]


def mix(first, second, share):
    made = (1 - share) * first + share * second
    return made / np.linalg.norm(made)


def drawn(count, random):
    """Unit vectors that lean to one side, as those of models do."""
    rows = random.standard_normal((count, 64)) + 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_what_is_expected_and_shared_is_that_of_the_definition():
    random = np.random.default_rng(0)
    exemplars, words, questions, rows = (drawn(count, random) for count in (70, 50, 6, 18))

    def nearest(vectors, few):
        return np.sort(questions @ vectors.T, axis=1)[:, -few:].mean(axis=1)

    def classes(vectors, temperature):
        powers = np.exp(vectors.astype(np.float64) @ exemplars.T / temperature)
        return powers / np.linalg.norm(powers, axis=1, keepdims=True)

    yardstick, owners = Yardstick(exemplars, words), np.repeat(np.arange(6), 3)
    expected = module.CLEARNESS * nearest(exemplars, module.EXEMPLARS) - module.FAMILIARITY * nearest(words, WORDS)
    assert yardstick.expected(questions) == pytest.approx(expected, abs=1e-5)
    asked, seen = classes(questions, module.TEXT_TEMPERATURE), classes(rows, module.ROW_TEMPERATURE)
    assert yardstick.shared(questions, rows, owners) == pytest.approx((asked[owners] * seen).sum(axis=1), abs=1e-5)


def test_more_is_expected_of_what_is_near_to_classes_and_less_of_what_is_near_to_words():
    yardstick = Yardstick(CLASSES, SAID)
    strange, near_class, near_word = AXES[63], mix(AXES[63], CLASSES[:10].sum(0), 0.5), mix(AXES[63], SAID[0], 0.5)
    none, class_, word = yardstick.expected(np.array([strange, near_class, near_word]))
    assert none == pytest.approx(0, abs=1e-6)
    assert class_ > 0.1
    assert word < -0.1


def test_a_question_is_not_familiar_for_its_own_words():
    yardstick = Yardstick(CLASSES[:0], SAID)
    other = FAMILIARITY_ALONE / WORDS
    assert yardstick.expected(SAID) == pytest.approx(np.full(30, -other), abs=1e-6)
    assert yardstick.expected(SAID, own=True) == pytest.approx(np.zeros(30), abs=1e-6)


def test_question_and_row_share_classes_however_near_they_are():
    yardstick = Yardstick(CLASSES, SAID)
    question = mix(CLASSES[0], AXES[63], 0.5)
    same, far = mix(CLASSES[0], AXES[62], 0.5), mix(CLASSES[1], AXES[62], 0.5)
    near = mix(CLASSES[1], AXES[63], 0.6)
    assert near @ question > same @ question > far @ question
    rows = np.array([same, far, near, same], np.float16)
    high, low, nearest, other = yardstick.shared(np.array([question, CLASSES[5]]), rows, np.array([0, 0, 0, 1]))
    assert other < 0.3
    assert high > 0.9
    assert max(low, nearest) < 0.6
    assert agreement(np.array([[high, low]]), 2) == pytest.approx([AGREEMENT * (high + low / 2) / 1.5])


def test_a_single_row_that_agrees_counts_and_rows_far_down_do_not():
    one, last, beyond = np.zeros((3, 40), np.float32)
    one[0] = last[FIRST_ROWS - 1] = beyond[FIRST_ROWS] = 1
    first, small, none = agreement(np.array([one, last, beyond]), 40)
    assert first > 0.25 * AGREEMENT
    assert first == pytest.approx(FIRST_ROWS * small)
    assert none == 0
    three = np.ones((1, 3), np.float32)
    assert agreement(three, 3) == pytest.approx(AGREEMENT)  # an index of three rows
    assert agreement(three, 40) < 0.6 * AGREEMENT  # a filter that leaves three


def test_each_caption_is_asked_and_its_first_words():
    asked = questions()
    captions, words = asked[:QUESTIONS], asked[QUESTIONS:]
    assert captions == list(own_bank(QUESTIONS))
    assert len(words) == QUESTIONS
    assert {len(text.split()) for text in words} == set(range(1, LONGEST + 1))
    assert not set(STOP) & {word for text in words for word in text.split()}
    for caption, text in zip(captions, words, strict=True):
        assert set(text.split()) <= set(re.findall(r"\w+", caption.lower()))
