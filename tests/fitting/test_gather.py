"""Features and vectors of pairs, from where they are stored."""

import numpy as np
import pytest
from damage import shard_of
from made import RATE, picture, tone
from made_pairs import WORDS, painting, paintings, unit

import mmsearch
from mmsearch import Record
from mmsearch.encoders.base import Batch, Model
from mmsearch.encoders.fake import FakeEncoder, FakeHead, fake
from mmsearch.encoders.fake_pair import fake_pair
from mmsearch.errors import FitError
from mmsearch.fitting.gather import Gatherer, head_for
from mmsearch.store import shard
from mmsearch.types import Modality, Role

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO


def gathered(index, texts, medium=IMAGE):
    """Of texts by id."""
    numbers = {item.id: item.number for item in index.items()}
    with index.hold() as view:
        return Gatherer(view, index.model).pairs(medium, {numbers[key]: said for key, said in texts.items()})


def encoded(*texts):
    features = FakeEncoder().encode(Batch(Modality.TEXT, texts), Role.QUERY).astype(np.float16).astype(np.float32)
    return features, FakeHead().project(features, Modality.TEXT)


def test_pairs_as_numbers(plain):
    found = gathered(plain, {"p3": ["rot", "blau"], "p1": ["blau", " blau ", "gelb"]})
    assert found.warnings == ()
    features, vectors = encoded("rot", "blau", "gelb")
    np.testing.assert_array_equal(found.pairs.texts.features, features)
    np.testing.assert_array_equal(found.pairs.texts.vectors, vectors)
    assert found.pairs.edges.tolist() == [[0, 0], [1, 0], [1, 1], [2, 1]]
    pictures = {record.id: record.image for record in paintings(4)}
    colours = FakeEncoder().encode(Batch(IMAGE, [pictures["p3"], pictures["p1"]]), Role.DOCUMENT).astype(np.float16)
    np.testing.assert_array_equal(found.pairs.media.features, colours.astype(np.float32))
    np.testing.assert_allclose(found.pairs.media.vectors[:, :10], unit(colours.astype(np.float32)), atol=1e-6)
    assert found.pairs.media.features.dtype == found.pairs.media.vectors.dtype == np.float32


def test_a_long_sound_is_the_mean_of_its_windows(plain, index):
    index.add_items([Record(id="long", audio=(np.concatenate([tone("low", 30), tone("whistle", 30)]), RATE))])
    found = gathered(index, {"long": ["tief"]}, AUDIO)
    with index.hold() as view:
        shards = [shard for shard in view.snapshot().shards if shard.group.kind == "features"]
        rows = np.concatenate([np.asarray(one.matrix, np.float32) for one in shards if one.group.modality == "audio"])
    assert len(rows) > 1
    np.testing.assert_allclose(found.pairs.media.features, rows.mean(axis=0, keepdims=True), atol=1e-6)
    assert np.linalg.norm(found.pairs.media.vectors[0]) == pytest.approx(1)


def test_in_many_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shard, "SHARD_ROWS", 7)
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add_items(paintings(30))
        index.remove(ids=["p4", "p9"])
        found = gathered(index, {f"p{n}": [f"bild{n}"] for n in range(30) if n not in (4, 9)})
    pictures = [record.image for record in paintings(30) if record.id not in ("p4", "p9")]
    colours = FakeEncoder().encode(Batch(IMAGE, pictures), Role.DOCUMENT).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found.pairs.media.features, colours)


def test_blank_texts_are_left_out_and_counted(plain):
    found = gathered(plain, {"p0": ["rot", " ", ""], "p1": ["\n"], "p2": ["blau"]})
    assert found.warnings == ("blank texts left out: 3",)
    assert len(found.pairs.media) == 2 and len(found.pairs.texts) == 2


def test_texts_that_are_no_unicode_are_left_out_and_counted(plain):
    """JSON can name half a surrogate pair, and no tokenizer takes it."""
    found = gathered(plain, {"p0": ["rot \ud800", "rot"], "p1": ["\udfff"], "p2": ["blau \U0001f600"]})
    assert found.warnings == ("texts that are no valid Unicode left out: 2",)
    assert len(found.pairs.media) == 2 and len(found.pairs.texts) == 2


def test_only_blank_texts(plain):
    with pytest.raises(FitError, match="no image in the index .* has a text to learn from"):
        gathered(plain, {"p0": [" "], "p1": []})


def test_what_has_no_features_is_left_out_and_counted(plain):
    plain.add_vectors(np.eye(64, dtype=np.float32)[:3], modality="image", ids=["a", "b", "c"])
    found = gathered(plain, {"a": ["rot"], "b": ["rot"], "p0": ["rot"], "rot": ["no picture"]})
    assert found.warnings == ("images without stored features left out: 3",)
    assert len(found.pairs.media) == 1


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_features_that_are_not_finite_are_left_out_and_counted(kit, tmp_path, value):
    """They cannot be stored, but a disk can make them."""
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add_items(paintings(5))
        path = shard_of(index.folder, "features", "image")
        (one,) = (one for one in index._store.snapshot().shards if one.path == path)
        (victim,) = index._store.ids(one.id, 2, 3)[:, 1].tolist()
        data = bytearray(path.read_bytes())
        place = shard.HEADER_BYTES + 2 * one.group.row_bytes
        data[place : place + 2] = np.float16(value).tobytes()
        path.write_bytes(data)
    with mmsearch.open(tmp_path / "index") as index:
        found = gathered(index, {f"p{n}": ["rot"] for n in range(5)})
        assert victim in {item.number for item in index.items()}
    assert found.warnings == ("images with features that are not finite left out: 1",)
    assert len(found.pairs.media) == 4 and np.isfinite(found.pairs.media.features).all()


def test_features_are_the_vectors_where_none_are_kept(tmp_path):
    with mmsearch.open(tmp_path / "pair", model="fake-pair") as index:
        index.add_items(paintings(3))
        found = gathered(index, {"p0": ["rot"], "p2": ["blau"]})
    for side in (found.pairs.media, found.pairs.texts):
        np.testing.assert_array_equal(side.features, side.vectors)
        assert side.features.shape == (2, 128)


def test_the_space_is_that_in_which_text_and_the_medium_meet():
    model = fake_pair()
    assert [head_for(model, medium).space.name for medium in (IMAGE, AUDIO)] == ["eyes", "ears"]
    eyes = Model("eyes", model.inputs, model.encoders[:1], model.heads[:1])
    with pytest.raises(FitError, match="eyes has no space that audio and text share: there is nothing to fit"):
        head_for(eyes, AUDIO)


def test_it_is_told_how_many_texts_are_encoded(plain):
    numbers = {item.id: item.number for item in plain.items()}
    told = []
    with plain.hold() as view:
        texts = {numbers[f"p{n}"]: [f"bild{n}"] for n in range(20)}
        Gatherer(view, fake(), lambda *now: told.append(now)).pairs(IMAGE, texts)
    assert told == [("encoding texts", 0, 20), ("encoding texts", 16, 20)]


def test_a_picture_of_one_colour_is_said_in_one_word():
    """The paintings that all of this is tried with are what they seem."""
    pixels, names = painting(np.random.default_rng(0), most=1)
    assert len(names) == 1 and names[0] in WORDS
    assert FakeEncoder().encode(Batch(IMAGE, [pixels]), Role.QUERY).max() == 1
    assert np.asarray(picture(names[0]))[0, 0].tolist() == pixels[0, 0].tolist()
