"""ESC-50: classes by file, and folds."""

import pytest
from made_datasets import media, text, texts

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import read

META = """filename,fold,target,category,esc10,src_file,take
1-100032-A-0.wav,1,0,dog,True,100032,A
1-100210-A-36.wav,1,36,vacuum_cleaner,False,100210,A
5-9032-A-0.wav,5,0,dog,True,9032,A
"""


@pytest.fixture
def esc50(tmp_path):
    media(tmp_path / "audio", "1-100032-A-0.wav", "1-100210-A-36.wav", "5-9032-A-0.wav")
    text(tmp_path / "meta" / "esc50.csv", META)
    text(tmp_path / "meta" / "esc50-human.xlsx", "not looked at")
    return tmp_path


@pytest.mark.parametrize("place", [".", "meta", "meta/esc50.csv"])
def test_all_folds_are_read_and_a_class_is_one_text(esc50, place):
    dataset = read(esc50 / place)
    assert texts(dataset, "audio") == {
        "audio:1-100032-A-0.wav": ["dog"],
        "audio:1-100210-A-36.wav": ["vacuum cleaner"],
        "audio:5-9032-A-0.wav": ["dog"],
    }
    assert sorted(record.text for record in dataset.records if record.text) == ["dog", "vacuum cleaner"]
    assert dataset.records[0].audio == esc50 / "audio" / "1-100032-A-0.wav"
    assert (dataset.split, dataset.warnings) == (None, ())


def test_folds_are_splits(esc50):
    assert list(texts(read(esc50, split="fold5"), "audio")) == ["audio:5-9032-A-0.wav"]
    assert read(esc50, split="fold1+fold5").records == read(esc50).records
    with pytest.raises(DatasetError, match=r"no split 'test'; there are: fold1 \(2\), fold5 \(1\)"):
        read(esc50, split="test")


def test_sounds_that_were_converted_are_found(esc50):
    (esc50 / "audio" / "5-9032-A-0.wav").unlink()
    media(esc50 / "audio", "5-9032-A-0.ogg")
    assert read(esc50, split="fold5").records[0].audio == esc50 / "audio" / "5-9032-A-0.ogg"


def test_a_sound_in_two_folds_is_refused(esc50):
    path = text(esc50 / "meta" / "esc50.csv", META + "1-100032-A-0.wav,2,0,dog,True,100032,A\n")
    with pytest.raises(DatasetError, match="1-100032-A-0.wav is in two splits, fold1 and fold2"):
        read(path)


def test_a_sound_of_two_classes_is_both_and_counted(esc50):
    path = text(esc50 / "meta" / "esc50.csv", META + "1-100032-A-0.wav,1,5,cat,True,100032,A\n")
    dataset = read(path)
    assert texts(dataset, "audio")["audio:1-100032-A-0.wav"] == ["dog", "cat"]
    assert dataset.warnings == (
        "files named again, their entries taken together: 1",
        "files with several labels, all of them taken as right: 1, the first: 1-100032-A-0.wav",
    )


def test_lines_without_a_class_are_counted(esc50):
    path = text(esc50 / "meta" / "esc50.csv", META + "x.wav,1,5,,True,1,A\ny.wav\nz.wav,1,5,_,True,1,A\n")
    assert read(path).warnings == (
        "missing files left out: 1 of 4, the first: z.wav",
        "lines that make no sense left out: 2, the first: line 5 of esc50.csv",
        "blank labels left out: 1, the first: z.wav",
    )
