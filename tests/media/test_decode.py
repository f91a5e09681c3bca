import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmsearch.errors import MediaError
from mmsearch.media.decode import read
from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Medium, Modality, TextSpec

SPEC = InputSpec(ImageSpec(32, 32), AudioSpec(8_000), TextSpec(20, lambda passage: len(passage.split())))


def picture():
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "PNG")
    return file.getvalue()


def sound():
    file = io.BytesIO()
    soundfile.write(file, np.zeros(800), 8_000, format="WAV")
    return file.getvalue()


CONTENTS = {
    Modality.IMAGE: (picture(), ".jpg", "image (PNG)"),
    Modality.AUDIO: (sound(), ".mp3", "audio (WAV)"),
    Modality.TEXT: (b"only words here", ".txt", "text"),
}


@pytest.mark.parametrize("modality", Modality)
def test_every_modality_is_read_from_bytes_and_paths(modality, tmp_path):
    content, suffix, _ = CONTENTS[modality]
    (tmp_path / "a").write_bytes(content)
    for source in (content, tmp_path / "a"):
        (medium,) = read(source, modality, SPEC, suffix)
        assert isinstance(medium, Medium)
        assert medium.modality is modality
        assert len(list(medium.segments)) == 1


def test_records_are_several_media():
    good, bad = read(b'{"text": "x", "id": 1}\n{', Modality.TEXT, SPEC, ".JSONL")
    assert good.key == "1"
    assert isinstance(bad, MediaError)


def test_an_unknown_suffix_leaves_it_to_the_modality():
    (medium,) = read(b"words", Modality.TEXT, SPEC, ".log")
    assert [segment.content for segment in medium.segments] == ["words"]


@pytest.mark.parametrize("said", Modality)
@pytest.mark.parametrize("held", Modality)
def test_a_wrong_suffix_names_both_modalities(said, held):
    if said is held:
        return
    content, _, name = CONTENTS[held]
    suffix = CONTENTS[said][1]
    with pytest.raises(MediaError) as caught:
        list(read(content, said, SPEC, suffix))
    assert str(caught.value) == f"the suffix {suffix} says {said}, but the content is {name}"


def test_a_picture_named_as_records_is_one_error():
    with pytest.raises(MediaError, match=r"the suffix \.jsonl says text, but the content is image \(PNG\)"):
        list(read(picture(), Modality.TEXT, SPEC, ".jsonl"))


def test_a_broken_file_of_the_right_kind_keeps_its_own_reason():
    with pytest.raises(MediaError, match="truncated|broken"):
        list(read(picture()[:60], Modality.IMAGE, SPEC, ".png"))
    with pytest.raises(MediaError, match="empty: 0 bytes"):
        list(read(b"", Modality.IMAGE, SPEC, ".png"))


@pytest.mark.parametrize("modality", Modality)
def test_a_modality_that_the_model_does_not_know(modality):
    content, suffix, _ = CONTENTS[modality]
    with pytest.raises(MediaError, match=f"the model does not know the modality {modality}"):
        list(read(content, modality, InputSpec(), suffix))


def test_importing_it_loads_no_decoder():
    code = (
        "import sys, mmsearch.media.decode, mmsearch.media.scan, mmsearch.media.sidecar;"
        "print([name for name in ('PIL', 'soundfile', 'soxr', 'numpy') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
