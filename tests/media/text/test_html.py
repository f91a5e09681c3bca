import io

import pytest

from mmsearch.errors import MediaError
from mmsearch.media.text import html


def seen(page):
    (medium,) = html.read(page if isinstance(page, bytes) else page.encode())
    (part,) = medium.segments
    return part.content


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Hello <b>wor</b>ld</p>", "Hello world"),
        ("<title>A\n title</title><p>One<p>Two", "A title\n\nOne\n\nTwo"),
        ("<title>Cats</title><h1>Cats sleep</h1>", "Cats sleep"),
        ("<div>a</div><section>b</section>c<br>d", "a\nb\nc\nd"),
        ("<ul><li>a<li>b <i>c</i></ul>", "  * a\n  * b c"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a<script>1<2</script><style>p{}</style><template><p>x</p></template><noscript>y</noscript>b", "ab"),
        ("a<!-- <p>x</p> --><?php x ?>b", "ab"),
        ("a<p hidden>x</p><div style='color: red; DISPLAY : none'>x<p>y</div>b", "ab"),
        ("<body style='display:none'>until a script shows it", "until a script shows it"),
        ("&eacute; &#233; &#xe9; &amp;lt; &lt;b&gt; 1 < 2 & 3", "é é é &lt; <b> 1 < 2 & 3"),
        ("a&nbsp;b&shy;c", "a b\xadc"),
        ("<svg><title>no</title><text>yes</text></svg>", "yes"),
        ("<img alt='a cat'><input value=x>word", "word"),
        ("<x-card>own <my-tag>tags</my-tag></x-card>", "own tags"),
        ("just text", "just text"),
        ("<html></html>", ""),
        ("<!-- only -->", ""),
        (" ", ""),
        ("<frameset><frame src=x></frameset>", ""),
        ("<p>&#0;c", "\ufffdc"),
        ("<p>&#xD800;", "\ufffd"),
        ("<li value=" + "9" * 6000 + ">x", "* x"),
    ],
)
def test_what_a_reader_sees(page, text):
    assert seen(page) == text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("<tr><th>Name<th>Age<tr><td>Ann<td>3", "Name, Age\nAnn, 3"),
        ("<thead><tr><td>a</td><td></td><td>b</td></tr></thead><tbody><tr><td>c</td></tr></tbody>", "a b\nc"),
        ("<caption>Towns</caption><tr><td>Rome<td><b>big</b>", "Towns\nRome, big"),
        ("<tr><td><p>left</p><p>too</p><td>right", "left\n\ntoo\n\nright"),
        ("<tr><td><table><tr><td>a<td>b</table><td>c", "a, b\nc"),
        ("<tr><td>" + "x" * 1000 + "<tr><td>a<td>b", "x" * 1000 + "\na, b"),
    ],
)
def test_rows_of_tables_are_lines_and_not_padded(rows, text):
    assert seen(f"<table>{rows}</table>") == text


def test_xhtml_may_close_what_html_may_not():
    page = """<?xml version="1.0" encoding="utf-8"?>
    <!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
    <html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x"/></head>
    <body><p>one<br/>two&nbsp;<em/>three</p></body></html>"""
    assert seen(page) == "one\ntwo three"


@pytest.mark.parametrize(
    ("head", "encoding", "words"),
    [
        ('<meta charset="shift_jis">', "cp932", "猫が窓辺で"),
        ("<META charset = Big5>", "big5", "一隻貓"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=gb2312">', "gb18030", "一只猫在窗台上"),
        ('<?xml version="1.0" encoding="koi8-r"?>', "koi8_r", "ПРИВЕТ"),
        ("<meta charset=windows-1251>", "cp1251", "ПРИВЕТ"),
        ("<meta charset=ISO-8859-1>", "cp1252", "Größe, “x”"),
        ("<meta charset=iso-2022-jp>", "iso2022_jp", "猫"),
        ("<meta charset=iso-8859-1>", "utf-8", "Größe"),  # says one thing and is another
        ("<meta charset=utf-8>", "cp1251", "Кошка спит"),
        ("<meta charset=no-such-thing>", "cp1252", "Größe"),
        ("<meta charset=rot13>", "cp1252", "Größe"),
        ("<meta charset=utf-16>", "utf-16", "Größe"),
        ("", "cp1251", "Кошка спит"),
        ("", "utf-8-sig", "Größe"),
    ],
)
def test_encodings(head, encoding, words):
    assert seen(f"{head}<p>{words}</p>".encode(encoding)) == words


@pytest.mark.parametrize("depth", [300, 1500])
def test_deep_pages_lose_no_words(depth):
    deep = "<div>" * depth + "<p>one</p><p>two</p>" + "</div>" * depth + "<p>after</p>"
    assert seen(deep).split() == ["one", "two", "after"]


@pytest.mark.parametrize("tag", ["div", "b", "table", "ul"])
def test_nor_do_bottomless_ones(tag):
    deep = f"<{tag}>" * 100_000 + "one" + f"</{tag}>" * 100_000 + "<p>after</p><script>no</script>"
    assert seen(deep).split()[-2:] == ["one", "after"]


@pytest.mark.parametrize(
    ("junk", "rest"),
    [
        ("<a " * 10**5, ""),
        ("<!--" * 10**5, ""),
        ("<" * 10**5, "\n\n" + "<" * 10**5),
        ("<script>" * 10**5, ""),
        ("<p title='" * 10**5, ""),
        ("<p>a" * 10**4, "\n\na" * 10**4),
    ],
    ids=["tags", "comments", "signs", "scripts", "quotes", "paragraphs"],
)
def test_degenerate_pages_are_read(junk, rest):
    assert seen(f"<p>first</p>{junk}") == f"first{rest}"


def test_a_huge_attribute_hides_nothing():
    assert seen("<p title='" + "x" * 11_000_000 + "'>word</p><p>after") == "word\n\nafter"


def test_many_words_in_many_tags_take_no_quadratic_time():
    assert seen("<pre>" + "<span>word</span> " * 20_000 + "</pre>") == "word " * 19_999 + "word"


def test_what_cannot_be_read(tmp_path, monkeypatch):
    for source, reason in ((tmp_path / "gone.html", "no such file"), (b"", "empty"), (b"<p>a\0\1b" * 9, "binary")):
        with pytest.raises(MediaError, match=reason):
            next(html.read(source))
    monkeypatch.setattr(html, "MAX_BYTES", 1 << 20)
    with pytest.raises(MediaError, match="larger than 1 MiB"):
        next(html.read(b"<p>word</p>" * 100_000))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemoryError(), "more memory than a decoder may have"), (ValueError("odd"), "not readable as HTML: odd")],
)
def test_what_the_libraries_raise_is_translated(error, reason, monkeypatch):
    def fail(page):
        raise error

    monkeypatch.setattr(html, "_tree", fail)
    with pytest.raises(MediaError, match=reason):
        next(html.read(io.BytesIO(b"<p>x").getvalue()))
