import re

import pytest

from mmsearch.errors import MediaError
from mmsearch.media.text import subtitles
from mmsearch.media.text.document import in_passages
from mmsearch.types import TextSpec


def cues(content):
    """Each as (from, to, text), then what is wrong."""
    read = subtitles.read(content if isinstance(content, bytes) else content.encode())
    return [(*part.time, part.content) for part in next(read).segments], [*map(str, read)]


def test_srt():
    content = "1\n00:00:01,500 --> 00:00:02,000\nHello.\nYou!\n\n2\n01:02:03,004 --> 01:02:04,000\nBye.\n"
    for end in ("\n", "\r\n", "\r"):
        found = cues("\ufeff" + content.replace("\n", end))
        assert found == ([(1.5, 2.0, "Hello.\nYou!"), (3723.004, 3724.0, "Bye.")], [])


def test_vtt():
    content = """WEBVTT - A title
Kind: captions

STYLE
::cue { color: red }

NOTE
00:01.000 --> 00:02.000
commented out

REGION
id:fred

intro
00:01.000 --> 00:02.000 align:start position:0%
<v Bob>Hello <c.red>you</c>,<00:01.500> there

100:00:01.000 --> 100:00:02.000
Late.

NOTE the end
"""
    assert cues(content) == ([(1.0, 2.0, "Hello you, there"), (360001.0, 360002.0, "Late.")], [])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<i>Hi</i> <b>you</b>", "Hi you"),
        ("{\\an8}{\\pos(1,2)}Up here", "Up here"),
        ('<font color="#fff">x</font>', "x"),
        ("a &amp; b &lt;i&gt; &nbsp;", "a & b <i>"),
        ("I <3 you, 1 < 2 > 0", "I <3 you, 1 < 2 > 0"),
        ("- One.\n\n- Two.", "- One.\n- Two."),
        ("{not a tag}", "{not a tag}"),
    ],
)
def test_tags_are_removed(written, shown):
    assert cues(f"1\n00:00:01,000 --> 00:00:02,000\n{written}\n") == ([(1.0, 2.0, shown)], [])


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ("00:00:01,000 --> 00:00:02,000", (1.0, 2.0)),
        ("0:0:1.5-->0:0:2", (1.5, 2.0)),
        ("00:01.000 --> 00:02.000", (1.0, 2.0)),
        ("  00:00:01,000  -->  00:00:02,000  X1:0 X2:9", (1.0, 2.0)),
        ("00:00:02,000 --> 00:00:02,000", (2.0, 2.0)),
    ],
)
def test_times(times, found):
    assert cues(f"{times}\nText") == ([(*found, "Text")], [])


def test_subtitles_without_a_blank_line_between_them_or_without_a_text():
    content = "1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n\n"
    content += "3\n00:00:05,000 --> 00:00:06,000\n\n4\n00:00:07,000 --> 00:00:08,000\n<i> </i>\n"
    assert cues(content) == ([(1.0, 2.0, "One"), (3.0, 4.0, "Two")], [])


def test_times_that_make_no_sense_are_counted_and_lose_no_other():
    content = "1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\n00:00:xx --> 00:00:04,000\nno\n\n"
    content += "3\n00:00:09,000 --> 00:00:08,000\nno\n\n4\n00:00:99,000 --> 00:01:00,000\nno\n\n"
    content += "5\n00:00:10,000 --> 00:00:11,000\nFive\n"
    assert cues(content) == (
        [(1.0, 2.0, "One"), (10.0, 11.0, "Five")],
        ["line 6: times that make no sense, in 3 subtitles, skipped"],
    )


def test_a_file_without_subtitles_is_plain_text():
    (medium,) = subtitles.read("Größe, 1 --> 2? Ja.".encode("cp1252")[:6] + b" und mehr")
    assert [(part.content, part.time) for part in medium.segments] == [("Größe, und mehr", None)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"WEBVTT\n\nNOTE nothing\n", "no text: no subtitle in it"),
        (b"1\n00:00:05,000 --> 00:00:04,000\nx\n", "line 2: times that make no sense, in 1 subtitles"),
        (b"\0\1\2", "binary"),
    ],
)
def test_what_cannot_be_read(content, reason):
    with pytest.raises(MediaError, match=reason):
        next(subtitles.read(content))


@pytest.mark.parametrize("encoding", ["utf-16", "cp1251", "cp1252"])
def test_encodings(encoding):
    words = "Größe, “x”" if encoding != "cp1251" else "Кошка спит"
    assert cues(f"1\n00:00:01,000 --> 00:00:02,000\n{words}\n".encode(encoding)) == ([(1.0, 2.0, words)], [])


@pytest.mark.parametrize("junk", ["<" * 10**5, "{\\" * 10**5, "<a" * 10**5, "0" * 10**5, "&" * 10**5, "-->" * 10**5])
def test_degenerate_files_take_no_quadratic_time(junk):
    assert cues(f"00:01.000 --> 00:02.000\n{junk}\nText")[0][0][2].endswith("Text")


def test_passages_know_their_times():
    content = "".join(f"{i}\n00:00:{i:02},000 --> 00:00:{i:02},900\nword {i}.\n\n" for i in range(1, 9))
    (medium,) = subtitles.read(content.encode())
    passages = [*in_passages(medium, TextSpec(6, lambda text: len(re.findall(r"\w+", text)))).segments]
    assert [(one.time, one.content) for one in passages] == [
        ((1.0, 3.9), "word 1.\nword 2.\nword 3."),
        ((4.0, 6.9), "word 4.\nword 5.\nword 6."),
        ((7.0, 8.9), "word 7.\nword 8."),
    ]


def test_a_line_of_spaces_does_not_end_a_subtitle_of_webvtt():
    """YouTube begins the first one with it."""
    (medium,) = subtitles.read(b"WEBVTT\n\n00:00:00.080 --> 00:00:02.000\n \nonly line here\n")
    assert [(part.content, part.time) for part in medium.segments] == [("only line here", (0.08, 2.0))]
