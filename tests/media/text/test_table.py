import csv
import tracemalloc

import psutil
import pytest

from mmsearch.errors import MediaError
from mmsearch.media.text import table
from mmsearch.media.text.table import Dialect, dialect_of
from mmsearch.types import Modality, Segment


def records(content):
    """Each as (key, text, metadata), or what is wrong."""
    return [
        str(one) if isinstance(one, MediaError) else (one.key, [*one.segments][0].content, one.metadata)
        for one in table.read(content)
    ]


def parts(content):
    read = table.read(content)
    return [part.content for part in next(read).segments], [*map(str, read)]


def test_a_row_with_a_text_is_a_record():
    content = b'id,Text,year,ok,code,note\r\n7,"A dog, barking",2024,TRUE,007,\r\n\r\nb2,"two\nlines",-1.5e3,no,,x\r\n'
    assert records(content) == [
        ("7", "A dog, barking", {"year": 2024, "ok": True, "code": "007"}),
        ("b2", "two\nlines", {"year": -1500.0, "ok": "no", "note": "x"}),
    ]
    one = next(table.read(content))
    assert one.modality is Modality.TEXT
    assert [*one.segments] == [Segment("A dog, barking")]


@pytest.mark.parametrize(
    ("header", "row", "key", "found", "metadata"),
    [
        ("caption,a", "x,1", None, "x", {"a": 1}),
        ("CONTENT,a", "x,1", None, "x", {"a": 1}),
        ("content,caption,text", "x,y,z", None, "z", {"content": "x", "caption": "y"}),
        ("caption,text", "x,", None, "x", {}),
        ("text,ID", "2024,007", "007", "2024", {}),
        ("text, n ,n,,N", "x,1,2,3,4", None, "x", {"n": 1, "n 2": 2, "N": 4}),
        ("text,a,b", "x", None, "x", {}),
        ("text,a", "x,1,,", None, "x", {"a": 1}),
    ],
)
def test_columns(header, row, key, found, metadata):
    assert records(f"{header}\n{row}\n".encode()) == [(key, found, metadata)]


def test_a_bad_row_is_named_by_the_line_that_it_begins_in_and_loses_no_other():
    assert records(b'text,a\n"two\nlines",1\n,2\n\nx,1,2\n  ,3\nlast,4\n') == [
        (None, "two\nlines", {"a": 1}),
        "line 4: no text: none of the fields text, caption, content",
        "line 6: 3 cells under a header of 2",
        "line 7: no text: nothing but white space",
        (None, "last", {"a": 4}),
    ]


def test_without_such_a_column_rows_are_parts():
    assert parts(b"town,inhabitants\nRome,2800000\n , \nParis,\nOslo,1,2\n") == (
        ["town, inhabitants", "Rome, 2800000", "Paris", "Oslo, 1, 2"],
        [],
    )


@pytest.mark.parametrize(
    ("sample", "dialect"),
    [
        ("a,b\n1,2\n", Dialect(",")),
        ("a;b\n1,5;2\n", Dialect(";")),
        ("a\tb, c\n1, 2\t3\n", Dialect("\t")),
        ("a|b\nx, y|z\n", Dialect("|")),
        ('a,b\n"x\ny",1\n"p;q;r",2\n', Dialect(",")),
        ("text\nHello, world\nYes; no\n", Dialect("\x1f")),
        ('a\tb\n"open\t1\nx\t2\n"shut\t3\n', Dialect("\t", quoted=False)),
        ('a\tb\nhe said "no"\t1\n', Dialect("\t")),
        ("name,about\nAnn,likes; and; so\nBob,a | b\n", Dialect(",")),
        ("", Dialect("\x1f")),
    ],
)
def test_how_cells_are_told_apart(sample, dialect):
    assert dialect_of(sample) == dialect


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_encoding_and_line_end_will_do(encoding, end):
    content = f"id;text{end}1;Größe und Straße{end}2;über{end}".encode(encoding)
    assert records(content) == [("1", "Größe und Straße", {}), ("2", "über", {})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty: 0 bytes"),
        (b"\n \n", "no text: only blank lines"),
        (b"text,a\n", "no text: a header and no rows"),
        (b"text,a\nx\0y,1\n", "not text: binary content"),
    ],
)
def test_what_is_no_table(content, reason):
    with pytest.raises(MediaError, match=reason):
        records(content)


def test_long_cells_are_read_and_too_long_ones_named(monkeypatch):
    long = "x" * 200_000
    assert records(f"text,a\n{long},1\n".encode()) == [(None, long, {"a": 1})]
    monkeypatch.setattr(table, "MAX_CELL", 1 << 20)
    lines = ("y" * 1000 + "\n") * 1100
    found = records(f'text,a\nx,1\n"{lines}",2\n'.encode())
    assert found[1] == "line 3: a cell of more than 1 million characters"
    assert found[0] == (None, "x", {"a": 1})
    with pytest.raises(MediaError, match="a line of more than 1 million"):
        records(b"text,a\n" + b"y" * (2 << 20))
    assert csv.field_size_limit() == 131072  # is the whole process's


def test_a_big_table_takes_constant_memory(tmp_path):
    with (tmp_path / "big.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "text"))
        writer.writerows((i, f"A sentence, number {i}.") for i in range(20_000))
    tracemalloc.start()
    count = sum(1 for _ in table.read(tmp_path / "big.csv"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, peak < 6e6) == (20_000, True)


def test_a_table_is_closed_when_it_is_not_read_to_its_end(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text\n" + b"x\n" * 10)
    rows = table.read(tmp_path / "a.csv")
    next(rows)
    opened = [one.path for one in psutil.Process().open_files()]
    assert str(tmp_path / "a.csv") in opened
    rows.close()
    assert str(tmp_path / "a.csv") not in [one.path for one in psutil.Process().open_files()]


def test_excel_may_say_what_the_delimiter_is():
    (medium,) = table.read(b"sep=;\r\nid;text\r\n1;hello, you\r\n")
    assert (medium.key, [part.content for part in medium.segments]) == ("1", ["hello, you"])
