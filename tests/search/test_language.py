import pytest

from mmsearch.errors import QueryError
from mmsearch.search.lexical.language import Question, Term, parse


def words(text):
    question = parse(text)
    return [term.shown for term in question.words], [term.shown for term in question.phrases]


@pytest.mark.parametrize(
    ("text", "loose", "phrases"),
    [
        ("Two dogs, two CATS", ["two", "dogs", "cats"], []),
        ("invoice 2023-114", ["invoice", "2023-114"], []),
        ('"red Car" on a beach*', ["on", "a", "beach*"], ["red car"]),
        ('a 12" record', ["a", "12", "record"], []),
        ('"say ""cheese"" now"', [], ["say cheese now"]),
        ("dog (not cat) OR NEAR(x, y) ^z a:q", ["dog", "not", "cat", "or", "near", "x", "y", "z", "a:q"], []),
        ("it's well-known…", ["it's", "well-known"], []),
        ("Ünïcode 犬*", ["ünïcode", "犬*"], []),
        ("half \ud800 nul \0 end", ["half", "nul", "end"], []),
    ],
)  # fmt: skip
def test_what_a_text_looks_for(text, loose, phrases):
    assert words(text) == (loose, phrases)


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ('a "red car', 2, "not closed"),
        ("dogs *", 5, "end of a word"),
        ('dogs ""', 5, "no word between"),
        ('dogs "?!"', 5, "no word between"),
    ],
)
def test_errors_show_the_place(text, at, said):
    with pytest.raises(QueryError, match=said) as caught:
        parse(text)
    _, line, mark = str(caught.value).splitlines()
    assert line[2:] == text
    assert mark.index("^") - 2 == at


def test_what_is_half_is_overlooked_where_words_were_not_asked_for():
    assert parse('a "red car', strict=False).words == (Term("a"), Term("red"), Term("car"))
    assert parse('*** ""', strict=False) is None
    assert parse("?!") is None


def test_nothing_but_strings_of_words_reaches_sqlite():
    asked = parse('a" OR b NOT c* "d e" {f}:g', strict=False)
    assert [term.match for term in asked.words] == ['"a"', '"or"', '"b"', '"not"', '"c" *', '"f"', '"g"']
    assert asked.phrases == (Term("d e"),)


def test_a_word_of_several_knows_its_pieces():
    assert Term("black-and-white", prefix=True).pieces == (Term("black"), Term("and"), Term("white", prefix=True))
    assert Term("dog").pieces == ()
    assert parse("dog Dog dog*") == Question((Term("dog"), Term("dog", prefix=True)))
