"""An index of a dataset that is there for as long as it is asked."""

import pytest
from made import picture

from mmsearch import Record
from mmsearch.encoders.fake import fake
from mmsearch.errors import UnknownModel
from mmsearch.evaluation import temporary as module
from mmsearch.evaluation.datasets import Dataset
from mmsearch.evaluation.temporary import temporary

RECORDS = (Record(id="red", image=picture("red")), Record(id="bad", image=b"no picture"), Record(id="t", text="red"))
DATASET = Dataset("made", RECORDS, ())


@pytest.mark.parametrize("model", ["fake", fake()], ids=["named", "itself"])
def test_it_holds_the_dataset_and_is_removed(model):
    told = []
    with temporary(DATASET, model, progress=lambda *step: told.append(step)) as index:
        assert {item.id for item in index.items()} == {"red", "t"}
        assert index.search("red", target="image")[0].id == "red"
        assert index.folder.is_dir()
    assert not index.folder.parent.exists()
    assert told[-1] == ("indexing", 3, 3)  # what cannot be read is done with as well
    assert {what for what, _, _ in told} == {"indexing"}


def test_it_is_removed_if_something_goes_wrong():
    with pytest.raises(ZeroDivisionError), temporary(DATASET, "fake") as index:
        _ = 1 / 0
    assert not index.folder.parent.exists()


def test_a_model_that_is_named_computes_where_it_is_told_to(monkeypatch):
    told, real = [], module.open_index
    monkeypatch.setattr(
        module, "open_index", lambda *names, device: told.append((names[1], device)) or real(*names, device=device)
    )
    with temporary(DATASET, "fake", "cpu") as index:
        assert len(index) == 2
    assert told == [("fake", "cpu")]
    with pytest.raises(UnknownModel), temporary(DATASET, "no-such-model"):
        pass
