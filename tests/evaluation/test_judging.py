"""Ranked lists of numbers against the truth."""

import math

import numpy as np
import pytest

from mmsearch.evaluation.judging import Qrels, join, judge

LISTS = np.array([[9, 4, 8, 7, 6], [1, -1, -1, -1, -1], [3, 2, 9, 4, -1]])
TRUTH = [{4: 1, 6: 3, 100: 2}, {5: 1}, {3: 1, 4: 2}]


def test_relevant_items_are_found_at_their_ranks_with_their_grades():
    run = judge(LISTS, Qrels.of(TRUTH))
    assert run.ranks.tolist() == [2, 5, 1, 4]
    assert run.owner.tolist() == [0, 0, 2, 2]
    assert run.place.tolist() == [1, 2, 1, 2]
    assert run.grades.tolist() == [1, 3, 1, 2]
    assert run.first.tolist() == [2, math.inf, 1]
    assert run.relevant.tolist() == [3, 1, 2]


def test_the_best_possible_list_begins_with_the_best_grades():
    qrels = Qrels.of(TRUTH)
    assert qrels.grades.tolist() == [3, 2, 1, 1, 2, 1]
    assert qrels.items.tolist() == [6, 100, 4, 5, 4, 3]
    assert qrels.owner.tolist() == [0, 0, 0, 1, 2, 2]
    assert qrels.place.tolist() == [1, 2, 3, 1, 1, 2]


def test_batches_join_into_the_run_of_all():
    qrels = Qrels.of(TRUTH)
    whole = judge(LISTS, qrels)
    joined = join([judge(LISTS[:2], qrels.part(0, 2)), judge(LISTS[2:], qrels.part(2, 3))], qrels)
    for name in ("first", "ranks", "owner", "grades", "place"):
        assert getattr(joined, name).tolist() == getattr(whole, name).tolist()


def test_places_behind_the_end_of_a_list_are_no_item():
    run = judge(np.array([[2, -1, -1]]), Qrels.of([{3: 1}]))
    assert run.first.tolist() == [math.inf]
    assert len(run.ranks) == 0


@pytest.mark.parametrize(("truth", "said"), [([{1: 1}, {}], "without relevant items"), ([{1: 0}], "at least 1")])
def test_truths_that_cannot_be_judged_are_refused(truth, said):
    with pytest.raises(ValueError, match=said):
        Qrels.of(truth)
