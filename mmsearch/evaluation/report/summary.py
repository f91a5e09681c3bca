"""The main figures at a glance: a card for each direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.evaluation.report.charts import chance
from mmsearch.evaluation.report.tables import direction, figure, spread
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.measures import Estimate
    from mmsearch.evaluation.result import DirectionResult

_SHOWN = ("hit@1", "hit@5", "hit@10", "map")
_EASY = 0.5  # a share of chance beside which hit@10 says little
_NAMES = {
    Modality.TEXT: ("a text", "texts"),
    Modality.IMAGE: ("a picture", "pictures"),
    Modality.AUDIO: ("a sound", "sounds"),
}


def card(result: DirectionResult, items: int) -> str:
    """One direction.

    Args:
        result: of it.
        items: how many could answer.
    """
    run, among = result.run, min(10, items)
    one, luck = chance(run.judged.relevant, items, np.array([1, among])).tolist()
    name, what = "hit@10", "a right answer is among the first ten"
    if luck > _EASY:
        name, what, luck = "hit@1", "the first answer is right", one
    rows = "".join(_row(name, result.measures[name], str(run.target)) for name in _SHOWN)
    said = (
        f"Asked with {_NAMES[run.query][0]}, {what} <b>{figure(name, result.measures[name].value)} %</b> of the time; "
        f"by chance {100 * luck:.1f} %."
    )
    rank = figure("median_rank", result.measures["median_rank"].value)
    return (
        f'<article class="tile"><h3>{direction(run.query, run.target)}</h3><p>{said}</p><dl>{rows}</dl>'
        f'<p class="soft">{result.queries:,} questions, {items:,} {_NAMES[run.target][1]} to choose from. '
        f"Median rank of the first right answer: {rank}.</p></article>"
    )


def _row(name: str, found: Estimate, kind: str) -> str:
    low, high = found.interval
    track = (
        f'<i class="range {kind}" style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></i>'
        f'<i class="mean {kind}" style="width:{100 * found.value:.2f}%"></i>'
    )
    label = "mAP" if name == "map" else name
    return (
        f'<dt>{label}</dt><dd class="track">{track}</dd><dd class="value">{figure(name, found.value)}'
        f"<small>{spread(name, found)}</small></dd>"
    )
