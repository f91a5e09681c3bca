"""What GPUs propose; most of it with indexes of the CPU in their place: the same calls, real answers."""

import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_gpus import CAGRA, DIM, IVFPQ, QUESTIONS, ROWS, SHARDS, Cpu, parts, shard, unit

from mmsearch.ann import gpu, on_gpu
from mmsearch.ann.flat16 import OVER, Flat16
from mmsearch.ann.library import has_gpus
from mmsearch.ann.recipe import code_bytes
from mmsearch.errors import DeviceUnavailable, QueryError
from mmsearch.search import exact

faiss = pytest.importorskip("faiss")

K = 10
GPUS = gpu.found()
on_a_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not GPUS, reason="FAISS finds no GPU here, or was built without GPUs"),
]


@pytest.fixture(autouse=True)
def every_warning():
    gpu.tell.cache_clear()


def truth(shards, queries, k=K, allowed=None):
    return [
        list(zip(f.shards.tolist(), f.offsets.tolist(), strict=True)) for f in exact.top(shards, queries, k, allowed)
    ]


def answers(flat, shards, queries, k=K, mask=None):
    """As a search does it: what is proposed, scored again."""
    allowed = None if mask is None else flat.allow(mask)
    width = flat.width(k, None if mask is None else int(mask.sum()))
    if width is None:
        return None
    by_id, made = {one.id: one for one in shards}, []
    place = [(cover.shard_id, n) for cover in flat.standing.covers for n in range(cover.rows)]
    for labels, query in zip(flat.propose(queries, width[1], width[0], allowed), queries, strict=True):
        found = [place[label] for label in labels[labels >= 0].tolist()]
        assert len(set(found)) == len(found)
        scores = [np.vecdot(by_id[s].matrix[o], query) for s, o in found]
        order = np.argsort([-score for score in scores], kind="stable")[:k]
        made.append([found[n] for n in order])
    return made


PLACES = {
    "one": lambda: [Cpu(0)],
    "replicas": lambda: [Cpu(0), Cpu(1)],
    "divided": lambda: [Cpu(number, free=2 * DIM * 6500) for number in (0, 1)],
}


@pytest.mark.parametrize("where", PLACES)
def test_answers_are_those_of_the_cpu(where):
    cards = PLACES[where]()
    flat = Flat16(SHARDS, cards, reserve=0)
    assert flat.rows == len(ROWS) and [cover.shard_id for cover in flat.standing.covers] == [7, 3, 9]
    assert flat.placed.replicated == (where == "replicas") and len(flat.placed.on) == len(cards)
    expected = truth(SHARDS, QUESTIONS)
    assert answers(flat, SHARDS, QUESTIONS) == expected
    assert [answers(flat, SHARDS, one[None])[0] for one in QUESTIONS[:20]] == expected[:20]
    assert all(card.searches and len(card.threads) == 1 for card in cards)
    assert not {threading.get_ident()} & set.union(*(card.threads for card in cards))


def test_float16_may_swap_what_is_nearly_equal_and_what_is_proposed_beyond_mends_it():
    near = np.repeat(unit(1, 5), 400, 0)
    near[:, 0] += np.linspace(0, 2e-3, 400, dtype=np.float32)  # neighbours differ by less than float16 resolves
    near = near[np.random.default_rng(0).permutation(400)]
    some = [shard(1, near)]
    flat = Flat16(some, [Cpu(0)], reserve=0)
    query = np.eye(1, DIM, dtype=np.float32) + unit(1, 5)
    proposed = flat.propose(query, K, 1)[0]
    best = np.argsort(-(near @ query[0]), kind="stable")[:K]
    assert set(proposed.tolist()) != set(best.tolist())
    assert set(best.tolist()) <= set(flat.propose(query, K + OVER, 1)[0].tolist())


def test_a_float16_shard_and_an_index_smaller_than_what_is_asked_for():
    some = [shard(1, ROWS[:6].astype(np.float16)), shard(2, ROWS[6:9])]
    flat = Flat16(some, [Cpu(0)], reserve=0)
    labels = flat.propose(QUESTIONS[:3], 42, 1)
    assert labels.shape == (3, 9) and all(sorted(row) == list(range(9)) for row in labels.tolist())


def test_dead_rows_are_not_proposed_and_live_ones_take_their_place():
    dead = np.random.default_rng(3).permutation(len(ROWS))[:1500]
    mask = np.ones(len(ROWS), bool)
    mask[dead] = False
    edges = (0, 2500, 4000, 6000)
    some = [
        shard(one.id, one.matrix, sorted(int(d - a) for d in dead if a <= d < b))
        for one, a, b in zip(SHARDS, edges, edges[1:], strict=False)
    ]
    flat = Flat16(some, [Cpu(0), Cpu(1)], reserve=0)
    assert answers(flat, some, QUESTIONS, mask=mask) == truth(some, QUESTIONS)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.03])
def test_a_filter_gives_the_rows_of_exact_search_or_fewer_than_wanted(share):
    mask = np.random.default_rng(4).random(len(ROWS)) < share
    allowed = {one.id: np.flatnonzero(mask[a : a + one.rows]) for one, a in zip(SHARDS, (0, 2500, 4000), strict=True)}
    found = answers(Flat16(SHARDS, [Cpu(0)], reserve=0), SHARDS, QUESTIONS, mask=mask)
    expected = truth(SHARDS, QUESTIONS, allowed=allowed)
    assert all(one == right or len(one) < K for one, right in zip(found, expected, strict=True))
    assert np.mean([len(one) == K for one in found]) > 0.95


def test_a_filter_against_the_question_is_never_answered_wrongly():
    query = QUESTIONS[:1]
    order = np.argsort(-(ROWS @ query[0]))
    mask = np.zeros(len(ROWS), bool)
    mask[order[3000:]] = True  # half of the rows, all of them far away
    flat = Flat16(SHARDS, [Cpu(0)], reserve=0)
    assert (flat.propose(query, K + OVER, 1, flat.allow(mask)) == -1).all()


def test_a_narrow_filter_and_a_large_k_are_left_to_the_cpu():
    flat = Flat16(SHARDS, [Cpu(0)], reserve=0)
    assert flat.width(K) == (1, K + OVER)
    assert flat.width(K, 50) is None and flat.width(2100) is None
    mask = np.zeros(len(ROWS), bool)
    mask[:50] = True
    assert (flat.propose(QUESTIONS, K + OVER, 1, flat.allow(mask)) == -1).all()
    assert (flat.propose(QUESTIONS, K, 1, flat.allow(mask & False)) == -1).all()


def test_rows_for_which_there_is_no_room_stay_on_the_cpu_with_one_warning():
    with pytest.warns(RuntimeWarning, match=r"1,500 of 6,000 rows of fake/image do not fit") as told:
        flat = Flat16(SHARDS, [Cpu(0, free=2 * DIM * 5000), Cpu(1, free=2 * DIM * 4900)], reserve=0)
    assert len(told) == 1 and [cover.shard_id for cover in flat.standing.covers] == [7, 9]
    assert answers(flat, SHARDS, QUESTIONS) == truth([SHARDS[0], SHARDS[2]], QUESTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Flat16(SHARDS, [Cpu(0, free=2 * DIM * 5000), Cpu(1, free=2 * DIM * 4900)], reserve=0)


def test_a_gpu_that_is_full_whatever_it_says_keeps_what_it_took():
    with pytest.warns(RuntimeWarning, match="2,500 of 6,000 rows"):
        flat = Flat16(SHARDS, [Cpu(0, most=2000), Cpu(1, most=2000)], reserve=0)
    assert [cover.shard_id for cover in flat.standing.covers] == [3, 9] and not flat.placed.replicated
    assert answers(flat, SHARDS, QUESTIONS) == truth(SHARDS[1:], QUESTIONS)
    cards = [Cpu(0), Cpu(1, most=2000)]
    flat = Flat16(SHARDS, cards, reserve=0)
    assert flat.placed.on.keys() == {0} and answers(flat, SHARDS, QUESTIONS) == truth(SHARDS, QUESTIONS)


def test_nothing_fits():
    with pytest.warns(RuntimeWarning, match="do not fit"):
        flat = Flat16(SHARDS, [Cpu(0, free=0)])
    assert flat.rows == 0 and flat.width(K) is None and flat.standing.covers == ()


def test_a_gpu_that_fails_later_is_told_of_once_and_asked_no_more():
    card = Cpu(0)
    flat = Flat16(SHARDS, [card], reserve=0)
    card.broken = True
    with pytest.warns(RuntimeWarning, match=r"a GPU failed: CUDA error 2 out of memory$") as told:
        for _ in range(3):
            assert (flat.propose(QUESTIONS, K, 1) == -1).all()
    assert len(told) == 1 and flat.width(K) is None and "out of memory" in flat.failed


def test_memory_is_given_back_while_others_ask():
    flat = Flat16(SHARDS, [Cpu(0), Cpu(1)], reserve=0)
    expected = flat.propose(QUESTIONS, K, 1)
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            found = flat.propose(QUESTIONS[:70], K, 1)
            if not (np.array_equal(found, expected[:70]) or (found == -1).all()):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for one in threads:
        one.start()
    flat.close()
    stop.set()
    for one in threads:
        one.join()
    assert not wrong and (flat.propose(QUESTIONS, K, 1) == -1).all()
    assert all(card.submit(lambda n=card.number: len(flat._held[n])).result() == 0 for card in flat._cards.values())


def test_what_was_added_is_loaded_again_once_it_is_worth_it():
    flat = Flat16(SHARDS, [Cpu(0)], reserve=0)
    assert not flat.outgrown(SHARDS)
    assert not flat.outgrown([*SHARDS, shard(10, unit(50, 6))]) and flat.outgrown([*SHARDS, shard(10, unit(500, 6))])
    assert flat.outgrown(SHARDS[1:])


@pytest.fixture(scope="module", params=[IVFPQ, CAGRA], ids=lambda recipe: recipe.kind)
def built(request):
    return request.param, on_gpu.build(request.param, Cpu(0), ROWS[:1000], parts(), len(ROWS))


def recall(labels, keep=None):
    scores = QUESTIONS @ ROWS.T
    if keep is not None:
        scores[:, ~keep] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :K]
    return np.mean([np.isin(right, one).mean() for right, one in zip(best, labels, strict=True)])


def test_a_structure_is_built_and_proposes_from_every_replica(built):
    recipe, index = built
    cards = [Cpu(0), Cpu(1)]
    structure = on_gpu.OnGpu(index, recipe, cards)
    assert structure.rows == len(ROWS)
    labels = structure.propose(QUESTIONS, 160, 24)
    assert recall(labels) > 0.95 and all(card.searches for card in cards)
    assert np.array_equal(np.concatenate([structure.propose(one[None], 160, 24) for one in QUESTIONS]), labels)


def test_more_effort_finds_more(built):
    recipe, index = built
    structure = on_gpu.OnGpu(index, recipe, [Cpu(0)])
    found = [recall(structure.propose(QUESTIONS, 12, effort)) for effort in (1, structure.widest)]
    assert found[0] < found[1]
    assert np.array_equal(structure.propose(QUESTIONS, 12, 1 << 20), structure.propose(QUESTIONS, 12, structure.widest))


def test_a_structure_does_not_propose_dead_rows(built):
    recipe, index = built
    structure = on_gpu.OnGpu(index, recipe, [Cpu(0)])
    mask = np.random.default_rng(8).random(len(ROWS)) > 0.2
    labels = structure.propose(QUESTIONS, 160, 24, structure.allow(mask))
    assert mask[labels[labels >= 0]].all() and recall(labels, mask) > 0.95


def test_questions_amid_dead_rows_are_left_to_the_cpu_and_others_not(built):
    recipe, index = built
    structure = on_gpu.OnGpu(index, recipe, [Cpu(0)])
    mask = np.ones(len(ROWS), bool)
    mask[np.argsort(-(ROWS @ QUESTIONS[0]))[:300]] = False
    labels = structure.propose(QUESTIONS, 40, 24, structure.allow(mask))
    assert (labels[0] == -1).all()
    away = QUESTIONS @ QUESTIONS[0] < 0
    assert (labels[away] >= 0).all()
    mask[np.random.default_rng(0).permutation(len(ROWS))[:4000]] = False
    assert (structure.propose(QUESTIONS, 40, 24, structure.allow(mask)) == -1).all()


def test_a_structure_is_read_again_from_its_file(built, tmp_path):
    recipe, index = built
    faiss.write_index(index, str(tmp_path / "1.ann"))
    again = on_gpu.OnGpu(faiss.read_index(str(tmp_path / "1.ann")), recipe, [Cpu(0)])
    labels = on_gpu.OnGpu(index, recipe, [Cpu(0)]).propose(QUESTIONS, 40, 24)
    assert np.array_equal(again.propose(QUESTIONS, 40, 24), labels)


def test_ivfpq_is_built_on_the_cpu_without_a_gpu_and_cagra_is_not():
    index = on_gpu.build(IVFPQ, None, ROWS[:1000], parts(), len(ROWS))
    assert recall(on_gpu.OnGpu(index, IVFPQ, [Cpu(0)]).propose(QUESTIONS, 160, 24)) > 0.95
    with pytest.raises(DeviceUnavailable, match="cuVS"):
        on_gpu.build(CAGRA, None, ROWS[:1000], parts(), len(ROWS))


def test_a_gpu_without_memory_builds_nothing_and_says_so(built):
    recipe, index = built
    card = Cpu(0)
    card.broken = True
    with pytest.raises(DeviceUnavailable, match="GPU 0 could not build the structure .CUDA error 2"):
        on_gpu.build(recipe, card, ROWS[:1000], parts(), len(ROWS))
    with pytest.warns(RuntimeWarning, match="does not fit on a GPU"), pytest.raises(DeviceUnavailable):
        on_gpu.OnGpu(index, recipe, [card])
    assert on_gpu.OnGpu(index, recipe, [card, Cpu(1)]).propose(QUESTIONS[:2], 5, 8).min() >= 0


def test_codes_divide_the_dimensions():
    assert [code_bytes(dim) for dim in (64, 384, 512, 768, 1024, 1152)] == [32, 96, 64, 96, 64, 96]
    with pytest.raises(QueryError, match="97"):
        code_bytes(97)


def test_structures_share_the_gpus():
    cards = [Cpu(0, free=10), Cpu(1, free=7)]
    assert on_gpu.cards_for([4, 6, 9], cards, reserve=0) == ((), (cards[1],), (cards[0],))
    assert on_gpu.cards_for([4, 2], cards, reserve=0) == (tuple(cards), tuple(cards))


def test_auto_and_cpu_ask_for_no_gpu_and_say_nothing():
    assert gpu.found("cpu") == ()
    assert [one.number for one in gpu.found("auto")] == list(range(faiss.get_num_gpus() if has_gpus() else 0))
    with pytest.raises(DeviceUnavailable):
        gpu.found("gpu")


@pytest.mark.skipif(bool(GPUS), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:0,1", "cuda:3/float16"])
def test_a_gpu_that_is_asked_for_and_missing_is_told_of_once(device):
    with pytest.warns(RuntimeWarning, match=r"searched on the CPU$") as told:
        assert gpu.found(device) == () and gpu.found(device) == ()
    assert len(told) == 1
    assert gpu.free_bytes(0) == 0


@pytest.mark.skipif(not has_gpus() or bool(GPUS), reason="needs a FAISS built for GPUs, on a machine without one")
@pytest.mark.parametrize("recipe", [IVFPQ, CAGRA], ids=lambda recipe: recipe.kind)
def test_a_build_for_gpus_knows_what_is_called_and_finds_no_gpu(recipe):
    card = gpu.Gpu(0)
    with pytest.raises(RuntimeError, match="device"):
        card.flat16(DIM)
    if not gpu.can_build(recipe):
        pytest.skip("this FAISS has no cuVS")
    with pytest.raises(RuntimeError, match="device"):
        card.up(on_gpu.build(recipe, Cpu(0), ROWS[:1000], parts(), len(ROWS)), recipe)
    assert card.asked(recipe, 40, 50)["params"] is not None
    with pytest.warns(RuntimeWarning, match="do not fit"):
        assert Flat16(SHARDS, [card]).rows == 0


def test_neither_faiss_nor_its_gpus_are_touched_by_importing():
    code = "import mmsearch.ann.gpu, mmsearch.ann.flat16, mmsearch.ann.on_gpu, sys; print('faiss' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


class TestOnAGpu:
    pytestmark = on_a_gpu

    def test_room_is_told(self):
        assert all(card.free() > 1 << 28 for card in GPUS)

    def test_flat16_answers_are_those_of_the_cpu(self):
        flat = Flat16(SHARDS, GPUS, reserve=1 << 28)
        assert flat.rows == len(ROWS)
        assert answers(flat, SHARDS, QUESTIONS) == truth(SHARDS, QUESTIONS)
        assert [answers(flat, SHARDS, one[None])[0] for one in QUESTIONS[:5]] == truth(SHARDS, QUESTIONS[:5])
        mask = np.random.default_rng(3).random(len(ROWS)) > 0.25
        labels = flat.propose(QUESTIONS, K + OVER, 1, flat.allow(mask))
        assert mask[labels].all() and recall(labels, mask) == 1.0
        flat.close()

    def test_flat16_from_many_threads(self):
        flat = Flat16(SHARDS, GPUS, reserve=1 << 28)
        expected = flat.propose(QUESTIONS, K, 1)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: flat.propose(QUESTIONS[n : n + 1], K, 1)[0], range(len(QUESTIONS))))
        assert np.mean([np.isin(a, b).mean() for a, b in zip(found, expected, strict=True)]) > 0.999

    @pytest.mark.parametrize("recipe", [IVFPQ, CAGRA], ids=lambda recipe: recipe.kind)
    def test_structures_are_built_saved_loaded_and_asked(self, recipe, tmp_path):
        if not gpu.can_build(recipe):
            pytest.skip("this FAISS has no cuVS")
        index = on_gpu.build(recipe, GPUS[0], ROWS[:1000], parts(), len(ROWS))
        faiss.write_index(index, str(tmp_path / "1.ann"))
        read = faiss.read_index(str(tmp_path / "1.ann"))
        structure = on_gpu.OnGpu(read, recipe, GPUS)
        labels = structure.propose(QUESTIONS, 160, 24)
        assert recall(labels) > 0.95
        mask = np.random.default_rng(8).random(len(ROWS)) > 0.2
        assert recall(structure.propose(QUESTIONS, 160, 24, structure.allow(mask)), mask) > 0.95
        assert recall(on_gpu.OnGpu(read, recipe, [Cpu(0)]).propose(QUESTIONS, 160, 24)) > 0.95  # without a GPU
