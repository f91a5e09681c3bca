"""Bytes to text, whatever encoding they are in.

::

    a byte order mark ─► it
    NULs, and as UTF-16 it is in scripts that people write ─► UTF-16
    valid UTF-8, or nearly ─► UTF-8
    else the code page whose text looks most like a language (`codepages`), then what charset-normalizer finds
    else Windows-1252, else Latin-1
"""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source, reason
from mmsearch.media.text import codepages

MAX_BYTES: Final = 1 << 28
"""Larger files are refused where all of a text is held in memory, at up to four bytes a character."""

# Longest first: UTF-32's mark begins with UTF-16's.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS: Final = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_JIS: Final = re.compile(rb"\x1b\$[@B]|\x1b\([J]")
# Latin to Arabic, Indian to Thai, marks, Chinese, Japanese and Korean: half of what sixteen bits can say.
_USUAL: Final = re.compile(
    "[\t\n\r -~\xa0-\u06ff\u0900-\u0e7f\u2010-\u2030\u20ac\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uff9f]"
)
_BLOCK: Final = 1 << 20
_SAMPLE: Final = 4096


def read(source: bytes | Path) -> str:
    """The text of a file or of bytes, without its byte order mark.

    Raises:
        MediaError: it cannot be opened, is larger than `MAX_BYTES`, or is no text.
    """
    with open_source(source) as file:
        return decoded(content(file))


def content(file: BinaryIO, limit: int | None = None) -> bytes:
    """What is left of a file.

    Raises:
        MediaError: it cannot be read, or is larger than `limit` bytes (None: `MAX_BYTES`).
    """
    limit = MAX_BYTES if limit is None else limit
    try:
        found = file.read(limit + 1)
    except OSError as error:
        raise MediaError(reason(error)) from error
    if len(found) > limit:
        raise MediaError(f"larger than {limit >> 20} MiB; cut it into several files")
    return found


def stream(file: BinaryIO) -> TextIO:
    """A file as text with its line ends, decoded while it is read if it is UTF-8, and at once if it is not.

    Reads a file twice: what is wrong at its end must not come to light after half of it was understood otherwise.

    Raises:
        MediaError: it is no text, or is not UTF-8 and larger than `MAX_BYTES`.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        try:
            while block := file.read(_BLOCK):
                if b"\0" in block:
                    break
                decoder.decode(block)
            else:
                decoder.decode(b"", final=True)
                file.seek(0)
                return io.TextIOWrapper(file, "utf-8-sig", newline="")
        except UnicodeDecodeError:
            pass
        file.seek(0)
    except OSError as error:
        raise MediaError(reason(error)) from error
    return io.StringIO(decoded(content(file)), newline="")


def decoded(content: bytes) -> str:
    """The text of bytes. Line ends stay as they are.

    Raises:
        MediaError: they are no text, or not in the encoding that their byte order mark says.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise MediaError(f"begins with the mark of {encoding} and is not: {error.reason}") from error
    if b"\0" in content:
        text = _utf_16(content)
        if text is None:
            raise MediaError("not text: binary content")
        return text
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        # Any bytes are valid Latin-1. Noise gives itself away by control characters, which old text files do not have.
        if len(_CONTROLS.findall(content)) * 50 > len(content):
            raise MediaError("not text: binary content") from None
        return _nearly(content, "utf-8", 20) or _by_page(content)
    return _nearly(content, "iso2022_jp", 20) or text if _JIS.search(content) else text


def _utf_16(content: bytes) -> str | None:
    """The text, if it is UTF-16 without a mark: nearly all of it is in scripts that people write."""
    bare = content.replace(b"\0", b"")
    if len(content) % 2 or (bare.isascii() and not _CONTROLS.search(bare) and len(bare) * 5 > len(content) * 3):
        return None  # or ASCII with a few NULs, which read in pairs would pass for Chinese
    best, most = None, 0.95
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        sample = text[:_SAMPLE]
        usual = len(_USUAL.findall(sample)) / len(sample)
        if usual > most:
            best, most = text, usual
    return best


def _by_page(content: bytes) -> str:
    sample = _sample(content)
    for page in (codepages.best(sample), codepages.guessed(sample)):
        if page is not None and (text := _nearly(content, page, 100)):
            return text
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _nearly(content: bytes, encoding: str, ratio: int) -> str | None:
    """The text, if for each place that is not valid there are `ratio` characters beyond ASCII that are."""
    text = content.decode(encoding, "replace")
    bad = text.count("\ufffd")
    if not bad:
        return text
    beyond = len(text) - bad - sum(map(len, re.findall(r"[\x00-\x7f]+", text)))
    return text if bad * ratio <= beyond else None


def _sample(content: bytes) -> bytes:
    """Lines that are not ASCII, the first few KiB of them, each from where a character begins."""
    found, size, position = [], 0, 0
    while size < _SAMPLE and (high := re.compile(rb"[\x80-\xff]").search(content, position)):
        start = max(content.rfind(b"\n", position, high.start()) + 1, position, high.start() - 64)
        end = content.find(b"\n", high.end(), start + _SAMPLE - size)
        position = start + _SAMPLE - size if end < 0 else end
        found.append(content[start:position])
        size += len(found[-1]) + 1
    return b"\n".join(found)
