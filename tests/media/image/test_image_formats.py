"""Every kind of picture file, made by a real encoder; by hand only where Pillow has none."""

import io
import struct
import sys

import numpy as np
import pytest
from made_pictures import (
    RED,
    SPEC,
    SQUASH,
    WHITE,
    Directory,
    bmp,
    by_hand,
    content,
    difference,
    encoded,
    heif,
    png,
    scene,
    tiff,
)
from PIL import Image

from mmsearch.errors import MediaError
from mmsearch.media.image import decode as image

SCENE = scene(120, 80)
PIXELS = np.asarray(SCENE)
GREY = SCENE.convert("L")
EXPECTED = by_hand(SCENE, SPEC)
EXPECTED_GREY = by_hand(GREY.convert("RGB"), SPEC)
CMYK = Image.merge("CMYK", [*(band.point(lambda v: 255 - v) for band in SCENE.split()), Image.new("L", SCENE.size)])


def without_adobe_marker(data):
    at = data.index(b"\xff\xee\x00\x0eAdobe")
    return data[:at] + data[at + 16 :]


def ycck():
    """The ink of each pixel as luma and chroma, and the marker that says so. Pillow writes CMYK inverted."""
    luma = SCENE.point(lambda v: 255 - v).convert("YCbCr").split()
    stored = Image.merge("CMYK", [*(band.point(lambda v: 255 - v) for band in luma), Image.new("L", SCENE.size)])
    data = bytearray(encoded(stored, "JPEG", quality=98, subsampling=0))
    data[data.index(b"\xff\xee\x00\x0eAdobe") + 15] = 2
    return bytes(data)


def old_jpeg_in_tiff():
    """Compression 6 of TIFF 6.0, as scanners of the nineties wrote it: a whole JPEG file, and where it is."""
    stream = encoded(SCENE, "JPEG", quality=95, subsampling=0)
    tags = {256: 120, 257: 80, 258: (8, 8, 8), 259: 6, 262: 6, 277: 3, 278: 80, 513: 8, 514: len(stream), 530: (1, 1)}
    return tiff(Directory(tags, [stream]))


def planar(pixels, **more):
    height, width, bands = pixels.shape
    bits = (pixels.dtype.itemsize * 8,) * bands
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 2, 277: bands, 278: height, 284: 2}
    return tiff(Directory(tags | more, [pixels[:, :, band].tobytes() for band in range(bands)]))


def deep_tiff(pixels, order="<"):
    height, width, bands = pixels.shape
    tags = {256: width, 257: height, 258: (16,) * bands, 259: 1, 262: 2, 277: bands, 278: height}
    if bands == 4:
        tags[338] = 2
    return tiff(Directory(tags, [pixels.astype(order + "u2").tobytes()]), order=order)


def animated(kind, **options):
    frames = [SCENE, Image.new("RGB", SCENE.size, RED), Image.new("RGB", SCENE.size)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)


def av1_in_mif1(brands):
    """What some cameras write: AV1 in a file whose first brand says only that it is an image container."""
    data = encoded(SCENE, "AVIF", quality=95)
    size = struct.unpack_from(">I", data)[0]
    return data[:8] + brands.ljust(size - 8, b"\0") + data[size:]


COLOURED = {
    "JPEG": lambda: encoded(SCENE, "JPEG", quality=95),
    "JPEG, progressive": lambda: encoded(SCENE, "JPEG", quality=95, progressive=True),
    "JPEG, CMYK, Adobe's marker": lambda: encoded(CMYK, "JPEG", quality=98),
    "JPEG, CMYK, no marker": lambda: without_adobe_marker(encoded(CMYK, "JPEG", quality=98)),
    "JPEG, YCCK": ycck,
    "PNG": lambda: encoded(SCENE, "PNG"),
    "PNG, interlaced": lambda: png(PIXELS, interlaced=True),
    "PNG, 16 bit": lambda: png(PIXELS.astype(np.uint16) * 257),
    "PNG, 16 bit, interlaced": lambda: png(PIXELS.astype(np.uint16) * 257, interlaced=True),
    "PNG, 16 bit, opaque": lambda: png(np.dstack([PIXELS, np.full((80, 120), 255)]).astype(np.uint16) * 257),
    "PNG, animated": lambda: animated("PNG"),
    "WebP": lambda: encoded(SCENE, "WEBP", quality=95),
    "WebP, lossless": lambda: encoded(SCENE, "WEBP", lossless=True),
    "WebP, animated": lambda: animated("WEBP", lossless=True),
    "GIF, animated": lambda: animated("GIF"),
    "AVIF": lambda: encoded(SCENE, "AVIF", quality=95),
    "AVIF, opaque": lambda: encoded(SCENE.convert("RGBA"), "AVIF", quality=95),
    "AVIF, animated": lambda: animated("AVIF", quality=95),
    "AVIF, mif1 first": lambda: av1_in_mif1(b"mif1\0\0\0\0mif1avifmiaf"),
    "HEIC": lambda: heif(SCENE, quality=95),
    "HEIC, opaque": lambda: heif(SCENE.convert("RGBA"), quality=95),
    "HEIC, tiles": lambda: heif(SCENE, quality=95, tile_size=64),
    "HEIC, mif1 first": lambda: heif(SCENE, quality=95).replace(b"ftypheic", b"ftypmif1", 1),
    "HEIC, 10 bit": lambda: deep_heif(),
    "BMP": lambda: encoded(SCENE, "BMP"),
    "BMP, 32 bit": lambda: encoded(SCENE.convert("RGBA"), "BMP"),
    "BMP, from the top": lambda: bmp(120, -80, 24, PIXELS[:, :, ::-1].tobytes()),
    "BMP, 16 bit": lambda: bmp(120, 80, 16, high_colour().tobytes()),
    "TIFF": lambda: encoded(SCENE, "TIFF"),
    "TIFF, LZW": lambda: encoded(SCENE, "TIFF", compression="tiff_lzw"),
    "TIFF, LZW, predictor": lambda: encoded(SCENE, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}),
    "TIFF, deflate": lambda: encoded(SCENE, "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, PackBits": lambda: encoded(SCENE, "TIFF", compression="packbits"),
    "TIFF, JPEG": lambda: encoded(SCENE, "TIFF", compression="jpeg", quality=95),
    "TIFF, Zstandard": lambda: encoded(SCENE, "TIFF", compression="zstd"),
    "TIFF, old JPEG": old_jpeg_in_tiff,
    "TIFF, planar": lambda: planar(PIXELS),
    "TIFF, 16 bit": lambda: deep_tiff(PIXELS.astype(np.uint16) * 257),
    "TIFF, 16 bit, big-endian": lambda: deep_tiff(PIXELS.astype(np.uint16) * 257, ">"),
    "TIFF, 16 bit, opaque": lambda: deep_tiff(np.dstack([PIXELS, np.full((80, 120), 255)]).astype(np.uint16) * 257),
    "TIFF, YCbCr": lambda: encoded(SCENE.convert("YCbCr"), "TIFF"),
    "TIFF, CMYK": lambda: encoded(CMYK, "TIFF"),
    "TIFF, big": lambda: encoded(SCENE, "TIFF", big_tiff=True),
}


def deep_heif():
    import pillow_heif

    made = pillow_heif.from_bytes("RGB;16", SCENE.size, (PIXELS.astype("<u2") * 257).tobytes())
    file = io.BytesIO()
    made.save(file, quality=95, chroma=444)
    return file.getvalue()


def high_colour():
    red, green, blue = ((PIXELS[::-1, :, band].astype(np.uint16) >> 3) for band in range(3))
    return (red << 10 | green << 5 | blue).astype("<u2")


@pytest.mark.parametrize("name", COLOURED)
def test_every_coloured_file_shows_the_scene(name, tmp_path):
    data = COLOURED[name]()
    (tmp_path / "picture").write_bytes(data)
    medium = image.decode(tmp_path / "picture", SPEC)
    assert medium.properties == {"width": 120, "height": 80}
    (segment,) = medium.segments
    assert segment.page is None
    off = difference(segment.content, EXPECTED)
    assert off.mean() < (9 if name.startswith("GIF") else 4 if name == "BMP, 16 bit" else 2.5)
    assert (content(data) == segment.content).all()
    small = np.asarray(Image.open(io.BytesIO(image.thumbnail(data))))
    assert difference(small, PIXELS).mean() < 12


GREYS = {
    "JPEG": lambda: encoded(GREY, "JPEG", quality=95),
    "PNG": lambda: encoded(GREY, "PNG"),
    "PNG, with alpha": lambda: encoded(GREY.convert("LA"), "PNG"),
    "PNG, 16 bit": lambda: png(np.asarray(GREY).astype(np.uint16) * 257),
    "PNG, 16 bit, with alpha": lambda: png(np.dstack([np.asarray(GREY), GREY.point(lambda _: 255)]).astype("u2") * 257),
    "PNG, 4 bit": lambda: png(np.asarray(GREY) >> 4, depth=4),
    "PNG, palette": lambda: encoded(GREY.convert("P"), "PNG"),
    "WebP": lambda: encoded(GREY, "WEBP", lossless=True),
    "GIF": lambda: encoded(GREY, "GIF"),
    "AVIF": lambda: encoded(GREY, "AVIF", quality=95),
    "HEIC": lambda: heif(GREY, quality=95),
    "BMP": lambda: encoded(GREY, "BMP"),
    "BMP, run lengths": lambda: bmp(120, 80, 8, run_lengths(), compression=1, palette=greys()),
    "TIFF": lambda: encoded(GREY, "TIFF"),
    "TIFF, 16 bit": lambda: encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "TIFF"),
    "TIFF, 16 bit, LZW": lambda: encoded(
        Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "TIFF", compression="tiff_lzw"
    ),
    "TIFF, with alpha": lambda: encoded(GREY.convert("LA"), "TIFF"),
}


def greys():
    return b"".join(bytes([value, value, value, 0]) for value in range(256))


def run_lengths():
    """A run for each pixel, the end of each row, and the end of the picture."""
    rows = (b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in np.asarray(GREY)[::-1])
    return b"".join(rows) + b"\0\1"


@pytest.mark.parametrize("name", GREYS)
def test_every_grey_file_shows_the_scene(name):
    off = difference(content(GREYS[name]()), EXPECTED_GREY)
    assert off.mean() < (9 if name == "PNG, 4 bit" else 2.5)


HALF = np.zeros((40, 60), np.uint8)
HALF[:, 30:] = 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(Image.fromarray(HALF * 255).convert("1"), "PNG"), id="PNG, 1 bit"),
        pytest.param(encoded(Image.fromarray(HALF * 255).convert("1"), "BMP"), id="BMP, 1 bit"),
        pytest.param(encoded(Image.fromarray(HALF * 255).convert("1"), "TIFF"), id="TIFF, 1 bit"),
        *(
            pytest.param(encoded(Image.fromarray(HALF * 255).convert("1"), "TIFF", compression=it), id=f"TIFF, {it}")
            for it in ("group3", "group4", "tiff_ccitt")
        ),
        pytest.param(png(HALF * 3, depth=2), id="PNG, 2 bit"),
        pytest.param(png(HALF * 9, depth=4, chunks=[(b"tRNS", b"\0\x09")]), id="PNG, 4 bit, a grey is clear"),
        pytest.param(png(HALF * 9, depth=4, chunks=[(b"tRNS", b"\0\x90")]), id="PNG, 4 bit, no grey is clear"),
        pytest.param(png(HALF, chunks=[(b"tRNS", b"\0\x01")]), id="PNG, a grey is clear"),
        pytest.param(png(HALF.astype("u2") * 300, chunks=[(b"tRNS", b"\x01\x2c")]), id="PNG, 16 bit, a grey is clear"),
        pytest.param(png(np.dstack([HALF * 5] * 3), chunks=[(b"tRNS", b"\0\5\0\5\0\5")]), id="PNG, a colour is clear"),
        pytest.param(
            png(np.dstack([HALF.astype("u2") * 0x500] * 3), chunks=[(b"tRNS", b"\5\0\5\0\5\0")]),
            id="PNG, 16 bit, a colour is clear",
        ),
        pytest.param(encoded(Image.fromarray(np.where(HALF, 1, -7).astype(np.float32)), "TIFF"), id="TIFF, float"),
        pytest.param(
            encoded(Image.fromarray(np.where(HALF, 9, np.nan).astype(np.float32)), "TIFF"), id="TIFF, float and NaN"
        ),
        pytest.param(encoded(Image.fromarray(np.where(HALF, 70000, -9).astype(np.int32)), "TIFF"), id="TIFF, 32 bit"),
    ],
)
def test_half_black_half_white(data, request):
    found = content(data, SQUASH)
    dim = {"no grey is clear": 153, "float and NaN": 0}
    bright = next((value for name, value in dim.items() if name in request.node.name), 255)
    assert difference(found[:, :30], np.array(0)).max() <= 1
    assert difference(found[:, 34:], np.array(bright)).max() <= 1


def test_lab_is_converted():
    lab = tiff(Directory({256: 2, 257: 2, 258: (8, 8, 8), 259: 1, 262: 8, 277: 3, 278: 2}, [bytes([136, 81, 69]) * 4]))
    # L* 53.3, a* 81, b* 69: pure red, by any table of CIE colours (D50 moves it a little)
    assert difference(content(lab), np.array([255, 0, 0])).max() < 25


def test_heif_shows_its_main_picture():
    import pillow_heif

    made = pillow_heif.from_pillow(Image.new("RGB", (64, 64), RED))
    made.add_from_pillow(SCENE)
    made.primary_index = 1
    file = io.BytesIO()
    made.save(file, quality=95, chroma=444, primary_index=1)
    assert difference(content(file.getvalue()), EXPECTED).mean() < 2.5


def test_an_exif_orientation_alone_does_not_turn_a_heif():
    """ISO 23008-12: what `irot` and `imir` say is all that counts, so that pictures are turned once."""
    tags = Image.Exif()
    tags[0x0112] = 6
    data = heif(SCENE, tags.tobytes(), quality=95)
    at = data.index(b"irot")
    turned = content(data)
    straight = content(data[:at] + b"free" + data[at + 4 :])
    assert difference(straight, EXPECTED).mean() < 2.5
    assert difference(turned, by_hand(SCENE.transpose(Image.Transpose.ROTATE_270), SPEC)).mean() < 2.5


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_transparency_is_laid_on_white(kind):
    clear = Image.new("RGBA", (64, 64), (*RED, 0))
    clear.paste((*RED, 255), (32, 0, 64, 64))
    data = heif(clear, quality=95) if kind == "HEIF" else encoded(clear, kind)
    found = content(data, SQUASH)
    assert difference(found[:, :28], np.array(WHITE)).max() <= 2
    assert difference(found[:, 36:], np.array(RED)).max() <= 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "F", "1"])
def test_large_pictures_are_reduced_before_they_are_converted(mode):
    """By whole factors, tile by tile: the result is that of a conversion of the whole."""
    big = scene(5003, 4207)
    if mode == "I;16":
        grey = np.asarray(big.convert("L")).astype(np.uint16)
        big, plain = Image.fromarray(grey * 257), big.convert("L")
    elif mode == "F":
        grey = np.asarray(big.convert("L")).astype(np.float32)
        low, high = grey.min(), grey.max()
        big, plain = Image.fromarray(grey), Image.fromarray(((grey - low) * (255 / (high - low))).round().astype("u1"))
    elif mode in ("RGBA", "LA"):
        big = big.convert(mode)
        big.putalpha(scene(5003, 4207, seed=1).convert("L"))
        plain = Image.new("RGB", big.size, "white")
        plain.paste(big.convert("RGB"), mask=big.getchannel("A"))
    else:
        big = big.convert(mode)
        plain = big.convert("RGB")
    off = difference(content(big), by_hand(plain.convert("RGB"), SPEC))
    assert off.mean() < 0.5
    assert off.max() <= 5


def test_missing_decoders_are_named_with_what_to_install(monkeypatch):
    heic, avif = heif(SCENE), encoded(SCENE, "AVIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MediaError, match="pip install pillow-heif"):
        content(heic)
    monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
    with pytest.raises(MediaError, match="pip install --upgrade 'pillow>=11.3'"):
        content(avif)
