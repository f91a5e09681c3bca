"""The questions that were answered worst, beside the right answer and what was answered instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmsearch.evaluation.report.shelf import Shelf
    from mmsearch.evaluation.runs import Run

MOST = 4  # of a direction
_ANSWERS = 3  # shown of each
_RIGHT = 3  # texts that are shown of the truth; of pictures and sounds, one


@dataclass(frozen=True, slots=True)
class Failure:
    """A question whose first right answer stands deep.

    Attributes:
        number: of the question in its run.
        rank: of its first right answer; None if it was not found.
        right: ids of its right answers, of the highest grades first.
    """

    number: int
    rank: int | None
    right: tuple[str, ...]


def worst(run: Run, most: int = MOST) -> list[Failure]:
    """The questions whose first right answer stands deepest; not found is deeper than any rank.

    Of questions about one thing, such as the captions of one picture, and of those with the same first right answer,
    there is one. Among equals the first that was asked comes first. Questions whose first answer is right are left out.
    """
    failures: list[Failure] = []
    groups: set[int] = set()
    shown: set[str] = set()
    for number in np.argsort(-run.judged.first, kind="stable").tolist():
        first, group = float(run.judged.first[number]), int(run.groups[number])
        grades = run.relevant[number]
        right = tuple(sorted(grades, key=lambda id: -grades[id]))
        if first == 1 or len(failures) == most:
            break
        if group not in groups and right[0] not in shown:
            groups.add(group)
            shown.add(right[0])
            failures.append(Failure(number, int(first) if np.isfinite(first) else None, right))
    return failures


def gallery(run: Run, shelf: Shelf, depth: int) -> str:
    """The worst failures of a direction, as HTML."""
    failures = worst(run)
    if not failures:
        return '<div class="nothing">No failures: the first answer to every question is right.</div>'
    return "\n".join(_case(run, failure, shelf, depth) for failure in failures)


def _case(run: Run, failure: Failure, shelf: Shelf, depth: int) -> str:
    where = f"not among the first {depth:,}" if failure.rank is None else f"at rank {failure.rank:,}"
    asked = _card("asked", "Question", shelf.question(run.asked[failure.number], run.query))
    count = _RIGHT if run.target is Modality.TEXT else 1
    more = len(failure.right) - count
    right = "".join(shelf.item(id, run.target) for id in failure.right[:count])
    note = f'<div class="name">and {more:,} more</div>' if more > 0 else ""
    cards = [asked, _card("right", f"Right answer, {where}", right + note)]
    return f'<div class="case">{"".join([*cards, *_answers(run, failure, shelf)])}</div>'


def _answers(run: Run, failure: Failure, shelf: Shelf) -> Iterator[str]:
    row = zip(run.items[failure.number].tolist(), run.scores[failure.number].tolist(), strict=True)
    for rank, (id, score) in enumerate(list(row)[:_ANSWERS], 1):
        if id:
            yield _card("answer", f"Answer {rank}", shelf.item(id, run.target), f"{score:.3f}")


def _card(kind: str, title: str, medium: str, score: str = "") -> str:
    said = f'<span class="score" title="score">{score}</span>' if score else ""
    return (
        f'<div class="card {kind}"><div class="facts"><b>{title}</b>{said}</div><div class="what">{medium}</div></div>'
    )
