"""What a fit is made of, and what it makes of vectors."""

import json
from dataclasses import replace

import numpy as np
import pytest
from made_pairs import unit

from mmsearch.encoders.fake import FakeHead, fake
from mmsearch.encoders.fake_pair import fake_pair
from mmsearch.errors import FitError
from mmsearch.fitting.adapter import Adapter
from mmsearch.fitting.choose import Settings
from mmsearch.fitting.fit import FORMAT, Fit, FittedHead, head_of
from mmsearch.types import Modality

RANDOM = np.random.default_rng(0)
IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO
PLAIN = {"text": ("fake", "1"), "image": ("fake", "1")}


def adapter(features, dim=12, power=1.0):
    return Adapter(power, RANDOM.random(features, np.float32), RANDOM.standard_normal((features, dim)).astype("f4"))


def made(weight=0.3, **more):
    settings = Settings(0.5, 3.0, 0.5, 12, weight, epochs=2)
    values = {"space": "fake", "space_version": "1", "medium": IMAGE, "encoders": PLAIN, "settings": settings}
    return Fit(**{**values, "media": adapter(10, power=0.5), "texts": adapter(64), **more})


FIT = made()
LINE, _, NUMBERS = FIT.content.partition(b"\n")


def changed(**values):
    return json.dumps({**json.loads(LINE), **values}).encode() + b"\n" + NUMBERS


def test_its_content_says_all():
    again = Fit.parse(FIT.content)
    assert again.content == FIT.content and again.version == FIT.version and len(FIT.version) == 8
    assert (again.space, again.space_version, again.medium) == ("fake", "1", IMAGE)
    assert (again.encoders, again.settings) == (PLAIN, FIT.settings)
    for ours, theirs in ((again.media, FIT.media), (again.texts, FIT.texts)):
        assert ours.power == theirs.power
        np.testing.assert_array_equal(ours.mean, theirs.mean)
        np.testing.assert_array_equal(ours.matrix, theirs.matrix)


def test_whatever_changes_changes_the_version():
    other = made(media=FIT.media, texts=FIT.texts)
    assert other.version == FIT.version
    matrix = FIT.media.matrix.copy()
    matrix[3, 4] += 1e-3
    changes = [{"media": replace(FIT.media, matrix=matrix)}, {"settings": replace(FIT.settings, weight=0.4)}]
    changes += [{"medium": AUDIO}, {"space_version": "2"}, {"encoders": {**PLAIN, "image": ("fake", "2")}}]
    assert len({FIT.version, *(replace(FIT, **change).version for change in changes)}) == 6


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"[]\n", b'"fit"\n', b"{}\n", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", FIT.content[:-1],
        FIT.content[:-4], FIT.content + bytes(4), LINE + b"\n", NUMBERS, changed(shapes=[[10], [10, 12], [64]]),
        changed(shapes=[[10], [12, 10], [64], [64, 12]]), changed(shapes=[[10], [10, 12], [64], [10**30, 12]]),
        changed(shapes=[[10], [10, 12], [64], [-1, -64, 12]]), changed(encoders=[]), changed(encoders={"text": "x"}),
        changed(encoders={"text": ["fake", "1"], "smell": ["fake", "1"]}),
        changed(medium="smell"), changed(settings={}), changed(settings=None), changed(format="1"),
        changed(settings={**json.loads(LINE)["settings"], "dim": 13}),
        LINE + b"\n" + NUMBERS[:-4] + np.float32("nan").tobytes(),
    ],
)  # fmt: skip
def test_what_is_no_fit(content):
    with pytest.raises(FitError, match="no fit of mmsearch, or it is damaged"):
        Fit.parse(content)


def test_one_of_a_newer_mmsearch():
    with pytest.raises(FitError, match=f"format {FORMAT + 1}, this mmsearch reads {FORMAT}; upgrade"):
        Fit.parse(changed(format=FORMAT + 1))


def rows(count, features=10):
    some = RANDOM.random((count, features)).astype(np.float16)
    return some, FakeHead().project(some.astype(np.float32), IMAGE if features == 10 else TEXT)


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_the_product_of_two_vectors_is_the_weighted_mean_of_both_scores(weight):
    head = head_of(fake(), made(weight))
    (media, images), (words, texts) = rows(5), rows(7, 64)
    fitted = head.fit.texts.project(words) @ head.fit.media.project(media).T
    wanted = (1 - weight) * (texts @ images.T) + weight * fitted
    joined = head.join(texts, words, TEXT) @ head.join(images, media, IMAGE).T
    np.testing.assert_allclose(joined, wanted, atol=1e-6)
    assert head.join(images, media, IMAGE).shape == (5, 64 + 12) == (5, head.space.dim)


def test_without_features_what_the_model_knows_orders_as_before():
    head = head_of(fake(), made(0.7))
    (_, images), (words, texts) = rows(20), rows(3, 64)
    joined = head.join(images, None, IMAGE)
    np.testing.assert_allclose(np.linalg.norm(joined, axis=1), 1, rtol=1e-6)
    scores = head.join(texts, words, TEXT) @ joined.T
    np.testing.assert_allclose(scores, np.sqrt(0.3) * texts @ images.T, atol=1e-6)


def test_where_no_features_are_kept_they_are_the_vectors():
    model = fake_pair()
    encoders = {"text": ("fake-eyes", "1"), "image": ("fake-eyes", "1")}
    head = head_of(model, made(space="eyes", encoders=encoders, media=adapter(128, power=0.5), texts=adapter(128)))
    vectors = unit(RANDOM.standard_normal((4, 128)))
    np.testing.assert_array_equal(head.join(vectors, None, IMAGE), head.join(vectors, vectors, IMAGE))
    assert np.abs(head.join(vectors, None, IMAGE)[:, 128:]).max() > 0.1
    assert head.encoders == {TEXT: "fake-eyes", IMAGE: "fake-eyes"}


def test_it_serves_the_two_directions_that_it_has_learnt():
    head = head_of(fake(), FIT)
    ways = {(asked, target) for asked in Modality for target in Modality if head.serves(asked, target)}
    assert ways == {(TEXT, IMAGE), (IMAGE, TEXT)}
    assert (head.space.name, head.space.version) == ("fake.fit-image", FIT.version)
    assert head.space.modalities == {TEXT, IMAGE} and head.base == FakeHead.space


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"space": "eyes"}, "the fit is for the space eyes, which the model fake has not"),
        ({"space_version": "0"}, "another version of fake"),
        ({"encoders": {**PLAIN, "image": ("fake", "0")}}, "another version of fake"),
        ({"encoders": {**PLAIN, "image": ("lite", "1")}}, "another version of fake"),
    ],
)
def test_a_fit_for_something_else(values, said):
    with pytest.raises(FitError, match=said):
        head_of(fake(), replace(FIT, **values))


def test_a_head_is_one_of_the_model():
    model = fake()
    assert isinstance(head_of(model, FIT), FittedHead)
    assert replace(model, fitted=(head_of(model, FIT),)).spaces[1].dim == 76
