"""Measures against hand-computed values, a reading of their definitions, and the reference libraries."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.evaluation.judging import JudgedRun, Qrels, judge
from mmsearch.evaluation.measures import MEASURES, NAMED, measure

ITEMS = 30


def laid_out(lists, width=None):
    """Lists of item numbers as rows of one array."""
    rows = np.full((len(lists), width or max(map(len, lists), default=0)), -1)
    for row, numbers in zip(rows, lists, strict=True):
        row[: len(numbers)] = numbers
    return rows


def judged(lists, truths) -> JudgedRun:
    """A run of lists of numbers; each truth is grades by number, or numbers of grade 1."""
    graded = [truth if isinstance(truth, dict) else dict.fromkeys(sorted(truth), 1) for truth in truths]
    return judge(laid_out(lists), Qrels.of(graded))


def naive(ranked, grades):
    """Every measure of one query, read off its definition."""
    places = {item: rank for rank, item in enumerate(ranked, 1)}
    found = sorted(places[item] for item in grades if item in places)
    first = min(found, default=math.inf)
    figures = {"mrr": 1 / first, "median_rank": first, "mean_rank": first}
    for k in (1, 5, 10):
        inside = len(set(ranked[:k]) & set(grades))
        figures[f"hit@{k}"] = float(inside > 0)
        figures[f"recall@{k}"] = inside / len(grades)
        if k > 1:
            figures[f"precision@{k}"] = inside / k
    figures["map"] = sum(len(set(ranked[:rank]) & set(grades)) / rank for rank in found) / len(grades)
    figures["r_precision"] = len(set(ranked[: len(grades)]) & set(grades)) / len(grades)
    best = sorted(grades.values(), reverse=True)[:10]
    ideal = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, 1))
    gained = sum(grades.get(item, 0) / math.log2(rank + 1) for rank, item in enumerate(ranked[:10], 1))
    figures["ndcg@10"] = gained / ideal
    return figures


queries = st.tuples(
    st.lists(st.integers(0, ITEMS), unique=True),
    st.dictionaries(st.integers(0, ITEMS), st.integers(1, 4), min_size=1, max_size=12),
)


@given(st.lists(queries, min_size=1, max_size=25))
@settings(deadline=None)
def test_measures_agree_with_their_definitions(run):
    estimates = measure(judged(*zip(*run, strict=True)))
    expected = [naive(ranked, grades) for ranked, grades in run]
    assert list(estimates) == [m.name for m in MEASURES] == list(NAMED)
    for name, estimate in estimates.items():
        average = statistics.median if name == "median_rank" else statistics.fmean
        assert estimate.value == pytest.approx(average(one[name] for one in expected), rel=1e-12, abs=1e-12)
        assert estimate.interval.low <= estimate.interval.high


def random_graded_runs(seed, queries=60, items=400, depth=120):
    random = np.random.default_rng(seed)
    lists = [random.permutation(items)[: random.integers(1, depth)].tolist() for _ in range(queries)]
    truths = []
    for ranked in lists:  # some of them found, some not
        relevant = {*random.choice(ranked, min(len(ranked), 5)).tolist(), *random.integers(0, items, 8).tolist()}
        truths.append({item: int(random.integers(1, 5)) for item in sorted(relevant)})
    return lists, truths


@pytest.mark.parametrize("seed", range(5))
def test_measures_agree_with_pytrec_eval(seed):
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec-eval-terrier is not installed")
    lists, truths = random_graded_runs(seed)
    named = {
        "success": "hit", "recall": "recall", "P": "precision", "ndcg_cut": "ndcg", "map": "map",
        "recip_rank": "mrr", "Rprec": "r_precision",
    }  # fmt: skip
    evaluator = pytrec_eval.RelevanceEvaluator(
        {f"q{n}": {f"d{item}": grade for item, grade in truth.items()} for n, truth in enumerate(truths)},
        {"success.1,5,10", "recall.1,5,10", "P.5,10", "ndcg_cut.10", "map", "recip_rank", "Rprec"},
    )
    theirs = evaluator.evaluate(
        {f"q{n}": {f"d{item}": float(-rank) for rank, item in enumerate(ranked)} for n, ranked in enumerate(lists)}
    )
    run, compared = judged(lists, truths), 0
    for key in theirs["q0"]:
        name, _, k = key.rpartition("_") if key[-1].isdigit() else (key, "", "")
        ours = NAMED[f"{named[name]}@{k}" if k else named[name]].per_query(run)
        assert ours == pytest.approx([theirs[f"q{n}"][key] for n in range(len(lists))], abs=1e-9), key
        compared += 1
    assert compared == 12


@pytest.mark.parametrize("seed", range(3))
def test_measures_agree_with_ir_measures(seed):
    ir_measures = pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    lists, truths = random_graded_runs(seed + 50)
    named = {
        "hit@1": "Success@1", "hit@10": "Success@10", "recall@5": "R@5", "recall@10": "R@10", "precision@5": "P@5",
        "precision@10": "P@10", "ndcg@10": "nDCG@10", "map": "AP", "mrr": "RR", "r_precision": "Rprec",
    }  # fmt: skip
    qrels = {f"q{n}": {f"d{item}": grade for item, grade in truth.items()} for n, truth in enumerate(truths)}
    run = {f"q{n}": {f"d{item}": float(-rank) for rank, item in enumerate(ranked)} for n, ranked in enumerate(lists)}
    wanted = {ir_measures.parse_measure(theirs): ours for ours, theirs in named.items()}
    theirs = ir_measures.calc_aggregate(list(wanted), qrels, run)
    ours = measure(judged(lists, truths))
    for theirs_named, name in wanted.items():
        assert ours[name].value == pytest.approx(theirs[theirs_named], abs=1e-9), name


def test_measures_of_a_run_computed_by_hand():
    run = judged(
        [
            [0, 90, 1, *range(91, 99), 2],  # ranks 1, 3, 12
            [90, 91, 92, 93, 94, 5],
            [90],
            [90, 7, 91, 8],
        ],
        [{0: 1, 1: 2, 2: 1, 3: 1}, {5}, {10, 11}, {7, 8}],
    )
    value = {name: estimate.value for name, estimate in measure(run).items()}
    log = math.log2
    ideal = 2 + 1 / log(3) + 1 / log(4) + 1 / log(5)
    assert value == pytest.approx(
        {
            "hit@1": 1 / 4,
            "hit@5": 2 / 4,
            "hit@10": 3 / 4,
            "recall@1": (1 / 4) / 4,
            "recall@5": (2 / 4 + 1) / 4,
            "recall@10": (2 / 4 + 1 + 1) / 4,
            "precision@5": (2 / 5 + 0 + 0 + 2 / 5) / 4,
            "precision@10": (2 / 10 + 1 / 10 + 0 + 2 / 10) / 4,
            "ndcg@10": (
                (1 + 2 / log(4)) / ideal + 1 / log(7) + 0 + (1 / log(3) + 1 / log(5)) / (1 + 1 / log(3))
            ) / 4,
            "r_precision": (2 / 4 + 0 + 0 + 1 / 2) / 4,
            "mrr": (1 + 1 / 6 + 0 + 1 / 2) / 4,
            "map": ((1 + 2 / 3 + 3 / 12) / 4 + 1 / 6 + 0 + 1 / 2) / 4,
            "median_rank": (2 + 6) / 2,
            "mean_rank": math.inf,
        },
        abs=1e-15,
    )  # fmt: skip


def test_recall_at_1_of_five_captions_is_a_fifth_at_most():
    value = measure(judged([[0, 1, 2, 3, 4]], [{0, 1, 2, 3, 4}]))
    assert value["hit@1"].value == 1
    assert value["recall@1"].value == pytest.approx(0.2)


def test_a_better_grade_further_up_is_better():
    low, high = (measure(judged([ranked], [{1: 1, 2: 3}]))["ndcg@10"].value for ranked in ([1, 2], [2, 1]))
    assert low < high == 1


def test_nothing_found_gives_infinite_ranks_and_zeros():
    value = measure(judged([[0], []], [{1}, {1}]))
    for name in ("median_rank", "mean_rank"):
        assert value[name].value == value[name].interval.high == math.inf
    assert {estimate.value for name, estimate in value.items() if not NAMED[name].is_rank} == {0.0}


def test_a_direction_without_queries_is_refused():
    with pytest.raises(ValueError, match="no queries"):
        measure(judged([], []))


def test_a_single_query_has_an_interval_of_no_width():
    estimate = measure(judged([[5, 6, 7]], [{7}]))["mrr"]
    assert estimate.interval == (estimate.value, estimate.value)


def test_captions_of_one_picture_make_an_interval_wider_than_independent_queries_do():
    hits = np.repeat(np.random.default_rng(0).random(100) < 0.5, 5)  # five captions fare alike
    run = judged([[0] if hit else [1] for hit in hits], [{0}] * 500)
    alone = measure(run)["hit@1"].interval
    together = measure(run, groups=np.repeat(np.arange(100), 5))["hit@1"].interval
    assert together.high - together.low == pytest.approx(5**0.5 * (alone.high - alone.low), rel=0.15)
