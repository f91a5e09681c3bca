"""Exact search by codes finds what exact search finds, with ties, filters and dead rows, and scans again if it must."""

from dataclasses import replace

import numpy as np
import pytest

from mmsearch.ann import scan
from mmsearch.ann.recipe import Recipe
from mmsearch.search import proven
from mmsearch.search.gathered import Gathered

DIM, ROWS = 48, 3000


def rows(n=ROWS, seed=0, centres=40):
    random = np.random.default_rng(seed)
    made = random.standard_normal((centres, DIM))[random.integers(0, centres, n)]
    made = made + 0.3 * random.standard_normal((n, DIM))
    made[:, 3] *= 9  # a place that is far wider than the others, as CLIP has
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def of(vectors, parts=3):
    """The codes of some vectors, and the vectors themselves as if in several shards."""
    index = scan.empty(DIM, np.array_split(vectors, 4))
    index.add(vectors)
    split = np.array_split(vectors, parts)
    firsts = np.cumsum([0, *map(len, split)])[:-1]
    return scan.Scan(index, Recipe("sq8", DIM)), Gathered(firsts, np.arange(parts) + 7, tuple(split))


def truth(vectors, question, k, left=None):
    cosines = np.vecdot(vectors, question)
    if left is not None:
        cosines[~left] = -np.inf
    return np.lexsort((np.arange(len(cosines)), -cosines))[:k], cosines


def places(found, gathered):
    return gathered.firsts[found.shards - 7] + found.offsets


@pytest.mark.parametrize("k", [1, 10, 300, ROWS])
def test_it_finds_what_exact_search_finds(k):
    vectors = rows()
    codes, stored = of(vectors)
    questions = rows(5, seed=1)
    for question, found in zip(questions, proven.best(codes, stored, questions, k, None), strict=True):
        right, cosines = truth(vectors, question, k)
        assert places(found, stored).tolist() == right.tolist()
        assert found.cosines.tolist() == cosines[right].tolist()  # to the bit


def test_equal_rows_stand_in_the_order_of_their_places():
    vectors = np.repeat(rows(60), 50, axis=0)
    codes, stored = of(vectors)
    (found,) = proven.best(codes, stored, vectors[:1], 75, None)
    assert places(found, stored).tolist() == truth(vectors, vectors[0], 75)[0].tolist()


def test_only_what_may_be_found_is():
    vectors, left = rows(), np.arange(ROWS) % 7 == 2
    codes, stored = of(vectors)
    (question,) = rows(1, seed=2)
    (found,) = proven.best(codes, stored, question[None], 20, codes.allow(left))
    assert places(found, stored).tolist() == truth(vectors, question, 20, left)[0].tolist()
    few = np.zeros(ROWS, bool)
    few[[5, 17]] = True
    (found,) = proven.best(codes, stored, question[None], 20, codes.allow(few))
    assert set(places(found, stored).tolist()) == {5, 17}


def test_where_the_list_ends_too_early_a_longer_one_is_fetched(monkeypatch):
    """All rows are as near as codes can tell: nothing short of all of them proves which are the best."""
    random = np.random.default_rng(4)
    vectors = np.ones((ROWS, DIM)) + 1e-4 * random.standard_normal((ROWS, DIM))
    vectors[0], vectors[1] = 1, -1  # so that steps are wide
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    codes, stored = of(vectors)
    fetched, scored = [], codes.scored
    monkeypatch.setattr(
        codes, "scored", lambda queries, fetch, allowed: fetched.append(fetch) or scored(queries, fetch, allowed)
    )
    (found,) = proven.best(codes, stored, vectors[:1], 10, None)
    assert places(found, stored).tolist() == truth(vectors, vectors[0], 10)[0].tolist()
    assert fetched == [256, 2048, ROWS]


def test_no_inner_product_is_further_off_than_is_said():
    vectors, questions = rows(), rows(50, seed=3)
    codes, _ = of(vectors)
    scores, labels = codes.scored(questions, ROWS)
    off = np.abs(scores - np.take_along_axis(questions @ vectors.T, labels, 1)).max(axis=1)
    said = codes.errors(questions)
    assert (off <= said).all()
    assert (said < 30 * off).all()  # and it is of use


def test_parts_that_threads_scan_make_one_list(monkeypatch):
    vectors, questions = rows(), rows(1, seed=5)
    codes, _ = of(vectors)
    whole = codes.scored(questions, 100)
    monkeypatch.setattr(scan, "PART_ROWS", 500)
    monkeypatch.setattr(scan, "THREADS", 4)
    parted = codes.scored(questions, 100)
    assert [some.tolist() for some in parted] == [some.tolist() for some in whole]
    left = codes.allow(np.arange(ROWS) % 2 == 1)
    _, labels = codes.scored(questions, 100, left)
    assert (labels % 2 == 1).all()


def test_recipes_of_it_are_read_back():
    recipe = Recipe("sq8", 384)
    assert Recipe.parse(str(recipe)) == recipe
    assert recipe.bytes_per_vector(10) == 384
    assert replace(recipe, dim=512).factory == "SQ8"
