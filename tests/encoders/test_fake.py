import numpy as np
import pytest

from mmsearch.encoders.base import Batch
from mmsearch.encoders.fake import COLOURS, fake
from mmsearch.types import Modality, Role

RATE = 8000


def vectors(modality, contents):
    made = fake()
    return made.heads[0].project(made.encoders[0].encode(Batch(modality, contents), Role.DOCUMENT), modality)


def tone(frequency):
    return np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE).astype(np.float32)


def test_a_colour_finds_its_picture():
    pictures = [np.full((32, 32, 3), colour, np.uint8) for colour in COLOURS.values()]
    found = vectors(Modality.TEXT, [f"a {name} thing" for name in COLOURS]) @ vectors(Modality.IMAGE, pictures).T
    assert found.argmax(axis=1).tolist() == list(range(len(COLOURS)))


def test_a_pitch_finds_its_sound():
    sounds = [np.zeros(RATE, np.float32), tone(100), tone(210), tone(650), tone(1900), tone(3600)]
    words = ["silence", "a hum", "low", "middle", "a high note", "a whistle"]
    found = vectors(Modality.TEXT, words) @ vectors(Modality.AUDIO, sounds).T
    assert found.argmax(axis=1).tolist() == list(range(len(sounds)))


def test_texts_that_share_words_are_near():
    query, near, far = vectors(Modality.TEXT, ["old harbour town", "the town has an old harbour", "seven green apples"])
    assert query @ near > 0.5 > query @ far


@pytest.mark.parametrize(
    ("modality", "contents"),
    [(Modality.IMAGE, [np.full((32, 32, 3), (230, 20, 20), np.uint8)]), (Modality.AUDIO, [tone(3500)])],
)
def test_tags_agree_with_the_words(modality, contents):
    made = fake()
    words = ["red whistle", "green hum"]
    texts = made.encoders[0].encode(Batch(Modality.TEXT, words), Role.QUERY)
    media = made.encoders[0].encode(Batch(modality, contents), Role.DOCUMENT)
    right, wrong = made.tagger.tags(texts, Modality.TEXT, modality) @ made.tagger.tags(media, modality, modality)[0]
    assert right > 0.8 > wrong
