import pytest

from mmsearch.encoders.clip.needs import Part, configuration, needs
from mmsearch.encoders.clip.source import Source, parse
from mmsearch.errors import UnknownModel, WeightsDamaged


def test_a_tag_needs_its_weights(open_clip):
    (need,) = needs(parse(""))
    assert need.part is Part.WEIGHTS
    assert need.repository == "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert need.files == (("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),)


def test_every_tag_has_a_repository(open_clip):
    for architecture, tag in open_clip.list_pretrained():
        weights = needs(Source(architecture, tag=tag))[0]
        assert weights.part is Part.WEIGHTS
        assert weights.repository.count("/") == 1
        assert weights.files[0][0].endswith(".safetensors")


def test_towers_of_others_need_their_tokenizer_and_configuration(open_clip):
    siglip = needs(parse("ViT-B-16-SigLIP/webli"))
    assert [need.part for need in siglip] == [Part.WEIGHTS, Part.TOKENIZER]
    assert siglip[1].repository == "timm/ViT-B-16-SigLIP"
    xlm = needs(parse("xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k"))
    assert [need.part for need in xlm] == [Part.WEIGHTS, Part.TOKENIZER, Part.TEXT]
    assert xlm[2].files == (("config.json",),)


def test_what_is_on_disk_is_not_needed(open_clip, folder, file, tmp_path):
    assert needs(parse(str(folder))) == ()
    assert needs(parse(f"tiny/{file}")) == ()
    (need,) = needs(parse(f"ViT-B-16-SigLIP/{tmp_path}/w.safetensors"))
    assert need.part is Part.TOKENIZER
    (tmp_path / "tokenizer.json").touch()
    assert needs(parse(f"ViT-B-16-SigLIP/{tmp_path}/w.safetensors")) == ()


def test_a_repository_needs_its_configuration(open_clip):
    (need,) = needs(parse("hf-hub:laion/CLIP"))
    assert need.repository == "laion/CLIP"
    assert ("open_clip_config.json",) in need.files


def test_weights_trained_with_the_other_activation_get_it(open_clip):
    assert configuration(parse("ViT-B-32/openai"))["model_cfg"]["quick_gelu"]
    assert not configuration(parse("ViT-B-32/laion2b_s34b_b79k"))["model_cfg"].get("quick_gelu")


def test_pictures_for_a_file_are_made_as_for_the_tags_of_its_architecture(open_clip):
    siglip = configuration(parse("ViT-B-16-SigLIP/w.safetensors"))["preprocess_cfg"]
    assert siglip["resize_mode"] == "squash"
    assert siglip["mean"] == (0.5, 0.5, 0.5)
    mobile = configuration(parse("MobileCLIP-S1/w.safetensors"))["preprocess_cfg"]
    assert mobile["interpolation"] == "bilinear"
    assert configuration(parse("tiny/w.safetensors"))["preprocess_cfg"] == {}


def test_unknown_tags(open_clip):
    with pytest.raises(UnknownModel, match="ViT-B-32/no"):
        needs(parse("ViT-B-32/no"))


@pytest.mark.parametrize("text", ["", "{}", '{"model_cfg": 1}', '{"model_cfg": {"vision_cfg": {}}}', "[" * 100_000])
def test_configurations_that_are_none(tmp_path, text):
    (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(WeightsDamaged, match="open_clip's configuration"):
        configuration(Source(folder=tmp_path))
