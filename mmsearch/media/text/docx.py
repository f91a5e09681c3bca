"""Word documents (`.docx`): their paragraphs and tables, in order.

::

    ZIP ─► [Content_Types].xml: which part is the document ─► that part alone ─► paragraphs, rows of tables

Pictures, headers, footers, footnotes and deleted text are not read; text boxes and inserted text are.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source
from mmsearch.types import Medium, Modality, Segment

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph

MAX_XML: Final = 1 << 28
"""Documents of more bytes of XML are refused. A parsed document takes ten times its XML."""

_MAX_CONTENT_TYPES: Final = 1 << 20
_OLE: Final = b"\xd0\xcf\x11\xe0"
_MAIN: Final = re.compile(r"(wordprocessingml\.(document|template)|ms-word\.\w+\.macroEnabled\w*)\.main\+xml$")
_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPATIBILITY: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# Wrappers that python-docx does not look into: content controls, insertions, fields, and what smart tags leave.
_WRAPPERS: Final = tuple(
    _W + name for name in ("sdt", "sdtContent", "ins", "moveTo", "fldSimple", "smartTag", "customXml", "dir", "bdo")
)
_UNREAD: Final = (*(_W + name for name in ("sdtPr", "sdtEndPr", "del", "moveFrom")), _COMPATIBILITY + "Fallback")


def read(source: bytes | Path) -> Iterator[Medium | MediaError]:
    """The paragraphs of a document, each a part, and the rows of its tables, cells with commas between them.

    Raises:
        MediaError: it cannot be opened, is no Word document, is password-protected, or is larger than `MAX_XML`. Raised
            before the first part is there.
    """
    with open_source(source) as file:
        document = _document(file)
    yield Medium(Modality.TEXT, _parts(document))


def _document(file: BinaryIO) -> Document:
    """The document, as python-docx has it."""
    head = file.read(4)
    if head == _OLE:
        raise MediaError("password-protected or an old .doc; save it as .docx without a password")
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            return _parsed(_content(archive, _main_part(archive), MAX_XML))
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("too large a document: it needs more memory than a decoder may have") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise MediaError(f"not readable as a Word file: {str(error) or type(error).__name__}") from error


def _main_part(archive: zipfile.ZipFile) -> str:
    from lxml import etree

    types = "[Content_Types].xml"
    names = archive.NameToInfo
    if types not in names:
        raise MediaError("a ZIP archive that is no Word file")
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        root = etree.fromstring(_content(archive, types, _MAX_CONTENT_TYPES), parser)
    except etree.XMLSyntaxError as error:
        raise MediaError(f"damaged: {types}: {error}") from error
    for override in root:
        part = str(override.get("PartName", "word/document.xml")).lstrip("/")
        if _MAIN.search(override.get("ContentType", "")) and part in names:
            return part
    raise MediaError("a ZIP archive that is no Word file")


def _content(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A part of the archive, unpacked; never more than `limit` bytes, whatever the archive says that it has."""
    declared = archive.getinfo(name).file_size
    with archive.open(name) as part:
        content = part.read(limit + 1) if declared <= limit else b""
    if declared > limit or len(content) > limit:
        raise MediaError(f"{name} has more than {limit >> 20} MiB when unpacked; cut the document into several")
    return content


def _parsed(xml: bytes) -> Document:
    from docx.document import Document
    from docx.oxml.parser import parse_xml
    from lxml import etree

    try:
        root = parse_xml(xml)
    except etree.XMLSyntaxError as error:
        raise MediaError(f"damaged: {error}") from error
    etree.strip_elements(root, *_UNREAD, with_tail=False)
    etree.strip_tags(root, *_WRAPPERS)
    if getattr(root, "body", None) is None:
        raise MediaError("no text: a Word file without a body")
    return Document(cast(Any, root), cast(Any, None))  # of the parts that it would belong to, text needs none


def _parts(document: Document) -> Iterator[Segment]:
    """A blank line follows each paragraph and each table, so that passages end there."""
    from docx.text.paragraph import Paragraph

    try:
        for block in document.iter_inner_content():
            if isinstance(block, Paragraph):
                text = _text(block)
                if text and not text.isspace():
                    yield Segment(f"{text}\n")
            else:
                rows = list(_rows(block))
                if rows:
                    yield from map(Segment, rows[:-1])
                    yield Segment(f"{rows[-1]}\n")
    except RecursionError as error:
        raise MediaError("tables nested too deeply") from error
    except MemoryError as error:
        raise MediaError("too large a document: it needs more memory than a decoder may have") from error
    except MediaError:
        raise
    except Exception as error:  # of python-docx: it trusts that documents follow the schema
        raise MediaError(f"not readable as a Word file: {str(error) or type(error).__name__}") from error


def _text(paragraph: Paragraph) -> str:
    """Of a paragraph and of the text boxes that are anchored in it."""
    inner = paragraph._p.iterdescendants(f"{_W}txbxContent")
    boxed = ("".join(text.text or "" for text in line.iter(f"{_W}t")) for box in inner for line in box.iter(f"{_W}p"))
    return "\n".join(filter(None, (paragraph.text, *boxed)))


def _rows(table: Table) -> Iterator[str]:
    from docx.table import _Cell

    for row in table._tbl.tr_lst:  # not table.rows: merged cells would be there once for each column and row
        cells = (" ".join(_cell(_Cell(tc, table)).split()) for tc in row.tc_lst)
        if line := ", ".join(filter(None, cells)):
            yield line


def _cell(cell: _Cell) -> str:
    from docx.text.paragraph import Paragraph

    blocks = cell.iter_inner_content()
    return "\n".join(_text(one) if isinstance(one, Paragraph) else "\n".join(_rows(one)) for one in blocks)
