import contextlib
import io
import os
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from made_pictures import RED, SPEC, SQUASH, WHITE, by_hand, content, difference, encoded, heif, scene
from PIL import Image, TiffImagePlugin

from mmsearch.errors import MediaError
from mmsearch.media.image import decode as image
from mmsearch.media.image import exif, pixels
from mmsearch.types import ImageSpec, Modality


@pytest.mark.parametrize("size", [(640, 480), (333, 501), (224, 224), (256, 256), (50, 31), (257, 1000), (1500, 1023)])
@pytest.mark.parametrize("spec", [SPEC, SQUASH, ImageSpec(240, 274), ImageSpec(224, 224)])
def test_equals_resize_and_centre_crop(size, spec):
    picture = scene(*size)
    off = difference(content(encoded(picture, "PNG"), spec), by_hand(picture, spec))
    assert off.mean() < (0.25 if min(size) >= 4 * spec.size else 0.05)
    assert off.max() <= 2


def test_large_pictures_differ_by_rounding_only():
    noisy = np.asarray(scene(2400, 1800)).astype(int) + np.random.default_rng(1).integers(-9, 10, (1800, 2400, 3))
    picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    off = difference(content(picture), by_hand(picture, SPEC))
    assert off.mean() < 0.25
    assert off.max() <= 2


@pytest.mark.parametrize("size", [(2400, 1800), (2411, 1603), (1031, 1027), (4099, 2050)])
def test_large_jpegs_decoded_small_stay_in_place(size):
    """Draft sizes are rounded up; ignoring that would shift the picture by up to a pixel of its own."""
    data = encoded(scene(*size), "JPEG", quality=95)
    off = difference(content(data), by_hand(Image.open(io.BytesIO(data)).convert("RGB"), SPEC))
    assert off.mean() < 0.5
    assert off.max() <= 4


def test_large_jpegs_are_decoded_at_reduced_size(monkeypatch):
    seen = []
    opaque = pixels.opaque
    monkeypatch.setattr(pixels, "opaque", lambda picture, least: seen.append(picture.size) or opaque(picture, least))
    medium = image.decode(encoded(scene(4100, 2060), "JPEG"), SPEC)
    assert seen == [(1025, 515)]  # 1/4: the short side stays above twice 256
    assert medium.properties == {"width": 4100, "height": 2060}
    image.decode(encoded(scene(1000, 900), "JPEG"), SPEC)
    assert seen[1] == (1000, 900)


@pytest.mark.parametrize("size", [(1, 1), (10, 100_000), (60_000, 1), (2, 3)])
def test_tiny_and_very_long_pictures(size):
    assert (content(Image.new("RGB", size, RED)) == RED).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("AVIF", {}), ("HEIF", {})],
)
def test_pictures_are_turned_upright(orientation, kind, options):
    upright = scene(300, 200)
    stored = upright
    for step in {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(orientation, []):
        stored = stored.transpose(step)
    tags = Image.Exif()
    tags[0x0112] = orientation
    options = {"quality": 95} | options
    data = heif(stored, tags.tobytes(), **options) if kind == "HEIF" else encoded(stored, kind, exif=tags, **options)
    medium = image.decode(data, SPEC)
    assert (medium.properties["width"], medium.properties["height"]) == (300, 200)
    assert difference(next(medium.segments).content, by_hand(upright, SPEC)).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize(
    ("said", "iso"),
    [("2021:07:03 18:05:09", "2021-07-03T18:05:09"), ("0000:00:00 00:00:00", None), ("2021:13:03 18:05:09", None)],
)
def test_the_date_taken_is_iso(kind, said, iso):
    if kind == "TIFF":  # Pillow writes its EXIF part only when asked this way
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[0x8769] = {0x9003: said}
        data = encoded(scene(20, 20), kind, tiffinfo=tags)
    else:
        tags = Image.Exif()
        tags[0x010F] = "somebody"  # without a tag of its own, the main directory is left out of an AVIF
        tags.get_ifd(0x8769)[0x9003] = said
        picture = scene(20, 20)
        data = heif(picture, tags.tobytes()) if kind == "HEIF" else encoded(picture, kind, exif=tags)
    assert image.decode(data, SPEC).properties.get("taken") == iso


def test_exif_reads_both_byte_orders():
    for order, mark in (("<", b"II*\0"), (">", b"MM\0*")):
        block = mark + struct.pack(order + "I H HHIHH I", 8, 1, 0x0112, 3, 1, 6, 0, 0)
        assert exif.parse(block).orientation == 6
        assert exif.parse(b"Exif\0\0" + block).orientation == 6


@pytest.mark.parametrize("length", range(0, 120, 3))
def test_exif_junk_counts_as_absent(length):
    tags = Image.Exif()
    tags[0x0112] = 3
    tags.get_ifd(0x8769)[0x9003] = "2021:07:03 18:05:09"
    block = tags.tobytes()
    exif.parse(block[:length])
    exif.parse(block[:14] + os.urandom(length) + block[14 + length :])
    junk = encoded(scene(30, 20), "JPEG", exif=block[:length] + b"\xff" * 40)
    assert image.decode(junk, SPEC).properties["width"] == 30


def test_alpha_is_laid_on_white():
    clear = Image.new("RGBA", (40, 30), (*RED, 0))
    assert (content(encoded(clear, "PNG")) == WHITE).all()
    assert (content(encoded(clear, "WEBP", lossless=True)) == WHITE).all()
    half = Image.new("RGBA", (40, 30), (0, 0, 0, 128))
    assert (content(half) == 127).all()
    assert (content(encoded(Image.new("LA", (40, 30), (0, 0)), "PNG")) == WHITE).all()


def test_transparent_palettes_are_laid_on_white():
    palette = Image.new("P", (40, 30), 1)
    palette.putpalette([*RED, 0, 0, 255])
    assert (content(encoded(palette, "PNG")) == (0, 0, 255)).all()
    assert (content(encoded(palette, "PNG", transparency=1)) == WHITE).all()
    assert (content(encoded(palette, "PNG", transparency=bytes([255, 0]))) == WHITE).all()
    assert (content(encoded(palette, "GIF", transparency=1)) == WHITE).all()


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "expected"),
    [
        ("1", 1, "PNG", WHITE),
        ("L", 77, "JPEG", (77, 77, 77)),
        ("CMYK", (0, 0, 0, 255), "JPEG", (0, 0, 0)),
        ("CMYK", (0, 0, 0, 0), "TIFF", WHITE),
        ("I;16", 0x80FF, "PNG", (128, 128, 128)),
        ("I;16", 0x80FF, "TIFF", (128, 128, 128)),
        ("RGB", RED, "BMP", RED),
    ],
)
def test_every_mode_becomes_rgb(mode, colour, kind, expected):
    assert (difference(content(encoded(Image.new(mode, (40, 30), colour), kind)), np.array(expected)) <= 1).all()


def test_32_bit_pictures_are_stretched():
    ramp = np.tile(np.linspace(-3, 5, 300, dtype=np.float32), (300, 1))
    found = content(encoded(Image.fromarray(ramp), "TIFF"))
    assert found[0, 0, 0] < 30
    assert found[0, -1, 0] > 225
    ramp[0] = np.nan
    assert (content(Image.fromarray(np.full((8, 8), 7, np.int32))) == 0).all()
    content(Image.fromarray(ramp))


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert difference(content(data), np.array([255, 0, 0])).max() <= 8


def test_arrays_pictures_and_paths_agree(tmp_path):
    picture = scene(90, 70)
    picture.save(tmp_path / "a.png")
    expected = content(picture)
    for source in (np.asarray(picture), tmp_path / "a.png", str(tmp_path / "a.png"), encoded(picture, "TIFF")):
        assert (content(source) == expected).all()
    grey = np.full((20, 30), 9, np.uint8)
    assert (content(grey) == 9).all()
    assert (content(np.dstack([grey, grey, grey, grey * 0])) == 255).all()
    assert image.decode(grey, SPEC).modality is Modality.IMAGE


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 8, 8), np.uint8), ((8, 8, 3), np.float32), ((0, 8, 3), np.uint8), ((8,), np.uint8)]
)
def test_other_arrays_are_refused(shape, dtype):
    with pytest.raises(MediaError, match="array must be"):
        image.decode(np.zeros(shape, dtype), SPEC)


def test_the_suffix_does_not_decide(tmp_path):
    data = encoded(scene(30, 30), "PNG")
    (tmp_path / "a.jpg").write_bytes(data)
    assert (content(tmp_path / "a.jpg") == content(data)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7])
def test_truncated_files_are_errors(kind, share):
    data = encoded(scene(300, 200), kind)
    with pytest.raises(MediaError) as caught:
        image.decode(data[: int(len(data) * share)], SPEC)
    assert "<_io" not in str(caught.value)
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damage_is_an_error_or_a_picture_and_never_anything_else(kind):
    data = bytearray(encoded(scene(60, 40), kind))
    random = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for position in random.integers(2, min(len(data), 400), 3):
            broken[position] = random.integers(256)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(image, "MAX_PIXELS", 1 << 20)
            with contextlib.suppress(MediaError):
                content(bytes(broken), SQUASH)


@pytest.mark.parametrize("data", [os.urandom(3000), b"\x89PNG\r\n\x1a\n" + os.urandom(300), b"%PDF-1.4 ...", b"GIF89a"])
def test_noise_is_an_error(data):
    with pytest.raises(MediaError):
        image.decode(data, SPEC)


def test_files_that_cannot_be_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "empty.jpg").touch()
    for name, reason in (
        ("pipe.jpg", "not a regular file"),
        ("gone.jpg", "no such file"),
        ("loop.jpg", "symbolic links"),
        ("empty.jpg", "empty"),
        (".", "is a directory"),
    ):
        with pytest.raises(MediaError, match=reason):
            image.decode(tmp_path / name, SPEC)


def test_a_file_that_may_not_be_read(as_nobody, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(scene(9, 9), "PNG"))
    (tmp_path / "a.png").chmod(0)
    code = "try: mmsearch.media.image.decode.thumbnail(Path('a.png'))\nexcept MediaError as e: print(e)"
    assert as_nobody(code) == "permission denied\n"


def test_names_that_are_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9\n.png")
    path.write_bytes(encoded(Image.new("RGB", (9, 9), RED), "PNG"))
    assert (content(path) == RED).all()


def weights(size, wanted):
    """Catmull-Rom with antialiasing, a row per output pixel: Keys 1981, eq. 4 with a = -1/2, widened by the scale."""
    scale = size / wanted
    at = (np.arange(size) + 0.5 - (np.arange(wanted)[:, None] + 0.5) * scale) / max(scale, 1)
    x = np.abs(at)
    cubic = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    return cubic / cubic.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(300, 200), (64, 64), (40, 30), (150, 380)])
def test_equals_bicubic_interpolation_in_numpy(size):
    picture = scene(*size)
    rows = np.tensordot(weights(size[0], 64), np.asarray(picture, float), (1, 1)).clip(0, 255)  # (64, h, 3)
    expected = np.tensordot(weights(size[1], 64), rows, (1, 1)).clip(0, 255)
    assert np.abs(content(picture, SQUASH) - expected).max() < 1.5


def test_too_many_pixels_are_refused_by_the_header():
    width, height = 30_000, 20_000
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    with pytest.raises(MediaError, match="30000 x 20000 pixels; mmsearch reads up to 256 megapixels"):
        image.decode(bomb + b"\0\0\0\0IDAT", SPEC)


def test_pillows_own_limit_neither_warns_nor_refuses(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for kind in ("JPEG", "PNG", "BMP"):
        content(encoded(scene(90, 90), kind))


def test_tiff_warnings_do_not_leak_and_do_not_refuse():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x8298] = "somebody"
    data = bytearray(encoded(scene(30, 20), "TIFF", tiffinfo=tags))
    at = data.find(struct.pack("<HH", 0x8298, 2))
    data[at + 4 : at + 8] = struct.pack("<I", 1 << 30)  # a tag that claims to be longer than the file
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        content(bytes(data))


def test_threads_give_the_same_and_restore_the_warning_filters():
    sources = [encoded(scene(200, 150, seed), kind) for seed in range(4) for kind in ("PNG", "TIFF", "JPEG")]
    expected = [content(source) for source in sources]
    before, wrong = list(warnings.filters), []

    def work():
        wrong.extend(
            source for source, right in zip(sources, expected, strict=True) if (content(source) != right).any()
        )

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert warnings.filters == before


def test_thumbnails_keep_their_shape():
    small = Image.open(io.BytesIO(image.thumbnail(encoded(scene(1000, 600), "PNG"))))
    assert (small.format, small.size) == ("JPEG", (320, 192))
    assert Image.open(io.BytesIO(image.thumbnail(encoded(scene(40, 20), "JPEG"), side=100))).size == (40, 20)
    assert Image.open(io.BytesIO(image.thumbnail(Image.new("RGBA", (9, 5000)), side=100))).size == (1, 100)
    with pytest.raises(MediaError):
        image.thumbnail(b"no picture")


def test_a_picture_of_the_callers_is_left_as_it_is():
    picture = Image.new("RGB", (500, 400), RED)
    image.thumbnail(picture)
    content(picture)
    assert picture.size == (500, 400)
