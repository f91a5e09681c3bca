import gc
import logging
import re
import tracemalloc

import pypdf
import pytest
from made_texts import FONT, locked, pdf, pdf_of, shown, stream

from mmsearch.errors import MediaError
from mmsearch.media.text import pdf as reader
from mmsearch.media.text.document import in_passages
from mmsearch.types import TextSpec


def pages(source):
    """Number and text of each page, then what is wrong."""
    read = reader.read(source)
    return [(part.page, part.content) for part in next(read).segments], [*map(str, read)]


def test_a_page_is_a_part_with_its_number(tmp_path):
    content = pdf("One (and) \\ more\nsecond line", None, "Größe, “x” – 5 €")
    found = [(1, "One (and) \\ more\nsecond line"), (3, "Größe, “x” – 5 €")]
    assert pages(content) == (found, [])
    (tmp_path / "a.pdf").write_bytes(content)
    assert pages(tmp_path / "a.pdf") == (found, [])
    assert next(reader.read(content)).properties == {"pages": 3}


def test_pages_are_read_one_at_a_time(monkeypatch):
    drawn = []
    extract = pypdf.PageObject.extract_text
    monkeypatch.setattr(pypdf.PageObject, "extract_text", lambda page: drawn.append(page) or extract(page))
    read = reader.read(pdf("one", "two", "three"))
    parts = next(read).segments
    assert len(drawn) == 0
    assert (next(parts).content, len(drawn)) == ("one", 1)
    assert (next(parts).content, len(drawn)) == ("two", 2)


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_passwords(algorithm):
    content = pdf("secret words")
    with pytest.raises(MediaError, match="^password-protected; remove the password$"):
        pages(locked(content, "password", algorithm))
    assert pages(locked(content, "", algorithm)) == ([(1, "secret words")], [])


def test_a_bad_page_loses_no_other():
    content = pdf("one", stream(b"x", packed=False, extra=b"/Filter /Nonsense "), "three")
    assert pages(content) == (
        [(1, "one"), (3, "three")],
        ["page 2: not readable as PDF: Unsupported filter /Nonsense"],
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"%PDF-1.7\n", "^cut off, and too little is left: not readable as PDF"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 20, "^cut off"),
        (locked(pdf("one"), "password", "AES-256")[:-30], "not readable as PDF"),
        (b"words", "not readable as PDF"),
        (pdf(), "no text: a PDF without pages"),
        (pdf(None), "^no text in its 1 pages: scanned\\?$"),
        (pdf(None, stream(b"0 0 m 9 9 l S"), None), "^no text in its 3 pages: scanned\\?$"),
        (
            pdf(None, stream(b"x", packed=False, extra=b"/Filter /Nonsense ")),
            "^no text: 1 of 2 pages cannot be read; page 2: not readable as PDF: Unsupported",
        ),
        (pdf_of([b"<< /Type /Catalog >>"]), "not readable as PDF: Invalid object in /Pages"),
        (pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R] >>"]), "cyclic page references"),
        (
            pdf_of(
                [b"<< /Type /Catalog /Pages 2 0 R >>"]
                + [b"<< /Type /Pages /Kids [%d 0 R] >>" % number for number in range(3, 400)]
            ),
            "Maximum page tree depth",
        ),
    ],
)
def test_what_cannot_be_read(content, reason):
    with pytest.raises(MediaError, match=reason):
        pages(content)


@pytest.mark.parametrize("count", [0, -1, 1, 10**9])
def test_a_count_of_pages_may_lie(count):
    assert pages(pdf("one", "two", count=count)) == ([(1, "one"), (2, "two")], [])


GOOD = pdf("one", "two")


@pytest.mark.parametrize(
    "content",
    [
        re.sub(rb"\d{10} 00000 n", b"0000000007 00000 n", GOOD),
        re.sub(rb"startxref\n\d+", b"startxref\n99999", GOOD),
        re.sub(rb"/Length \d+", b"/Length 9", GOOD),
        b"junk before\n" + GOOD,
        GOOD + b"\0" * 3000,
        GOOD[:-7],
        GOOD[: GOOD.index(b"xref\n0")],
        GOOD[: GOOD.index(b"xref\n0") - 3],
    ],
    ids=["offsets", "start", "lengths", "junk before", "junk behind", "no end", "no table", "cut off"],
)
def test_damaged_files_are_recovered(content):
    assert pages(content) == ([(1, "one"), (2, "two")], [])


def test_no_page_unpacks_to_more_than_32_mib():
    (one, three), (error,) = pages(pdf("one", stream(b"\n" * (33 << 20)), "three"))
    assert (one, three) == ((1, "one"), (3, "three"))
    assert re.match("page 2: .*[Ll]imit", error)


def test_a_page_of_too_many_operators_is_given_up(monkeypatch):
    monkeypatch.setitem(reader._LIMITS, "stream_parsing_work_maximum_count", 1000)
    (one,), (error,) = pages(pdf("one", stream(b"BT /F1 12 Tf " + b"(x) Tj " * 1000 + b"ET")))
    assert (one, error) == ((1, "one"), "page 2: not readable as PDF: Reached maximum number of tokens per stream.")


def test_forms_that_draw_themselves_end():
    form = stream(b"/X Do /X Do BT /F1 12 Tf (inside) Tj ET", b"/Type /XObject /Subtype /Form /Resources 6 0 R ")
    resources = b"<< /Font << /F1 3 0 R >> /XObject << /X 5 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 7 0 R /Resources 6 0 R /MediaBox [0 0 9 9] >>"
    tree = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>", FONT, page]
    assert pages(pdf_of([*tree, form, resources, stream(b"/X Do")])) == ([(1, "inside")], [])


def test_halves_of_surrogate_pairs_and_nuls_are_dropped():
    table = (
        b"1 begincodespacerange <00> <FF> endcodespacerange 3 beginbfchar <61> <D83D> <62> <0000> <63> <0063> endbfchar"
    )
    font = FONT[:-2] + b"/ToUnicode 7 0 R >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 5 0 R /Resources << /Font << /F1 6 0 R >> >> /MediaBox [0 0 9 9] >>"
    tree = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>", b"null", page]
    ((_, text),), _ = pages(pdf_of([*tree, shown("cab cab"), font, stream(table)]))
    assert text.encode() == text.encode("utf-8")
    assert "\0" not in text and text.startswith("c")


@pytest.fixture
def collecting():
    """The garbage collector as Python sets it; the command line, run by other tests in this process, makes it rare."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collecting")
def test_memory_does_not_grow_with_the_content_of_pages(tmp_path):
    def peak(count):
        (tmp_path / "a.pdf").write_bytes(pdf(*[f"Page {n} " + "word " * 8000 for n in range(count)], packed=False))
        tracemalloc.start()
        for medium in reader.read(tmp_path / "a.pdf"):
            assert sum(1 for _ in medium.segments) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)  # imports
    assert peak(64) < peak(16) + 48 * 40_000  # which is less than their content


def test_pypdf_is_silent_and_left_as_it_was(caplog, capfd):
    logger = logging.getLogger("pypdf")
    with caplog.at_level(logging.DEBUG):
        pages(re.sub(rb"startxref\n\d+", b"startxref\n99999", GOOD))
    assert (caplog.records, capfd.readouterr(), logger.level) == ([], ("", ""), logging.NOTSET)
    assert pypdf.get_configuration() == pypdf.Configuration()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "page 2: needs more memory than a decoder may have"),
        (RecursionError(), "page 2: nested too deeply"),
        (KeyError("/Odd"), "page 2: not readable as PDF: '/Odd'"),
        (AssertionError(), "page 2: not readable as PDF: AssertionError"),
    ],
)
def test_what_pypdf_raises_is_translated(error, reason, monkeypatch):
    extract = pypdf.PageObject.extract_text
    monkeypatch.setattr(
        pypdf.PageObject, "extract_text", lambda page: fail() if "two" in extract(page) else extract(page)
    )

    def fail():
        raise error

    assert pages(GOOD) == ([(1, "one")], [reason])


def test_passages_know_their_page():
    read = reader.read(pdf("One two three.", None, "Four five six.\nSeven eight."))
    passages = in_passages(next(read), TextSpec(3, lambda text: len(text.split()))).segments
    assert [(one.page, one.content) for one in passages] == [
        (1, "One two three."),
        (3, "Four five six."),
        (3, "Seven eight."),
    ]
