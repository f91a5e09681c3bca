"""How errors say what is wrong."""

import pytest

from mmsearch.errors import did_you_mean, pointed


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("imge", "; did you mean image?"),
        ("AUDIO", "; did you mean audio?"),
        ("texts", "; did you mean text?"),
        ("smell", ""),
        ("", ""),
    ],
)
def test_near_names(name, said):
    assert did_you_mean(name, ["image", "text", "audio"]) == said


def test_capitals_are_no_difference_and_the_name_is_shown_as_it_is():
    assert did_you_mean("TITEL", ["Title", "year"]) == did_you_mean("titel", ["Title"]) == "; did you mean Title?"


def test_another_end_where_nothing_is_near():
    assert did_you_mean("imge", ["image"], otherwise=".") == "; did you mean image?"
    assert did_you_mean("smell", ["image"], otherwise=".") == "."


def test_several_near_names():
    assert did_you_mean("mrr", ["mmr", "mr", "exact"], 2) in ("; did you mean mmr or mr?", "; did you mean mr or mmr?")


@pytest.mark.parametrize(
    ("before", "columns"),
    [
        ("a dog ", 6),
        ("日本語 ", 7),
        ("größe ", 6),
        ("gro\u0308ße ", 6),
        ("ｆｕｌｌ ", 9),
        ("한국 ", 5),
        ("a\n\tb ", 5),
        ("", 0),
    ],
)
def test_the_caret_stands_in_the_column_of_the_character(before, columns):
    nothing, line, caret = pointed(f"{before}x", len(before)).split("\n")
    assert nothing == "" and line.startswith("  ") and line.endswith("x")
    assert caret == f"{' ' * (2 + columns)}^"
