import json

import numpy as np
import pytest
from pairs import related, unit

from mmsearch.encoders.bridge import bridge as module
from mmsearch.encoders.bridge.bridge import load, made
from mmsearch.encoders.bridge.fit import fit
from mmsearch.errors import BridgeMissing, ModelError, WeightsDamaged
from mmsearch.types import Modality, Space

EYES = Space("eyes", "1-ab", 24, frozenset({Modality.IMAGE, Modality.TEXT}))
EARS = Space("ears", "2-cd", 16, frozenset({Modality.AUDIO, Modality.TEXT}))


@pytest.fixture(scope="module")
def texts():
    return related()


@pytest.fixture
def bridge(texts):
    return made(EYES, EARS, fit(*texts), 1000, "captions 123")


def test_texts_are_carried_both_ways(bridge, texts):
    for source, ours, theirs in (("eyes", *texts), ("ears", *texts[::-1])):
        carried = bridge.carry(ours, source)
        assert carried.shape == theirs.shape and carried.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(carried, axis=1), 1, atol=1e-6)
        assert ((carried @ theirs.T).argmax(axis=1) == np.arange(len(ours))).mean() > 0.8


def test_one_vector_is_carried_like_many(bridge, texts):
    one = bridge.carry(texts[0][3], "eyes")
    assert one.shape == (16,)
    np.testing.assert_allclose(one, bridge.carry(texts[0], "eyes")[3], atol=1e-6)
    assert bridge.carry(np.empty((0, 24), np.float32), "eyes").shape == (0, 16)


def test_the_centre_takes_the_gap_of_a_modality_away(bridge, texts):
    gap = unit(np.random.default_rng(9).standard_normal((1, 24)))[0]
    media = texts[0] + gap
    plain, centred = (
        ((bridge.carry(media, "eyes", centre) @ texts[1].T).argmax(axis=1) == np.arange(len(media))).mean()
        for centre in (None, media.mean(axis=0))
    )
    assert centred > 0.8 and plain < 0.4
    np.testing.assert_allclose(
        bridge.carry(media, "eyes", media.mean(axis=0)),
        bridge.carry(texts[0], "eyes", texts[0].mean(axis=0)),
        atol=1e-5,
    )


def test_what_is_carried_is_a_direction(bridge, texts):
    """No mean of the target is added: what lies opposite, seen from the centre, is carried to the opposite."""
    mean = bridge.forward.mean
    np.testing.assert_allclose(bridge.carry(2 * mean - texts[0], "eyes"), -bridge.carry(texts[0], "eyes"), atol=1e-5)


def test_the_centre_itself_has_a_finite_vector(bridge):
    assert np.isfinite(bridge.carry(bridge.forward.mean, "eyes")).all()


def test_it_leads_only_out_of_its_spaces(bridge):
    with pytest.raises(ModelError, match="'lite': it joins eyes and ears"):
        bridge.carry(np.zeros(24, np.float32), "lite")
    with pytest.raises(ModelError, match="'eyes' have 24 dimensions, not 16"):
        bridge.carry(np.zeros(16, np.float32), "eyes")
    with pytest.raises(ModelError, match="'eyes' have 24 dimensions, not 16"):
        bridge.carry(np.zeros(24, np.float32), "eyes", np.zeros(16, np.float32))


def test_it_joins_these_versions_only(bridge):
    assert bridge.joins(EYES, EARS) and bridge.joins(EARS, EYES)
    assert not bridge.joins(EYES, Space("ears", "3", 16, EARS.modalities))
    assert not bridge.joins(EYES, EYES)


def test_a_file_gives_it_back(bridge, texts, tmp_path):
    path = tmp_path / "new" / "folder" / "one.npz"
    bridge.save(path)
    again = load(path)
    assert (again.spaces, again.texts, again.bank) == (bridge.spaces, 1000, "captions 123")
    assert again.forward.quality == bridge.forward.quality != again.backward.quality
    for source, ours in (("eyes", texts[0]), ("ears", texts[1])):
        assert np.array_equal(again.carry(ours, source), bridge.carry(ours, source))
    assert [one.name for one in path.parent.iterdir()] == ["one.npz"]


def test_a_failure_to_write_leaves_the_old_file(bridge, tmp_path, monkeypatch):
    path = tmp_path / "one.npz"
    bridge.save(path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(module.np, "savez", full)
    with pytest.raises(BridgeMissing, match="no space left"):
        bridge.save(path)
    assert [one.name for one in tmp_path.iterdir()] == ["one.npz"]
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be(bridge, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeMissing, match="MMSEARCH_CACHE"):
        bridge.save(tmp_path / "file" / "one.npz")


def test_no_file(tmp_path):
    with pytest.raises(BridgeMissing, match="there is no bridge at"):
        load(tmp_path / "one.npz")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_cut_short(bridge, tmp_path, share):
    path = tmp_path / "one.npz"
    bridge.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsDamaged, match="remove it and make it again"):
        load(path)


def test_a_flipped_byte_is_noticed_or_harmless(bridge, tmp_path):
    path = tmp_path / "one.npz"
    bridge.save(path)
    content, damaged = path.read_bytes(), 0
    for place in range(0, len(content), 101):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            again = load(path)
        except WeightsDamaged:
            damaged += 1
        else:
            assert np.array_equal(again.forward.matrix, bridge.forward.matrix)
            assert np.array_equal(again.backward.matrix, bridge.backward.matrix)
    assert damaged > 20


def rewritten(bridge, path, change):
    bridge.save(path)
    with np.load(path) as arrays:
        kept = dict(arrays)
    card = json.loads(str(kept["card"]))
    change(card, kept)
    kept["card"] = np.array(json.dumps(card))
    np.savez(path, **kept)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda card, arrays: card.pop("quality"),
        lambda card, arrays: card.update(spaces=[["eyes", "1", 23], ["ears", "1", 16]]),
        lambda card, arrays: card.update(recipe=99),
        lambda card, arrays: arrays.pop("forward_matrix"),
        lambda card, arrays: arrays.update(backward_mean=arrays["backward_mean"].astype(np.float64)),
        lambda card, arrays: arrays["forward_matrix"].fill(np.nan),
    ],
)
def test_content_that_does_not_fit(bridge, tmp_path, change):
    with pytest.raises(WeightsDamaged, match="make it again"):
        load(rewritten(bridge, tmp_path / "one.npz", change))


def test_pickles_are_not_read(bridge, tmp_path):
    with pytest.raises(WeightsDamaged):
        load(rewritten(bridge, tmp_path / "one.npz", lambda card, arrays: arrays.update(forward_mean=np.array([{}]))))
