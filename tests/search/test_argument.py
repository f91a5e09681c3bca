"""What stands behind the name of a reranker."""

import pytest

from mmsearch.errors import QueryError
from mmsearch.search.rerank.argument import number, whole


@pytest.mark.parametrize(("argument", "value"), [("", 0.5), ("0", 0), ("1", 1), (" .25", 0.25), ("1e-1", 0.1)])
def test_a_number_or_the_default(argument, value):
    assert number("step", argument, 0.5, "a share", lambda value: 0 <= value <= 1) == value


@pytest.mark.parametrize("argument", ["x", "nan", "-1", "1.5", "inf", "0,5"])
def test_what_is_none_is_told_with_what_is(argument):
    with pytest.raises(QueryError) as raised:
        number("step", argument, 20.0, "a share", lambda value: 0 <= value <= 1)
    assert str(raised.value) == f"step takes a share, not {argument!r}: step:20"


@pytest.mark.parametrize(
    ("written", "value"),
    [("0", 0), ("20", 20), ("1" * 9, 111_111_111), ("1" * 10, -1), ("9" * 5000, -1), ("-1", -1), ("1.0", -1), ("", -1),
     ("x", -1), ("²", -1)],
)  # fmt: skip
def test_a_whole_number(written, value):
    assert whole(written) == value
