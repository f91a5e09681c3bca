import threading
from dataclasses import replace

import numpy as np
import pytest
from made_gpus import CAGRA, DIM, IVFPQ, QUESTIONS, ROWS, SHARDS, Cpu, parts, shard, unit

from mmsearch.ann import gpu, on_gpu
from mmsearch.ann.recipe import Recipe
from mmsearch.ann.resident import Resident
from mmsearch.errors import IndexDamaged

LARGE = 1 << 40


@pytest.fixture(autouse=True)
def every_warning():
    gpu.tell.cache_clear()


@pytest.fixture(scope="module")
def ivfpq():
    return on_gpu.build(IVFPQ, None, ROWS[:1000], parts(), len(ROWS))


@pytest.fixture
def resident():
    made = Resident([Cpu(0), Cpu(1)])
    yield made
    made.close()


def standing(number, resident, size=1000):
    return replace(resident.rows(SHARDS, 1).standing, id=number, bytes=size)


def test_rows_are_loaded_once_and_again_when_they_have_changed_much(resident):
    first = resident.rows(SHARDS, 1)
    assert resident.rows(SHARDS, 2) is first
    assert resident.rows([*SHARDS, shard(10, unit(50, 6))], 3) is first
    fewer = resident.rows(SHARDS[:2], 4)
    assert fewer is not first and fewer.rows == 4000 and first.failed
    assert resident.rows(SHARDS, 3) is fewer, "a reader of an older version must not have everything loaded again"


def test_threads_that_ask_at_once_load_once(resident):
    found, threads = [], [threading.Thread(target=lambda: found.append(resident.rows(SHARDS, 1))) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 6 and len({id(one) for one in found}) == 1


def test_without_gpus_or_room_or_rows_there_is_nothing():
    assert Resident(()).rows(SHARDS, 1) is None
    assert Resident([Cpu(0)]).rows([shard(1, unit(0, 1))], 1) is None
    with pytest.warns(RuntimeWarning, match="do not fit") as told:
        full = Resident([Cpu(0, free=0)])
        assert full.rows(SHARDS, 1) is None and full.rows(SHARDS, 2) is None
    assert len(told) == 1


def test_rows_on_a_gpu_that_failed_are_not_asked_again(resident):
    flat = resident.rows(SHARDS, 1)
    for card in resident.cards:
        card.broken = True
    with pytest.warns(RuntimeWarning, match="a GPU failed"):
        flat.propose(QUESTIONS[:1], 5, 1)
    assert resident.rows(SHARDS, 1) is None and resident.rows(SHARDS[:2], 2) is None


def test_structures_are_loaded_once_and_given_back(resident, ivfpq):
    loaded = []

    def load():
        loaded.append(1)
        return ivfpq

    one = standing(5, resident)
    structure = resident.structure(one, IVFPQ, load)
    assert resident.structure(one, IVFPQ, load) is structure and loaded == [1]
    assert (structure.propose(QUESTIONS, 5, 8) >= 0).all()
    resident.forget([5])
    assert not structure.failed
    resident.forget([6])
    assert structure.failed and (structure.propose(QUESTIONS, 5, 8) == -1).all()


def test_structures_for_cpus_are_not_loaded_nor_those_that_do_not_fit(resident, ivfpq):
    def load():
        raise AssertionError("it was loaded")

    assert resident.structure(standing(5, resident), Recipe("pq", DIM, 16), load) is None
    with pytest.warns(RuntimeWarning, match="does not fit on a GPU") as told:
        for _ in range(2):
            assert resident.structure(standing(6, resident, size=LARGE), IVFPQ, load) is None
    assert len(told) == 1


def test_a_damaged_file_is_the_callers_matter_each_time(resident):
    def load():
        raise IndexDamaged("it has a wrong checksum")

    for _ in range(2):
        with pytest.raises(IndexDamaged):
            resident.structure(standing(5, resident), CAGRA, load)


def test_after_closing_the_cpu_answers(resident):
    flat = resident.rows(SHARDS, 1)
    resident.close()
    assert np.array_equal(flat.propose(QUESTIONS, 5, 1), np.full((len(QUESTIONS), 5), -1))
