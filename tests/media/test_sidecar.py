import os
import stat

import pytest

from mmsearch.errors import MediaError
from mmsearch.media import sidecar


@pytest.fixture
def load(tmp_path):
    def made(csv=None, jsonl=None):
        for name, content in (("metadata.csv", csv), ("metadata.jsonl", jsonl)):
            if content is not None:
                (tmp_path / name).write_bytes(content)
        return sidecar.load(tmp_path)

    return made


def test_without_a_sidecar_there_is_no_metadata(load, tmp_path):
    assert load() == {}
    assert sidecar.load(tmp_path / "gone") == {}


def test_csv_cells_become_numbers_and_booleans(load):
    found = load(
        b"\xef\xbb\xbffile_name,year,size,ok,code,note,tiny\r\n"
        b'a.jpg,2024,-1.5e3,TRUE,007,"two\nlines, and a comma",\r\n'
        b"\r\n"
        b"sub/b.jpg,0,.5,false,1_000,nan,1e-3\r\n"
    )
    assert found == {
        "a.jpg": {"year": 2024, "size": -1500.0, "ok": True, "code": "007", "note": "two\nlines, and a comma"},
        "sub/b.jpg": {"year": 0, "size": ".5", "ok": False, "code": "1_000", "note": "nan", "tiny": 0.001},
    }
    assert type(found["a.jpg"]["year"]) is int


def test_numbers_that_no_float_holds_stay_text(load):
    huge = b"9" * 400
    assert load(b"file,a,b\nx.jpg," + huge + b",-" + huge + b".0e1\n") == {
        "x.jpg": {"a": huge.decode(), "b": f"-{huge.decode()}.0e1"}
    }


def test_the_name_of_a_file_is_never_a_number(load):
    assert load(b"file,x\n2024,1\n") == {"2024": {"x": 1}}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do(load, end):
    assert load(f"file,a{end}x.jpg,1{end}y.jpg,2{end}".encode()) == {"x.jpg": {"a": 1}, "y.jpg": {"a": 2}}


@pytest.mark.parametrize("key", ["file_name", "file", "path", "name"])
def test_any_of_four_fields_names_the_file(load, key):
    assert load(jsonl=f'{{"{key}": "./a//b/../x.jpg", "n": [1, {{"deep": null}}]}}'.encode()) == {
        "a/x.jpg": {"n": [1, {"deep": None}]}
    }


def test_the_first_of_the_four_wins_and_the_others_are_metadata(load):
    assert load(jsonl=b'{"name": "Rex", "file_name": "a.jpg"}') == {"a.jpg": {"name": "Rex"}}


def test_jsonl_wins_over_csv_field_by_field(load):
    assert load(b"file,a,b\nx.jpg,1,2\n", b'{"file": "x.jpg", "b": 3}\n{"file": "x.jpg", "c": 4}') == {
        "x.jpg": {"a": 1, "b": 3, "c": 4}
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"file,a\nx.jpg,1\ny.jpg,1,2\n", r"metadata.csv: line 3: 3 cells under a header of 2"),
        (b"file,a\nx.jpg\n", r"metadata.csv: line 2: 1 cells"),
        (b"title,a\nx.jpg,1\n", r"metadata.csv: line 2: no file is named; one of file_name, file"),
        (b"file,a\n,1\n", r"metadata.csv: line 2: no file is named"),
        (b'file,a\n"x.jpg,1\n', r"metadata.csv: line \d+: unexpected end"),
        (b'file,a\n"x"y,1\n', r"metadata.csv: line 2: "),
        (b"file,a\n\xff.jpg,1\n", r"metadata.csv: line 2: not valid UTF-8"),
        (b"file,a\nx.jpg," + b"x" * 200_000 + b"\n", r"metadata.csv: line 2: field larger"),
        (b"", r"metadata.csv: empty: 0 bytes"),
    ],
)
def test_a_malformed_csv_names_the_line(load, content, reason):
    with pytest.raises(MediaError, match=reason):
        load(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"file": "a.jpg"}\n{"file": ', r"metadata.jsonl: line 2: not JSON"),
        (b"[]", r"metadata.jsonl: line 1: not a JSON object"),
        (b'\n{"title": "x"}', r"metadata.jsonl: line 2: no file is named"),
        (b'{"file": 7}', r"metadata.jsonl: line 1: file must be a file name, not 7"),
        (b'{"file": ""}', r"metadata.jsonl: line 1: file must be a file name, not ''"),
        (b'{"file": "a", "x": NaN}', r"metadata.jsonl: line 1: NaN is not JSON"),
        (b"", r"metadata.jsonl: empty: 0 bytes"),
    ],
)
def test_malformed_json_lines_name_the_line(load, content, reason):
    with pytest.raises(MediaError, match=reason):
        load(jsonl=content)


def test_a_sidecar_of_only_a_header_says_nothing(load):
    assert load(b"file,a\n", b"\n\n") == {}


def test_a_fifo_is_no_sidecar(load, tmp_path):
    os.mkfifo(tmp_path / "metadata.csv")
    assert load() == {}


def test_an_unreadable_sidecar_is_an_error_and_a_shut_folder_none(as_nobody, tmp_path):
    (tmp_path / "metadata.csv").write_text("file,a\nx.jpg,1\n")
    (tmp_path / "metadata.csv").chmod(0)
    shut = tmp_path / "shut"
    shut.mkdir()
    (shut / "metadata.csv").write_text("file,a\nx.jpg,1\n")
    shut.chmod(stat.S_IRUSR)
    code = "try: sidecar.load(Path('.'))\nexcept MediaError as e: print(e)\nprint(sidecar.load(Path('shut')))"
    try:
        assert as_nobody(code) == "metadata.csv: permission denied\n{}\n"
    finally:
        shut.chmod(stat.S_IRWXU)
