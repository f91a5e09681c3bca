"""Small real documents, made at test time: PDF by hand, byte for byte; Word by python-docx."""

import io
import zipfile
import zlib

import docx
from pypdf import PdfReader, PdfWriter


def stream(content, extra=b"", packed=True):
    content = zlib.compress(content) if packed else content
    filtered = b"/Filter /FlateDecode " if packed else b""
    return b"<< %s%s/Length %d >>\nstream\n%s\nendstream" % (filtered, extra, len(content), content)


def shown(text, packed=True):
    """A page's content: its lines in Helvetica."""
    lines = text.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)").split(b"\n")
    return stream(
        b"BT /F1 12 Tf 72 720 Td 14 TL " + b" ".join(b"(%s) Tj T*" % line for line in lines) + b" ET", b"", packed
    )


def pdf_of(objects, root=1, trailer=b"", xref=True):
    """A file of numbered objects, from 1, with a table that says where each is."""
    file, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(file)
    if xref:
        file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
        file += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        file += b"trailer\n<< /Size %d /Root %d 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (
            len(offsets) + 1,
            root,
            trailer,
            start,
        )
    return bytes(file)


FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def pdf(*pages, count=None, packed=True, xref=True):
    """A PDF of pages, each its text or the object that is its content; None for a page without content.

    Objects: 1 the catalog, 2 the page tree, 3 the font, then a page and its content by turns.
    """
    kids = b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages) if count is None else count),
        FONT,
    ]
    for i, page in enumerate(pages):
        contents = b"" if page is None else b"/Contents %d 0 R " % (5 + 2 * i)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %s/Resources << /Font << /F1 3 0 R >> >> >>"
            % contents
        )
        objects.append(b"null" if page is None else page if isinstance(page, bytes) else shown(page, packed))
    return pdf_of(objects, xref=xref)


def locked(content, user, algorithm, owner="owner"):
    """The same PDF, encrypted."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(user_password=user, owner_password=owner, algorithm=algorithm)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def word(*blocks):
    """A Word document of paragraphs (strings) and tables (lists of rows of strings)."""
    document = docx.Document()
    for block in blocks:
        if isinstance(block, str):
            document.add_paragraph(block)
        else:
            table = document.add_table(rows=0, cols=len(block[0]))
            for row in block:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def rezipped(content, **parts):
    """An archive with some parts replaced; `document` is the text of a Word file. None removes one."""
    names = {"document": "word/document.xml", "types": "[Content_Types].xml"}
    new = {names[name]: part for name, part in parts.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in old.namelist():
            part = new.get(name, old.read(name))
            if part is not None:
                made.writestr(name, part)
    return file.getvalue()


def word_of(body, declared=""):
    """A Word document from the XML of its body."""
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return rezipped(
        word(),
        document=f'<?xml version="1.0"?>{declared}<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>',
    )
