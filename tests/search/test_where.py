import re

import pytest

from mmsearch import Record
from mmsearch.errors import FilterError
from mmsearch.search.where import parse


@pytest.fixture
def years(index):
    index.add_items(
        Record(id=f"y{year}", text=f"text {year}", metadata={"year": year, "tag": tag, "place": {"city": city}})
        for year, tag, city in ((1999, "old", "Rome"), (2010, "it's", "Oslo"), (2020, "new", "Rome"))
    )
    index.add_items([Record(id="bare", text="nothing known")])
    return index


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("year >= 2010", {"y2010", "y2020"}),
        ("year = 2010 or year == 1999", {"y2010", "y1999"}),
        ("year != 2010", {"y1999", "y2020"}),
        ("year <> 2010 AND year < 2015", {"y1999"}),
        ("not (year > 1999)", {"y1999"}),
        ("year > 1e3 and year <= 2010.0", {"y1999", "y2010"}),
        ("year in (1999, 2020)", {"y1999", "y2020"}),
        ("year not in (1999, 2020)", {"y2010"}),
        ("year is null", {"bare"}),
        ("year is not null", {"y1999", "y2010", "y2020"}),
        ("tag = 'it''s'", {"y2010"}),
        ('tag = "it\'s"', {"y2010"}),
        ("tag like 'n%'", {"y2020"}),
        ("tag not like 'n%'", {"y1999", "y2010"}),
        ("place.city = 'Rome'", {"y1999", "y2020"}),
        ("id = 'bare'", {"bare"}),
        ("modality = 'text' and characters = 9", {"y1999", "y2010", "y2020"}),
        ("modality = 'image'", set()),
        ("year = 1999 or year = 2010 and tag = 'nothing'", {"y1999"}),
    ],
)
def test_filters(years, where, expected):
    assert {hit.id for hit in years.search("text", where=where, k=50)} == expected


@pytest.mark.parametrize(
    ("where", "said", "column"),
    [
        ("nonsense ~ 3", "cannot read", 10),
        ("", "name of a field", 1),
        ("year >", "expected a number", 7),
        ("year = 3 year", "`and`, `or`", 10),
        ("(year = 3", "')'", 10),
        ("year in 3", "'('", 9),
        ("year like 3", "string in quotes", 11),
        ("year not 3", "`in` or `like`", 10),
        ("3 = year", "name of a field", 1),
        ("year = 'open", "cannot read", 8),
        ("year; drop table items", "cannot read", 5),
    ],
)
def test_the_place_of_an_error_is_shown(where, said, column):
    with pytest.raises(FilterError, match=re.escape(said)) as caught:
        parse(where)
    assert f"character {column}\n" in str(caught.value)
    assert str(caught.value).endswith(f"\n  {where}\n  {' ' * (column - 1)}^")


def test_an_unknown_field_is_an_error_not_an_empty_answer(years):
    with pytest.raises(FilterError, match="widht"):
        years.search("text", where="widht > 3")


def test_a_filter_is_a_text():
    for nothing in (5, None, ["a = 1"], b"a = 1"):
        with pytest.raises(FilterError, match="a filter is a str, such as 'year >= 2020', not "):
            parse(nothing)


def test_the_fields_of_tags_are_known_where_a_name_is_wrong(full):
    full.tag("red,blue", field="Colour")
    with pytest.raises(FilterError, match="'color'; did you mean Colour.* taken, Colour, Colour_probability; it st"):
        full.search("red", where="color = 'red'")
    with pytest.raises(FilterError, match="did you mean Colour_probability"):
        full.search("red", where="colour_probablity > 0.5")


def test_nesting_is_bounded():
    with pytest.raises(FilterError, match="deep"):
        parse("(" * 100 + "a = 1" + ")" * 100)


def test_values_are_bound_never_pasted(years):
    assert not years.search("text", where="tag = \"x' or '1'='1\"")
    assert len(years) == 4


def test_a_field_that_no_item_has_is_pointed_at(full):
    with pytest.raises(FilterError) as caught:
        full.search("red", where="size > 3 and widht < 9")
    first, line, caret = str(caught.value).split("\n")
    assert "no item has a field 'widht'; did you mean width?" in first
    assert line[caret.index("^") :].startswith("widht")
