"""HTML: what a reader of the page sees, its title first.

::

    bytes ─► text ─► tree ─► without what is not seen ─► blocks (paragraphs, list items, rows) only ─► text of blocks

inscriptis writes the blocks. It is given no inline elements, whose texts it would join in quadratic time, and no
tables, which it pads with spaces to the width of their widest cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsearch.errors import MediaError
from mmsearch.media.source import open_source
from mmsearch.media.text import encodings
from mmsearch.media.text.plain import whole
from mmsearch.types import Medium

if TYPE_CHECKING:
    from lxml.html import HtmlElement

MAX_BYTES: Final = 1 << 25
"""Larger pages, in bytes, are refused. A page of this size takes a quarter of a minute and 1 GiB."""

_MAX_DEPTH: Final = 200
_DECLARED: Final = re.compile(
    rb"""<meta\b[^>]*?\bcharset\s*=\s*["']?\s*([\w:.-]+) | <\?xml\b[^>]*?\bencoding\s*=\s*["']([\w:.-]+)""",
    re.IGNORECASE | re.VERBOSE,
)
# As browsers understand what pages say: https://encoding.spec.whatwg.org/#names-and-labels
_MEANT: Final = {
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "windows-949": "cp949",
    "big5": "big5hkscs",
    "x-mac-cyrillic": "mac_cyrillic",
    "macintosh": "mac_roman",
}
_XML_DECLARATION: Final = re.compile(r"\s*<\?xml\b[^>]*>")
# XHTML may close these at once; an HTML parser would take the rest of the page for their content.
_CLOSED_AT_ONCE: Final = re.compile(
    r"<(script|style|title|textarea|template|noscript|iframe)\b([^<>]*)/>", re.IGNORECASE
)
_TAG: Final = re.compile(r"</?(?!script|style|template|noscript|title)[a-zA-Z][^<>]*>", re.IGNORECASE)

_UNSEEN: Final = (
    "head",
    "script",
    "style",
    "template",
    "noscript",
    "iframe",
    "object",
    "audio",
    "video",
    "canvas",
    "title",
)
# Blocks that inscriptis knows, and those that to it are as good as a `div`.
_BLOCKS: Final = frozenset(
    ("p", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "div", "pre", "xmp", "listing", "plaintext")
    + ("blockquote", "br", "html", "body")
)
_DIVISIONS: Final = frozenset(
    ("address", "article", "aside", "footer", "header", "hgroup", "main", "nav", "section", "search", "figcaption")
    + ("dl", "dt", "dd", "form", "fieldset", "legend", "details", "summary", "dialog", "center", "menu", "dir", "hr")
    + ("option", "optgroup", "table", "caption", "tr", "frameset")
)
_CELLS: Final = frozenset(("td", "th"))
_HIDDEN: Final = re.compile(r"display\s*:\s*none", re.IGNORECASE)


def read(source: bytes | Path) -> Iterator[Medium | MediaError]:
    """What a reader of the page sees, as one part: its title and its text, a line for each row of a table.

    Raises:
        MediaError: it cannot be opened, is no text, or is larger than `MAX_BYTES`.
    """
    with open_source(source) as file:
        content = encodings.content(file, MAX_BYTES)
    page = _decoded(content)
    try:
        text = _seen(page)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("too large a page: it needs more memory than a decoder may have") from error
    except Exception as error:  # of lxml and inscriptis; what they raise for damaged pages is not documented
        raise MediaError(f"not readable as HTML: {str(error) or type(error).__name__}") from error
    yield whole(text)


def _decoded(content: bytes) -> str:
    """What the page says its encoding is counts only where the content is not valid UTF-8; many pages are wrong."""
    found = _DECLARED.search(content, 0, 4096)
    name = (found[1] or found[2]).decode("ascii", "replace").lower() if found else ""
    if b"\0" not in content and name and name not in ("utf-8", "utf8", "utf-16", "utf-32"):
        try:
            if not content.isascii():
                content.decode("utf-8")
            elif name == "iso-2022-jp":
                return content.decode(name)
        except UnicodeDecodeError:
            try:
                return content.decode(_MEANT.get(name, name))
            except (UnicodeDecodeError, LookupError):
                pass
    return encodings.decoded(content)


def _seen(page: str) -> str:
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.html_engine import Inscriptis
    from inscriptis.model.config import ParserConfig

    tree = _tree(page)
    if tree is None:
        return ""
    title = " ".join(tree.xpath("string((//title[not(ancestor::svg)])[1])").split())
    _only_blocks(tree)
    _flatten(tree)
    written = Inscriptis(tree, ParserConfig(css=CSS_PROFILES["strict"])).get_text()
    text = "\n".join(line.rstrip() for line in written.split("\n")).strip("\n")
    text = re.sub(r"\n{3,}", "\n\n", text)
    return text if text.lstrip().startswith(title) else f"{title}\n\n{text}".rstrip()


def _tree(page: str) -> HtmlElement | None:
    """The page as lxml's tree; None if there is nothing in it.

    libxml2 drops what is nested more than 2,048 deep and all that follows. Of such a page the words count: what is left
    when its tags are gone.
    """
    from lxml import etree, html

    page = _CLOSED_AT_ONCE.sub(r"<\1\2></\1>", _XML_DECLARATION.sub("", page.replace("\0", ""), count=1))
    for text in (page, _TAG.sub("\n", page)):
        if not text or text.isspace():
            return None
        parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
        try:
            tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
        except etree.ParserError:  # only comments, for instance
            return None
        except etree.XMLSyntaxError as error:  # the parser mends all else
            raise MemoryError from error
        if not any("depth" in entry.message for entry in parser.error_log.filter_from_fatals()):
            return tree
    raise MediaError("nested too deeply")


def _only_blocks(tree: HtmlElement) -> None:
    """Take out what is not seen and all tags but those of blocks, and make lines of the rows of tables."""
    from lxml import etree

    etree.strip_tags(tree, etree.Comment, etree.ProcessingInstruction, etree.Entity)
    for element in tree.iterdescendants():
        if _is_hidden(element):
            element.tag = "template"
    etree.strip_elements(tree, *_UNSEEN, with_tail=False)
    known = _BLOCKS | _DIVISIONS | _CELLS
    etree.strip_tags(tree, *({one.tag for one in tree.iterdescendants()} - known))
    for element in tree.iter():
        element.attrib.clear()
        if element.tag in _CELLS:
            _end_cell(element)
        elif element.tag in _DIVISIONS:
            element.tag = "div"
    etree.strip_tags(tree, "span")
    for element in tree.iter():  # inscriptis takes what it is given for HTML with entities
        element.text, element.tail = (text and text.replace("&", "&amp;") for text in (element.text, element.tail))


def _is_hidden(element: HtmlElement) -> bool:
    if element.tag == "body":  # until a script shows it
        return False
    return "hidden" in element.attrib or bool(_HIDDEN.search(element.get("style", "")))


def _end_cell(cell: HtmlElement) -> None:
    """A cell of words stands in the line of its row, one that holds blocks (of a page's layout) in lines of its own."""
    if len(cell):
        cell.tag = "div"
        return
    cell.tag = "span"
    following = cell.getnext()
    if cell.text and not cell.text.isspace() and following is not None and not len(following):
        cell.tail = ", " if following.text and not following.text.isspace() else " "


def _flatten(tree: HtmlElement) -> None:
    """Take out tags that are nested deeper than inscriptis, which is recursive, can go."""
    from lxml import etree

    depth, deep = 0, []
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if event == "start" and depth == _MAX_DEPTH and len(element):
            deep.append(element)
    for element in deep:
        for inner in element.iterdescendants():
            inner.tail = "\n" + (inner.tail or "")
        etree.strip_tags(element, "*")
