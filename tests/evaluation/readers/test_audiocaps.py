"""AudioCaps: a line for each caption, and sounds that everybody calls differently."""

import pytest
from made_datasets import media, text, texts

from mmsearch.errors import DatasetError
from mmsearch.evaluation import datasets
from mmsearch.evaluation.datasets import read

HEADER = "audiocap_id,youtube_id,start_time,caption\n"
TEST = HEADER + (
    '97151,vfY_TJq7n_U,130,"Rustling occurs, ducks quack and water splashes"\n'
    "103549,7fmOlUlwoNg,20,Constant rattling noise and sharp vibrations\n"
    "97152,vfY_TJq7n_U,130,Ducks quack\n"
)
DUCKS = ["Rustling occurs, ducks quack and water splashes", "Ducks quack"]


def table(folder, name="test.csv", content=TEST):
    return text(folder / name, content)


@pytest.mark.parametrize(
    "name",
    [
        "audio/vfY_TJq7n_U_130.wav",
        "test/vfY_TJq7n_U.flac",
        "audio/test/YvfY_TJq7n_U.wav",
        "waveforms/test/vfY_TJq7n_U_130_140.ogg",
        "audio_32000Hz/test/vfY_TJq7n_U_130000.flac",
        "test_audio/vfY_TJq7n_U_130000_140000.wav",
        "vfY_TJq7n_U_130.000_140.000.wav",
        "test/97151.wav",
        "test/97152.mp3",
    ],
)
def test_the_sound_of_a_clip_is_found_by_any_of_its_names(tmp_path, name):
    media(tmp_path, name)
    dataset = read(table(tmp_path))
    assert dataset.records[0].audio == tmp_path / name
    assert texts(dataset, "audio") == {"audio:vfY_TJq7n_U_130": DUCKS}
    assert dataset.warnings == ("missing files left out: 1 of 2, the first: 7fmOlUlwoNg_20",)


def test_when_no_sound_is_there_the_folders_that_were_searched_are_named(tmp_path):
    media(tmp_path, "audio/test/vfY_TJq7n.wav")
    with pytest.raises(DatasetError, match=r"exists \(2, the first: vfY_TJq7n_U_130\); .* looked for in .*audio/test"):
        read(table(tmp_path))


def test_a_clip_that_is_there_once_a_caption_is_one_sound(tmp_path):
    media(tmp_path, *(f"test/{number}.wav" for number in (97151, 103549, 97152)))
    dataset = read(table(tmp_path))
    assert [record.audio.name for record in dataset.records if record.audio] == ["97151.wav", "103549.wav"]
    assert texts(dataset, "audio")["audio:vfY_TJq7n_U_130"] == DUCKS


@pytest.fixture
def audiocaps(tmp_path):
    """The tables of the repository, and the sounds beside their folder."""
    media(tmp_path / "audio", "train/7fmOlUlwoNg.wav", "test/vfY_TJq7n_U.wav", "test/7fmOlUlwoNg.wav")
    table(tmp_path / "dataset")
    table(tmp_path / "dataset", "train.csv", HEADER + "1,7fmOlUlwoNg,20,A rattle\n")
    return tmp_path


def test_the_test_split_is_taken_and_its_folder_comes_first(audiocaps):
    dataset = read(audiocaps)
    assert dataset.split == "test"
    assert {record.audio.parent.name for record in dataset.records if record.audio} == {"test"}
    assert dataset.warnings == ("only the split test is taken; there are also: train",)


def test_train_is_what_is_learned_from(audiocaps):
    dataset = read(audiocaps, usual=datasets.LEARNED)
    assert dataset.split == "train"
    assert dataset.records[0].audio == audiocaps / "audio" / "train" / "7fmOlUlwoNg.wav"


def test_a_split_that_does_not_exist_is_refused_and_clips_are_counted(audiocaps):
    with pytest.raises(DatasetError, match=r"no split 'val'; there are: test \(2\), train \(1\)"):
        read(audiocaps, split="val")


def test_two_files_of_one_split_must_be_named(audiocaps):
    table(audiocaps / "dataset", "audiocaps_test.csv")
    with pytest.raises(DatasetError, match=r"audiocaps_test.csv and test.csv are both the split test; name one"):
        read(audiocaps)


def test_lines_without_a_video_or_a_caption_are_counted(tmp_path):
    path = table(media(tmp_path, "vfY_TJq7n_U.wav"), content=TEST + "5,,3,a ghost\n6,vfY_TJq7n_U,130,\n")
    assert "lines that make no sense left out: 2, the first: line 5 of test.csv" in read(path).warnings


def test_any_table_of_that_name_is_not_audiocaps(tmp_path):
    path = text(tmp_path / "test.csv", "x,y\n1,2\n")
    with pytest.raises(DatasetError, match="no reader knows this"):
        read(path)
