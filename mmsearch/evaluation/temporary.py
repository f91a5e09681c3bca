"""A temporary index of a dataset."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.engine import Index, open_index
from mmsearch.identity import identity
from mmsearch.store.store import Store

if TYPE_CHECKING:
    from mmsearch.encoders.base import Model
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.fitting.fit import Fit
    from mmsearch.types import Progress


@contextmanager
def temporary(
    dataset: Dataset,
    model: str | Model,
    device: str | None = None,
    fits: Sequence[tuple[str, Fit, Mapping[str, Any]]] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[Index]:
    """An index of a dataset that is removed when the block is left.

    Args:
        dataset: whose records are added.
        model: itself, or its name.
        device: where a model that is named computes.
        fits: name, content and card of those that are put to use.
        progress: told what is being done, how much of it is done, and of how much.

    Raises:
        FitError: a fit is for another model.
        ModelError: the model is unknown, or its weights cannot be had.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mmsearch-eval-"))) / "index"
        if isinstance(model, str):
            index = stack.enter_context(open_index(folder, model, device=device))
        else:
            index = stack.enter_context(Index(Store.create(folder, identity(model)), model))
        told: Callable[[Progress], None] | None = None
        if progress is not None:
            report, total = progress, len(dataset.records)

            def told(now: Progress) -> None:
                report("indexing", now.added + now.failed, total)

        for fit in fits:
            index.fits.put(*fit)
        index.add_items(dataset.records, progress=told)
        yield index
