"""PDF: the text of each page, as pypdf finds it, one page at a time.

Files that break the rules are read as far as they can be: pypdf looks for the objects that a damaged table of contents
does not name. What such a file may cost is bounded by `_LIMITS` and by dropping what pypdf remembers.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source
from mmsearch.types import Medium, Modality, Segment

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_PAGES: Final = 100_000
"""Documents of more pages are refused; also what pypdf takes for a page tree that never ends."""

# In bytes after unpacking, if nothing else is said. A page of text has some 10 KB, a map some MB; pypdf needs about a
# second for each MB.
_LIMITS: Final[dict[str, Any]] = {
    "zlib_maximum_output_length": 1 << 25,
    "lzw_maximum_output_length": 1 << 25,
    "run_length_maximum_output_length": 1 << 25,
    "brotli_maximum_output_length": 1 << 25,
    "array_based_stream_maximum_output_length": 1 << 25,
    "stream_decoding_work_maximum_length": 1 << 27,
    "stream_parsing_work_maximum_count": 1_000_000,  # operands and operators of a page
    "maximum_declared_stream_length": 1 << 28,
    "page_tree_maximum_entries": MAX_PAGES,
    "page_tree_maximum_depth": 100,
    "xform_maximum_invocations_per_extraction": 1000,
    "jbig2dec_binary": None,  # runs no other program
}
_ENCRYPTED: Final = re.compile(rb"/Encrypt\b|/Filter\s*/Standard\b")
_MAX_MENDED: Final = 1 << 28  # bytes; a file that is cut off is held in memory
_REMEMBERED: Final = 16  # pages; fonts and packed objects are shared by neighbours


def read(source: bytes | Path) -> Iterator[Medium | MediaError]:
    """The pages of a document that have text, each a part with its number from 1; property `pages`.

    Yields:
        The medium; then a `MediaError` for each page that cannot be read.

    Raises:
        MediaError: it cannot be opened, is no PDF or damaged beyond recovery, or needs a password. Raised while the
            parts are read: no page has text, or none can be read.
    """
    with open_source(source) as file:
        reader, count = _opened(file)
        bad: list[MediaError] = []
        yield Medium(Modality.TEXT, _parts(reader, count, bad), {"pages": count})
        yield from bad


def _opened(file: BinaryIO) -> tuple[PdfReader, int]:
    """The file as pypdf sees it, and how many pages there are."""
    try:
        return _read(file)
    except MediaError:
        ended = _ended(file)
        if ended is None:
            raise
    try:
        return _read(ended)
    except MediaError as error:
        raise MediaError(f"cut off, and too little is left: {error}") from error


def _read(file: BinaryIO) -> tuple[PdfReader, int]:
    with _pypdf():
        from pypdf import PasswordType, PdfReader

        reader = PdfReader(file)
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise MediaError("password-protected; remove the password")
        count = len(reader.pages)
    if not count:
        raise MediaError("no text: a PDF without pages")
    return reader, count


def _ended(file: BinaryIO) -> BinaryIO | None:
    """A file that has lost its end, with one that makes pypdf look for the objects; None for any other file."""
    file.seek(0)
    content = file.read(_MAX_MENDED + 1)
    if len(content) > _MAX_MENDED or b"%PDF-" not in content[:1024] or b"%%EOF" in content[-1024:]:
        return None
    if _ENCRYPTED.search(content):  # what says how may be lost
        return None
    trailer = b"" if b"trailer" in content or b"/XRef" in content else b"trailer\n<< /Size 10000 >>\n"
    return io.BytesIO(content + b"\n" + trailer + b"startxref\n0\n%%EOF\n")


def _parts(reader: PdfReader, count: int, bad: list[MediaError]) -> Iterator[Segment]:
    """The pages with text; appends to `bad` what is wrong with others."""
    found = False
    for number in range(1, count + 1):
        try:
            with _pypdf():
                text = _clean(reader.pages[number - 1].extract_text())
        except MediaError as error:
            bad.append(MediaError(f"page {number}: {error}"))
            text = ""
        if text:
            found = True
            yield Segment(text, page=number)
        if number % _REMEMBERED == 0:
            reader.resolved_objects.clear()
    if not found:
        if bad:
            raise MediaError(f"no text: {len(bad)} of {count} pages cannot be read; {bad[0]}")
        raise MediaError(f"no text in its {count} pages: scanned?")


def _clean(text: str) -> str:
    """Without NULs and halves of surrogate pairs, which fonts with a wrong table of characters yield."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "").strip()


@contextmanager
def _pypdf() -> Iterator[None]:
    """Within limits, without what it logs and warns of, and with its errors in our words."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pypdf import apply_configuration

            with apply_configuration(**_LIMITS):
                yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("needs more memory than a decoder may have") from error
    except RecursionError as error:
        raise MediaError("nested too deeply") from error
    except Exception as error:  # pypdf's own, and those of what it trusts in: KeyError, AttributeError, zlib.error ..
        raise MediaError(f"not readable as PDF: {str(error) or type(error).__name__}") from error
    finally:
        logger.setLevel(level)
