"""What must end in an error, quickly and in little memory: bombs, lies, and files that were never finished."""

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from made_pictures import SPEC, SQUASH, bmp, content, encoded, heif, png, png_file, scene
from PIL import Image

from mmsearch.errors import MediaError
from mmsearch.media.image import decode as image

SCENE = scene(64, 48)
MUCH = zlib.compress(bytes(1 << 28), 9)  # 256 MiB in 260 kB
ROW = (b"IDAT", zlib.compress(bytes(1 + 3 * 9)))
END = (b"IEND", b"")


def header(width, height, depth=8, kind=2):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)


def gif(width, height, frame=(1, 1)):
    """A canvas, and one frame of one pixel's data on it."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\2\2\x44\1\0;"


def webp(width, height):
    """An animation with that canvas and a small frame."""
    small = encoded(SCENE, "WEBP", lossless=True)[12:]
    u24 = lambda value: struct.pack("<I", value)[:3]  # noqa: E731
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + u24(width - 1) + u24(height - 1)
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += b"ANMF" + struct.pack("<I", 16 + len(small)) + bytes(6) + u24(63) + u24(47) + bytes(4) + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg(width, height):
    data = bytearray(encoded(SCENE, "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def container(kind, width, height):
    """An AVIF or HEIF that says so in its `ispe` box."""
    data = heif(scene(64, 64)) if kind == "HEIF" else encoded(SCENE, "AVIF")
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def grid(width, height):
    """A HEIF of 64 x 64 tiles that says how large their grid is."""
    data = heif(scene(150, 140), tile_size=64)
    at = data.index(b"idat") + 8
    return data[:at] + struct.pack(">HH", width, height) + data[at + 4 :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        # no pixels
        pytest.param(png_file(header(0, 9), ROW, END), "no pixels", id="PNG, no width"),
        pytest.param(jpeg(64, 0), "no pixels", id="JPEG, no height"),
        pytest.param(jpeg(0, 64), "no pixels", id="JPEG, no width"),
        pytest.param(gif(0, 0, (0, 0)), "no pixels", id="GIF, no canvas"),
        pytest.param(bmp(0, 0, 24, b""), "no pixels", id="BMP, no size"),
        pytest.param(container("AVIF", 0, 64), "broken picture", id="AVIF, no width"),
        pytest.param(container("HEIF", 0, 64), "Zero image width", id="HEIF, no width"),
        # more pixels than we read
        pytest.param(png_file(header(65535, 65535), ROW, END), "65535 x 65535 pixels; mmsearch reads", id="PNG, huge"),
        pytest.param(jpeg(65500, 65500), "65500 x 65500 pixels; mmsearch reads", id="JPEG, huge"),
        pytest.param(gif(65535, 65535), "65535 x 65535 pixels; mmsearch reads", id="GIF, huge"),
        pytest.param(bmp(30000, 30000, 24, b""), "30000 x 30000 pixels; mmsearch reads", id="BMP, huge"),
        pytest.param(webp(16384, 16384), "larger than Pillow reads", id="WebP, huge"),
        pytest.param(container("AVIF", 65536, 65536), "broken picture", id="AVIF, huge"),
        pytest.param(container("HEIF", 30000, 30000), "30000 x 30000 pixels; mmsearch reads", id="HEIF, huge"),
        pytest.param(container("HEIF", 1 << 31, 1 << 31), "no pixels", id="HEIF, absurd"),
        pytest.param(grid(65535, 65535), "not enough memory", id="HEIF, a huge grid"),
        # large, and hardly any data
        pytest.param(png_file(header(16384, 16384), ROW, END), "truncated", id="PNG, no data"),
        pytest.param(png_file(header(16384, 16384), END), "cannot load", id="PNG, no IDAT"),
        pytest.param(bmp(16000, 16000, 24, b"12345"), "truncated", id="BMP, no data"),
        pytest.param(bmp(16000, 16000, 8, b"\0\1", 1, bytes(1024)), "not enough image data", id="BMP, no runs"),
        pytest.param(gif(9, 9, (13000, 13000)), "truncated", id="GIF, a frame larger than its canvas"),
        pytest.param(grid(16000, 16000), "tiles do not cover", id="HEIF, a grid without tiles"),
        pytest.param(container("HEIF", 16000, 16000), "does not have the size", id="HEIF, a small picture in it"),
        # compressed text and profiles that unpack to 256 MiB
        pytest.param(png_file(header(9, 1), (b"zTXt", b"k\0\0" + MUCH), ROW, END), "too large", id="PNG, zTXt"),
        pytest.param(png_file(header(9, 1), (b"iTXt", b"k\0\1\0\0\0" + MUCH), ROW, END), "too large", id="PNG, iTXt"),
        pytest.param(png_file(header(9, 1), (b"iCCP", b"k\0\0" + MUCH), ROW, END), "too large", id="PNG, iCCP"),
        pytest.param(
            png_file(header(9, 1), *[(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 20)))] * 65, ROW, END),
            "Too much memory used in text",
            id="PNG, many texts",
        ),
        pytest.param(png_file(header(9, 1), (b"IDAT", MUCH), END), None, id="PNG, more data than pixels: a picture"),
        # other lies
        pytest.param(b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b";", "no more images", id="GIF, no frame"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"II*\0" * 20, "broken picture", id="PNG, a TIFF in it"),
        pytest.param(b"RIFF\x30\0\0\0WEBPVP8 " + bytes(40), "broken picture", id="WebP, no picture"),
        pytest.param(b"\0\0\0\x18ftypavif" + bytes(40), "broken picture", id="AVIF, no picture"),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(40), "broken picture", id="HEIF, no picture"),
        pytest.param(
            b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif" + bytes(40), "broken picture", id="AVIF in mif1, no picture"
        ),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(60), "broken picture|cut short", id="JPEG, no picture"),
    ],
)
def test_bombs_and_lies(data, reason):
    if reason is None:
        content(data)
        return
    with pytest.raises(MediaError, match=reason) as caught:
        image.decode(data, SPEC)
    assert len(str(caught.value)) <= 200


FINISHED = {
    "JPEG": encoded(SCENE, "JPEG", quality=95),
    "JPEG, progressive": encoded(SCENE, "JPEG", quality=95, progressive=True),
    "JPEG, CMYK": encoded(SCENE.convert("CMYK"), "JPEG"),
    "PNG": encoded(SCENE, "PNG"),
    "PNG, interlaced": png(np.asarray(SCENE), interlaced=True),
    "WebP": encoded(SCENE, "WEBP"),
    "WebP, lossless": encoded(SCENE, "WEBP", lossless=True),
    "GIF": encoded(SCENE, "GIF"),
    "AVIF": encoded(SCENE, "AVIF"),
    "HEIF": heif(SCENE),
    "BMP": encoded(SCENE, "BMP"),
    "TIFF": encoded(SCENE, "TIFF"),
    "TIFF, LZW": encoded(SCENE, "TIFF", compression="tiff_lzw"),
    "TIFF, JPEG": encoded(SCENE, "TIFF", compression="jpeg"),
}


@pytest.mark.parametrize("name", FINISHED)
def test_what_is_cut_short_is_an_error_or_whole(name):
    """The very end of some formats holds no pixels; without it the picture is whole, and may be shown."""
    data = FINISHED[name]
    whole = content(data, SQUASH)
    for length in {1, 8, 16, 30, *np.linspace(40, len(data) - 1, 60).astype(int).tolist()}:
        try:
            found = content(data[:length], SQUASH)
        except MediaError:
            continue
        assert (found == whole).all(), length


@pytest.mark.parametrize("name", [name for name in FINISHED if name.startswith("JPEG")])
@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_a_jpeg_whose_end_is_zeros_is_an_error_and_no_half_picture(name, share):
    """As downloads leave it that reserve their room. To the decoder, zeros are grey."""
    data = FINISHED[name]
    kept = int(len(data) * share)
    for zeros in (len(data) - kept, 100_000):
        with pytest.raises(MediaError, match="cut short: the file ends in zeros"):
            image.decode(data[:kept] + bytes(zeros), SPEC)


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture():
    tags = Image.Exif()
    tags[0x927C] = encoded(scene(16, 12), "JPEG")
    data = encoded(SCENE, "JPEG", exif=tags)
    assert data.count(b"\xff\xd9") == 2
    with pytest.raises(MediaError, match="ends in zeros"):
        image.decode(data[:-40] + bytes(40), SPEC)


@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize("more", [b"garbage" * 50, bytes(5000)], ids=["text", "zeros"])
def test_what_follows_a_picture_does_not_matter(name, more):
    data = FINISHED[name]
    assert (content(data + more) == content(data)).all()


@pytest.mark.parametrize("name", [name for name in FINISHED if name.partition(",")[0] in ("AVIF", "HEIF", "TIFF")])
def test_damage_is_an_error_or_a_picture(name, monkeypatch):
    monkeypatch.setattr(image, "MAX_PIXELS", 1 << 20)
    random = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(FINISHED[name])
        for position in random.integers(2, len(broken), 3):
            broken[position] = random.integers(256)
        try:
            content(bytes(broken), SQUASH)
        except MediaError:
            continue


def test_only_the_first_of_many_frames_is_read(monkeypatch):
    frame = encoded(Image.new("P", (9, 9), 1), "GIF")
    data = frame[:-1] + (b"!\xf9\4" + bytes(5) + frame[frame.index(b",") : -1]) * 200_000 + b";"
    found = []
    monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.seek", lambda _, number: found.append(number))
    content(data, SQUASH)
    assert found == []


# What it may cost: the decoded picture, and an eighth of it for the tiles.
@pytest.mark.parametrize(
    ("kind", "depth", "stored"), [(6, 8, 4), (6, 16, 4), (4, 8, 4), (2, 16, 4), (0, 16, 2), (3, 8, 1)]
)
def test_large_pictures_are_not_copied(kind, depth, stored, tmp_path):
    side, samples = 8192, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    packer, row = zlib.compressobj(1), bytes(1 + side * samples * depth // 8)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = [header(side, side, depth, kind), (b"PLTE", bytes(6)), (b"tRNS", b"\x80"), (b"IDAT", rows), END]
    (tmp_path / "big.png").write_bytes(png_file(*(it for it in chunks if kind == 3 or it[0] not in (b"PLTE", b"tRNS"))))
    code = (
        "import resource, sys, pathlib\n"
        "from mmsearch.media.image import decode as image\n"
        "from mmsearch.types import ImageSpec\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = used()\n"
        "image.decode(pathlib.Path(sys.argv[1]), ImageSpec(224, 256))\n"
        "print(used() - before)"
    )
    ran = subprocess.run([sys.executable, "-c", code, tmp_path / "big.png"], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < side * side * stored * 1.125 + (64 << 20)


def test_too_little_memory_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "big.png"
    path.write_bytes(png_file(header(16384, 16384, 8, 6), ROW, END))
    code = (
        "import resource, sys, pathlib\n"
        "from mmsearch.media.image import decode as image\n"
        "from mmsearch.types import ImageSpec\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try: image.decode(pathlib.Path(sys.argv[1]), ImageSpec(224, 256))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert ran.stdout == "MediaError not enough memory to decode the picture\n"
