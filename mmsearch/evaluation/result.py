"""What an evaluation found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mmsearch.evaluation.measures import Estimate

if TYPE_CHECKING:
    from mmsearch.evaluation.runs import Run


@dataclass(frozen=True, slots=True)
class DirectionResult:
    """How well one direction was answered.

    Attributes:
        queries: how many.
        measures: by name, as `measures.MEASURES` declares them.
        run: what was asked and answered.
    """

    queries: int
    measures: Mapping[str, Estimate]
    run: Run = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Fractions of one; null for what is infinite."""
        figures = {name: _finite(estimate.value) for name, estimate in self.measures.items()}
        bounds = {name: [_finite(end) for end in estimate.interval] for name, estimate in self.measures.items()}
        return {"queries": self.queries, **figures, "intervals": bounds}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well an index answered a dataset.

    Attributes:
        directions: results by direction, such as `text->image`.
        warnings: what was left out, counted.
        depth: where runs were cut.
        model: name of the model.
        items: how many the index held, distractors included.
        provenance: what somebody needs to get the same figures again, as JSON values; see `provenance`.
    """

    directions: Mapping[str, DirectionResult]
    warnings: tuple[str, ...]
    depth: int
    model: str
    items: int
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def since(self, provenance: Mapping[str, Any]) -> Evaluation:
        """The same, with more of where it came from."""
        return replace(self, provenance={**self.provenance, **provenance})

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "directions": {name: result.to_json() for name, result in self.directions.items()},
            "warnings": list(self.warnings),
            "depth": self.depth,
            "model": self.model,
            "items": self.items,
            "provenance": dict(self.provenance),
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
