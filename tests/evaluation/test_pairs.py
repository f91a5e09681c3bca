"""What a fit learns from."""

import json

import pytest
from made_datasets import media, text

from mmsearch.evaluation.datasets import read
from mmsearch.evaluation.pairs import Pair, pairs
from mmsearch.types import Modality


def of(folder, entries):
    return pairs(read(text(folder / "mine.json", json.dumps(entries))))


@pytest.fixture
def folder(tmp_path):
    return media(tmp_path, "a.jpg", "b.jpg", "c.jpg", "a.wav", "b.wav")


def test_each_medium_comes_once_with_all_its_texts_in_their_order(folder):
    entries = [
        {"image": "b.jpg", "captions": ["a cat", "an animal", "a cat"]},
        {"image": "a.jpg", "captions": ["a dog"]},
        {"audio": "a.wav", "label": "dog bark"},
        {"audio": "b.wav", "label": "dog bark"},
        {"image": "c.jpg", "captions": []},
        {"image": "b.jpg", "captions": ["a tabby"]},
        {"query": "animals", "relevant": [{"image": "a.jpg", "grade": 3}, {"audio": "a.wav"}, {"image": "b.jpg"}]},
    ]
    assert of(folder, entries) == [
        Pair(Modality.IMAGE, "image:b.jpg", ("a cat", "an animal", "a tabby", "animals")),
        Pair(Modality.IMAGE, "image:a.jpg", ("a dog", "animals")),
        Pair(Modality.AUDIO, "audio:a.wav", ("dog bark", "animals")),
        Pair(Modality.AUDIO, "audio:b.wav", ("dog bark",)),
    ]


def test_an_item_goes_with_its_own_text_and_with_those_of_its_topics(folder):
    entries = [
        {"id": "both", "image": "a.jpg", "audio": "a.wav", "text": "a dog barks", "topics": ["dog"]},
        {"id": "words", "text": "Dogs bark.", "topics": ["dog"]},
        {"id": "moon", "image": "b.jpg", "topics": ["moon"]},
    ]
    assert of(folder, entries) == [
        Pair(Modality.IMAGE, "both", ("a dog barks", "Dogs bark.")),
        Pair(Modality.AUDIO, "both", ("a dog barks", "Dogs bark.")),
    ]


def test_media_without_texts_make_no_pairs(folder):
    entries = [{"id": id, "image": f"{id}.jpg", "topics": ["dog"]} for id in ("a", "b")]
    assert of(folder, entries) == []
