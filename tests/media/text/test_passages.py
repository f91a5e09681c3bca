import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsearch.media.text.passages import passages
from mmsearch.types import TextSpec


def by_words(passage):
    return len(passage.split())


def by_letters(passage):
    """Like a subword tokenizer: four letters a token, and two marks around every text."""
    return 2 + sum(math.ceil(len(word) / 4) for word in passage.split())


def by_bytes(passage):
    return 1 + sum(len(word.encode()) for word in passage.split())


def cut(text, max_tokens, count=by_words):
    return [text[start:end] for start, end in passages(text, TextSpec(max_tokens, count))]


_texts = st.lists(
    st.sampled_from(
        ["word", "Stop. ", "So? ", "…", "\n", "\n\n", " \n \n", "  ", "\t", "\u3000", "\x1c", "\x85", "。", "”"]
        + ["\n- ", "\n# ", "\n3) ", "x" * 80, "é", "\r\n", "...", "😀"]
    ),
    max_size=80,
).map("".join) | st.text(max_size=200)


@pytest.mark.parametrize("count", [by_words, by_letters, by_bytes])
@given(text=_texts, max_tokens=st.integers(8, 40))
@example(text="a. b. c. d. e. f. g. h. i. j.", max_tokens=8)
@example(text="x" * 2000, max_tokens=8)
@example(text=" \n\n\x1c x \x1c\n\n ", max_tokens=8)
def test_passages_fit_lie_in_order_and_lose_nothing_but_white_space(count, text, max_tokens):
    at = 0
    for start, end in passages(text, TextSpec(max_tokens, count)):
        assert at <= start < end
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip()
        assert count(text[start:end]) <= max_tokens
        at = end
    assert not text[at:].strip()


@given(text=_texts.filter(lambda text: not set("。！？") & set(text)), max_tokens=st.integers(1, 12))
def test_what_fits_stays_together(text, max_tokens):
    if 0 < by_words(text) <= max_tokens and len(text) <= 16 * max_tokens:
        assert cut(text, max_tokens) == [text.strip()]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(9, 25))
def test_sentences_that_fit_are_never_cut(lengths, max_tokens):
    sentences = [" ".join(["word"] * (length - 1) + ["end."]) for length in lengths]
    found = cut(" ".join(sentences), max_tokens)
    assert all(passage.endswith("end.") for passage in found)
    # Greedy: no passage could have taken the first sentence of the next one.
    for one, other in zip(found, found[1:], strict=False):
        first = other.partition("end.")[0] + "end."
        assert by_words(one) + by_words(first) > max_tokens


def test_a_passage_breaks_at_the_paragraph_rather_than_within_the_next():
    one, two = "One " * 6 + "end.", "Two " * 6 + "end."
    assert cut(f"{one}\n\n{two}", 8) == [one, two]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Now it is v1.2 here. Go", ["Now it is v1.2 here.", "Go"]),
        ("Is it so?! Yes it is", ["Is it so?!", "Yes it is"]),
        ('He said "go away now." She went', ['He said "go away now."', "She went"]),
        ("a b c d e f g h i", ["a b c d e", "f g h i"]),
        ("- a b c\n- d e f\n- g", ["- a b c", "- d e f", "- g"]),
        ("One two. # no heading here", ["One two.", "# no heading here"]),
    ],
)
def test_where_passages_of_five_words_end(text, expected):
    assert cut(text, 5) == expected


def test_a_word_longer_than_a_passage_is_cut_between_characters():
    found = cut("start " + "x" * 100 + " end", 6, by_letters)
    assert "".join(found) == "start" + "x" * 100 + "end"
    assert all(by_letters(passage) <= 6 for passage in found)
    assert len(found) <= math.ceil(108 / 8)  # each is at least half full


def test_one_unknown_token_of_many_characters_is_not_trusted():
    assert max(map(len, cut("x" * 10_000, 10))) <= 160


def test_a_limit_that_not_even_a_character_fits_ends_all_the_same():
    assert cut("abc", 1, by_letters) == ["abc"]
    assert cut("ab", 2, lambda passage: 3 * len(passage)) == ["a", "b"]


def test_white_space_alone_has_no_passage():
    assert cut("", 5) == cut(" \n\n\t\u3000", 5) == []


def test_the_next_passage_is_not_cut_before_it_is_asked_for():
    counted = []
    text = "\n\n".join(f"P{i} " + "word " * 6 + "end." for i in range(1000))

    def count(passage):
        counted.append(passage)
        return by_words(passage)

    start, end = next(passages(text, TextSpec(10, count)))
    assert re.fullmatch(r"P0 (word ){6}end\.", text[start:end])
    assert len(counted) < 10
