import codecs
import io
import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import MediaError
from mmsearch.media import decode as media
from mmsearch.media.text import encodings, jsonl
from mmsearch.media.text import plain as text
from mmsearch.media.text.document import in_passages
from mmsearch.types import InputSpec, Medium, Modality, Segment, TextSpec


def words(passage):
    """A tokenizer that splits at white space, and puts two marks around every text."""
    return len(passage.split()) + 2


def spec(max_tokens=22):
    return TextSpec(max_tokens, words)


def decode(source, limit):
    """A text, or a file or bytes that are one, in passages."""
    if isinstance(source, str):
        return media.decode(source, Modality.TEXT, InputSpec(text=limit))
    (found,) = text.read(source)
    return in_passages(found, limit)


def passages(source, limit=spec()):  # noqa: B008
    return [segment.content for segment in decode(source, limit).segments]


def sentence(number, length):
    return " ".join([f"S{number}", *["word"] * (length - 2), "end."])


def test_a_short_text_is_one_passage():
    medium = decode("  A cat.\nIt sleeps. \n", spec())
    (segment,) = medium.segments
    assert (segment.content, segment.start, segment.end) == ("A cat.\nIt sleeps.", 2, 19)
    assert medium.modality is Modality.TEXT
    assert medium.properties == {"characters": 21}


def test_whole_sentences_are_packed_greedily():
    lengths = [8, 8, 8, 15, 4, 6, 20, 1, 19]
    document = " ".join(sentence(i, n) if n > 1 else "Yes!" for i, n in enumerate(lengths))
    assert [words(passage) - 2 for passage in passages(document)] == [16, 8, 19, 6, 20, 20]


def test_paragraphs_that_fit_are_packed_whole():
    one, two, three = sentence(1, 6), sentence(2, 12), sentence(3, 4) + " " + sentence(4, 4)
    assert passages(f"{one}\n\n{two}\n \n{three}") == [f"{one}\n\n{two}", three]


def test_a_passage_that_is_half_full_ends_at_the_paragraph():
    start, long = sentence(1, 12), f"{sentence(2, 6)} {sentence(3, 6)} {sentence(4, 6)}"
    assert passages(f"{start}\n\n{long}") == [start, long]


def test_a_heading_stays_with_what_follows():
    body = [sentence(i, 7) for i in range(3)]
    assert passages("# A heading\n\n" + " ".join(body)) == [f"# A heading\n\n{body[0]} {body[1]}", body[2]]


def test_sentences_that_are_too_long_are_cut_between_words():
    document = "Short one. " + " ".join(f"w{i}" for i in range(50)) + "."
    found = passages(document)
    assert [words(passage) - 2 for passage in found] == [20, 20, 12]
    assert " ".join(found) == document


def test_words_that_are_too_long_are_cut_between_characters():
    letters = TextSpec(10, len)
    assert [len(passage) for passage in passages("x" * 64, letters)] == [8] * 8
    assert "".join(passages("x" * 64, letters)) == "x" * 64
    assert passages("ab", TextSpec(1, lambda passage: 5 * len(passage))) == ["a", "b"]


@pytest.mark.parametrize(
    ("document", "limit", "first"),
    [
        ("他说：“你好。”然后走了。" + "好" * 9, TextSpec(14, len), "他说：“你好。”然后走了。"),
        ('"Is it?" she asked him then. And more words', TextSpec(9, words), '"Is it?" she asked him then.'),
        ("He (a tall man.) left. She stayed.", TextSpec(7, words), "He (a tall man.) left."),
        ("Version 3.11 is out. Get it now", TextSpec(7, words), "Version 3.11 is out."),
        (
            "- one two three\n- four five six seven\n- eight",
            TextSpec(11, words),
            "- one two three\n- four five six seven",
        ),
    ],
    ids=["Chinese", "quotation", "parenthesis", "number", "list"],
)
def test_where_sentences_end(document, limit, first):
    assert passages(document, limit)[0] == first


pieces = st.sampled_from(
    ["word ", "end. ", "Why? ", "\n", "\n\n", "  ", "\t", "好。", "x" * 50, "- item ", "é", "\r\n", "..."]
)


@given(st.lists(pieces, max_size=120).map("".join), st.integers(3, 30))
def test_passages_fit_lie_in_order_and_lose_nothing(document, limit):
    if not document.strip():
        return
    found = list(decode(document, spec(limit)).segments)
    assert all(document[one.start : one.end] == one.content == one.content.strip() for one in found)
    assert all(words(one.content) <= limit for one in found)
    assert all(one.end <= other.start for one, other in zip(found, found[1:], strict=False))
    assert re.sub(r"\s", "", "".join(one.content for one in found)) == re.sub(r"\s", "", document)


def test_each_sentence_is_counted_once():
    counted = []

    def count(passage):
        counted.append(passage)
        return words(passage)

    document = "\n\n".join(" ".join(sentence(10 * p + i, 7) for i in range(10)) for p in range(20))
    list(decode(document, TextSpec(22, count)).segments)
    assert sorted(counted) == sorted(["", *re.findall(r"S\d+ .*?\.", document)])


@pytest.mark.parametrize(
    "junk",
    ["." * 10**6, "x" * 10**6, "a" + " " * 10**6 + "b", "a" + "\n " * 10**6 + "b", "." + "'" * 10**6, "。" * 10**5],
)
def test_degenerate_texts_take_no_quadratic_time(junk):
    found = passages(junk, TextSpec(256, words))
    assert max(map(len, found)) <= 16 * 254


@pytest.mark.parametrize(
    "content",
    [
        "café — “naïve”".encode(),
        codecs.BOM_UTF8 + "café — “naïve”".encode(),
        "café — “naïve”".encode("utf-16"),
        codecs.BOM_UTF16_BE + "café — “naïve”".encode("utf-16-be"),
        "café — “naïve”".encode("utf-32"),
        "café — “naïve”".encode("cp1252"),
    ],
)
def test_encodings(content, tmp_path):
    assert passages(content) == ["café — “naïve”"]
    (tmp_path / "a.txt").write_bytes(content)
    assert passages(tmp_path / "a.txt") == ["café — “naïve”"]


def test_latin_1_is_the_last_resort():
    assert passages(b"caf\xe9 \x81 x") == ["café \x81 x"]


def test_a_file_is_read_as_one_part(tmp_path):
    (tmp_path / "a.txt").write_bytes(b" one\r\n\r\ntwo ")
    for source in (b" one\r\n\r\ntwo ", tmp_path / "a.txt"):
        (medium,) = text.read(source)
        assert [*medium.segments] == [Segment(" one\r\n\r\ntwo ")]


def test_line_ends_stay_as_they_are():
    assert passages(b"one\r\ntwo") == ["one\r\ntwo"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\t\r\n", "no text"),
        (codecs.BOM_UTF8, "no text"),
        ("", "no text"),
        ("\u3000\n", "no text"),
        (b"abc\0def", "binary"),
        (bytes(range(1, 256)), "binary"),
        (codecs.BOM_UTF16_LE + b"a", "utf-16"),
        ("lone \ud800 half", "surrogate"),
    ],
)
def test_what_is_no_text(content, reason):
    with pytest.raises(MediaError, match=reason):
        decode(content, spec())


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "big.txt").write_bytes(b"a word " * 10)
    monkeypatch.setattr(encodings, "MAX_BYTES", 64)
    for name, reason in (
        ("pipe.txt", "not a regular"),
        ("gone", "no such file"),
        (".", "directory"),
        ("big.txt", "larger"),
    ):
        with pytest.raises(MediaError, match=reason):
            decode(tmp_path / name, spec())


def test_broken_links_loops_and_shut_files(as_nobody, tmp_path):
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    for name, reason in (("gone.txt", "no such file"), ("loop.txt", "symbolic links")):
        with pytest.raises(MediaError, match=reason):
            decode(tmp_path / name, spec())
        with pytest.raises(MediaError, match=reason):
            next(text.records(tmp_path / name))
    (tmp_path / "shut.txt").write_text("words")
    (tmp_path / "shut.txt").chmod(0)
    code = "try: next(text.records(Path('shut.txt')))\nexcept MediaError as e: print(e)"
    assert as_nobody(code) == "permission denied\n"


def test_names_that_are_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9\n.txt")
    path.write_text("words")
    assert passages(path) == ["words"]


@given(st.text(max_size=200))
def test_spans_count_characters_of_what_was_written(written):
    if "\0" in written or not written.strip():
        return
    found = list(decode(codecs.BOM_UTF8 + written.encode(), spec(5)).segments)
    assert all(written[one.start : one.end] == one.content for one in found)
    assert "".join("".join(one.content.split()) for one in found) == "".join(written.split())


def lines(*rows):
    return b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


def test_records_carry_key_and_metadata_and_are_one_part():
    found = list(
        text.records(
            lines(
                {"id": "a1", "text": "A dog barks. It is loud.", "year": 2024, "tags": ["x"]},
                b"",
                {"id": 7, "caption": " A cat.", "content": "kept"},
                {"content": "No key."},
            )
        )
    )
    assert [(one.key, one.metadata, [*one.segments]) for one in found] == [
        ("a1", {"year": 2024, "tags": ["x"]}, [Segment("A dog barks. It is loud.")]),
        ("7", {"content": "kept"}, [Segment(" A cat.")]),
        (None, {}, [Segment("No key.")]),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{not json}", "not JSON"),
        (b'["text"]', "not a JSON object"),
        (b'{"text": "caf\xe9"}', "not valid UTF-8"),
        (b'{"title": "x"}', "no text: none of the fields"),
        (b'{"text": null}', "no text: none of the fields"),
        (b'{"text": 3}', "must be a string, not int"),
        (b'{"text": "  "}', "no text"),
        (b'{"text": "x", "id": true}', "id must be"),
        (b'{"text": "x", "n": NaN}', "NaN is not JSON"),
        (b'{"text": "\\ud800"}', "surrogate"),
        (b'{"text": "x", "m": "\\udfff"}', "surrogate"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text": "x"', "not JSON"),
    ],
)
def test_a_bad_line_is_named_and_loses_no_other(bad, reason):
    first, error, last = text.records(lines({"text": "good"}, bad, {"text": "also good"}))
    assert isinstance(first, Medium)
    assert isinstance(error, MediaError)
    assert re.match(f"line 2: .*{reason}", str(error))
    assert [s.content for s in last.segments] == ["also good"]


def test_records_of_a_file_with_a_mark_and_of_blank_lines(tmp_path):
    (one,) = text.records(codecs.BOM_UTF8 + b'{"text": "x"}\r\n')
    assert isinstance(one, Medium)
    for source, reason in (
        (b"\n \n", "no text: only blank lines"),
        (tmp_path / "gone", "no such file"),
        (b"", "empty"),
    ):
        with pytest.raises(MediaError, match=reason):
            next(text.records(source))


def test_a_line_that_is_too_long_is_skipped(monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_LINE", 1 << 20)
    long = b'{"text": "' + b"x" * (3 << 20) + b'"}\n'
    found = list(jsonl.objects(io.BytesIO(b'{"a": 1}\n' + long + b'{"b": 2}')))
    assert found[0] == (1, {"a": 1})
    assert str(found[1][1]) == "line 2: longer than 1 MiB"
    assert found[2] == (3, {"b": 2})
