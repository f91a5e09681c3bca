"""What a model is worth on a dataset: measured as users would have it, in an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.encoders import registry
from mmsearch.engine import open_index
from mmsearch.errors import FitError
from mmsearch.evaluation.datasets import given
from mmsearch.evaluation.temporary import temporary
from mmsearch.evaluation.trial import Trial

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.fitting.fit import Fit


def evaluate(
    data: str | Path | Dataset,
    model: str = registry.DEFAULT,
    *,
    split: str | None = None,
    rerank: str | Sequence[str] | None = None,
    fit_of: str | Path | None = None,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Measure a model on a dataset: index it into a temporary index, ask everything that it asks, judge the answers.

    Both go the normal way, but for words, which do not count (`lexical="off"`): what is measured is what users get.

    Args:
        data: a dataset, see `mmsearch.evaluation.datasets`, or its file or folder.
        model: a model's name.
        split: of the dataset; its test part, or all of it, if it is not given.
        rerank: reranker names, `"none"`, or None for the model's default.
        fit_of: an index whose fits are used, and whose model is taken then.
        device: as in `open_index`.
        progress: told what is being done, how much of it is done, and of how much.

    Raises:
        DatasetError: the dataset cannot be used.
        FitError: the index `fit_of` uses no fit.
        ModelError: the model is unknown, or its weights cannot be had.
    """
    with trial(data, model, split=split, fit_of=fit_of, device=device, progress=progress) as opened:
        return opened.evaluate(rerank=rerank, progress=progress)


@contextmanager
def trial(
    data: str | Path | Dataset,
    model: str = registry.DEFAULT,
    *,
    split: str | None = None,
    fit_of: str | Path | None = None,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[Trial]:
    """A temporary index of a dataset, to be asked until the block is left; see `evaluate`."""
    path, dataset = given(data, split=split)
    fits: list[tuple[str, Fit, Mapping[str, Any]]] = []
    if fit_of is not None:
        model, fits = _taught(Path(fit_of).expanduser())
    with temporary(dataset, model, device, fits, progress) as index:
        yield Trial(index, dataset, path)


def _taught(folder: Path) -> tuple[str, list[tuple[str, Fit, Mapping[str, Any]]]]:
    """The model of an index; and name, content and card of each fit that it uses."""
    with open_index(folder, create=False) as index:
        used = [one for one in index.fits.kept() if one.active]
        if not used:
            raise FitError(f"the index {folder} uses no fit; `mmsearch fit PAIRS --index {folder}` makes one")
        return index.model_name, [(one.name, index.fits.get(one.name), one.card) for one in used]
