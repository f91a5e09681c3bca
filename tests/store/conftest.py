import sys
from pathlib import Path

import pytest

from mmsearch.store.store import Store

sys.path.append(str(Path(__file__).parents[1] / "faults"))


@pytest.fixture
def store(tmp_path):
    made = Store.create(tmp_path / "index", {"name": "test"})
    yield made
    made.close()
