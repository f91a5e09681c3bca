import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import MediaError
from mmsearch.media.text import jsonl

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(content):
    return list(jsonl.objects(io.BytesIO(content)))


@given(st.lists(st.dictionaries(st.text(), _values, max_size=4), max_size=5), st.booleans())
def test_what_json_writes_comes_back(rows, ascii_only):
    content = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode()
    assert read(content) == list(enumerate(rows, 1))


@given(st.binary(max_size=60))
def test_noise_is_told_line_by_line_and_never_raised(content):
    for number, found in read(content):
        assert 1 <= number <= content.count(b"\n") + 1
        assert isinstance(found, dict | MediaError)


def test_blank_lines_and_a_mark_are_skipped_and_lines_keep_their_numbers():
    assert read(b'\xef\xbb\xbf{"a": 1}\r\n\n  \t\n{"b": 2}') == [(1, {"a": 1}), (4, {"b": 2})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"\0", "not JSON"),
        (b'{"a": 1} {"b": 2}', "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not valid UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": ' + b"[" * 200_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_read(line, reason):
    (good, bad, last) = read(b'{"a": 1}\n' + line + b'\n{"b": "\\ud83d\\ude00"}')
    assert good == (1, {"a": 1})
    assert bad[0] == 2
    assert isinstance(bad[1], MediaError)
    assert str(bad[1]).startswith("line 2: ")
    assert reason in str(bad[1])
    assert last == (3, {"b": "😀"})


@pytest.mark.parametrize("depth", [1, jsonl.MAX_DEPTH - 1, jsonl.MAX_DEPTH, 500, 900, 990, 2000, 10_000, 50_000])
def test_any_depth_is_read_or_told(depth):
    ((_, found),) = read(b'{"a": ' + b"[" * depth + b'"\\u0041"' + b"]" * depth + b"}")
    if depth < jsonl.MAX_DEPTH:  # the object is a level too
        assert str(found["a"]) == "[" * depth + "'A'" + "]" * depth
    else:
        assert str(found).startswith("line 1: nested too deeply")


def test_lines_without_end_are_refused_and_skipped(monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_LINE", 32)
    found = read(b'{"a": 1}\n{"b": "' + b"x" * 200 + b'"}\n{"c": 3}\n' + b"y" * 100)
    assert [number for number, _ in found] == [1, 2, 3, 4]
    assert (found[0][1], found[2][1]) == ({"a": 1}, {"c": 3})
    assert all("longer than" in str(found[i][1]) for i in (1, 3))


def test_a_line_of_exactly_the_limit_is_read(monkeypatch):
    line = b'{"a": "xxxx"}\n'
    monkeypatch.setattr(jsonl, "MAX_LINE", len(line))
    assert read(line * 2) == [(1, {"a": "xxxx"}), (2, {"a": "xxxx"})]


def test_a_disk_that_fails_is_told():
    class Broken(io.BytesIO):
        def readline(self, size=-1):
            raise OSError(5, "Input/output error")

    ((number, found),) = jsonl.objects(Broken(b"x"))
    assert (number, str(found)) == (1, "line 1: input/output error")
