from pathlib import Path

import pytest

from mmsearch.encoders.clip.source import Source, check, default_tag, find, parse
from mmsearch.errors import UnknownModel, WeightsMissing


@pytest.mark.parametrize(
    ("argument", "source"),
    [
        ("", Source("ViT-B-32", tag="laion2b_s34b_b79k")),
        ("ViT-B-16", Source("ViT-B-16")),
        ("ViT-B-32/openai", Source("ViT-B-32", tag="openai")),
        ("ViT-B-32/~/w/b32.safetensors", Source("ViT-B-32", file=Path.home() / "w/b32.safetensors")),
        ("ViT-B-32//abs/w.pt", Source("ViT-B-32", file=Path("/abs/w.pt"))),
        ("ViT-B-32//abs/w", Source("ViT-B-32", file=Path("/abs/w"))),
        ("ViT-B-32/w/b32.pth", Source("ViT-B-32", file=Path.cwd() / "w/b32.pth")),
        ("ViT-B-32/./b32", Source("ViT-B-32", file=Path.cwd() / "b32")),
        ("~/models/b32", Source(folder=Path.home() / "models/b32")),
        ("./b32", Source(folder=Path.cwd() / "b32")),
        ("/models/b32", Source(folder=Path("/models/b32"))),
        ("hf-hub:laion/CLIP", Source(repository="laion/CLIP")),
    ],
)
def test_what_is_named(argument, source):
    assert parse(argument) == source
    assert parse(source.canonical) == source


def test_the_canonical_text_does_not_depend_on_the_working_folder(monkeypatch, tmp_path):
    written = parse("ViT-B-32/w.pt").canonical
    monkeypatch.chdir(tmp_path)
    assert parse(written).canonical == written
    assert parse("ViT-B-32/w.pt").canonical != written


@pytest.mark.parametrize(
    ("argument", "said"), [("hf-hub:laion", "OWNER/NAME"), ("./b32.pt", "ViT-B-32/./b32.pt"), ("hf-hub:", "OWNER/NAME")]
)
def test_texts_that_name_nothing(argument, said):
    with pytest.raises(UnknownModel, match=said):
        parse(argument)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("ViT-B32", "the nearest are .*ViT-B-32"),
        ("vit-b-32-siglip2", "ViT-B-32-SigLIP2-256"),
        ("ViT-B-32/laion2b_s34b", "laion2b_s34b_b79k"),
        ("ViT-B-16-SigLIP/laion2b", "it has webli"),
        ("ViT-M-32", "knows no weights of ViT-M-32; give a file"),
    ],
)
def test_names_that_open_clip_does_not_know(open_clip, argument, said):
    with pytest.raises(UnknownModel, match=said):
        check(parse(argument))


def test_files_and_folders_that_are_not_there(open_clip, tmp_path):
    with pytest.raises(WeightsMissing, match=r"gone\.pt is not there"):
        check(parse(f"ViT-B-32/{tmp_path}/gone.pt"))
    with pytest.raises(WeightsMissing, match="gone is not there"):
        check(parse(f"{tmp_path}/gone"))
    with pytest.raises(WeightsMissing, match=r"open_clip_config\.json"):
        check(parse(str(tmp_path)))
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(WeightsMissing, match="has no weights"):
        check(parse(str(tmp_path)))


def test_the_better_file_of_a_folder(tmp_path):
    for name in ("z.bin", "b.safetensors", "a.pt"):
        (tmp_path / name).touch()
    assert find(tmp_path).name == "b.safetensors"
    (tmp_path / "open_clip_pytorch_model.bin").touch()
    assert find(tmp_path).name == "open_clip_pytorch_model.bin"


def test_every_architecture_with_tags_has_a_default(open_clip):
    assert check(parse("ViT-B-32")).tag == "laion2b_s34b_b79k"
    assert check(parse("ViT-B-16-SigLIP")).tag == "webli"
    for architecture in open_clip.list_models():
        if tags := open_clip.list_pretrained_tags_by_model(architecture):
            assert default_tag(architecture, tags) in tags
