import pytest

from mmsearch.encoders import registry, weights
from mmsearch.encoders.compose import compose
from mmsearch.encoders.fake import fake
from mmsearch.encoders.fake_pair import fake_pair
from mmsearch.errors import DeviceUnavailable, ModelError, UnknownModel


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lite", {"lite": ""}),
        ("clip+clap", {"clip": "", "clap": ""}),
        ("clip:ViT-L-14/laion2b_s32b_b82k + clap:laion/clap-htsat-unfused",
         {"clip": "ViT-L-14/laion2b_s32b_b82k", "clap": "laion/clap-htsat-unfused"}),
        ("clip:ViT-B-32//data/a+b/w.safetensors+clap", {"clip": "ViT-B-32//data/a+b/w.safetensors", "clap": ""}),
        ("clip:./c+clapping/w + fake", {"clip": "./c+clapping/w", "fake": ""}),
        ("clip : ViT-B-32", {"clip": "ViT-B-32"}),
        ("clap:C:\\models\\clap", {"clap": "C:\\models\\clap"}),
    ],
)  # fmt: skip
def test_names(name, expected):
    assert registry.split(name) == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clib", "no model 'clib'.*did you mean clip"),
        ("", "no model ''; there are: lite, lite2, clip, clap, clip.clap, fake"),
        ("clip+clip", "names clip twice"),
        ("lite:large", "lite takes nothing behind a colon, and was given 'large'"),
        ("fake:x", "takes nothing"),
    ],
)
def test_what_is_no_name(name, said):
    with pytest.raises(UnknownModel, match=said):
        registry.load(name)


def test_defaults_are_filled_in():
    assert registry.canonical("clip+clap") == "clip:ViT-B-32/laion2b_s34b_b79k + clap:laion/clap-htsat-unfused"
    full = registry.canonical("clip+clap")
    assert registry.canonical(full) == full


def test_lite_has_no_gpu():
    with pytest.raises(DeviceUnavailable, match="lite runs on the CPU; cuda was asked for"):
        registry.load("lite", "cuda")


def test_the_card_of_two():
    card = weights.card("clip+clap")
    assert card.modalities == ("image", "text", "audio")
    assert card.download == weights.card("clip").download + weights.card("clap").download
    assert len(card.licences) == 2


def test_two_models_that_want_pictures_in_different_ways():
    with pytest.raises(ModelError, match="want pictures in different ways"):
        from dataclasses import replace

        other = replace(fake_pair(), inputs=replace(fake().inputs, image=replace(fake().inputs.image, size=31)))
        compose([fake(), other])


def test_two_models_with_one_space():
    with pytest.raises(ModelError, match="spaces of the same name"):
        compose([fake(), fake()])


def test_passages_fit_the_stricter_of_two():
    from dataclasses import replace

    from mmsearch.types import TextSpec

    short = replace(fake_pair(), inputs=replace(fake().inputs, text=TextSpec(10, lambda text: 2 * len(text.split()))))
    together = compose([fake(), short])
    assert together.inputs.text.max_tokens == 10
    assert together.inputs.text.count_tokens("one two three") == 6
    marked = replace(fake_pair(), inputs=replace(fake().inputs, text=TextSpec(9, lambda text: 2 + len(text.split()))))
    unmarked = replace(fake(), inputs=replace(fake().inputs, text=TextSpec(9, lambda text: 3 * len(text.split()))))
    both = compose([unmarked, marked]).inputs.text
    assert (both.count_tokens(""), both.count_tokens("one")) == (2, 5)  # what a word adds is never too little
    assert {head.space.name for head in together.heads} == {"fake", "eyes", "ears"}
    together.check()
