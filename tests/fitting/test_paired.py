import numpy as np
import pytest

from mmsearch.fitting.paired import Paired, Side, ranks

RANDOM = np.random.default_rng(0)
MEDIA, TEXTS = 9, 14


def side(count):
    return Side(np.arange(count * 2, dtype=np.float32).reshape(count, 2), np.ones((count, 3), np.float32))


def made(seed):
    """Every text and every medium belongs to something, some to several."""
    random = np.random.default_rng(seed)
    edges = {(text, text % MEDIA) for text in range(TEXTS)}
    edges |= {(int(random.integers(TEXTS)), int(random.integers(MEDIA))) for _ in range(6)}
    return Paired(side(MEDIA), side(TEXTS), np.array(random.permutation(sorted(edges)), np.int64))


def by_hand(scores, right):
    """The place of the first right answer, when all that score alike and are wrong come before it."""
    found = []
    for asking, row in enumerate(scores):
        best = max(row[answer] for answer in right[asking])
        found.append(1 + sum(row[answer] >= best for answer in range(len(row)) if answer not in right[asking]))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [3, 1000])
def test_ranks_agree_with_counting(seed, levels):
    pairs = made(seed)
    scores = np.random.default_rng(seed).integers(0, levels, (TEXTS, MEDIA)).astype(np.float32)  # three: many ties
    of_texts = [{medium for text, medium in pairs.edges.tolist() if text == asking} for asking in range(TEXTS)]
    of_media = [{text for text, medium in pairs.edges.tolist() if medium == asking} for asking in range(MEDIA)]
    found = ranks(scores, pairs)
    assert found.of_texts.tolist() == by_hand(scores, of_texts)
    assert found.of_media.tolist() == by_hand(scores.T, of_media)
    mean = (np.mean([1 / rank for rank in found.of_texts]) + np.mean([1 / rank for rank in found.of_media])) / 2
    assert found.merit == pytest.approx(mean)


def test_a_map_to_one_point_finds_nothing():
    pairs = Paired(side(50), side(50), np.stack([np.arange(50)] * 2, axis=1))
    found = ranks(np.ones((50, 50), np.float32), pairs)
    assert set(found.of_texts.tolist()) == set(found.of_media.tolist()) == {50}


def test_a_part_has_its_media_in_order_and_the_texts_that_belong_to_them():
    pairs = made(0)
    wanted = np.array([7, 2, 5])
    part = pairs.part(wanted)
    assert part.media.features.tolist() == pairs.media.features[wanted].tolist()
    stated = {
        (tuple(pairs.texts.features[text]), tuple(pairs.media.features[medium]))
        for text, medium in pairs.edges.tolist()
        if medium in wanted
    }
    found = [(tuple(part.texts.features[text]), tuple(part.media.features[m])) for text, m in part.edges.tolist()]
    assert set(found) == stated and len(found) == len(stated)
    assert set(part.edges[:, 0].tolist()) == set(range(len(part.texts)))


def test_all_of_it_in_the_same_order_is_the_same():
    pairs = made(1)
    part = pairs.part(np.arange(MEDIA))
    assert part.edges.tolist() == pairs.edges.tolist()
    np.testing.assert_array_equal(part.texts.features, pairs.texts.features)


def test_the_first_medium_of_a_text():
    pairs = Paired(side(4), side(3), np.array([[0, 3], [0, 1], [1, 2], [2, 0], [2, 2]]))
    assert pairs.first_media.tolist() == [1, 2, 0]


def test_media_that_a_text_joins_are_one_group():
    side = Side(np.zeros((5, 2), np.float32), np.zeros((5, 2), np.float32))
    labels = np.array([(0, 0), (0, 3), (1, 3), (1, 4), (2, 1), (3, 2), (4, 2)])
    assert Paired(side, side, labels).groups.tolist() == [0, 1, 2, 0, 0]
    captions_and_a_label = np.array([(0, 0), (1, 1), (2, 2), (3, 3), *((4, medium) for medium in range(5))])
    assert Paired(side, side, captions_and_a_label).groups.tolist() == [0, 1, 2, 3, 4]
