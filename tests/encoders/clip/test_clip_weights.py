import json
import pickle
import re

import pytest
from made_clip import TINY

from mmsearch.encoders.clip import weights
from mmsearch.encoders.clip.needs import Part
from mmsearch.encoders.clip.source import Source, parse
from mmsearch.errors import ModelError, WeightsDamaged, WeightsMissing
from mmsearch.types import ImageSpec


class Evil:
    def __reduce__(self):
        import os

        return os.mkdir, (str(self.place),)

    def __init__(self, place):
        self.place = place


def same(loaded, state):
    found = loaded.model.state_dict()
    assert found.keys() == state.keys()
    return all((found[name] == state[name]).all() for name in state)


def test_safetensors(file, state):
    loaded = weights.load(parse(f"tiny/{file}"))
    assert same(loaded, state)
    assert loaded.file == file
    assert not loaded.model.training


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_checkpoints_of_training(torch, open_clip, state, tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": one for name, one in state.items()}}, path)
    assert same(weights.load(parse(f"tiny/{path}")), state)
    torch.save(state, path)
    assert same(weights.load(parse(f"tiny/{path}")), state)


def test_half_precision_becomes_single(torch, open_clip, state, tmp_path):
    torch.save({name: tensor.half() for name, tensor in state.items()}, tmp_path / "w.pt")
    found = weights.load(parse(f"tiny/{tmp_path}/w.pt")).model.state_dict()
    assert all(tensor.dtype == torch.float32 for tensor in found.values())


def test_other_sizes_are_resized_as_open_clip_does(torch, open_clip, state, tmp_path):
    longer = dict(state)
    longer["positional_embedding"] = torch.randn(20, 32)
    longer["visual.positional_embedding"] = torch.randn(3 * 3 + 1, 64)
    torch.save(longer, tmp_path / "w.pt")
    wanted = open_clip.create_model("tiny", pretrained=str(tmp_path / "w.pt")).state_dict()
    assert same(weights.load(parse(f"tiny/{tmp_path}/w.pt")), wanted)


def test_a_folder_says_how_pictures_are_made(folder, state):
    loaded = weights.load(parse(str(folder)))
    assert same(loaded, state)
    assert loaded.preprocessing.mean == (0.1, 0.2, 0.3)
    assert loaded.preprocessing.spec == ImageSpec(32, 32)


def test_a_repository_that_was_fetched(folder, state):
    source = Source(repository="somebody/tiny")
    assert same(weights.load(source, {Part.WEIGHTS: folder}), state)
    with pytest.raises(WeightsMissing, match="hf-hub:somebody/tiny"):
        weights.load(source)


def test_what_was_not_fetched_is_named(open_clip):
    with pytest.raises(WeightsMissing, match=r"open_clip_model\.safetensors .* of laion/CLIP-ViT-B-32-laion2B"):
        weights.load(parse(""))


@pytest.mark.parametrize("protocol", [None, 0, 2, 4, 5])
def test_a_pickle_that_wants_to_run_code_does_not(torch, open_clip, state, tmp_path, protocol):
    place, path = tmp_path / "made", tmp_path / "w.pt"
    if protocol is None:
        torch.save(state | {"extra": Evil(place)}, path)
    else:
        path.write_bytes(pickle.dumps(Evil(place), protocol))
    with pytest.raises(WeightsDamaged, match=r"wants to run code \((\w+\.mkdir|Unsupported operand \d+)\)"):
        weights.load(parse(f"tiny/{path}"))
    assert not place.exists()


def test_a_program_is_not_run(torch, open_clip, tmp_path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(WeightsDamaged, match="TorchScript archive"):
        weights.load(parse(f"tiny/{tmp_path}/w.pt"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("keep", [0, 5, 1000, -1000, -1])
def test_files_that_were_cut_short(torch, file, state, tmp_path, suffix, keep):
    path = tmp_path / f"w{suffix}"
    if suffix == ".pt":
        torch.save(state, path)
    content = file.read_bytes() if suffix == ".safetensors" else path.read_bytes()
    path.write_bytes(content[:keep])
    with pytest.raises(WeightsDamaged, match=f"{re.escape(str(path))} cannot be read"):
        weights.load(parse(f"tiny/{path}"))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([1, 2], "holds list"),
        ({}, "an empty dictionary"),
        ({"epoch": 3}, "a dictionary with epoch"),
        ({"state_dict": {}}, "an empty dictionary"),
    ],
)
def test_files_without_weights(torch, open_clip, tmp_path, made, said):
    torch.save(made, tmp_path / "w.pt")
    with pytest.raises(WeightsDamaged, match=said):
        weights.load(parse(f"tiny/{tmp_path}/w.pt"))


def test_weights_of_another_architecture_are_recognised(open_clip, file):
    with pytest.raises(
        WeightsDamaged, match=r"weights of tiny-other: .*visual\.conv1\.weight.*look like tiny"
    ) as error:
        weights.load(parse(f"tiny-other/{file}"))
    assert "(64, 3, 16, 16) and not (96, 3, 8, 8)" in str(error.value)


def test_weights_of_something_else(torch, open_clip, tmp_path):
    torch.save({"encoder.weight": torch.ones(2, 2)}, tmp_path / "w.pt")
    with pytest.raises(WeightsDamaged, match=r"it lacks .* and \d+ more; it has besides encoder.weight"):
        weights.load(parse(f"tiny/{tmp_path}/w.pt"))


def test_a_lacking_tensor_is_named(torch, open_clip, state, tmp_path):
    torch.save({name: one for name, one in state.items() if name != "visual.proj"}, tmp_path / "w.pt")
    with pytest.raises(WeightsDamaged, match=r"it lacks visual\.proj"):
        weights.load(parse(f"tiny/{tmp_path}/w.pt"))


def test_weights_that_are_no_numbers(torch, open_clip, state, tmp_path):
    torch.save(state | {"ln_final.bias": torch.full((32,), float("nan"))}, tmp_path / "w.pt")
    with pytest.raises(WeightsDamaged, match=r"ln_final\.bias holds values that are not numbers"):
        weights.load(parse(f"tiny/{tmp_path}/w.pt"))


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("model_cfg", {"colour": 1}, "cannot build"),
        ("model_cfg", {"vision_cfg": TINY["vision_cfg"] | {"image_size": [32, 64]}}, "32 x 64|64 x 32"),
        ("preprocess_cfg", {"resize_mode": "longest"}, "fitted by 'longest'"),
    ],
)
def test_configurations_that_cannot_be_used(folder, tmp_path, part, change, said):
    config = json.loads((folder / "open_clip_config.json").read_text())
    config[part] |= change
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "open_clip_model.safetensors").symlink_to(folder / "open_clip_model.safetensors")
    with pytest.raises(ModelError, match=said):
        weights.load(parse(str(tmp_path)))


def test_the_activation_of_the_tag_is_taken(torch, open_clip):
    """What `create_model` leaves at a warning."""
    config = weights.configuration(parse("ViT-B-32/openai"))["model_cfg"]
    config |= {"vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}}
    config["text_cfg"] |= {"layers": 1, "width": 32, "heads": 2}
    block = weights.build(config, "openai").visual.transformer.resblocks[0]
    assert type(block.mlp.gelu).__name__ == "QuickGELU"
