"""Plain matrices, measured."""

import numpy as np
import pytest

from mmsearch.errors import DatasetError
from mmsearch.evaluation.vectors import evaluate_vectors
from mmsearch.search import exact

RANDOM = np.random.default_rng(0)
QUERIES, ITEMS = RANDOM.standard_normal((40, 8)), RANDOM.standard_normal((300, 8))
TRUTH = [{int(item): int(grade) for item, grade in RANDOM.integers(1, 4, (3, 2)) * [70, 1]} for _ in range(40)]


def test_figures_are_those_of_sorting_all_scores():
    found = evaluate_vectors(QUERIES, ITEMS, TRUTH)
    order = np.argsort(-(QUERIES.astype(np.float32) @ ITEMS.astype(np.float32).T), axis=1, kind="stable")
    first = [min(row.tolist().index(item) for item in truth) + 1 for row, truth in zip(order, TRUTH, strict=True)]
    assert found["mrr"].value == pytest.approx(np.mean([1 / rank for rank in first]))
    assert found["median_rank"].value == np.median(first)
    assert found["hit@10"].value == np.mean([rank <= 10 for rank in first])


def test_scores_are_held_some_at_a_time(monkeypatch):
    whole = evaluate_vectors(QUERIES, ITEMS, TRUTH)
    monkeypatch.setattr(exact, "SCORES", 1_000)
    assert evaluate_vectors(QUERIES, ITEMS, TRUTH) == whole


def test_equal_scores_stand_in_the_order_of_the_rows():
    same = np.ones((50, 4))
    for place in (0, 3, 30):
        rank = evaluate_vectors(same[:1], same, [{place: 1}])["median_rank"].value
        assert rank == place + 1
    assert evaluate_vectors(same[:1], same, [{30: 1}], depth=10)["hit@10"].value == 0
    assert evaluate_vectors(same[:1], same, [{9: 1}], depth=10)["hit@10"].value == 1


@pytest.mark.parametrize(
    ("queries", "items", "truth", "said"),
    [
        (QUERIES, ITEMS[:, :5], TRUTH, "no rows of the same space"),
        (QUERIES[0], ITEMS, TRUTH, "no rows of the same space"),
        (QUERIES, ITEMS[:0], TRUTH, "no rows of the same space"),
        (QUERIES, ITEMS, TRUTH[:5], "40 queries and 5 of them have judgements"),
        (QUERIES[:0], ITEMS, [], "0 queries"),
        (QUERIES[:2], ITEMS, [{1: 1}, {}], "query 1: a query without relevant items"),
        (QUERIES[:1], ITEMS, [{300: 1}], "item 300 is said to be relevant, and there are 300"),
        (QUERIES[:1], ITEMS, [{-1: 1}], "item -1"),
        (QUERIES[:1], ITEMS, [{1: 0}], "at least 1"),
        (QUERIES * np.where(np.arange(40) == 7, np.nan, 1)[:, None], ITEMS, TRUTH, "1 query vectors .* row 7"),
        (QUERIES, ITEMS * np.where(np.arange(300) > 297, np.inf, 1)[:, None], TRUTH, "2 item vectors .* row 298"),
    ],
)
def test_what_makes_no_sense_is_refused(queries, items, truth, said):
    with pytest.raises(DatasetError, match=said):
        evaluate_vectors(queries, items, truth)
