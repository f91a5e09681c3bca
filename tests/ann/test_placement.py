import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.ann.placement import Placement, blocks, kept, numbers, place, shares
from mmsearch.errors import DeviceUnavailable

SIZES = st.lists(st.integers(0, 1000), max_size=30)
ROOM = st.dictionaries(st.integers(0, 7), st.integers(0, 8000), max_size=5)


def test_the_largest_part_goes_first_and_where_most_room_is():
    assert place([3, 5, 4], {0: 9, 1: 9}, 0).on == {0: (1,), 1: (0, 2)}


def test_everything_is_on_every_gpu_if_it_fits():
    assert place([3, 5], {0: 10, 2: 9}, 1) == Placement({0: (0, 1), 2: (0, 1)}, (), True)
    assert not place([3, 5], {0: 10, 2: 8}, 1).replicated


def test_one_gpu_has_no_replicas():
    assert place([1, 2], {0: 10}, 0) == Placement({0: (0, 1)}, (), False)


def test_what_is_too_large_for_any_stays_and_the_rest_does_not():
    assert place([20, 3], {0: 10, 1: 2}, 0) == Placement({0: (1,)}, (0,), False)


def test_without_gpus_everything_stays():
    assert place([1, 2], {}) == Placement({}, (0, 1), False)


@given(SIZES, ROOM, st.integers(0, 500))
def test_no_gpu_gets_more_than_it_holds_and_no_part_is_lost(sizes, room, reserve):
    found = place(sizes, room, reserve)
    for gpu, parts in found.on.items():
        assert sum(sizes[part] for part in parts) <= room[gpu] - reserve
        assert list(parts) == sorted(set(parts)) and parts
    somewhere = [part for parts in found.on.values() for part in parts]
    assert set(somewhere) | set(found.left) == set(range(len(sizes)))
    assert not set(somewhere) & set(found.left)
    if not found.replicated:
        assert len(somewhere) == len(set(somewhere))


@given(SIZES, ROOM, st.integers(0, 500))
def test_a_part_stays_only_if_it_no_longer_fits_anywhere(sizes, room, reserve):
    found = place(sizes, room, reserve)
    for part in found.left:
        for gpu, free in room.items():
            # Smaller ones come later and may use what is left: only what was there before counts.
            before = [one for one in found.on.get(gpu, ()) if (-sizes[one], one) < (-sizes[part], part)]
            assert free - reserve - sum(sizes[one] for one in before) < sizes[part]


@given(SIZES, ROOM, st.integers(0, 500))
def test_replicas_are_made_exactly_if_everything_fits_on_each_of_several(sizes, room, reserve):
    fits = len(room) > 1 and bool(sizes) and all(sum(sizes) <= free - reserve for free in room.values())
    assert place(sizes, room, reserve).replicated == fits


@given(st.lists(st.integers(1, 100), min_size=4, max_size=40), st.integers(2, 5))
def test_gpus_of_one_size_are_filled_evenly(sizes, gpus):
    found = place(sizes, dict.fromkeys(range(gpus), sum(sizes) - 1), 0)
    loads = [sum(sizes[part] for part in found.on.get(gpu, ())) for gpu in range(gpus)]
    if not found.left:
        assert max(loads) - min(loads) <= max(sizes)


@given(SIZES, ROOM, st.integers(0, 500), st.data())
def test_what_a_gpu_did_not_take_is_left_and_nothing_is_there_twice_but_whole_replicas(sizes, room, reserve, data):
    placed = place(sizes, room, reserve)
    taken = {gpu: tuple(part for part in parts if data.draw(st.booleans())) for gpu, parts in placed.on.items()}
    found = kept(placed, taken, len(sizes))
    for gpu, parts in found.on.items():
        assert parts and set(parts) <= set(taken[gpu])
    somewhere = [part for parts in found.on.values() for part in parts]
    assert set(somewhere) == {part for parts in taken.values() for part in parts}
    assert set(somewhere) | set(found.left) == set(range(len(sizes))) and not set(somewhere) & set(found.left)
    assert found.replicated == (len(somewhere) > len(set(somewhere)))
    if found.replicated:
        assert all(len(parts) == len(sizes) for parts in found.on.values())


def test_one_whole_replica_is_no_replica():
    placed = Placement({0: (0, 1), 1: (0, 1)}, (), True)
    assert kept(placed, {0: (0, 1), 1: (0,)}, 2) == Placement({0: (0, 1)}, (), False)
    assert kept(placed, {0: (0,), 1: (1,)}, 2) == Placement({0: (0,), 1: (1,)}, (), False)
    assert kept(placed, {0: (), 1: (1,)}, 2) == Placement({1: (1,)}, (0,), False)


@given(SIZES, st.integers(1, 4), st.integers(1, 3000))
def test_parts_are_consecutive_shards_and_none_is_larger_than_allowed_but_for_one_shard(sizes, gpus, most):
    found = blocks(sizes, gpus, most)
    assert [shard for part in found for shard in part] == list(range(len(sizes)))
    assert all(part and (len(part) == 1 or sum(sizes[one] for one in part) <= most) for part in found)


def test_several_gpus_get_several_parts_each_and_one_gpu_few():
    assert len(blocks([10] * 40, 1)) == 1
    assert len(blocks([10] * 40, 4)) == 8


@given(st.integers(1, 1000), st.integers(1, 8), st.integers(0, 100))
def test_every_question_is_answered_once_and_by_different_replicas(questions, replicas, turn):
    found = shares(questions, replicas, turn, least=16)
    asked = [question for _, some in found for question in range(questions)[some]]
    assert asked == list(range(questions))
    assert len({replica for replica, _ in found}) == len(found) <= replicas
    assert len(found) == max(1, min(replicas, questions // 16))


def test_single_questions_go_round():
    assert [shares(1, 3, turn)[0][0] for turn in range(4)] == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        ("auto", (0, 1, 2)),
        ("cuda", (0, 1, 2)),
        ("cpu", ()),
        ("cuda:1", (1,)),
        ("cuda:2,0,2", (2, 0)),
        ("cuda:0,7/float16", (0,)),
        (" CUDA:1 ", (1,)),
    ],
)
def test_device_texts(device, wanted):
    assert numbers(device, 3) == wanted


@pytest.mark.parametrize("device", ["", "gpu", "cpu:1", "cuda:", "cuda:-1", "auto:0"])
def test_device_texts_that_make_no_sense(device):
    with pytest.raises(DeviceUnavailable, match="no device to search on"):
        numbers(device, 3)
