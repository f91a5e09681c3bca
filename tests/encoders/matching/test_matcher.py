import json
import shutil

import made_matching
import numpy as np
import pytest
from PIL import Image

from mmsearch.encoders import heavy
from mmsearch.encoders.matching.matcher import Matcher
from mmsearch.encoders.matching.source import SHORT, Source, parse
from mmsearch.errors import MediaError, UnknownModel, WeightsDamaged, WeightsMissing

RANDOM = np.random.default_rng(0)
TEXTS = ["a red dog", "the blue sea and two yellow fire engine", "rain", "unknown words " * 20]
KINDS = ["blip", "vilt"]


def photo(width, height):
    noise = RANDOM.integers(0, 256, (5, 6, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


PHOTOS = [photo(80, 60), photo(60, 90), photo(200, 200), photo(300, 50)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch = heavy.torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=KINDS)
def made(request, tmp_path_factory):
    """The folder of a small model, and the model as transformers has it."""
    folder = tmp_path_factory.mktemp(request.param)
    return folder, getattr(made_matching, request.param)(folder)


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "model")


def of(folder):
    return Matcher(Source(folder=folder), "cpu")


def test_pairs_match_as_in_transformers(made, capfd):
    folder, model = made
    judge = of(folder)
    pictures = [judge.picture(one) for one in PHOTOS]
    fed = {}
    real = judge._tower.run
    judge._tower.run = lambda feed: fed.update(feed) or real(feed)
    found = judge.match(pictures, TEXTS)
    expected = made_matching.reference(model, *(fed[name] for name in ("pixels", "seen", "ids", "mask")))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected) > 0.01 and found.min() > 0 and found.max() < 1
    assert capfd.readouterr() == ("", "")


def test_company_does_not_matter(made):
    judge = of(made[0])
    pictures = [judge.picture(one) for one in PHOTOS]
    together = judge.match(pictures, TEXTS)
    alone = [judge.match([one], [text])[0] for one, text in zip(pictures, TEXTS, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_long_texts_are_cut_and_short_ones_are_not(made):
    judge = of(made[0])
    picture = judge.picture(PHOTOS[0])
    long = "a dog " * 30
    both = judge.match([picture] * 3, [long, long + "sea", "a dog a dog sea"])
    assert both[0] == pytest.approx(both[1], abs=1e-5)  # 16 tokens are read, not the 5 that tokenizer.json says
    assert abs(both[2] - judge.match([picture], ["a dog a dog fire"])[0]) > 1e-6


def test_pixels_are_those_of_the_settings(made):
    folder, model = made
    judge = of(folder)
    pictures = [judge.picture(one) for one in PHOTOS]
    shapes = [picture.shape[1::-1] for picture in pictures]
    if model.config.model_type == "blip":
        assert shapes == [(32, 32)] * 4
        expected = np.asarray(PHOTOS[0].resize((32, 32), Image.Resampling.BICUBIC), np.float32)
        assert np.abs(pictures[0].astype(np.float32) - expected).mean() < 2
    else:
        # `get_resize_output_image_size` of transformers: short side 32, long one at most 53, both whole patches
        assert shapes == [(40, 32), (32, 48), (32, 32), (48, 8)]
        for picture, one, shape in zip(pictures, PHOTOS, shapes, strict=True):
            expected = np.asarray(one.resize(shape, Image.Resampling.BICUBIC), np.float32)
            assert np.abs(picture.astype(np.float32) - expected).mean() < 4
    values, mask = judge._pixels.batch(pictures)
    assert values.dtype == np.float32 and mask.shape == (4, *values.shape[2:])
    width, height = shapes[-1]
    assert mask[-1].sum() == width * height and not values[-1][:, mask[-1] == 0].any()
    np.testing.assert_allclose(values[-1][0, 0, 0], (pictures[-1][0, 0, 0] / 255 - 0.4) / 0.2, rtol=1e-5)


def test_a_page_that_is_not_there(made, tmp_path):
    path = tmp_path / "two.tiff"
    PHOTOS[0].save(path, save_all=True, append_images=[PHOTOS[2]])
    judge = of(made[0])
    assert not np.array_equal(judge.picture(path, 1), judge.picture(path, 2))
    with pytest.raises(MediaError, match="no page 3"):
        judge.picture(path, 3)


def test_folders_that_are_no_matching_model(copied, tmp_path):
    with pytest.raises(WeightsMissing, match="there is no folder"):
        of(tmp_path / "none")
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"model_type": "clip"}))
    with pytest.raises(UnknownModel, match="of type 'clip'; matching models are of type blip or vilt"):
        of(copied)
    (copied / "tokenizer.json").unlink()
    (copied / "model.safetensors").unlink()
    with pytest.raises(WeightsMissing, match="lacks tokenizer.json, model.safetensors"):
        of(copied)


def test_damaged_weights(copied):
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    judge = of(copied)
    with pytest.raises(WeightsDamaged, match="model.safetensors"):
        judge.match([judge.picture(PHOTOS[0])], ["a dog"])


def test_weights_of_another_model(made, copied):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    del tensors[next(name for name in tensors if name.startswith(("itm_head", "rank_output")))]
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    judge = of(copied)
    with pytest.raises(WeightsDamaged, match="lacks 1 weights, such as (itm_head|rank_output)"):
        judge.match([judge.picture(PHOTOS[0])], ["a dog"])


@pytest.mark.parametrize(
    ("setting", "value"),
    [("size", {"width": "x"}), ("size", 0), ("image_mean", [0.5]), ("image_std", [0.5, 0, 0.5]), ("image_std", "x")],
)
def test_settings_that_make_no_sense(copied, setting, value):
    path = copied / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {setting: value}))
    with pytest.raises(WeightsDamaged, match=r"preprocessor_config.json does not say how large"):
        of(copied)


def test_newer_repositories_have_another_file_of_settings(copied):
    path = copied / "preprocessor_config.json"
    (copied / "processor_config.json").write_text(json.dumps({"image_processor": json.loads(path.read_text())}))
    path.unlink()
    assert of(copied)._pixels.side == 32


def test_names_of_models(tmp_path):
    assert parse("") == parse("blip") == Source(repository="Salesforce/blip-itm-base-coco")
    assert str(parse(" vilt ")) == SHORT["vilt"]
    assert parse("me/mine").repository == "me/mine"
    assert parse(str(tmp_path)).folder == tmp_path
    assert parse("./here").folder.is_absolute()
    for name in ("bilp", "a/b/c", "~nobody-of-that-name/x"):
        with pytest.raises(UnknownModel):
            parse(name)
    with pytest.raises(UnknownModel, match="did you mean blip"):
        parse("bilp")


def test_the_hub_that_cannot_be_reached(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing, match="cross:nobody/nothing .*cross:./FOLDER"):
        Matcher(Source(repository="nobody/nothing"), "cpu")
