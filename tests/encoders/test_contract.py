"""What every model must do, whatever it is made of."""

import numpy as np
import pytest
from samples_for_encoders import contents, encoder, model

from mmsearch.encoders.base import Batch
from mmsearch.types import Modality, Role

MODELS = ["fake", pytest.param("lite", marks=pytest.mark.lite), pytest.param("lite2", marks=pytest.mark.lite)]
MODALITIES = [Modality.IMAGE, Modality.TEXT, Modality.AUDIO]


@pytest.fixture(scope="module", params=MODELS)
def made(request):
    return model(request.param)


@pytest.fixture(scope="module", params=MODALITIES, ids=str)
def case(request, made):
    """Model, modality, encoder, head, inputs and their features."""
    modality = request.param
    head = next((one for one in made.heads if modality in one.space.modalities), None)
    if head is None:
        pytest.skip(f"{made.name} knows no {modality}")
    inputs = contents(made, modality)
    one = encoder(made, modality)
    return modality, one, head, inputs, one.encode(Batch(modality, inputs), Role.DOCUMENT)


def test_names_fit_together(made):
    names = [one.name for one in made.encoders]
    assert len(set(names)) == len(names)
    for one in made.encoders:
        assert all(letter.isalnum() or letter in "._-" for letter in one.name)
        assert one.version
    for head in made.heads:
        assert set(head.encoders) == head.space.modalities
        assert head.space.dim <= 512 and head.space.dim % 64 == 0
        for modality, name in head.encoders.items():
            assert modality in next(one for one in made.encoders if one.name == name).dims


def test_features_have_their_shape(case):
    modality, one, _, inputs, features = case
    assert features.shape == (len(inputs), one.dims[modality])
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_features_fit_into_float16(case):
    *_, features = case
    assert np.abs(features).max() < np.finfo(np.float16).max / 100


def test_no_input_no_features(case):
    modality, one, head, _, _ = case
    features = one.encode(Batch(modality, []), Role.DOCUMENT)
    assert features.shape == (0, one.dims[modality])
    assert head.project(features, modality).shape == (0, head.space.dim)


def test_encoding_again_gives_the_same(case):
    modality, one, _, inputs, features = case
    assert np.array_equal(one.encode(Batch(modality, inputs), Role.DOCUMENT), features)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_batch_does_not_matter(case, size):
    modality, one, head, inputs, features = case
    order = np.random.default_rng(0).permutation(len(inputs))
    again = np.empty_like(features)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        again[rows] = one.encode(Batch(modality, [inputs[i] for i in rows]), Role.DOCUMENT)
    np.testing.assert_allclose(again, features, atol=1e-5 * max(1, np.abs(features).max()))
    np.testing.assert_allclose(head.project(again, modality), head.project(features, modality), atol=1e-5)


def test_vectors_are_unit(case):
    modality, _, head, inputs, features = case
    vectors = head.project(features, modality)
    assert vectors.shape == (len(inputs), head.space.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_vectors_tell_inputs_apart(case):
    modality, _, head, _, features = case
    vectors = head.project(features, modality)
    assert (vectors @ vectors.T < 0.9999).sum() > len(vectors)


def test_stored_features_give_the_same_vectors(case):
    modality, _, head, _, features = case
    stored = features.astype(np.float16)
    cosines = (head.project(stored.astype(np.float32), modality) * head.project(features, modality)).sum(axis=1)
    assert cosines.min() > 0.9999
    assert np.array_equal(head.project(stored, modality), head.project(stored.astype(np.float32), modality))


def test_tags_are_unit_and_not_negative(case, made):
    modality, _, _, _, features = case
    if made.tagger is None:
        pytest.skip(f"{made.name} has no tags")
    for vocabulary in (Modality.IMAGE, Modality.AUDIO):
        if modality in (Modality.TEXT, vocabulary):
            tags = made.tagger.tags(features, modality, vocabulary)
            assert tags.min() >= 0
            np.testing.assert_allclose(np.linalg.norm(tags, axis=1), 1, atol=1e-5)
            stored = made.tagger.tags(features.astype(np.float16).astype(np.float32), modality, vocabulary)
            assert (stored * tags).sum(axis=1).min() > 0.999


def test_tags_weigh_in_only_where_classes_are_shared(made):
    if made.tagger is None:
        pytest.skip(f"{made.name} has no tags")
    assert made.tagger.weights(Modality.IMAGE, Modality.AUDIO) is None
    assert made.tagger.weights(Modality.AUDIO, Modality.IMAGE) is None
    for medium in (Modality.IMAGE, Modality.AUDIO):
        for weights in (made.tagger.weights(Modality.TEXT, medium), made.tagger.weights(medium, Modality.TEXT)):
            assert weights is not None
            assert 0 < weights.share < 1 and weights.cosine_scale > 0 and weights.tag_scale > 0


def test_silence_and_nothing_at_all_are_sounds(made):
    if made.inputs.audio is None:
        pytest.skip(f"{made.name} knows no sounds")
    one = encoder(made, Modality.AUDIO)
    inputs = [np.zeros(count, np.float32) for count in (0, 1, 500, 16_000, 160_000)]
    features = one.encode(Batch(Modality.AUDIO, inputs), Role.DOCUMENT)
    vectors = made.heads[0].project(features, Modality.AUDIO)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("text", ["", " ", "...", "\N{SNOWMAN}", "word " * 2000, "\x00\n"])
def test_any_text_has_a_vector(made, text):
    one = encoder(made, Modality.TEXT)
    vectors = made.heads[0].project(one.encode(Batch(Modality.TEXT, [text]), Role.QUERY), Modality.TEXT)
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-6)


def test_tokens_are_counted(made):
    count = made.inputs.text.count_tokens
    assert count("one two three") < count("one two three four") <= made.inputs.text.max_tokens < count("word " * 2000)
