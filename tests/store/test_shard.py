import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.store import shard

GROUP = shard.Group("vectors", "space", "1", "image", "float32", 64)


def rows(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, GROUP.dim), dtype=np.float32)


def test_rows_come_back_bit_for_bit(tmp_path):
    path = tmp_path / "a" / "b" / "1.vec"
    shard.create(path, GROUP)
    first, second = rows(3, 1), rows(5, 2)
    shard.append(path, GROUP, 0, first)
    shard.append(path, GROUP, 3, second)
    np.testing.assert_array_equal(shard.mapped(path, GROUP, 8), np.concatenate([first, second]))


def test_an_append_overwrites_what_was_never_committed(tmp_path):
    path = tmp_path / "1.vec"
    shard.create(path, GROUP)
    shard.append(path, GROUP, 0, rows(3, 1))
    shard.append(path, GROUP, 2, rows(1, 2))
    np.testing.assert_array_equal(shard.mapped(path, GROUP, 3)[2], rows(1, 2)[0])


def test_a_short_or_missing_file_is_damage(tmp_path):
    path = tmp_path / "1.vec"
    with pytest.raises(IndexDamaged, match="verify"):
        shard.mapped(path, GROUP, 1)
    shard.create(path, GROUP)
    shard.append(path, GROUP, 0, rows(3))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IndexDamaged, match="verify"):
        shard.mapped(path, GROUP, 3)
    assert shard.mapped(path, GROUP, 2).shape == (2, GROUP.dim)


def test_an_append_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(IndexDamaged, match=r"missing\.vec is missing"):
        shard.append(tmp_path / "missing.vec", GROUP, 0, rows(1))
    with pytest.raises(StoreError, match="cannot write"):
        shard.append(tmp_path, GROUP, 0, rows(1))


@given(st.lists(st.integers(1, 2 * GROUP.block_rows + 3), min_size=1, max_size=4))
def test_checksums_of_appends_are_those_of_the_whole(sizes):
    whole = rows(sum(sizes))
    found, done, last = {}, 0, 0
    for size in sizes:
        for block, crc in shard.extend_checksums(GROUP, done, last, whole[done : done + size]):
            found[block] = crc
        last = crc
        done += size
    step = GROUP.block_rows
    expected = {i // step: zlib.crc32(whole[i : i + step].tobytes()) for i in range(0, len(whole), step)}
    assert found == expected


def test_checksums_read_from_a_file_stop_where_it_ends(tmp_path):
    path = tmp_path / "1.vec"
    shard.create(path, GROUP)
    whole = rows(GROUP.block_rows + 10)
    shard.append(path, GROUP, 0, whole)
    assert dict(shard.checksums(path, GROUP, len(whole))) == dict(shard.extend_checksums(GROUP, 0, 0, whole))
    path.write_bytes(path.read_bytes()[:-1])
    assert list(dict(shard.checksums(path, GROUP, len(whole)))) == [0]
