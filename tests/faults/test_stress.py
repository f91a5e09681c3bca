"""Everything at once on one index; `benchmarks/stress.py` does it for minutes."""

import os

import pytest
from stress_run import stress

SECONDS = 10


@pytest.mark.skipif(os.name != "posix", reason="kills with SIGKILL")
def test_readers_see_every_acknowledged_item_whatever_others_do(tmp_path):
    counts, problems = stress(tmp_path, SECONDS, every=3.0)
    assert problems == []
    assert counts["kills"] >= 2
    for name in ("added", "removed", "searches", "compactions", "dropped", "snapshots"):
        assert counts[name] > 0, counts
