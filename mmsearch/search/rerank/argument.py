"""What stands behind the name of a reranker in a chain: `nnn:0.5`, `maxsim:2`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from mmsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

DIGITS: Final = 9  # of a whole number: nothing is counted with more, and Python refuses to read thousands


def number(name: str, argument: str, default: float, takes: str, fits: Callable[[float], bool]) -> float:
    """The number that stands behind a name; `default`, where nothing does.

    Args:
        name: of the reranker.
        argument: what stands behind it.
        default: also what the message gives as an example.
        takes: what it may be, in words.
        fits: whether it is that; never of NaN.

    Raises:
        QueryError: it is no number, or does not fit.
    """
    try:
        value = float(argument) if argument else default
    except ValueError:
        value = math.nan
    if not fits(value):
        raise QueryError(f"{name} takes {takes}, not {argument!r}: {name}:{default:g}")
    return value


def whole(written: str) -> int:
    """The whole number that is written; -1 for everything else."""
    return int(written) if written.isdecimal() and len(written) <= DIGITS else -1
