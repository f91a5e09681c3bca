import json
import shutil

import pytest

from mmsearch.encoders.clap import source
from mmsearch.errors import UnknownModel, WeightsDamaged, WeightsMissing


def test_nothing_is_the_default():
    assert source.parse("") == source.Source("laion/clap-htsat-unfused", None, "laion/clap-htsat-unfused")


def test_a_name_is_a_repository():
    assert source.parse("laion/larger_clap_general").repository == "laion/larger_clap_general"


def test_paths_are_folders(tmp_path, monkeypatch):
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    there = tmp_path / "org" / "name"
    for spelling in (str(there), "~/org/name", "./org/name", "./org/../org/name/"):
        assert source.parse(spelling) == source.Source(None, there, str(there)), spelling
    assert source.parse("./not/there").folder == tmp_path / "not" / "there"


@pytest.mark.parametrize("argument", ["laion", "a/b/c", "org/na me", "org/", "https://host/x/y", "org/name\n", "o\0/n"])
def test_what_is_neither_is_refused(argument):
    with pytest.raises(UnknownModel, match="clap:"):
        source.parse(argument)


def test_files_are_settings_and_weights(folder):
    assert [path.name for path in source.files(folder)] == [*source.SETTINGS, "model.safetensors"]


def test_settings_of_newer_repositories(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "new")
    (copied / "preprocessor_config.json").rename(copied / "processor_config.json")
    assert copied / "processor_config.json" in source.files(copied)


def test_all_that_is_missing_is_named(folder, tmp_path):
    with pytest.raises(WeightsMissing, match="no folder"):
        source.files(tmp_path / "none")
    with pytest.raises(WeightsMissing, match="config.json, model.safetensors, preprocessor_config.json, tokenizer"):
        source.files(tmp_path)
    copied = shutil.copytree(folder, tmp_path / "part")
    (copied / "model.safetensors").unlink()
    with pytest.raises(WeightsMissing, match=r": model.safetensors is missing"):
        source.files(copied)


def test_another_architecture_is_named(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "bert")
    (copied / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UnknownModel, match="'bert'"):
        source.files(copied)


@pytest.mark.parametrize("said", ["{", "[]", "\x00", "[" * 100_000])
def test_settings_that_are_no_json(folder, tmp_path, said):
    copied = shutil.copytree(folder, tmp_path / "damaged")
    (copied / "config.json").write_text(said)
    with pytest.raises(WeightsDamaged, match="config.json"):
        source.files(copied)


def test_weights_in_parts(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "parts")
    (copied / "model.safetensors").rename(copied / "model-1.safetensors")
    index = copied / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    with pytest.raises(WeightsMissing, match="model-2.safetensors"):
        source.files(copied)
    shutil.copy(copied / "model-1.safetensors", copied / "model-2.safetensors")
    assert [path.name for path in source.files(copied)][-3:] == [
        index.name,
        "model-1.safetensors",
        "model-2.safetensors",
    ]
    for said in ({}, {"weight_map": {}}, {"weight_map": {"a": "../../x.safetensors"}}):
        index.write_text(json.dumps(said))
        with pytest.raises(WeightsDamaged, match="index"):
            source.files(copied)
