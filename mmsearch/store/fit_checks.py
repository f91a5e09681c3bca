"""What is wrong with the fits of a catalog, and putting it right: their rows are a cache, their content is not."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmsearch.store import fits
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from mmsearch.store.shard import Group

SELECT = "SELECT id, name, space, medium, version, active, previous, card, content FROM fits ORDER BY id"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a fit, as a clause; `lost` if it cannot be used any more, however its rows are."""

    id: int
    name: str
    said: str
    lost: bool


def problems(sql: Callable[..., Any]) -> Iterator[Problem]:
    """What is wrong with fits, one thing of each. Reads their content."""
    for id_, name, space, medium, version, active, previous, card, content in sql(SELECT):
        texts, numbers = (name, space, medium, version), (active, 0 if previous is None else previous)
        if not all(isinstance(text, str) for text in texts) or medium not in set(Modality) - {Modality.TEXT}:
            yield Problem(id_, str(name), "its space, its medium or its version cannot be what the catalog says", True)
        elif fits.card_of(card) is None or not all(isinstance(number, int) for number in numbers):
            yield Problem(id_, name, "its card or its place among the others cannot be read", True)
        elif not isinstance(content, bytes) or fits.version_of(content) != version:
            yield Problem(id_, name, "its content is not what was kept", True)
        elif active and (count := fits.without_row(sql, space, medium, version)):
            yield Problem(id_, name, f"{count} segments do not have one vector in it", False)


def cure(sql: Callable[..., Any], folder: Path, damaged: Collection[Group]) -> Iterator[str]:
    """Switch off the fits that cannot be used as they are, forget those that are lost, and drop their rows; sentences.

    No segment loses anything by it that cannot be made again.

    Args:
        sql: runs a statement in the caller's transaction.
        folder: of the index.
        damaged: groups with rows that are lost.
    """
    if fits.drop_idle(sql):
        yield "rows of fits that are not in use were left out"
    found = list(problems(sql))
    known = {problem.id for problem in found}
    for id_, name, space, medium, version in sql(
        "SELECT id, name, space, medium, version FROM fits WHERE active <> 0 ORDER BY id"
    ).fetchall():
        if id_ not in known and any(
            (group.name, group.version) == (fits.fit_space(space, medium), version) for group in damaged
        ):
            found.append(Problem(id_, name, "some of its rows were lost", False))
    for problem in found:
        sql("UPDATE fits SET active = 0 WHERE id = ?", (problem.id,))
        what = "was switched off"
        then = f"`mmsearch fit --use {shlex.quote(problem.name)} --index {shlex.quote(str(folder))}` installs it again"
        if problem.lost:
            fits.forget(sql, problem.id)
            what, then = "was forgotten", "`mmsearch fit` makes another"
        yield f"the fit {problem.name!r} {what} ({problem.said}): {then}"
    fits.drop_idle(sql)
