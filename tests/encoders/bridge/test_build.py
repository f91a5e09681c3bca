import itertools

import numpy as np
import pytest
from made import picture, tone

from mmsearch import captions
from mmsearch.encoders.base import Batch
from mmsearch.encoders.bridge.build import build
from mmsearch.encoders.fake import COLOURS, PITCHES, fake
from mmsearch.encoders.fake_pair import fake_pair
from mmsearch.errors import ModelError
from mmsearch.types import Modality, Role

THINGS = ["fire engine", "old harbour", "apple", "bridge", "train", "garden", "voice", "kitchen", "storm", "clock"]
TEXTS = [" ".join(words) for words in itertools.product(COLOURS, PITCHES, THINGS)] + [*COLOURS, *PITCHES, *THINGS]


@pytest.fixture(scope="module")
def model():
    return fake_pair()


@pytest.fixture(scope="module")
def bridge(model):
    return build(model, TEXTS)


def vectors(model, space, modality, contents):
    head = next(one for one in model.heads if one.space.name == space)
    encoder = next(one for one in model.encoders if one.name == head.encoders[modality])
    return head.project(encoder.encode(Batch(modality, contents), Role.QUERY), modality)


def test_it_says_what_it_is_of(bridge):
    assert bridge.spaces == (("eyes", "1", 128), ("ears", "1", 64))
    assert (bridge.texts, bridge.bank) == (len(TEXTS), "own texts")
    assert bridge.forward.quality.hit1 > 0.95 and bridge.backward.quality.hit1 > 0.95


def test_a_picture_finds_its_colour_among_ears(model, bridge):
    pictures = vectors(model, "eyes", Modality.IMAGE, [np.asarray(picture(name)) for name in COLOURS])
    carried = bridge.carry(pictures, "eyes", pictures.mean(axis=0))
    words = vectors(model, "ears", Modality.TEXT, [*COLOURS, *PITCHES])
    assert (carried @ words.T).argmax(axis=1).tolist() == list(range(len(COLOURS)))


def test_a_sound_finds_its_pitch_among_eyes(model, bridge):
    sounds = vectors(model, "ears", Modality.AUDIO, [tone(name) for name in PITCHES])
    carried = bridge.carry(sounds, "ears", sounds.mean(axis=0))
    words = vectors(model, "eyes", Modality.TEXT, [*PITCHES, *COLOURS])
    assert (carried @ words.T).argmax(axis=1).tolist() == list(range(len(PITCHES)))


def test_it_joins_the_spaces_of_the_model(model, bridge):
    assert bridge.joins(model.heads[0].space, model.heads[1].space)


def test_a_text_that_comes_twice_counts_once(model, bridge):
    again = build(model, [*TEXTS, *TEXTS])
    assert again.texts == len(TEXTS)
    assert np.array_equal(again.forward.matrix, bridge.forward.matrix)


def test_progress_is_told(model):
    told = []
    build(model, TEXTS[:300], progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[0] == (16, 600) and told[-1] == (600, 600)


def test_the_built_in_captions_will_do(model):
    made = build(model, captions.bank(2000), "captions 123")
    assert (made.texts, made.bank) == (2000, "captions 123")
    assert made.forward.quality.held_out == 200


def test_too_few_texts_are_refused_before_anything_is_encoded(model, monkeypatch):
    monkeypatch.setattr(type(model.encoders[0]), "encode", None)
    with pytest.raises(ModelError, match="150 distinct texts are too few to join two spaces: at least 200"):
        build(model, TEXTS[:150] * 3)


def test_a_model_of_one_space_is_refused():
    with pytest.raises(ModelError, match="fake has 1: fake"):
        build(fake(), TEXTS)
