"""Structures as they are asked, from the files in which they were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmsearch.ann.library import faiss
from mmsearch.ann.recipe import PROVEN, Recipe
from mmsearch.ann.scan import Scan
from mmsearch.ann.structure import Structure
from mmsearch.errors import IndexDamaged, first_line
from mmsearch.store.structures import damage

if TYPE_CHECKING:
    from pathlib import Path


def asked(index: Any, recipe: Recipe) -> Structure:  # noqa: ANN401  (faiss.Index)
    """What FAISS has built, as it is asked."""
    return (Scan if recipe.kind == PROVEN else Structure)(index, recipe)


def load(path: Path, recipe: str, rows: int, size: int, crc: int) -> Structure:
    """Load a structure, once its checksum has been found right: FAISS itself reads flipped bits without a word.

    Raises:
        IndexDamaged: the file is missing, or is not what was written.
        MissingExtra: FAISS is not installed.
    """
    library = faiss()
    wrong = damage(path, size, crc)
    if wrong:
        raise IndexDamaged(f"{wrong}: run `mmsearch optimize`")
    try:
        made = Recipe.parse(recipe)
        how = library.IO_FLAG_MMAP_IFC if made.kind == PROVEN else 0  # codes that are read from end to end are mapped
        found = asked(library.read_index(str(path), how), made)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise IndexDamaged(
            f"the structure {path} cannot be read ({first_line(error)}): run `mmsearch optimize`"
        ) from error
    if found.rows != rows:
        raise IndexDamaged(f"the structure {path} holds {found.rows} rows of {rows}: run `mmsearch optimize`")
    return found
