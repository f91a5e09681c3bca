"""A single word is little to be judged by; letters that are no word are not."""

import pytest

from mmsearch import Query
from mmsearch.search.calibrate.cut import is_word
from mmsearch.types import TextSpec

SPEC = TextSpec(64, lambda text: 2 + sum(1 if word in ("a", "woman", "running") else 3 for word in text.split()))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (Query.text("woman"), True),
        (Query.text("The Woman"), True),
        (Query.text("a running woman"), False),
        (Query.text("xqzv"), False),
        (Query.text("thunderstorm"), True),  # three tokens, and long ones
        (Query.text("the"), False),
        (Query.text(""), False),
        (Query.text("woman") - Query.text("running"), False),
        (Query.image("woman"), False),
        (Query.item("woman"), False),
    ],
)
def test_what_is_a_single_word(query, wanted):
    assert is_word(query, SPEC) is wanted
    assert not is_word(query, None)


@pytest.mark.lite
def test_a_single_word_is_answered_when_little_speaks_for_it(tmp_path):
    import mmsearch
    from mmsearch import Record

    weathers = "rain", "storm", "snow", "sun", "fog", "wind"
    with mmsearch.open(tmp_path / "index", model="lite") as index:
        index.add_items(Record(id=str(n), text=f"day {n}: {weathers[n % 6]} over the hills") for n in range(120))
        for word in ("thunderstorm", "the hurricane", "blizzard"):
            assert len(index.search(word, target="text", lexical="off")) == 10
        for nonsense in ("xqzvk", "zzkrp vuux qqwe"):
            assert not index.search(nonsense, target="text", lexical="off")
