import pytest

from mmsearch.store.store import Store


@pytest.fixture
def store(tmp_path):
    made = Store.create(tmp_path / "index", {"name": "test"})
    yield made
    made.close()
