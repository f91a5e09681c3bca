"""Models that keep no features, as CLIP and CLAP, and models of two spaces: a fit for one of them."""

import numpy as np
import pytest
from fitted_rows import agree, sound
from made import RATE, picture, tone
from made_pairs import WORDS, paintings

import mmsearch
from mmsearch import Record
from mmsearch.encoders.base import Model
from mmsearch.encoders.fake import COLOURS, PITCHES
from mmsearch.encoders.fake_pair import fake_pair
from mmsearch.engine import Index
from mmsearch.identity import identity
from mmsearch.store.store import Store

PARTS = {"text": "rot", "image": picture("red"), "audio": (tone("low"), RATE)}
NATIVE = {("image", "image"): "eyes", ("text", "text"): "eyes", ("text", "audio"): "ears",
          ("audio", "text"): "ears", ("audio", "audio"): "ears"}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pair(tmp_path):
    with mmsearch.open(tmp_path / "pair", model="fake-pair") as index:
        index.add_items(paintings(45))
        index.add_items(Record(id=pitch, audio=(tone(pitch), RATE)) for pitch in ("low", "high", "whistle"))
        index.add_items([Record(id="w", text="rot und blau"), Record(id="sea", text="the blue sea is low")])
        yield index
        sound(index)


def answers(index, asked, target):
    hits = index.search(**{asked: PARTS[asked]}, target=target, k=100)
    return [(hit.id, hit.score, hit.cosine, hit.why) for hit in hits]


def test_what_keeps_no_features_is_fitted_to_its_vectors(pair):
    before = {way: answers(pair, *way) for way in NATIVE}
    (outcome,) = pair.fits.learn()
    assert outcome.installed and outcome.learnt.fit.space == "eyes"
    assert outcome.learnt.fit.encoders == {"text": ("fake-eyes", "1"), "image": ("fake-eyes", "1")}
    assert not any(shard.group.kind == "features" for shard in pair._store.snapshot().shards)
    for way, found in before.items():
        assert answers(pair, *way) == found
    for way in (("text", "image"), ("image", "text")):
        assert {why[0] for *_, why in answers(pair, *way)} == {f"{way[0]}→{way[1]} in eyes.fit-image"}
    said = {record.id: record.metadata["caption"] for record in paintings(45)}
    right = [word in said[pair.search(word, target="image", k=1)[0].id].split() for word in WORDS.values()]
    assert sum(right) >= 8


def test_imported_vectors_are_as_good_as_encoded_ones(tmp_path):
    """Where the features are the vectors, a fit knows imported items as well as any other."""
    both = fake_pair()
    eyes = Model("eyes", both.inputs, both.encoders[:1], both.heads[:1])
    with Index(Store.create(tmp_path / "eyes", identity(eyes)), eyes) as index:
        index.add_items(paintings(50))
        with index.hold() as view:
            (one,) = view.snapshot().of("vectors", "eyes", "1", "image")
            rows, numbers = np.array(one.matrix[:5]), view.ids(one.id, 0, 5)[:, 1].tolist()
            keys = view.keys(numbers)
        names = [keys[number] for number in numbers]
        index.add_vectors(rows[:2], modality="image", ids=[f"copy-{name}" for name in names[:2]])
        index.fits.learn()
        index.add_vectors(rows[2:], modality="image", ids=[f"copy-{name}" for name in names[2:]])
        found = {hit.id: hit for hit in index.search("rot blau", target="image", k=100)}
        assert found[names[0]].why == ("text→image in eyes.fit-image",)
        for name in names:
            assert found[f"copy-{name}"].cosine == pytest.approx(found[name].cosine, abs=1e-6)
        agree(index)  # `Index.verify` looks for its model as well


def test_bridged_ways_go_on_between_the_spaces_themselves(pair, monkeypatch):
    words = [f"{colour} {pitch} word{n}" for colour in COLOURS for pitch in PITCHES for n in range(6)]
    monkeypatch.setattr("mmsearch.captions.bank", lambda *_: tuple(words))
    pair.fit_bridge()
    ways = (("image", "audio"), ("audio", "image"))
    before = {way: answers(pair, *way) for way in ways}
    monkeypatch.undo()
    (outcome,) = pair.fits.learn()
    assert outcome.installed
    for way, found in before.items():
        assert answers(pair, *way) == found and len(found) > 0
    hits = pair.search("rot", image=picture("red"), target="image", k=3)  # of two parts: without the fit
    assert hits[0].why[0] == "image+text→image in eyes"


def test_learning_again_with_a_fit_in_use_starts_from_what_the_model_knows(pair):
    (first,) = pair.fits.learn(name="one")
    (second,) = pair.fits.learn(name="two")
    assert second.installed
    assert second.learnt.fit.version == first.learnt.fit.version
    assert second.name == "one" and [one.name for one in pair.fits.kept()] == ["one"]
