"""Which structure for how many vectors: the policy, and the bytes that each choice costs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmsearch.errors import QueryError

# For d = 512; scans cost rows x d, so that the threshold shrinks as d grows.
EXACT_ROWS = 20_000
REFERENCE_DIM = 512
PER_LIST = 256  # rows in a list of an inverted file, on average
MOST_LISTS = 65_536
LINKS = 32  # of HNSW
LEAST_ROWS = 16  # to train a quantiser of 16 values
KINDS = ("exact", "hnsw", "pq", "rabitq")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a structure is made.

    Attributes:
        kind: `hnsw`: a graph (Malkov & Yashunin, 2018) over vectors of 8 bits a number. `pq`: inverted lists of product
            quantised codes, 4 bits for two numbers, scanned in registers (Jégou et al., 2011; André et al., 2015).
            `rabitq`: inverted lists of one bit a number (Gao & Long, 2024). `exact`: none.
        dim: of the vectors.
        lists: inverted lists; 0 without them.
    """

    kind: str
    dim: int
    lists: int = 0

    @property
    def factory(self) -> str:
        """What FAISS calls it."""
        if self.kind == "hnsw":
            return f"HNSW{LINKS}_SQ8"
        coarse = f"IVF{self.lists}_HNSW{LINKS}" if self.lists >= 1024 else f"IVF{self.lists}"
        return f"{coarse},{f'PQ{self.dim // 2}x4fs' if self.kind == 'pq' else 'RaBitQfs'}"

    def bytes_per_vector(self, rows: int) -> float:
        """Resident bytes a vector of `rows`: codes, ids or links, and its share of the centroids."""
        if self.kind == "exact":
            return 0.0
        if self.kind == "hnsw":
            return self.dim + 8 * LINKS + 16.0
        codes = self.dim / 4 if self.kind == "pq" else self.dim / 8 + 16
        return codes + 8 + self.lists * (4 * self.dim + 8 * LINKS) / max(1, rows)

    def __str__(self) -> str:
        return f"{self.kind}:{self.dim}:{self.lists}"

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """What `str` made.

        Raises:
            ValueError: it did not.
        """
        found = re.fullmatch(r"(hnsw|pq|rabitq):(\d+):(\d+)", text)
        if not found:
            raise ValueError(f"{text!r} is no recipe of a structure")
        return cls(found[1], int(found[2]), int(found[3]))


@dataclass(frozen=True, slots=True)
class Choice:
    """A recipe for so many rows, and why it was chosen; `forced` if by the user."""

    recipe: Recipe
    rows: int
    why: str
    forced: bool = False


def choose(rows: int, dim: int, *, memory: int | None = None, kind: str | None = None) -> Choice:
    """The structure for `rows` vectors.

    Args:
        rows: how many.
        dim: of each.
        memory: bytes that it may take; None for no limit.
        kind: one of `KINDS`, if the user decides.

    Raises:
        QueryError: there is no such kind, or nothing fits into the memory.
    """
    if kind is not None and kind not in KINDS:
        raise QueryError(f"there is no structure {kind!r}; there are: {', '.join(KINDS)}")
    few = EXACT_ROWS * REFERENCE_DIM // dim
    if kind == "exact" or (kind is None and rows <= few):
        return Choice(Recipe("exact", dim), rows, "asked for" if kind else f"at most {few:,} rows are scanned at once")
    if kind is not None and rows < LEAST_ROWS:
        return Choice(Recipe("exact", dim), rows, f"fewer than {LEAST_ROWS} rows are too few to build anything of")
    if kind is not None:
        return Choice(_of(kind, rows, dim), rows, "asked for", forced=True)
    tried = [_of(one, rows, dim) for one in (("pq", "rabitq") if dim % 4 == 0 else ("rabitq",))]
    for recipe in tried:
        if memory is None or recipe.bytes_per_vector(rows) * rows <= memory:
            why = (
                "fast in every direction, small beside a graph"
                if recipe is tried[0]
                else "the largest that the memory holds"
            )
            return Choice(recipe, rows, why)
    least = tried[-1].bytes_per_vector(rows) * rows
    raise QueryError(
        f"the smallest structure for {rows:,} vectors needs {least / 2**20:,.0f} MiB, and {(memory or 0) / 2**20:,.0f} "
        "are allowed: allow more, or search exactly (`--structure exact`)"
    )


def _of(kind: str, rows: int, dim: int) -> Recipe:
    if kind == "hnsw":
        return Recipe(kind, dim)
    if kind == "pq" and dim % 2:
        raise QueryError(f"pq needs an even number of dimensions, not {dim}: take rabitq")
    lists = 1 << max(0, round(rows / PER_LIST) - 1).bit_length()
    return Recipe(kind, dim, min(lists, MOST_LISTS))
