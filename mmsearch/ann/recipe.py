"""Which structure for how many vectors: the policy, and the bytes that each choice costs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from mmsearch.errors import QueryError

# For d = 512; scans cost rows x d, so that the threshold shrinks as d grows.
EXACT_ROWS = 20_000
REFERENCE_DIM = 512
PER_LIST = 256  # rows in a list of an inverted file, on average
LINEAR_LISTS = 4096  # beyond, their number grows with the root of the rows, as what is probed and its choice cost alike
GRAPH_LISTS = 1024  # from so many on, a graph finds the nearest ones
LARGE = 1 << 30  # bytes of a structure from which, without a limit, the smaller kind is taken
LINKS = 32  # of HNSW
LEAST_ROWS = 16  # to train a quantiser of 16 values
GRAPHS = ("hnsw", "cagra")
PROVEN = "sq8"  # of which exact answers are proven
GPU_KINDS = ("ivfpq", "cagra")  # asked on GPUs where there are some
KINDS = ("exact", PROVEN, "hnsw", "pq", "rabitq", *GPU_KINDS)
# FAISS's GPU kernels without cuVS take these: bytes of a code of `ivfpq`, and numbers that a byte stands for.
CODES = (96, 64, 56, 48, 32, 28, 24, 20, 16, 12, 8, 4, 3, 2, 1)
NUMBERS = (2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32)
GRAPH_DEGREE = 64  # of CAGRA


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a structure is made.

    Attributes:
        kind: `hnsw`: a graph (Malkov & Yashunin, 2018) over vectors of 8 bits a number. `pq`: inverted lists of product
            quantised codes, 4 bits for two numbers, scanned in registers (Jégou et al., 2011; André et al., 2015).
            `rabitq`: inverted lists of one bit a number (Gao & Long, 2024). `ivfpq`: inverted lists of codes of 8 bits.
            `cagra`: a graph that a GPU builds and searches (Ootomo et al., 2024). `sq8`: codes of 8 bits a number, all
            of them scanned, and exact answers (see `scan`). `exact`: none.
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
        if self.kind in ("cagra", PROVEN):
            return self.kind.upper()
        if self.kind == "ivfpq":  # a GPU compares with all centroids
            return f"IVF{self.lists},PQ{code_bytes(self.dim)}x8np"
        coarse = f"IVF{self.lists}_HNSW{LINKS}" if self.lists >= GRAPH_LISTS else f"IVF{self.lists}"
        return f"{coarse},{f'PQ{self.dim // 2}x4fs' if self.kind == 'pq' else 'RaBitQfs'}"

    def bytes_per_vector(self, rows: int) -> float:
        """Resident bytes a vector of `rows`: codes, ids or links, and its share of the centroids."""
        if self.kind == "exact":
            return 0.0
        if self.kind == PROVEN:
            return float(self.dim)
        if self.kind == "hnsw":
            return self.dim + 8 * LINKS + 16.0
        if self.kind == "cagra":
            return 2 * self.dim + 4 * GRAPH_DEGREE + 12.0
        if self.kind == "ivfpq":
            return code_bytes(self.dim) + 8 + self.lists * 4 * self.dim / max(1, rows)
        codes = self.dim / 4 if self.kind == "pq" else self.dim / 8 + 8
        return codes + 8 + self.lists * (4 * self.dim + 8 * LINKS) / max(1, rows)

    def __str__(self) -> str:
        return f"{self.kind}:{self.dim}:{self.lists}"

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """What `str` made.

        Raises:
            ValueError: it did not.
        """
        found = re.fullmatch(r"(sq8|hnsw|pq|rabitq|ivfpq|cagra):(\d+):(\d+)", text)
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


def few(dim: int) -> int:
    """Up to so many rows of `dim` numbers are scanned."""
    return EXACT_ROWS * REFERENCE_DIM // dim


def kind_of(recipe: str) -> str:
    """The kind of what `str` made of a recipe."""
    return recipe.partition(":")[0]


def code_bytes(dim: int) -> int:
    """Bytes of an `ivfpq` code for vectors of `dim` numbers: the longest that GPUs search.

    Raises:
        QueryError: there is none.
    """
    for codes in CODES:
        if dim % codes == 0 and dim // codes in NUMBERS:
            return codes
    raise QueryError(f"ivfpq cannot divide {dim} dimensions among its codes: take pq or rabitq")


def choose(
    rows: int, dim: int, *, memory: int | None = None, kind: str | None = None, recall: float | None = None
) -> Choice:
    """The structure for `rows` vectors.

    Args:
        rows: how many.
        dim: of each.
        memory: bytes that it may take; None for no limit: then one that would be large is of the smaller kind, which
            is as good, and slower where questions are of another modality than the rows.
        kind: one of `KINDS`, if the user decides.
        recall: that is asked for; 1 takes what proves its answers, if it fits into the memory.

    Raises:
        QueryError: there is no such kind, or nothing fits into the memory.
    """
    if kind is not None and kind not in KINDS:
        raise QueryError(f"there is no structure {kind!r}; there are: {', '.join(KINDS)}")
    if kind == "exact" or (kind is None and rows <= few(dim)):
        why = "asked for" if kind else f"at most {few(dim):,} rows are scanned at once"
        return Choice(Recipe("exact", dim), rows, why)
    if kind is not None and rows < LEAST_ROWS:
        return Choice(Recipe("exact", dim), rows, f"fewer than {LEAST_ROWS} rows are too few to build anything of")
    if kind is not None:
        return Choice(_of(kind, rows, dim), rows, "asked for", forced=True)
    if recall == 1:
        proven = Recipe(PROVEN, dim)
        if proven.bytes_per_vector(rows) * rows <= (memory or math.inf):
            return Choice(proven, rows, "exact answers are asked for: this proves them")
        return Choice(Recipe("exact", dim), rows, "exact answers are asked for, and codes do not fit into the memory")
    tried = [_of(one, rows, dim) for one in (("pq", "rabitq") if dim % 4 == 0 else ("rabitq",))]
    for recipe in tried:
        size = recipe.bytes_per_vector(rows) * rows
        if size <= (LARGE if memory is None else memory) or (memory is None and recipe is tried[-1]):
            why = "fast in every direction, small beside a graph"
            if recipe is not tried[0]:
                why = "the largest that the memory holds" if memory else "the smallest, as there are many vectors"
            return Choice(recipe, rows, why)
    least = tried[-1].bytes_per_vector(rows) * rows
    raise QueryError(
        f"the smallest structure for {rows:,} vectors needs {least / 2**20:,.0f} MiB, and {(memory or 0) / 2**20:,.0f} "
        "are allowed: allow more, or search exactly (`--structure exact`)"
    )


def _of(kind: str, rows: int, dim: int) -> Recipe:
    if kind == PROVEN or kind in GRAPHS:
        return Recipe(kind, dim)
    if kind == "ivfpq":
        code_bytes(dim)
    if kind == "pq" and dim % 2:
        raise QueryError(f"pq needs an even number of dimensions, not {dim}: take rabitq")
    lists = rows / PER_LIST
    if lists > LINEAR_LISTS:
        lists = (LINEAR_LISTS * lists) ** 0.5
    return Recipe(kind, dim, 1 << max(0, round(lists) - 1).bit_length())
