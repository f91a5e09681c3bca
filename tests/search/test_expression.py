"""Questions as people write them: what is taken apart, what is not, and where the caret stands."""

import pytest

from mmsearch import MmsearchError, Query
from mmsearch.search.expression import parse_weighted


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a dog", Query.text("a dog")),
        ("a dog + a cat", Query.text("a dog") + Query.text("a cat")),
        ("a dog - leash", Query.text("a dog") - Query.text("leash")),
        ("- leash", -Query.text("leash")),
        ("0.5*a dog + 2 * a cat", 0.5 * Query.text("a dog") + 2 * Query.text("a cat")),
        (".5*a dog - -1.5*a cat", 0.5 * Query.text("a dog") + 1.5 * Query.text("a cat")),
        ("a black-and-white photo of C++ code", Query.text("a black-and-white photo of C++ code")),
        ('a 12" record', Query.text('a 12" record')),
        ("text:beach.jpg", Query.text("beach.jpg")),
        ("id:a/b.jpg - id:c", Query.item("a/b.jpg") - Query.item("c")),
        ('id:"a + b"', Query.item("a + b")),
        ("a dog + a dog", 2 * Query.text("a dog")),
        ("a dog + a cat - a cat", Query.text("a dog")),
        ("3 dogs", Query.text("3 dogs")),
        ("a file named beach.jpg", Query.text("a file named beach.jpg")),
        ("inf* sound", Query.text("inf* sound")),
        ("a nan*", Query.text("a nan*")),
        ("text:inf*a dog", Query.text("inf*a dog")),
        ("info*a dog", Query.text("info*a dog")),
    ],
)
def test_what_is_written_is_what_is_meant(written, meant):
    assert Query.parse(written) == meant


def test_quotation_marks_hide_signs_and_stay_for_full_text():
    assert Query.parse('"1990 - 2000"') == Query.text("1990 - 2000", words='"1990 - 2000"')
    assert Query.parse('"say ""hi"""').parts[0].content == 'say "hi"'
    assert Query.parse('hits of "1990 - 2000" + pop').parts[0].content == 'hits of "1990 - 2000"'


def test_files_are_told_by_how_they_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("beach.jpg", "sea side.jpg", "glass.wav", "odd"):
        (tmp_path / name).write_bytes(b"x")
    for written, kind in (
        ("beach.jpg", "image"), ("./beach.jpg", "image"), (str(tmp_path / "beach.jpg"), "image"),
        ("./sea side.jpg", "image"), ('"./sea side.jpg"', "text"), ("glass.wav", "audio"), ("image:odd", "image"),
        ('image:"sea side.jpg"', "image"),
    ):  # fmt: skip
        (part,) = Query.parse(written).parts
        assert part.kind == kind, written
    query = Query.parse("a dog + 0.5*./beach.jpg - glass.wav")
    assert [(part.kind, part.weight) for part in query.parts] == [("text", 1), ("image", 0.5), ("audio", -1)]


@pytest.mark.parametrize(
    ("written", "what", "at"),
    [
        ("", "the question is empty", 0),
        ("  ", "the question is empty", 0),
        ("a dog + ", "a part of the question is missing", 7),
        ("a dog + + a cat", "a part of the question is missing", 8),
        ("0.5*", "a part of the question is missing", 4),
        ("a dog + id:", "a part of the question is missing", 11),
        ('a dog - "leash', "this quotation mark is not closed", 8),
        ("a dog - a dog", "the weights cancel out", 8),
        ("0*a dog", "the weights cancel out", 0),
        ("0.1*dog + 0.2*dog - 0.3*dog", "the weights cancel out", 20),
        ('""', "a part of the question is missing", 0),
        ('a + "  "', "a part of the question is missing", 4),
        ('a + 2*text:""', "a part of the question is missing", 11),
        ('id:"" + a', "a part of the question is missing", 3),
        ("image:~nosuch/a.jpg", "the image ~nosuch/a.jpg is not there", 6),
        ("image:~\0/a.jpg", "is not there", 6),
        (f"a + {'x' * 300}.jpg", "x.jpg is not there; write text:", 4),
        ("1e999*a dog", "the weight is too large", 0),
        ("a dog + ./gone.jpg", "the image ./gone.jpg is not there", 8),
        ("inf*a dog", "a weight is a finite number; write text:inf*a dog to ask for these words", 0),
        ("a dog - NaN * a cat", "a weight is a finite number", 8),
        ("a dog + -Infinity*a cat", "a weight is a finite number", 8),
        ("a dog - ./gone.txt", "a text file does not ask; write id:./gone.txt for what the index has of it, or", 8),
        ("gone.wav", "the audio gone.wav is not there; write text:gone.wav", 0),
        ("a dog - image:.", "the image . is no file", 14),
    ],
)
def test_errors_point_at_the_place(written, what, at):
    with pytest.raises(MmsearchError) as caught:
        Query.parse(written)
    first, line, caret = str(caught.value).split("\n")
    assert what in first
    assert f"at character {at + 1}" in first
    assert line == f"  {written}"
    assert caret == f"  {' ' * at}^"


def test_the_caret_is_right_behind_wide_characters():
    with pytest.raises(MmsearchError) as caught:
        Query.parse("日本語の犬 + ./gone.jpg")
    first, line, caret = str(caught.value).split("\n")
    assert first.endswith("at character 9") and line == "  日本語の犬 + ./gone.jpg"
    assert caret == f"{' ' * (2 + 13)}^"


def test_a_path_that_could_be_anything(tmp_path):
    (tmp_path / "notes").write_text("x")
    with pytest.raises(MmsearchError, match="cannot tell whether"):
        Query.parse(str(tmp_path / "notes"))


def test_a_text_file_does_not_ask_whether_it_is_there_or_not(tmp_path):
    (tmp_path / "there.txt").write_text("x")
    for name in ("there.txt", "gone.txt"):
        path = tmp_path / name
        with pytest.raises(MmsearchError, match=f"a text file does not ask; write id:{path} for .* or text:{path} for"):
            Query.parse(str(path))


def test_a_long_text_may_begin_like_a_path():
    for text in ("/" + "x" * 300, "./" + "a long text " * 400, "~/" + "x" * 5000):
        assert Query.parse(text) == Query.text(text.strip())


def test_parts_of_options_have_a_weight_before_a_colon(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beach.jpg").write_bytes(b"x")
    (part,) = parse_weighted("0.5:beach.jpg").parts
    assert (part.kind, part.weight) == ("image", 0.5)
    assert parse_weighted("2:text:beach.jpg") == 2 * Query.text("beach.jpg")
    assert parse_weighted("1e5:beach") == Query.parse("1e5*beach") == 1e5 * Query.text("beach")
    assert parse_weighted("leash + collar") == Query.text("leash + collar")
    with pytest.raises(MmsearchError, match=r"gone\.jpg is not there"):
        parse_weighted("gone.jpg")
    assert parse_weighted("nan:bread") == Query.text("nan:bread")
    with pytest.raises(MmsearchError, match="a weight is a finite number; .*, at character 2"):
        parse_weighted(" inf*beach")
    with pytest.raises(MmsearchError, match="the weight is too large, at character 2"):
        parse_weighted(" 1e999:beach")
    with pytest.raises(MmsearchError, match="a part of the question is missing, at character 3"):
        parse_weighted('2:""')
    for written in ("0.5:", "0.5: ", "2*"):
        with pytest.raises(MmsearchError, match="a part of the question is missing"):
            parse_weighted(written)
