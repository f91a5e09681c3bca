"""The policy: which structure for how many vectors, with how many lists, in how much memory."""

import pytest

from mmsearch.ann.recipe import LINEAR_LISTS, PER_LIST, Recipe, choose
from mmsearch.errors import QueryError


@pytest.mark.parametrize(
    ("rows", "lists"), [(30_000, 128), (100_000, 512), (1_000_000, 4096), (10_000_000, 16_384), (1 << 24, 16_384)]
)
def test_lists_grow_with_the_rows_and_then_with_their_root(rows, lists):
    assert choose(rows, 512).recipe.lists == lists


def test_lists_never_shrink_as_rows_grow():
    counts = [choose(1000 * 2**n, 512, kind="pq").recipe.lists for n in range(17)]
    assert counts == sorted(counts) and counts[-1] > LINEAR_LISTS
    assert all(count <= 2000 * 2**n / PER_LIST for n, count in enumerate(counts))


def test_by_default_a_large_structure_is_of_the_smaller_kind():
    few, many = choose(1_000_000, 512), choose(10_000_000, 512)
    assert (few.recipe.kind, many.recipe.kind) == ("pq", "rabitq")
    assert many.recipe.bytes_per_vector(10_000_000) < 90 and "many" in many.why
    assert choose(10_000_000, 512, memory=2 << 30).recipe.kind == "pq"
    assert choose(10_000_000, 512, memory=1 << 30).recipe.kind == "rabitq"
    assert choose(100_000_000, 512).recipe.kind == choose(30_000_000, 511).recipe.kind == "rabitq"
    assert choose(10_000_000, 512, kind="pq").recipe.kind == "pq"


def test_what_does_not_fit_is_refused():
    with pytest.raises(QueryError, match="the smallest structure"):
        choose(10_000_000, 512, memory=1 << 20)


def test_recipes_read_what_they_write():
    for recipe in (Recipe("hnsw", 384), Recipe("pq", 512, 4096), Recipe("rabitq", 64, 1)):
        assert Recipe.parse(str(recipe)) == recipe
    with pytest.raises(ValueError, match="no recipe"):
        Recipe.parse("pq:512")
