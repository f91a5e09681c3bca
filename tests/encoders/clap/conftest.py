"""Models that the tests of CLAP share."""

from contextlib import contextmanager
from types import SimpleNamespace

import made_clap
import pytest

from mmsearch.encoders import heavy
from mmsearch.encoders.clap import AUDIO, TEXT, TOKENIZER, prepare
from mmsearch.encoders.clap.encoder import ClapEncoder
from mmsearch.encoders.clap.features import MelSpec
from mmsearch.encoders.clap.tokens import Tokenizer
from mmsearch.encoders.export import export
from mmsearch.encoders.towers import OnnxTower


@contextmanager
def one_thread():
    """On a busy machine the threads of torch wait for each other, and a small model takes a hundred times as long."""
    torch = heavy.torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def alone(request):
    """`one_thread`, for every test of a small model."""
    if request.node.get_closest_marker("large"):
        yield
    else:
        with one_thread():
            yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A small unfused model on disk. Only to be read."""
    made = tmp_path_factory.mktemp("clap")
    made_clap.save(made)
    return made


@pytest.fixture(scope="session")
def prepared(folder, tmp_path_factory):
    """The same, made ready: its `card` and the folder `staging`."""
    staging = tmp_path_factory.mktemp("prepared")
    with one_thread():
        return SimpleNamespace(card=prepare(folder, staging, export), staging=staging)


@pytest.fixture(scope="session")
def make(prepared):
    """Make an encoder of it; `sounds` stands in for its tower."""

    def encoder(sounds=None, rows=1, batch_size=16):
        card, staging = prepared.card, prepared.staging
        return ClapEncoder(
            "clap",
            "1",
            card["dim"],
            sounds or OnnxTower(staging / AUDIO, rows=rows),
            OnnxTower(staging / TEXT, mapped=True),
            Tokenizer(staging / TOKENIZER, card["pad"], card["limit"]),
            MelSpec(**card["mel"]),
            rows=rows,
            batch_size=batch_size,
        )

    return encoder
