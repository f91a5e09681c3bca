"""Small products take one thread, and what was set before is set again."""

import numpy as np  # noqa: F401  (brings the library whose threads are counted)
from threadpoolctl import threadpool_info, threadpool_limits

from mmsearch.search.one_thread import one_thread


def threads():
    return {one["filepath"]: one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_one_thread_until_the_block_is_left():
    with threadpool_limits(2, "blas"):
        before = threads()
        with one_thread():
            inside = threads()
        assert threads() == before
    assert 1 in inside.values()


def test_the_last_one_out_sets_it_back():
    with threadpool_limits(2, "blas"):
        before = threads()
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert 1 in threads().values()
        second.__exit__(None, None, None)
        assert threads() == before
