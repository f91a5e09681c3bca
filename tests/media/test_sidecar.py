import codecs
import os

import pytest

from mmsearch.errors import MediaError
from mmsearch.media import sidecar


def test_no_sidecar_says_nothing(tmp_path):
    assert sidecar.load(tmp_path) == {}


def test_json_lines(tmp_path):
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "a.jpg", "year": 2024, "tags": ["x"]}\n\n'
        '{"file": "./sub//b.jpg", "name": "kept"}\n{"path": "c.jpg"}\n{"name": "d.jpg", "z": null}\n'
    )
    assert sidecar.load(tmp_path) == {
        "a.jpg": {"year": 2024, "tags": ["x"]},
        "sub/b.jpg": {"name": "kept"},
        "c.jpg": {},
        "d.jpg": {"z": None},
    }


def test_csv_values_have_types(tmp_path):
    (tmp_path / "metadata.csv").write_bytes(
        codecs.BOM_UTF8 + b"file_name,year,score,good,zip,note,big\r\n"
        b'1.jpg,2024,-1.5e3,True,007,"two\r\nlines, one cell",12345678901234567890\r\n'
        b"b.jpg,,0.5,FALSE,nan,inf,\r\n\r\n"
    )
    found = sidecar.load(tmp_path)
    assert found["1.jpg"] == {
        "year": 2024,
        "score": -1500.0,
        "good": True,
        "zip": "007",
        "note": "two\r\nlines, one cell",
        "big": 12345678901234567890.0,
    }
    assert found["b.jpg"] == {"score": 0.5, "good": False, "zip": "nan", "note": "inf"}
    assert isinstance(found["1.jpg"]["year"], int)


def test_json_lines_win_over_csv(tmp_path):
    (tmp_path / "metadata.csv").write_text("name,a,b\nx.jpg,1,2\n")
    (tmp_path / "metadata.jsonl").write_text('{"name": "x.jpg", "b": 3}')
    assert sidecar.load(tmp_path) == {"x.jpg": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("metadata.jsonl", b'{"file_name": "a.jpg"}\n{broken', r"metadata\.jsonl: line 2: not JSON"),
        ("metadata.jsonl", b'{"title": "a"}', r"metadata\.jsonl: line 1: no file is named"),
        ("metadata.jsonl", b'{"file_name": 3}', "line 1: file_name must be a file name, not 3"),
        ("metadata.jsonl", b'{"file_name": ""}', "line 1: file_name must be a file name, not ''"),
        ("metadata.jsonl", b"", r"metadata\.jsonl: empty"),
        ("metadata.csv", b"title,year\na,1\n", r"metadata\.csv: line 2: no file is named"),
        ("metadata.csv", b"name,year\na.jpg,1\nb.jpg,1,2\n", "line 3: 3 cells under a header of 2"),
        ("metadata.csv", b"name,year\nb.jpg\n", "line 2: 1 cells under a header of 2"),
        ("metadata.csv", b'name,year\n"b.jpg,1\n', r"metadata\.csv: line \d: unexpected end of data"),
        ("metadata.csv", b"name,year\ncaf\xe9.jpg,1\n", r"metadata\.csv: line \d"),
    ],
)
def test_malformed_sidecars_name_the_line(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=reason):
        sidecar.load(tmp_path)


def test_a_fifo_is_no_sidecar(tmp_path):
    os.mkfifo(tmp_path / "metadata.csv")
    assert sidecar.load(tmp_path) == {}
