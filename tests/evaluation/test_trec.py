"""Runs and qrels on disk, as the reference libraries read them."""

from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import made_evaluation

from mmsearch.errors import DatasetError
from mmsearch.evaluation.scores import scores
from mmsearch.evaluation.trec import escaped, write


def random_evaluation(seed, ties=False, queries=30, items=80):
    random = np.random.default_rng(seed)
    names = [f"item {n}%\t{'é' * (n % 3)}" for n in range(items)]
    lists = [[names[n] for n in random.permutation(items)[: random.integers(1, items)]] for _ in range(queries)]
    truths = [
        {names[n]: int(random.integers(1, 4)) for n in random.choice(items, random.integers(1, 9), replace=False)}
        for _ in range(queries)
    ]
    width = max(map(len, lists))
    values = -np.sort(-random.random((queries, width)), axis=1)
    if ties:
        values = np.round(values, 1)
    return made_evaluation(lists, truths, asked=[f"a query {n}" for n in range(queries)], scores=values)


@pytest.mark.parametrize("ties", [False, True])
def test_reading_them_back_gives_our_figures(tmp_path, ties):
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec-eval-terrier is not installed")
    evaluation = random_evaluation(3, ties)
    written = write(evaluation, tmp_path / "trec")
    assert [path.name for path in written] == ["text-image.qrels", "text-image.run"]
    with written[0].open() as file:
        qrels = pytrec_eval.parse_qrel(file)
    with written[1].open() as file:
        run = pytrec_eval.parse_run(file)
    names = {"map": "map", "recip_rank": "mrr", "ndcg_cut_10": "ndcg@10", "success_1": "hit@1", "P_5": "precision@5"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recip_rank", "ndcg_cut.10", "success.1", "P.5"}).evaluate(
        run
    )
    (ours,) = scores(evaluation).values()
    assert len(theirs) == len(ours.asked)
    for theirs_named, name in names.items():
        expected = [theirs[escaped(id)][theirs_named] for id in ours.asked]
        assert ours.columns[name] == pytest.approx(expected, abs=1e-9), name


def test_ir_measures_reads_them_too(tmp_path):
    ir_measures = pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    evaluation = random_evaluation(4)
    qrels, run = write(evaluation, tmp_path)
    wanted = ir_measures.parse_measure("nDCG@10")
    found = ir_measures.calc_aggregate(
        [wanted], list(ir_measures.read_trec_qrels(str(qrels))), list(ir_measures.read_trec_run(str(run)))
    )
    assert found[wanted] == pytest.approx(evaluation.directions["text->image"].measures["ndcg@10"].value, abs=1e-9)


def test_lines_have_six_and_four_fields_and_scores_that_fall(tmp_path):
    evaluation = random_evaluation(5, ties=True)
    qrels, run = (path.read_text("utf-8").splitlines() for path in write(evaluation, tmp_path))
    assert all(len(line.split()) == 4 and line.split()[1] == "0" for line in qrels)
    last = {}
    for line in run:
        query, q0, _, rank, score, tag = line.split()
        assert (q0, tag) == ("Q0", "mmsearch")
        assert int(rank) == last.get(query, (0, 0))[0] + 1
        assert query not in last or np.float32(score) < last[query][1]
        last[query] = int(rank), np.float32(score)


@given(st.text(), st.text())
def test_ids_are_one_word_and_stay_different(one, other):
    assert len(escaped("x" + one).split()) == 1
    assert unquote(escaped(one)) == one
    assert (escaped(one) == escaped(other)) == (one == other)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(DatasetError, match="cannot write TREC files to"):
        write(random_evaluation(0), tmp_path / "taken")


def test_half_surrogate_pairs_can_be_written():
    assert [escaped(id) for id in ("\ud800", "\udfff x", "\U00010000")] == ["%ED%A0%80", "%ED%BF%BF%20x", "\U00010000"]
    assert unquote(escaped("\udcff"), errors="surrogatepass") == "\udcff"
