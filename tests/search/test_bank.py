"""Reference questions that are encoded once for a model, and kept."""

from dataclasses import replace

import numpy as np
import pytest
from made import picture

import mmsearch
from mmsearch import Record, captions
from mmsearch.search.rerank import bank
from mmsearch.search.rerank.base import Context
from mmsearch.search.route import Route
from mmsearch.search.samples import MOST
from mmsearch.types import Modality


@pytest.fixture
def context(index, tmp_path, monkeypatch):
    """Of an index whose model has weights, with an empty cache and no bank in this process."""
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bank, "_captions", {})
    monkeypatch.setattr(bank, "_banks", type(bank._banks)())
    made = [f"caption {number} of a red thing" for number in range(MOST)]
    monkeypatch.setattr(captions, "bank_if_installed", lambda count, seed=0: tuple(made[:count]))
    index.add_items([Record(image=picture("red"))])
    model = replace(index.model, weights={"file": "abc"})
    space = model.heads[0].space
    with index.hold() as view:
        yield Context(view, view.snapshot(), model, {Modality.IMAGE: Route(space)})


def questions(context):
    return bank.bank(context, Modality.TEXT, Modality.IMAGE).questions


def forget(monkeypatch):
    monkeypatch.setattr(bank, "_captions", {})
    monkeypatch.setattr(bank, "_banks", type(bank._banks)())


def kept(tmp_path):
    return list((tmp_path / "cache" / "banks").glob("*"))


def test_the_next_process_reads_what_was_encoded(context, tmp_path, monkeypatch):
    first = questions(context)
    (file,) = kept(tmp_path)
    assert first.shape == (MOST, context.model.heads[0].space.dim)
    forget(monkeypatch)
    monkeypatch.setattr(bank, "Samples", lambda *_: NoSamples())
    np.testing.assert_array_equal(questions(context), first)
    assert file.is_file()


class NoSamples:
    def of(self, *_):
        raise AssertionError("encoded again")


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_made_anew(context, tmp_path, monkeypatch, damage):
    first = questions(context)
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage)
    forget(monkeypatch)
    np.testing.assert_array_equal(questions(context), first)
    assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_does_no_harm(context, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    assert len(questions(context)) == MOST


def test_other_weights_have_another_bank(context, tmp_path, monkeypatch):
    questions(context)
    forget(monkeypatch)
    context.model = replace(context.model, weights={"file": "def"})
    questions(context)
    assert len(kept(tmp_path)) == 2


def test_a_model_without_weights_keeps_nothing(context, tmp_path):
    context.model = replace(context.model, weights={})
    assert len(questions(context)) == MOST
    assert kept(tmp_path) == []


def test_texts_of_the_index_stand_in_and_are_not_kept(context, tmp_path, monkeypatch):
    monkeypatch.setattr(captions, "bank_if_installed", lambda count, seed=0: ())
    assert len(questions(context)) == 0  # it has no texts
    assert kept(tmp_path) == []
    assert bank._captions == {}


def test_biases_are_those_of_the_segments_asked_for(context):
    def first(cosines):
        return cosines[:, 0]

    dim = context.model.heads[0].space.dim
    biases = bank.Biases(np.eye(2, dim, dtype=np.float32), first)
    context.vectors_of = lambda target, some: np.eye(1, dim, dtype=np.float32) * np.float32(some)[:, None] / 4096
    for segments in ([3, 1], [1000, 3], [2, 2000, 1]):
        found = biases.of(context, Modality.IMAGE, np.array(segments))
        np.testing.assert_allclose(found, np.array(segments) / 4096)


def test_a_direction_over_a_bridge_has_no_bank(tmp_path):
    with mmsearch.open(tmp_path / "pair", model="fake-pair") as index, index.hold() as view:
        heads = {str(head.space.name): head.space for head in index.model.heads}
        space = next(space for space in heads.values() if Modality.AUDIO not in space.modalities)
        context = Context(view, view.snapshot(), index.model, {Modality.IMAGE: Route(space)})
        assert len(bank.bank(context, Modality.AUDIO, Modality.IMAGE)) == 0
