"""The plots of the page. Each is a figure with a caption that says how to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.evaluation.bootstrap import intervals, mean
from mmsearch.evaluation.report.axes import Axis, Paper, decades, even
from mmsearch.search.exhibit import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmsearch.evaluation.geometry import Hubness, Plane, Scores
    from mmsearch.evaluation.runs import Run

_POINTS = 48  # of a curve
_MARKED = (1, 5, 10)
_FEW = 200  # points, which may be large


def recall_curve(run: Run, items: int, depth: int) -> str:
    """hit@K over K, with its 95 % interval, and what chance would give.

    Args:
        run: of one direction.
        items: how many could answer.
        depth: where the run is cut.
    """
    deepest = min(depth, items)
    ks = np.unique(np.round(np.geomspace(1, deepest, _POINTS)).astype(np.int64))
    found = (run.judged.first[:, None] <= ks).astype(np.float64)
    bounds = np.array(intervals([(column, mean) for column in found.T], groups=run.groups))
    paper = Paper(decades("K, how many answers are looked at", 1, max(2, deepest)), even("", 0, 1, percent=True))
    marks = [
        paper.line(ks, chance(run.judged.relevant, items, ks), "dashed"),
        paper.band(ks, bounds[:, 0], bounds[:, 1], run.target),
        paper.line(ks, found.mean(axis=0), run.target),
    ]
    for k in (k for k in _MARKED if k <= deepest):
        height = float((run.judged.first <= k).mean())
        marks.append(paper.dots([k], [height], run.target))
        marks.append(paper.word(k, height, f"{100 * height:.1f}", up=9 if height < 0.92 else -17))
    legend = [(run.target, "found, with its 95 % interval"), ("dashed", "by chance")]
    said = "How often a right answer is among the first K. Steeper is better; 1, 5 and 10 are marked."
    return figure("Recall curve (hit@K)", paper.svg(f"hit@K of {run.direction}", *marks), said, legend)


def chance(relevant: NDArray[np.int64], items: int, ks: NDArray[np.int64]) -> NDArray[np.float64]:
    """hit@K `(k,)` of a random order: 1 - C(n - r, K) / C(n, K) for r relevant of n items, over all queries `(q,)`.

    Hypergeometric: the chance that none of the r is among K that are drawn.
    """
    drawn = np.arange(int(ks.max()))
    counts, times = np.unique(relevant, return_counts=True)
    missed = np.zeros(len(ks))
    for r, share in zip(counts.tolist(), (times / len(relevant)).tolist(), strict=True):
        missed += share * np.cumprod(np.clip((items - r - drawn) / (items - drawn), 0, 1))[ks - 1]
    return 1 - missed


def score_histogram(scores: Scores, target: str) -> str:
    """Cosines of right answers over those of others."""
    x = even("cosine of question and answer", float(scores.edges[0]), float(scores.edges[-1]))
    paper = Paper(x, Axis("share of the pairs", 0, 1.12 * float(scores.histograms.max())))
    marks = [
        paper.steps(scores.edges, scores.histograms[1], "other"),
        paper.steps(scores.edges, scores.histograms[0], target),
    ]
    legend = [
        (f"filled {target}", f"right, mean {scores.relevant.mean:.3f}"),
        ("filled other", f"other, mean {scores.others.mean:.3f}"),
    ]
    said = (
        f"The less the two overlap, the better. A right answer scores above another one {100 * scores.auc:.1f} % of "
        f"the time (AUC; 50 % is chance). From {scores.relevant.pairs:,} right and {scores.others.pairs:,} other pairs."
    )
    return figure("Scores", paper.svg("Histograms of scores", *marks), said, legend)


def occurrences(hubness: Hubness, target: str) -> str:
    """How many items appear how often among the first answers."""
    lows = [0, 1, *(2**power for power in range(1, max(2, hubness.largest).bit_length()))]
    ends = [*lows[1:], lows[-1] * 2]
    counts = np.histogram(hubness.occurrences, [*lows, ends[-1]])[0]
    shares = counts / hubness.items
    expected = _binomial(hubness.queries, min(1.0, hubness.k / hubness.items), lows, ends)
    places = np.arange(len(lows))
    ticks = tuple((float(at), _range(low, end)) for at, (low, end) in enumerate(zip(lows, ends, strict=True)))
    tallest = float(max(shares.max(), expected.max()))
    paper = Paper(
        Axis(f"in how many first {hubness.k} an item appears", -0.6, len(lows) - 0.4, ticks),
        even("", 0, 1.15 * tallest, percent=True, about=4),
    )
    marks = [paper.bars(places, expected, 0.9, "other"), paper.bars(places, shares, 0.6, target)]
    marks += [
        paper.word(at, share, f"{count:,}", up=5)
        for at, (share, count) in enumerate(zip(shares.tolist(), counts.tolist(), strict=True))
        if count
    ]
    legend = [(f"filled {target}", "items, and how many"), ("filled other", "by chance")]
    said = (
        f"Items by how often they answer. {100 * hubness.never:.1f} % never do (by chance "
        f"{100 * hubness.chance_never:.1f} %); one does {hubness.largest:,} times. Skewness {hubness.skewness:.2f} (by "
        f"chance {hubness.chance_skewness:.2f}; higher means more hubs)."
    )
    return figure("Hubness", paper.svg("How often items appear", *marks), said, legend)


def _range(low: int, end: int) -> str:
    return f"{low}" if end == low + 1 else f"{low}–{end - 1}" if end <= 8 else f"{low}+"


def _binomial(trials: int, p: float, lows: Sequence[int], ends: Sequence[int]) -> NDArray[np.float64]:
    """The probability of each range of counts; computed in logarithms, since factorials are large."""
    if p >= 1:
        return np.array([float(low <= trials < end) for low, end in zip(lows, ends, strict=True)])
    steps = np.arange(min(trials, ends[-1]))
    ratios = np.log(trials - steps) - np.log(steps + 1) + np.log(p) - np.log1p(-p)
    mass = np.exp(trials * np.log1p(-p) + np.concatenate([[0.0], np.cumsum(ratios)]))
    return np.array([mass[low:end].sum() for low, end in zip(lows, ends, strict=True)])


def plane(found: Plane) -> str:
    """The map of a space."""
    points = np.concatenate(list(found.points.values()))
    low, high = points.min(axis=0), points.max(axis=0)
    room = 0.04 * (high - low) + 1e-6
    low, high = low - room, high + room
    width, height = 720, 480
    axes = [
        Axis(f"{name} direction: {100 * share:.1f} % of the variance", float(low[side]), float(high[side]))
        for side, (name, share) in enumerate(zip(("first", "second"), found.explained, strict=True))
    ]
    paper = Paper(axes[0], axes[1], width, height)
    marks = [
        paper.dots(part[:, 0], part[:, 1], f"point {modality}{'' if len(part) > _FEW else ' few'}")
        for modality, part in found.points.items()
    ]
    marks += [
        paper.word(float(part[:, 0].mean()), float(part[:, 1].mean()), modality, f"name {modality}")
        for modality, part in found.points.items()
    ]
    legend = [(f"dot {modality}", f"{modality}, {len(part):,} vectors") for modality, part in found.points.items()]
    said = (
        f"A sample of the space “{found.space}” along its two main directions (PCA), which show "
        f"{100 * sum(found.explained):.1f} % of its variance; each name stands at the mean of its modality."
    )
    return figure("Map of the space", paper.svg(f"Map of {found.space}", *marks), said, legend, "map")


def figure(title: str, drawing: str, said: str, legend: Sequence[tuple[str, str]] = (), kind: str = "") -> str:
    """A drawing with its title, its legend (class of the key, and words) and how to read it."""
    keys = "".join(f'<li><i class="key {of}"></i>{escaped(words)}</li>' for of, words in legend)
    listed = f'<ul class="legend">{keys}</ul>' if keys else ""
    return (
        f'<figure class="chart {kind}"><h4>{escaped(title)}</h4>{listed}{drawing}'
        f"<figcaption>{escaped(said)}</figcaption></figure>"
    )
