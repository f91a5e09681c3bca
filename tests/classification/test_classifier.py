"""Probabilities, compared with the same computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mmsearch.classification.classifier import Classifier
from mmsearch.classification.labels import Label, of
from mmsearch.encoders.base import Batch
from mmsearch.encoders.compose import compose
from mmsearch.encoders.fake import COLOURS, FakeEncoder, FakeHead, FakeTagger, fake
from mmsearch.encoders.fake_pair import PAIR
from mmsearch.errors import QueryError
from mmsearch.search.rerank.tags import factor
from mmsearch.types import Modality, Role

NAMES = ["red", "green", "blue"]


def features(*shares):
    """Of pictures with so much of red, green and blue."""
    rows = np.zeros((len(shares), len(COLOURS)), np.float32)
    for row, share in zip(rows, shares, strict=True):
        row[[list(COLOURS).index(name) for name in NAMES]] = share
    return rows


def softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


def test_cosine_and_tags_times_the_scale_of_the_model():
    model, pictures = fake(), features((0.7, 0.2, 0.1), (0, 0, 1))
    vectors = FakeHead().project(pictures, Modality.IMAGE)
    found = Classifier(model, of(NAMES), ["{}"]).probabilities(Modality.IMAGE, vectors, pictures)

    said = FakeEncoder().encode(Batch(Modality.TEXT, NAMES), Role.QUERY)
    cosines = vectors @ FakeHead().project(said, Modality.TEXT).T
    tagger = FakeTagger()
    tags = tagger.tags(pictures, Modality.IMAGE, Modality.IMAGE) @ tagger.tags(said, Modality.TEXT, Modality.IMAGE).T
    wanted = softmax(10 * (cosines + factor(tagger.weights(Modality.TEXT, Modality.IMAGE)) * tags))
    np.testing.assert_allclose(found, wanted, rtol=1e-3)  # features are stored as float16
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)

    known = pictures.copy()
    known[1] = np.nan
    half = Classifier(model, of(NAMES), ["{}"]).probabilities(Modality.IMAGE, vectors, known)
    np.testing.assert_allclose(half[0], found[0], rtol=1e-4)
    np.testing.assert_allclose(half[1], softmax(10 * cosines[1:])[0], rtol=1e-3)
    assert half[1].max() < found[1].max()


def test_another_scale_makes_surer():
    vectors = FakeHead().project(features((0.7, 0.2, 0.1)), Modality.IMAGE)
    plain = replace(fake(), tagger=None)
    surer = replace(plain, scales={("fake", Modality.IMAGE): 100.0})
    first, second = (Classifier(model, of(NAMES), ["{}"]) for model in (plain, surer))
    assert list(second.senses) == [Modality.IMAGE] and set(first.senses) == set(Modality)
    unsure, sure = (one.probabilities(Modality.IMAGE, vectors)[0] for one in (first, second))
    np.testing.assert_allclose((sure[0] / sure[1]) ** 0.1, unsure[0] / unsure[1], rtol=1e-4)


def test_templates_and_several_words_count_as_their_mean():
    model = replace(fake(), tagger=None)
    sense = Classifier(model, of([Label("red", ("red", "orange")), "blue"]), ["{}", "{} {} yellow"]).senses[
        Modality.IMAGE
    ]
    head = FakeHead()
    said = ["red", "red red yellow", "orange", "orange orange yellow"]
    rows = head.project(FakeEncoder().encode(Batch(Modality.TEXT, said), Role.QUERY), Modality.TEXT).mean(axis=0)
    np.testing.assert_allclose(sense.vectors[0], rows / np.linalg.norm(rows), atol=1e-3)


def test_guesses_are_in_order_and_equal_ones_as_they_were_given():
    found = Classifier(fake(), of(NAMES)).guesses(np.array([0.25, 0.5, 0.25], np.float32))
    assert [guess.label for guess in found] == ["green", "red", "blue"]


def test_each_medium_in_the_space_whose_temperature_is_known():
    pair = PAIR.make()
    with pytest.raises(QueryError, match="cannot classify"):
        Classifier(replace(pair, scales={}), of(NAMES))
    scales = {(head.space.name, medium): 5.0 for head in pair.heads for medium in (Modality.IMAGE, Modality.AUDIO)}
    senses = Classifier(replace(pair, scales=scales), of(NAMES)).senses
    assert list(senses) == [Modality.IMAGE, Modality.AUDIO]
    assert senses[Modality.IMAGE].group.name != senses[Modality.AUDIO].group.name


def test_a_composed_model_keeps_the_scales_of_its_parts():
    assert compose([fake()]).scales == fake().scales != {}
