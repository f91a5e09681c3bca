"""One page about an evaluation: figures, plots, what went wrong, and what it takes to get the same again.

The page holds everything, needs no network and no script, follows the reader's light or dark mode, can be printed, and
is the same, byte for byte, whenever the same is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmsearch.errors import QueryError
from mmsearch.evaluation import geometry
from mmsearch.evaluation.report.learning import curve_of
from mmsearch.evaluation.report.page import comparison_page, fits_page, page
from mmsearch.evaluation.report.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mmsearch.engine import Index
    from mmsearch.evaluation.compare import Comparison
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.geometry import Geometry
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.evaluation.variants import Variant


def write(
    evaluation: Evaluation,
    dataset: Dataset,
    path: Path,
    *,
    index: Index,
    match: Mapping[str, str] | None = None,
    rerank: Sequence[str] | None = None,
    variants: Mapping[str, Sequence[Variant]] | None = None,
    seed: int = 0,
) -> Geometry:
    """Make the page of an evaluation, while its index is open.

    Args:
        evaluation: what is told.
        dataset: that was asked.
        path: of the page; a file there is replaced.
        index: that was asked.
        match: item ids by record id, as `evaluate` was given it.
        rerank: names of rerankers, as `evaluate` was given it.
        variants: what each way to search is worth, by direction, from `variants.variants`.
        seed: of the samples that geometry draws.

    Returns:
        What was found out about the space beside, for those who want the figures.

    Raises:
        QueryError: the page cannot be written there.
        StoreError: the index cannot be read.
    """
    with index.hold():
        found = geometry.measure(index, dataset, evaluation, match=match, rerank=rerank, seed=seed)
        curves = {fit.name: curve for fit in index.fits.kept() if fit.active and (curve := curve_of(fit.card))}
        made = page(evaluation, dataset, found, Shelf(index, dataset, match), variants, curves)
    _save(made, path)
    return found


def write_comparison(found: Comparison, dataset: str, path: Path) -> None:
    """Make the page of a comparison of two systems; `dataset` is the name of what both were asked.

    Raises:
        QueryError: the page cannot be written there.
    """
    _save(comparison_page(found, dataset), path)


def write_fits(name: str, cards: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Make the page of what an index has learnt: cards by names of fits; `name` is that of the index.

    Raises:
        QueryError: the page cannot be written there.
    """
    _save(fits_page(name, cards), path)


def _save(made: str, path: Path) -> None:
    try:
        path.write_text(made, encoding="utf-8")
    except OSError as error:
        raise QueryError(f"cannot write the report {path}: {error.strerror}") from error
