"""A sheet of graph paper: two axes, and what is drawn between them, as SVG.

Colours and type come from the style of the page, so that a plot follows it from light to dark; the same numbers make
the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.search.exhibit import escaped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers: TypeAlias = Sequence[float] | NDArray[np.floating] | NDArray[np.integer]

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 14, 42  # of the paper; units are CSS pixels on a phone


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of the paper.

    Attributes:
        name: what is measured, with its unit.
        low: value at the beginning.
        high: value at the end.
        ticks: values that are marked, with what is written there.
        log: whether equal ratios are equal distances.
    """

    name: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    log: bool = False

    def along(self, values: Numbers) -> NDArray[np.float64]:
        """Where values are, 0 at the beginning and 1 at the end."""
        low, high, at = self.low, self.high, np.asarray(values, np.float64)
        if self.log:
            low, high, at = math.log(low), math.log(high), np.log(at)
        return (at - low) / ((high - low) or 1.0)


def even(name: str, low: float, high: float, *, percent: bool = False, about: int = 5) -> Axis:
    """A linear axis with some `about` round ticks."""
    rough = (high - low) / about if high > low else 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(part for part in (1, 2, 2.5, 5, 10) if part * power >= rough * 0.999)
    places = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    factor, unit = (100, " %") if percent else (1, "")
    digits = next(
        digits for digits in range(12) if digits == 11 or math.isclose(round(step * factor, digits), step * factor)
    )
    return Axis(
        name, low, high, tuple((place * step, f"{factor * place * step:,.{digits}f}{unit}") for place in places)
    )


def decades(name: str, low: float, high: float) -> Axis:
    """A logarithmic axis with ticks at 1, 2 and 5 times the powers of ten, or at the powers if there are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    parts = (1, 2, 5) if high / low < 50 else (1, 3) if high / low < 200 else (1,)
    values = [part * 10**power for power in powers for part in parts]
    ticks = tuple((value, f"{value:,g}") for value in values if low <= value <= high)
    return Axis(name, low, high, ticks, log=True)


@dataclass(frozen=True, slots=True)
class Paper:
    """Two axes and the room between them; its methods make marks, `svg` puts them together.

    `kind` of a mark is a class of the page's style, such as `image` for the colour of pictures.
    """

    x: Axis
    y: Axis
    width: int = 420
    height: int = 260

    def line(self, xs: Numbers, ys: Numbers, kind: str) -> str:
        """A line through points."""
        return f'<path class="line {kind}" d="{_path(self._at(xs, ys))}"/>'

    def band(self, xs: Numbers, low: Numbers, high: Numbers, kind: str) -> str:
        """The area between two lines."""
        around = np.concatenate([self._at(xs, low), self._at(xs, high)[::-1]])
        return f'<path class="band {kind}" d="{_path(around)}Z"/>'

    def steps(self, edges: Numbers, heights: Numbers, kind: str) -> str:
        """A histogram, as one area."""
        xs, ys = np.repeat(edges, 2), np.concatenate([[self.y.low], np.repeat(heights, 2), [self.y.low]])
        return f'<path class="steps {kind}" d="{_path(self._at(xs, ys))}Z"/>'

    def bars(self, centres: Numbers, heights: Numbers, width: float, kind: str) -> str:
        """Bars from the lower end up; `width` in units of the x axis."""
        centre = np.asarray(centres, np.float64)
        feet = np.full(len(centre), self.y.low)
        corners = zip(self._at(centre - width / 2, heights), self._at(centre + width / 2, feet), strict=True)
        drawn = "".join(f"M{_n(a)} {_n(d)}V{_n(b)}H{_n(c)}V{_n(d)}Z" for (a, b), (c, d) in corners)
        return f'<path class="bars {kind}" d="{drawn}"/>'

    def dots(self, xs: Numbers, ys: Numbers, kind: str) -> str:
        """Round points."""
        drawn = "".join(f"M{_n(x)} {_n(y)}h0" for x, y in self._at(xs, ys))
        return f'<path class="dots {kind}" d="{drawn}"/>'

    def word(self, x: float, y: float, said: str, kind: str = "", up: float = 0.0) -> str:
        """A word centred at a point, `up` pixels above it, and moved inside the paper if it would stand out."""
        ((at, height),) = self._at([x], [y])
        room = 3.2 * len(said)  # half of its width, about
        at = min(max(at, _LEFT + room), self.width - _RIGHT - room)
        return f'<text class="word {kind}" x="{_n(at)}" y="{_n(height - up)}">{escaped(said)}</text>'

    def svg(self, said: str, *marks: str) -> str:
        """The drawing; `said` tells those who cannot see it what it shows."""
        bottom, middle = self.height - _BOTTOM, (_TOP + self.height - _BOTTOM) / 2
        across = self._at([value for value, _ in self.x.ticks], [self.y.low] * len(self.x.ticks))
        upward = self._at([self.x.low] * len(self.y.ticks), [value for value, _ in self.y.ticks])
        grid = "".join(f"M{_LEFT} {_n(y)}H{self.width - _RIGHT}" for _, y in upward)
        grid += "".join(f"M{_n(x)} {bottom}v4" for x, _ in across)
        ticks = "".join(
            f'<text class="tick" x="{_n(x)}" y="{bottom + 16}">{escaped(name)}</text>'
            for (x, _), (_, name) in zip(across, self.x.ticks, strict=True)
        ) + "".join(
            f'<text class="tick y" x="{_LEFT - 6}" y="{_n(y + 3.5)}">{escaped(name)}</text>'
            for (_, y), (_, name) in zip(upward, self.y.ticks, strict=True)
        )
        names = (
            f'<text class="axis" x="{_n((_LEFT + self.width - _RIGHT) / 2)}" y="{self.height - 6}">'
            f"{escaped(self.x.name)}</text>"
        )
        if self.y.name:
            turned = f"translate(11 {_n(middle)}) rotate(-90)"
            names += f'<text class="axis" transform="{turned}">{escaped(self.y.name)}</text>'
        return (
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escaped(said)}">'
            f'<path class="grid" d="{grid}"/>{ticks}{names}{"".join(marks)}</svg>'
        )

    def _at(self, xs: Numbers, ys: Numbers) -> NDArray[np.float64]:
        """Points `(n, 2)` of the drawing."""
        across, up = self.width - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        return np.stack([_LEFT + across * self.x.along(xs), _TOP + up * (1 - self.y.along(ys))], axis=1)


def _path(points: NDArray[np.float64]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
