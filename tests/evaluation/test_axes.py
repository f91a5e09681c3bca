"""Axes and marks of the plots, read back from their SVG."""

import re

import numpy as np
import pytest

from mmsearch.evaluation.report.axes import Axis, Paper, decades, even


@pytest.mark.parametrize(
    ("low", "high", "percent", "names"),
    [
        (0, 1, True, ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        (0, 0.03, True, ["0 %", "1 %", "2 %", "3 %"]),
        (-0.4, 0.7, False, ["-0.25", "0.00", "0.25", "0.50"]),
        (0, 12_000, False, ["0", "2,500", "5,000", "7,500", "10,000"]),
        (0.5, 0.5, False, []),
    ],
)
def test_even_ticks_are_round_and_told_exactly(low, high, percent, names):
    axis = even("x", low, high, percent=percent)
    assert [name for _, name in axis.ticks] == names
    scale = 100 if percent else 1
    for value, name in axis.ticks:
        assert float(name.rstrip(" %").replace(",", "")) == pytest.approx(scale * value, abs=1e-9)


@pytest.mark.parametrize(
    ("high", "names"),
    [(10, ["1", "2", "5", "10"]), (160, ["1", "3", "10", "30", "100"]), (1_000, ["1", "10", "100", "1,000"])],
)
def test_decades_have_fewer_ticks_the_more_there_are(high, names):
    assert [name for _, name in decades("K", 1, high).ticks] == names


def test_places_are_even_or_logarithmic():
    assert even("", 10, 20).along([10, 15, 20]).tolist() == [0, 0.5, 1]
    assert decades("", 1, 1_000).along([1, 10, 1_000]) == pytest.approx([0, 1 / 3, 1])
    assert Axis("", 2, 2).along([2]).tolist() == [0], "one value is no division by zero"


PAPER = Paper(Axis("x", 0, 10), Axis("y", 0, 1), 420, 260)  # from (46, 218) to (406, 14)


def points(mark):
    (path,) = re.findall(r' d="([^"]+)"', mark)
    return [[float(n) for n in point.split()] for point in re.split("[ML]", path.rstrip("Z"))[1:]]


def test_marks_are_where_their_values_are():
    assert points(PAPER.line([0, 5, 10], [0, 0.5, 1], "image")) == [[46, 218], [226, 116], [406, 14]]
    assert points(PAPER.band([0, 10], [0, 0], [1, 0.5], "image")) == [[46, 218], [406, 218], [406, 116], [46, 14]]
    steps = points(PAPER.steps([0, 5, 10], [1, 0.5], "image"))
    assert steps == [[46, 218], [46, 14], [226, 14], [226, 116], [406, 116], [406, 218]]
    assert 'd="M46 218h0M406 14h0"' in PAPER.dots([0, 10], [0, 1], "image")
    assert 'd="M208 218V116H244V218Z"' in PAPER.bars([5], [0.5], 1, "image")


def test_words_stay_on_the_paper_and_are_safe():
    (first, last) = (PAPER.word(x, 0.5, "a <long> label & more", "image") for x in (0, 10))
    room = 3.2 * len("a <long> label & more")
    assert float(re.search(r' x="([\d.]+)"', first)[1]) == pytest.approx(46 + room)
    assert float(re.search(r' x="([\d.]+)"', last)[1]) == pytest.approx(406 - room)
    assert "a &lt;long&gt; label &amp; more" in first


def test_the_drawing_says_what_it_is():
    x = Axis("the <x>", 0, 10, ((0, "zero"), (10, "ten")))
    svg = Paper(x, even("y", 0, 1)).svg('what "it" shows', "<path/>")
    assert 'aria-label="what &quot;it&quot; shows"' in svg
    assert re.findall(r'class="tick" [^>]*>([^<]+)<', svg) == ["zero", "ten"]
    assert re.findall(r'class="axis" [^>]*>([^<]+)<', svg) == ["the &lt;x&gt;", "y"]
    assert svg.endswith("<path/></svg>")


def test_the_same_numbers_make_the_same_bytes():
    values = np.random.default_rng(0).normal(size=30)
    assert PAPER.line(np.arange(30) / 3, values, "") == PAPER.line(np.arange(30) / 3, values + 1e-6, "")
