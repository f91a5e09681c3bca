import numpy as np
import pytest
from made import picture, tone

from mmsearch.encoders.base import Batch
from mmsearch.encoders.fake import COLOURS, PITCHES
from mmsearch.encoders.fake_pair import fake_pair
from mmsearch.types import Modality, Role


def vectors(space, modality, contents):
    made = fake_pair()
    head = next(one for one in made.heads if one.space.name == space)
    encoder = next(one for one in made.encoders if one.name == head.encoders[modality])
    return head.project(encoder.encode(Batch(modality, contents), Role.DOCUMENT), modality)


@pytest.mark.parametrize(
    ("space", "modality", "contents", "words"),
    [
        ("eyes", Modality.IMAGE, [np.asarray(picture(name)) for name in COLOURS], list(COLOURS)),
        ("ears", Modality.AUDIO, [tone(name) for name in PITCHES], list(PITCHES)),
    ],
)
def test_each_space_joins_its_medium_to_text(space, modality, contents, words):
    media, texts = vectors(space, modality, contents), vectors(space, Modality.TEXT, words)
    assert (media @ texts.T).argmax(axis=1).tolist() == list(range(len(words)))


def test_spaces_are_not_the_same():
    eyes, ears = (vectors(space, Modality.TEXT, list(COLOURS)) for space in ("eyes", "ears"))
    assert eyes.shape == (10, 128) and ears.shape == (10, 64)
    assert np.abs((eyes[:, :64] * ears).sum(axis=1)).max() < 0.5


def test_features_are_the_vectors():
    made = fake_pair()
    for head, encoder in zip(made.heads, made.encoders, strict=True):
        features = encoder.encode(Batch(Modality.TEXT, ["red", "blue sea"]), Role.QUERY)
        assert not head.keeps_features
        assert np.array_equal(head.project(features, Modality.TEXT), features)
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
        assert head.project(np.empty((0, features.shape[1]), np.float32), Modality.TEXT).shape == (
            0,
            features.shape[1],
        )
