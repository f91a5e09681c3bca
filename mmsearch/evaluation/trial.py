"""A trial: an index and the dataset that is put to it, as long as the index is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.evaluation.evaluate import DEPTH, evaluate
from mmsearch.evaluation.provenance import provenance
from mmsearch.evaluation.runs import TOP
from mmsearch.search.rerank import names

if TYPE_CHECKING:
    from mmsearch.engine import Index
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.evaluation.variants import Variant


@dataclass(frozen=True)
class Trial:
    """An index, and what it is asked.

    Attributes:
        index: open.
        dataset: asks and judges.
        path: that the dataset was read from, if it was.
        match: item ids by record id; None when the dataset's records were added with their own ids.
    """

    index: Index
    dataset: Dataset
    path: Path | None = None
    match: Mapping[str, str] | None = None

    def evaluate(
        self,
        *,
        rerank: str | Sequence[str] | None = None,
        stored: bool = False,
        depth: int = DEPTH,
        keep: int = TOP,
        seed: int = 0,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Evaluation:
        """Measure the answers; see `evaluate.evaluate`.

        Raises:
            DatasetError: the index holds nothing that the dataset judges.
            QueryError: there is no such reranker.
        """
        chain = None if rerank is None else names(rerank)
        with self.index.hold():
            found = evaluate(
                self.index,
                self.dataset,
                depth=depth,
                rerank=chain,
                match=self.match,
                stored=stored,
                keep=keep,
                seed=seed,
                progress=progress,
            )
            structures, fits = self.index.counts().structures, self.index.searcher.fits
            steps = self._own_chains(found) if chain is None else list(chain)
        settings = {"rerank": steps, "stored": stored, "depth": depth, "seed": seed}
        made = provenance(self.dataset, self.path, self.index.identity(), structures, fits, settings)
        return found.since(made)

    def _own_chains(self, found: Evaluation) -> list[str] | dict[str, list[str]]:
        """The rerankers that the index has where nobody says; by direction where they are not the same in all."""
        runs = {direction: result.run for direction, result in found.directions.items()}
        chains = {name: list(self.index.searcher.chain(run.query, run.target)) for name, run in runs.items()}
        return chains if len({tuple(chain) for chain in chains.values()}) > 1 else next(iter(chains.values()))

    def variants(
        self, *, stored: bool = False, seed: int = 0, progress: Callable[[str, int, int], None] | None = None
    ) -> dict[str, tuple[Variant, ...]]:
        """Measure every way to search, by direction; see `variants.variants`."""
        from mmsearch.evaluation.variants import variants

        return variants(self, stored=stored, seed=seed, told=progress)
