import io
import struct
import zipfile

import docx as python_docx
import pytest
from made_texts import rezipped, word, word_of

from mmsearch.errors import MediaError
from mmsearch.media.text import docx


def parts(content):
    (medium,) = docx.read(content)
    return [part.content for part in medium.segments]


def paragraph(text):
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_paragraphs_and_tables_in_order(tmp_path):
    content = word("One.", " ", "Two,\twith a tab\nand a line", [["a", "b"], ["", " c\nd "], ["", ""]], "Three.")
    assert parts(content) == ["One.\n", "Two,\twith a tab\nand a line\n", "a, b", "c d\n", "Three.\n"]
    (tmp_path / "a.docx").write_bytes(content)
    assert parts(tmp_path / "a.docx") == parts(content)


def test_merged_cells_are_read_once():
    document = python_docx.Document()
    table = document.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(1, 1)).text = "merged"
    table.cell(0, 2).text = "x"
    table.cell(1, 2).text = "y"
    file = io.BytesIO()
    document.save(file)
    assert parts(file.getvalue()) == ["merged, x", "y\n"]


TABLE_IN_TABLE = f"<w:tbl><w:tr><w:tc>{paragraph('in')}</w:tc><w:tc>{paragraph('side')}</w:tc></w:tr></w:tbl>"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f"<w:sdt><w:sdtPr/><w:sdtContent>{paragraph('controlled')}</w:sdtContent></w:sdt>", ["controlled\n"]),
        (
            "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
            ["new\n"],
        ),
        (
            "<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink><w:r><w:br/><w:t>x</w:t></w:r></w:p>",
            ["link\nx\n"],
        ),
        ('<w:p><w:fldSimple w:instr="DATE"><w:r><w:t>2024</w:t></w:r></w:fldSimple></w:p>', ["2024\n"]),
        (f"<w:p><w:r><w:pict><w:txbxContent>{paragraph('boxed')}</w:txbxContent></w:pict></w:r></w:p>", ["boxed\n"]),
        (f"<w:tbl><w:tr><w:tc>{paragraph('out')}{TABLE_IN_TABLE}</w:tc></w:tr></w:tbl>", ["out in, side\n"]),
        ("", []),
    ],
    ids=["content control", "tracked changes", "link", "field", "text box", "table in a table", "nothing"],
)
def test_what_word_wraps_text_in(body, found):
    assert parts(word_of(body)) == found


def test_entities_do_no_harm():
    bomb = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    with pytest.raises(MediaError, match="damaged: .*entity"):
        parts(word_of(paragraph("&a9;"), f'<!DOCTYPE x [<!ENTITY a0 "lol">{bomb}]>'))
    outside = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    assert parts(word_of(paragraph("before &x;") + paragraph("after"), outside)) == ["before \n", "after\n"]


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def encrypted(content):
    """The same archive, with the bit set that says so."""
    made = bytearray(content)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = made.find(mark)
        while start >= 0:
            made[start + offset] |= 1
            start = made.find(mark, start + 4)
    return bytes(made)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "^password-protected or an old .doc; save it as .docx"),
        (b"PK\3\4 nonsense", "not readable as a Word file: File is not a zip file"),
        (b"words", "not readable as a Word file"),
        (word("One.")[:9000], "not readable as a Word file"),
        (encrypted(word("One.")), "not readable as a Word file: .*encrypted"),
        (archive(a="x"), "a ZIP archive that is no Word file"),
        (rezipped(word(), types=b"<Types/>"), "a ZIP archive that is no Word file"),
        (rezipped(word(), types=b"<Types"), r"damaged: \[Content_Types\].xml"),
        (rezipped(word(), document=None), "a ZIP archive that is no Word file"),
        (rezipped(word(), document=b"<w:document"), "damaged: "),
        (rezipped(word(), document=b"<a/>"), "without a body"),
        (word_of("<w:tbl><w:tr><w:tc>" * 200 + "</w:tc></w:tr></w:tbl>" * 200), "damaged: Excessive depth"),
    ],
)
def test_what_is_no_word_document(content, reason):
    with pytest.raises(MediaError, match=reason):
        parts(content)


def lying(content, name, size):
    """The same archive, which says that a member has `size` bytes."""
    made = bytearray(content)
    for mark, lengths, offset in ((b"PK\3\4", 26, 30), (b"PK\1\2", 28, 46)):
        start = made.find(mark)
        while start >= 0:
            (length,) = struct.unpack_from("<H", made, start + lengths)
            if made[start + offset : start + offset + length] == name:
                struct.pack_into("<I", made, start + lengths - 4, size)
            start = made.find(mark, start + 4)
    return bytes(made)


def test_bombs_are_refused_by_what_they_say_and_by_what_they_hold(monkeypatch):
    monkeypatch.setattr(docx, "MAX_XML", 1 << 20)
    bomb = word_of(" " * (8 << 20))
    with pytest.raises(MediaError, match="word/document.xml has more than 1 MiB when unpacked"):
        parts(bomb)
    with pytest.raises(MediaError, match="not readable as a Word file: Bad CRC-32"):
        parts(lying(bomb, b"word/document.xml", 1000))


def test_a_large_table_takes_no_quadratic_time():
    row = f"<w:tr>{'<w:tc>' + paragraph('x') + '</w:tc>'}</w:tr>"
    assert len(parts(word_of(f"<w:tbl>{row * 3000}</w:tbl>"))) == 3000
