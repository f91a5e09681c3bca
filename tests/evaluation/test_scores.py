"""Figures of single queries: written, read back, and refused where they are something else."""

import csv
import json

import numpy as np
import pytest
from made_runs import asked_dataset, made_evaluation

from mmsearch.errors import DatasetError
from mmsearch.evaluation.scores import SHARES, read, scores, write


@pytest.fixture
def evaluation():
    return made_evaluation(
        [["a", "b"], ["b"], []],
        [{"b": 2, "z": 1}, {"b": 1}, {"c": 1}],
        asked=["one", 'two, "quoted"\nline', "żółw"],
        groups=[4, 4, 9],
    )


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".CSV"])
def test_what_is_written_is_read_back_to_the_bit(evaluation, tmp_path, suffix):
    path = tmp_path / f"figures{suffix}"
    write(evaluation, asked_dataset(evaluation), path)
    (written,), (again,) = scores(evaluation).values(), read(path).values()
    assert again.asked == written.asked == ("one", 'two, "quoted"\nline', "żółw")
    assert again.groups.tolist() == [4, 4, 9]
    assert again.ranks.tolist() == [2, 1, np.inf]
    assert set(again.columns) == {measure.name for measure in SHARES}
    for name, column in written.columns.items():
        assert again.columns[name].tolist() == column.tolist()


def test_a_row_says_what_was_asked_and_answered(evaluation, tmp_path):
    path = tmp_path / "figures.jsonl"
    write(evaluation, asked_dataset(evaluation), path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[0] | {"direction": "text->image", "text": "text of one", "relevant": 2, "rank": 2} == rows[0]
    assert [row["answer"] for row in rows] == ["a", "b", ""]
    assert rows[2]["rank"] is None and rows[2]["mrr"] == 0


def test_csv_has_a_header_and_a_line_for_each_query(evaluation, tmp_path):
    path = tmp_path / "figures.csv"
    write(evaluation, asked_dataset(evaluation), path)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header[:7] == ["direction", "query", "group", "text", "relevant", "rank", "answer"]
    assert len(rows) == 3 and rows[2][5] == ""


@pytest.mark.parametrize("name", ["figures.txt", "figures", "figures.json"])
def test_other_kinds_of_files_are_refused(evaluation, tmp_path, name):
    with pytest.raises(DatasetError, match=r"\.csv or \.jsonl"):
        write(evaluation, asked_dataset(evaluation), tmp_path / name)
    with pytest.raises(DatasetError, match=r"\.csv or \.jsonl"):
        read(tmp_path / name)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", '{"direction": 1}\n', "[1, 2]\n", "direction,query\nx,y\n", "{"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_file_of_something_else_is_refused(tmp_path, content, suffix):
    (tmp_path / f"x{suffix}").write_text(content)
    with pytest.raises(DatasetError, match=r"x\.(csv|jsonl)"):
        read(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\n"])
def test_files_that_are_empty_or_no_text(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.csv"):
        read(tmp_path / "x.csv")


def test_files_that_cannot_be_opened(evaluation, tmp_path):
    with pytest.raises(DatasetError, match="No such file"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match="cannot be written"):
        write(evaluation, asked_dataset(evaluation), tmp_path / "no" / "folder.csv")
