"""Two systems over the same queries."""

import json
from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_evaluation

from mmsearch.errors import DatasetError
from mmsearch.evaluation.compare import compare
from mmsearch.evaluation.scores import SHARES, scores
from mmsearch.evaluation.significance import randomisation

QUERIES = 60


def system(seed, right):
    """Answers of which a share `right` has the right item first, the others fourth."""
    hits = np.random.default_rng(seed).random(QUERIES) < right
    lists = [["r", "x", "y", "z"] if hit else ["x", "y", "z", "r"] for hit in hits]
    return scores(made_evaluation(lists, [{"r": 1}] * QUERIES))


def test_differences_are_those_of_the_means():
    a, b = system(0, 0.3), system(1, 0.8)
    found = compare(a, b, ("a", "b"))
    assert found.queries == {"text->image": QUERIES} and not found.warnings
    assert [row.measure for row in found.differences] == [measure.name for measure in SHARES]
    for row in found.differences:
        first, second = (one["text->image"].columns[row.measure] for one in (a, b))
        assert (row.a, row.b) == (first.mean(), second.mean())
        assert row.difference == pytest.approx((second - first).mean())
        assert row.interval.low <= row.difference <= row.interval.high
        assert row.p == randomisation((second - first)[:, None])[0]
        assert row.p <= row.adjusted <= 1
    row = found.differences[0]
    assert row.measure == "hit@1" and row.difference > 0.3 and row.adjusted < 0.01


def test_paired_intervals_are_narrower_than_the_figures_suggest():
    a = system(0, 0.5)
    worse = {"text->image": system(0, 0.5)["text->image"]}
    found = compare(a, worse, ("a", "b"))
    assert all(row.interval == (0, 0) and row.p == row.adjusted == 1 for row in found.differences)


def test_proportional_measures_are_one_test():
    found = {row.measure: row for row in compare(system(0, 0.3), system(1, 0.5), ("a", "b")).differences}
    # With the right item first or fourth, and no other: hit@1, recall@1, r_precision, mrr, map, ndcg@10 move together,
    # and the other measures never: two tests in all.
    assert found["hit@1"].p == found["mrr"].p == found["ndcg@10"].p < 0.5
    assert found["hit@1"].adjusted == pytest.approx(2 * found["hit@1"].p)
    assert found["hit@5"].p == 1


def test_the_queries_that_got_worse_most_are_named_worst_first():
    first = made_evaluation([["r"], ["x", "r"], ["r"], ["x", "r"]], [{"r": 1}] * 4)
    second = made_evaluation([["x", "r"], ["r"], ["x"], ["x", "y", "r"]], [{"r": 1}] * 4)
    found = compare(scores(first), scores(second), ("a", "b"), texts={"q2": "a red ball"})
    fallen = found.fallen["text->image"]
    assert [(one.query, one.text, one.a, one.b) for one in fallen] == [
        ("q2", "a red ball", 1, None), ("q0", "q0", 1, 2), ("q3", "q3", 2, 3),
    ]  # fmt: skip
    assert fallen[0].difference == -1


def test_only_common_queries_are_compared_and_the_others_counted():
    a = scores(made_evaluation([["r"], ["r"], ["x"]], [{"r": 1}] * 3, asked=["one", "two", "three"]))
    b = scores(made_evaluation([["x"], ["r"]], [{"r": 1}] * 2, asked=["three", "four"]))
    found = compare(a, b, ("a", "b"))
    assert found.queries == {"text->image": 1}
    assert found.differences[0].a == found.differences[0].b == 0, "of the query three"
    assert found.warnings == ("text->image: queries that only one of the two was asked are left out: 3",)


def test_a_direction_that_only_one_of_them_has_is_left_out():
    a = system(0, 0.3)
    found = compare(a, {**a, "image->text": a["text->image"]}, ("a", "b"))
    assert list(found.queries) == ["text->image"]
    assert found.warnings == (f"image->text: queries that only one of the two was asked are left out: {QUERIES}",)


def test_systems_that_were_asked_other_things_are_not_compared():
    a = scores(made_evaluation([["r"]], [{"r": 1}], asked=["one"]))
    b = scores(made_evaluation([["r"]], [{"r": 1}], asked=["two"]))
    with pytest.raises(DatasetError, match="left and right were not asked the same"):
        compare(a, b, ("left", "right"))


def test_json_and_repeats():
    made = [json.dumps(compare(system(0, 0.3), system(1, 0.5), ("a", "b"), seed=5).to_json()) for _ in range(2)]
    assert made[0] == made[1]
    found = json.loads(made[0])
    assert list(found) == ["names", "queries", "differences", "fallen", "warnings"]
    assert found["differences"][0]["measure"] == "hit@1"


def test_queries_of_one_id_that_say_something_else_are_no_pair():
    """Ids are numbers within a dataset: those of another split name other captions."""
    a, b = system(0, 0.3)["text->image"], system(1, 0.8)["text->image"]
    mine = tuple(f"caption {n}" for n in range(QUERIES))
    theirs = tuple(text if n < 10 else f"another {text}" for n, text in enumerate(mine))
    sides = {"text->image": replace(a, texts=mine)}, {"text->image": replace(b, texts=theirs)}
    found = compare(*sides, ("a", "b"))
    assert found.queries == {"text->image": 10}
    assert found.warnings == ("text->image: queries that only one of the two was asked are left out: 100",)
    known = dict(zip(a.asked, theirs, strict=True))
    assert compare({"text->image": a}, sides[0], ("a", "b"), texts=known).queries == {"text->image": 10}
