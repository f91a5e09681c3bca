import json
import os
import shutil

import pytest

from mmsearch.encoders import heavy, pretrained
from mmsearch.encoders.clap import prepare, weights
from mmsearch.errors import UnknownModel, WeightsDamaged

SAFE, BIN = "model.safetensors", "pytorch_model.bin"


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "model")


def state(folder):
    from safetensors.torch import load_file

    return load_file(folder / SAFE)


def save(tensors, folder):
    from safetensors.torch import save_file

    save_file(tensors, folder / SAFE, metadata={"format": "pt"})


def change(path, *keys, value):
    said = json.loads(path.read_text())
    inner = said
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(said))


def same(model, folder):
    torch = heavy.torch()
    expected, found = state(folder), model.state_dict()
    return all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_the_model_is_what_is_in_the_file(folder, capfd):
    model = weights.load(folder)
    assert same(model, folder) and not model.training and model.dtype == heavy.torch().float32
    assert capfd.readouterr() == ("", "")


def test_half_precision_becomes_single(copied):
    save({name: one.half() if one.is_floating_point() else one for name, one in state(copied).items()}, copied)
    assert weights.load(copied).dtype == heavy.torch().float32


def test_weights_in_parts(folder, copied):
    weights.load(copied).save_pretrained(copied, max_shard_size="200KB")
    (copied / SAFE).unlink(missing_ok=True)
    assert len(list(copied.glob("model-*.safetensors"))) > 1
    assert same(weights.load(copied), folder)
    last = max(copied.glob("model-*.safetensors"))
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(WeightsDamaged, match=last.name):
        weights.load(copied)


def test_a_checkpoint_of_torch(folder, copied):
    heavy.torch().save(state(copied), copied / BIN)
    (copied / SAFE).unlink()
    assert same(weights.load(copied), folder)
    (copied / BIN).write_bytes((copied / BIN).read_bytes()[:5000])
    with pytest.raises(WeightsDamaged, match=BIN):
        weights.load(copied)


class Hostile:
    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


def test_a_pickle_that_wants_to_run_code_does_not(copied, tmp_path):
    (copied / SAFE).unlink()
    heavy.torch().save({"weight": Hostile(tmp_path / "made")}, copied / BIN)
    with pytest.raises(WeightsDamaged, match="wants to run code"):
        weights.load(copied)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("kept", [0, 100, 10_000, -1])
def test_a_truncated_file(copied, kept):
    (copied / SAFE).write_bytes((copied / SAFE).read_bytes()[:kept])
    with pytest.raises(WeightsDamaged, match=r"model.safetensors of \d+ bytes is no whole safetensors file"):
        weights.load(copied)


def test_a_missing_weight_is_not_made_up(copied):
    tensors = state(copied)
    del tensors["text_projection.linear1.weight"]
    save(tensors, copied)
    with pytest.raises(WeightsDamaged, match="lacks 1 weights, such as text_projection.linear1.weight"):
        weights.load(copied)


def test_tables_that_follow_from_the_settings_may_be_missing(folder, copied):
    left = {name: one for name, one in state(copied).items() if not name.endswith(pretrained.TABLES)}
    assert len(left) < len(state(folder))
    save(left, copied)
    assert same(weights.load(copied), folder)


def test_settings_of_another_model(copied):
    change(copied / "config.json", "text_config", "intermediate_size", value=48)
    with pytest.raises(WeightsDamaged, match=r"shape.*\(64,\) instead of \(48,\)"):
        weights.load(copied)


def test_layers_that_the_settings_do_not_know(copied):
    change(copied / "config.json", "text_config", "num_hidden_layers", value=1)
    with pytest.raises(WeightsDamaged, match="layer.1"):
        weights.load(copied)


@pytest.mark.parametrize("value", ["many", 33])
def test_settings_that_make_no_model(copied, value):
    change(copied / "config.json", "text_config", "hidden_size", value=value)
    with pytest.raises(WeightsDamaged, match="config.json"):
        weights.load(copied)


def test_settings_that_do_not_fit_together(copied, tmp_path):
    def refused(**kinds):
        return pytest.raises(WeightsDamaged, **kinds)

    change(copied / "preprocessor_config.json", "max_length_s", value=11)
    with refused(match="1101"):
        prepare(copied, tmp_path, None)
    change(copied / "preprocessor_config.json", "max_length_s", value="?")
    with refused(match="preprocessor_config.json"):
        prepare(copied, tmp_path, None)
    change(copied / "preprocessor_config.json", "max_length_s", value=10)
    tokens = json.loads((copied / "tokenizer.json").read_text())
    first, mark = len(tokens["model"]["vocab"]), tokens["added_tokens"][-1]
    tokens["added_tokens"] += [{**mark, "id": first + i, "content": f"<{i}>"} for i in range(400)]
    (copied / "tokenizer.json").write_text(json.dumps(tokens))
    with refused(match="config.json knows 400"):
        prepare(copied, tmp_path, None)
    (copied / "tokenizer.json").write_text("{}")
    with refused(match="tokenizer.json"):
        prepare(copied, tmp_path, None)


def test_a_fusion_that_transformers_cannot_run(tmp_path):
    import made_clap

    audio = {**made_clap.SETTINGS["audio_config"], "fusion_type": "channel_map"}
    made_clap.save(tmp_path, fused=True, settings={**made_clap.SETTINGS, "audio_config": audio})
    with pytest.raises(UnknownModel, match="channel_map"):
        prepare(tmp_path, tmp_path, None)
