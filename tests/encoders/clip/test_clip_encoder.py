import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mmsearch.encoders.base import Batch
from mmsearch.encoders.clip import IMAGE, TEXT, modules_of, prepare, weights
from mmsearch.encoders.clip.encoder import ClipEncoder, Shape
from mmsearch.encoders.clip.source import parse
from mmsearch.encoders.clip.tokens import Tokenizer
from mmsearch.encoders.export import ExportFailed, export
from mmsearch.encoders.towers import OnnxTower
from mmsearch.media.image.decode import decode
from mmsearch.types import ImageSpec, Modality, Role

TEXTS = ["two cats on a mat, with a hat", "a dog", "", "word " * 40, "ñandú 🐦", "a dog on the beach"]


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    """A prepared folder and its card."""
    staging = tmp_path_factory.mktemp("prepared")
    return staging, prepare(weights.load(parse(str(folder))), staging, export)


@pytest.fixture(scope="module")
def encoder(prepared):
    return made(*prepared, rows=4)


def made(staging, card, rows):
    towers = OnnxTower(staging / IMAGE), OnnxTower(staging / TEXT, mapped=True)
    return ClipEncoder("clip-tiny", "1", Shape(card["dim"], rows), *towers, Tokenizer(staging))


@pytest.fixture(scope="module")
def photos():
    """Encoded pictures of many shapes: smooth, as photos are, with some detail."""
    chance = np.random.default_rng(0)
    found = []
    for width, height in ((64, 64), (50, 200), (320, 240), (500, 375), (33, 31), (1600, 1200)):
        coarse = Image.fromarray(chance.integers(0, 256, (8, 6, 3), np.uint8)).resize((width, height), 3)
        noise = chance.normal(0, 8, (height, width, 3))
        picture = Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8))
        encoded = io.BytesIO()
        picture.save(encoded, "PNG" if width < 100 else "JPEG", quality=90)
        found.append(encoded.getvalue())
    return found


def pictures(photos, spec):
    return [next(decode(photo, spec).segments).content for photo in photos]


def encode(encoder, modality, contents):
    return encoder.encode(Batch(modality, contents), Role.DOCUMENT)


def test_the_card(prepared):
    staging, card = prepared
    assert json.loads(json.dumps(card)) == card | {"preprocessing": json.loads(json.dumps(card["preprocessing"]))}
    assert card["dim"] == 64
    assert ImageSpec(**card["image"]) == ImageSpec(32, 32)
    assert (card["context_length"], card["fixed_length"], card["not_exported"]) == (16, False, {})
    assert card["parameters"] > 49408 * 32
    assert card["licence"] is None
    assert card["scale"] == pytest.approx(1 / 0.07)  # as open_clip makes it
    assert (staging / IMAGE).is_file() and (staging / TEXT).is_file()


def test_pictures_are_as_open_clips(torch, reference, encoder, prepared, folder, photos):
    open_clip_spec = ImageSpec(**prepared[1]["image"])
    from mmsearch.encoders import heavy

    own = heavy.open_clip().create_model_from_pretrained(f"local-dir:{folder}")
    model, preprocess = own
    given = torch.stack([preprocess(Image.open(io.BytesIO(photo))) for photo in photos])
    with torch.inference_mode():
        wanted = model.eval().encode_image(given, normalize=True).numpy()
    found = encode(encoder, Modality.IMAGE, pictures(photos, open_clip_spec))
    assert (found * wanted).sum(1).min() > 0.9999


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_are_prepared_as_open_clips(torch, open_clip, photos, mode, interpolation):
    own = weights.Preprocessing(32, (0.5,) * 3, (0.5,) * 3, interpolation, mode)
    transform = open_clip.image_transform(
        32, is_train=False, mean=own.mean, std=own.std, interpolation=interpolation, resize_mode=mode
    )
    for photo, found in zip(photos, pictures(photos, own.spec), strict=True):
        wanted = transform(Image.open(io.BytesIO(photo))).permute(1, 2, 0).numpy() * 127.5 + 127.5
        difference = np.abs(found - wanted)
        assert difference.mean() < 1.5  # of 255: the largest is decoded at a half
        assert difference.max() < (3 if len(photo) < 100_000 else 40)


def test_texts_are_as_open_clips(torch, open_clip, reference, encoder):
    with torch.inference_mode():
        wanted = reference.encode_text(open_clip.get_tokenizer("tiny")(TEXTS), normalize=True).numpy()
    found = encode(encoder, Modality.TEXT, TEXTS)
    assert found.dtype == np.float32
    assert (found * wanted).sum(1).min() > 0.9999


@pytest.mark.parametrize("rows", [1, 2, 64])
def test_batches_and_order_do_not_matter(prepared, encoder, photos, rows):
    other = made(*prepared, rows=rows)
    for modality, contents in ((Modality.TEXT, TEXTS), (Modality.IMAGE, pictures(photos, ImageSpec(32, 32)))):
        wanted = encode(encoder, modality, contents)
        np.testing.assert_allclose(encode(other, modality, contents[::-1])[::-1], wanted, atol=1e-5)


def test_nothing_to_encode(encoder):
    assert encode(encoder, Modality.TEXT, []).shape == (0, 64)
    assert encode(encoder, Modality.IMAGE, []).shape == (0, 64)


def test_a_text_needs_no_torch(prepared, encoder):
    code = """
import sys
from pathlib import Path
from mmsearch.encoders.base import Batch
from mmsearch.encoders.clip.encoder import ClipEncoder, Shape
from mmsearch.encoders.clip.tokens import Tokenizer
from mmsearch.encoders.towers import OnnxTower
from mmsearch.types import Modality, Role
folder = Path(sys.argv[1])
tower = OnnxTower(folder / "text.onnx", mapped=True)
encoder = ClipEncoder("clip", "1", Shape(64, 4), tower, tower, Tokenizer(folder))
print(encoder.encode(Batch(Modality.TEXT, ["a dog", "schön"]), Role.QUERY).tolist())
assert not {"torch", "open_clip", "transformers", "onnx"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, prepared[0]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), encode(encoder, Modality.TEXT, ["a dog", "schön"]), atol=1e-5)


def test_what_cannot_be_exported_is_left_to_torch(folder, tmp_path):
    def refuse(module, example, path, dynamic, *, mapped=False):
        raise ExportFailed(f"{path.stem} cannot be exported")

    card = prepare(weights.load(parse(str(folder))), tmp_path, refuse)
    assert card["not_exported"] == {IMAGE: "image cannot be exported", TEXT: "text cannot be exported"}
    assert card["dim"] == 64
    assert Tokenizer(tmp_path).count("a dog") == 4


@pytest.mark.large
def test_the_default_architecture(torch, open_clip, tmp_path):
    from mmsearch.encoders import heavy

    config = heavy.open_clip().get_model_config("ViT-B-32")
    torch.manual_seed(0)
    torch.save(weights.build(config, "ViT-B-32").state_dict(), tmp_path / "w.pt")
    reference = open_clip.create_model("ViT-B-32", pretrained=str(tmp_path / "w.pt")).eval()
    loaded = weights.load(parse(f"ViT-B-32/{tmp_path}/w.pt"))
    image, text = modules_of(loaded.model, loaded.preprocessing.mean, loaded.preprocessing.std)
    given = torch.randint(0, 256, (4, 224, 224, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(one)[:, None, None] for one in (loaded.preprocessing.mean, loaded.preprocessing.std))
    ids = open_clip.get_tokenizer("ViT-B-32")(TEXTS)
    with torch.inference_mode():
        wanted = reference.encode_image((given.permute(0, 3, 1, 2) / 255 - mean) / std, normalize=True)
        assert (image(given) * wanted).sum(1).min() > 0.999999
        assert (text(ids) * reference.encode_text(ids, normalize=True)).sum(1).min() > 0.999999
        short = ids[:2, : int((ids[:2] != 0).sum(1).max())]
        assert (text(short) * reference.encode_text(ids[:2], normalize=True)).sum(1).min() > 0.999999
