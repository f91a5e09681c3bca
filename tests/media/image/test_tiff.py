import io
import struct

import numpy as np
import pytest
from made_pictures import SPEC, SQUASH, Directory, by_hand, difference, encoded, grey, scene
from made_pictures import tiff as tiff_file
from PIL import Image, TiffImagePlugin

from mmsearch.errors import MediaError
from mmsearch.media.image import decode as image
from mmsearch.media.image import tiff
from mmsearch.types import ImageSpec

TINY = ImageSpec(size=8, resize=8, squash=True)
COLOURS = [(200, 10, 20), (10, 200, 20), (10, 20, 200)]


def flat(colour, size=(60, 40)):
    return Image.new("RGB", size, colour)


def several(pictures, kinds=(), **options):
    """By Pillow, each with its NewSubfileType."""
    for picture, kind in zip(pictures, kinds, strict=False):
        picture.encoderinfo = {"tiffinfo": {254: kind}, **options}
    first = {"tiffinfo": {254: kinds[0]}} if kinds else {}
    return encoded(pictures[0], "TIFF", save_all=True, append_images=pictures[1:], **first, **options)


def shades(data, spec=TINY):
    """The first pixel of each page, by number."""
    return {segment.page: int(segment.content[0, 0, 0]) for segment in image.decode(data, spec).segments}


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"big_tiff": True}])
@pytest.mark.parametrize("as_file", [False, True])
def test_each_page_is_a_segment(options, as_file, tmp_path):
    pictures = [flat(COLOURS[0]), flat(COLOURS[1], (30, 70)), scene(90, 70)]
    data = source = several(pictures, **options)
    if as_file:
        source = tmp_path / "pages.tif"
        source.write_bytes(data)
    medium = image.decode(source, SPEC)
    assert medium.properties == {"width": 60, "height": 40, "pages": 3}
    found = list(medium.segments)
    assert [segment.page for segment in found] == [1, 2, 3]
    for segment, picture in zip(found, pictures, strict=True):
        assert difference(segment.content, by_hand(picture, SPEC)).mean() < (4 if "jpeg" in options.values() else 0.3)
    small = np.asarray(Image.open(io.BytesIO(image.thumbnail(source))))
    assert difference(small, np.array(COLOURS[0])).max() < 9


def test_pages_are_decoded_when_they_are_read(monkeypatch):
    data, sizes, original = several([flat(it) for it in COLOURS]), [], image._check_size
    monkeypatch.setattr(image, "_check_size", lambda *size: sizes.append(size) or original(*size))
    segments = image.decode(data, SPEC).segments
    assert sizes == []
    next(segments)
    assert len(sizes) == 1
    segments.close()


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_both_byte_orders_and_both_sizes_of_offsets(order, big):
    assert shades(tiff_file(grey(9, 8, 50), grey(8, 9, 60), big=big, order=order)) == {1: 50, 2: 60}


def test_thumbnails_and_masks_are_no_pages():
    """NewSubfileType: bit 0 is a smaller copy, bit 2 a mask; SubfileType 2 is the old way to say the first."""
    one, small, mask, old = grey(9, 8, 50), grey(5, 4, 1, t254=1), grey(9, 8, 2, t254=4), grey(5, 4, 3, t255=2)
    assert shades(tiff_file(one, small, mask, old, grey(9, 8, 60), grey(9, 8, 70, t254=2))) == {1: 50, 2: 60, 3: 70}
    alone = image.decode(tiff_file(small, one, mask, old), TINY)
    assert "pages" not in alone.properties
    assert [(it.page, it.content[0, 0, 0]) for it in alone.segments] == [(None, 50)]
    assert shades(tiff_file(grey(30, 20, 80, t254=1), grey(9, 8, 9, t254=1))) == {None: 80}  # nothing but thumbnails


def test_the_date_of_several_pages_is_that_of_the_first():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x8769] = {0x9003: "2021:07:03 18:05:09"}
    data = encoded(scene(30, 20), "TIFF", save_all=True, append_images=[flat(COLOURS[0])], tiffinfo=tags)
    assert image.decode(data, SPEC).properties.get("taken") == "2021-07-03T18:05:09"


def pyramid(sizes, where, value=100):
    """Each level is a bit brighter, so that the one which was read shows."""
    full, *levels = (grey(*size, value + 10 * number) for number, size in enumerate(sizes))
    for level in levels:
        level.tags[254] = 1
    if where == "SubIFDs":
        full.children = levels
        return tiff_file(full)
    return tiff_file(full, *levels)


@pytest.mark.parametrize("where", ["SubIFDs", "chain"])
def test_the_smallest_level_that_is_enough_is_read(where):
    sizes = [(800, 600), (400, 300), (200, 150), (100, 75), (50, 37)]
    data = pyramid(sizes, where)
    for size, expected in ((16, 140), (18, 140), (19, 130), (70, 120), (140, 110), (299, 100), (900, 100)):
        spec = ImageSpec(size=size, resize=size, squash=True)
        medium = image.decode(data, spec)
        assert medium.properties == {"width": 800, "height": 600}
        (segment,) = medium.segments
        assert (segment.content == expected).all(), size
    small = np.asarray(Image.open(io.BytesIO(image.thumbnail(data, side=70))))
    assert small.shape[:2] == (53, 70)
    assert difference(small, np.array(130)).max() <= 2


def test_pillows_own_levels_show_the_same(tmp_path):
    big = scene(1200, 900)
    data = several([big, big.resize((600, 450)), big.resize((300, 225))], (0, 1, 1), compression="tiff_lzw")
    (tmp_path / "pyramid.tif").write_bytes(data)
    (segment,) = image.decode(tmp_path / "pyramid.tif", SQUASH).segments
    off = difference(segment.content, by_hand(big, SQUASH))
    assert off.mean() < 1
    assert off.max() < 6


def gigapixel(levels, **more):
    """A slide of 100,000 x 80,000 pixels whose own pixels are not there."""
    full = Directory({256: 100_000, 257: 80_000, 258: 8, 259: 1, 262: 1, 277: 1, 278: 80_000, 273: 8, 279: 8, **more})
    return tiff_file(full, *levels)


def test_gigapixel_slides_are_read_by_their_levels():
    label = grey(400, 410, 9, t254=1)
    medium = image.decode(gigapixel([grey(1000, 800, 77, t254=1), label, grey(25, 20, 66, t254=1)]), SQUASH)
    assert medium.properties == {"width": 100_000, "height": 80_000}
    assert (next(medium.segments).content == 77).all()
    assert shades(gigapixel([grey(25, 20, 66, t254=1)]), SQUASH) == {None: 66}  # better than nothing


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([], id="no levels"),
        pytest.param([grey(400, 410, 9, t254=1)], id="a label only"),
        pytest.param([grey(100, 80, 9, t254=5)], id="a mask only"),
        pytest.param([grey(100, 80, 9, t254=1, t274=6)], id="a level that is turned"),
    ],
)
def test_gigapixel_slides_without_levels_are_refused(others):
    with pytest.raises(MediaError, match="100000 x 80000 pixels; mmsearch reads up to 256 megapixels"):
        image.decode(gigapixel(others), SPEC)


def test_levels_are_turned_upright():
    wide = grey(400, 300, 100, t274=6)
    wide.data = [bytes(value for _ in range(300) for value in [0] * 200 + [255] * 200)]
    level = grey(200, 150, t254=1, t274=6)
    level.data = [bytes(value for _ in range(150) for value in [0] * 100 + [255] * 100)]
    wide.children = [level]
    medium = image.decode(tiff_file(wide), SQUASH)
    assert medium.properties == {"width": 300, "height": 400}
    found = next(medium.segments).content
    assert (found[:30] == 0).all()
    assert (found[34:] == 255).all()


def test_damaged_pages_are_left_out():
    broken = Directory({256: 9, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 278: 8, 273: 1 << 30, 279: 72})
    unknown = grey(9, 8, 1, t259=12345)
    huge = Directory({256: 1 << 17, 257: 1 << 17, 258: 8, 259: 1, 262: 1, 277: 1, 278: 8, 273: 8, 279: 8})
    assert shades(tiff_file(grey(9, 8, 50), broken, unknown, huge, grey(9, 8, 60))) == {1: 50, 5: 60}
    assert shades(tiff_file(broken, grey(9, 8, 60))) == {2: 60}
    medium = image.decode(tiff_file(broken, huge), SPEC)
    with pytest.raises(MediaError, match="none of 2 pages can be decoded; the first: "):
        next(medium.segments)


def test_at_most_a_thousand_pages():
    assert image.decode(tiff_file(*[grey(1, 1)] * tiff.MAX_PAGES), TINY).properties["pages"] == 1000
    with pytest.raises(MediaError, match="more than 1000 pages"):
        image.decode(tiff_file(*[grey(1, 1)] * (tiff.MAX_PAGES + 1)), TINY)
    with pytest.raises(MediaError, match="more than 8000 directories"):
        image.decode(tiff_file(*[grey(1, 1, t254=1)] * 8001), TINY)


def entries(number, big=False):
    """A file whose directory says that it has so many entries."""
    return b"II" + (struct.pack("<HHHQQ", 43, 8, 0, 16, number) if big else struct.pack("<HIH", 42, 8, number))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"II*\0", ".", id="a header only"),
        pytest.param(b"II*\0\0\0\0\0" + bytes(20), ".", id="no directory"),
        pytest.param(b"II*\0\xff\xff\xff\xff" + bytes(20), "first directory", id="a directory beyond the end"),
        pytest.param(entries(0) + bytes(50), "0 entries", id="an empty directory"),
        pytest.param(entries(65535) + bytes(50), "65535 entries", id="absurdly many entries"),
        pytest.param(tiff_file(grey(9, 8), big=True, order=">"), "header not valid|Missing", id="BigTIFF, big-endian"),
        pytest.param(entries(1 << 62, big=True) + bytes(50), "entries", id="absurdly many entries, BigTIFF"),
        pytest.param(tiff_file(grey(0, 8)), "0 x 8 pixels", id="no width"),
        pytest.param(tiff_file(grey(8, 0)), "8 x 0 pixels", id="no height"),
        pytest.param(tiff_file(grey(8, 8, t278=1 << 31))[:150], ".", id="cut short"),
        pytest.param(tiff_file(grey(8, 8, t277=60000)), ".", id="absurdly many samples"),
        pytest.param(tiff_file(grey(8, 8, t258=60000)), ".", id="absurdly many bits"),
        pytest.param(
            tiff_file(grey(8, 8, t322=0, t323=0)).replace(b"\x11\x01", b"\x44\x01", 1), ".", id="tiles of nothing"
        ),
        pytest.param(
            gigapixel([], **{}).replace(struct.pack("<I", 80_000), struct.pack("<I", 2000)), ".", id="no pixels"
        ),
    ],
)
def test_broken_files(data, reason):
    with pytest.raises(MediaError, match=reason):
        list(image.decode(data, SPEC).segments)


def test_directories_in_a_loop_end():
    assert shades(tiff_file(grey(9, 8, 50), grey(9, 8, 60), loop=True)) == {1: 50, 2: 60}
    assert shades(tiff_file(grey(9, 8, 50), loop=True)) == {None: 50}
    nested = grey(9, 8, 50)
    nested.tags[330] = 8 + 72  # itself
    assert shades(tiff_file(nested)) == {None: 50}


def test_truncated_pages_never_raise_anything_else():
    data = several([scene(60, 40, seed) for seed in range(3)], compression="tiff_lzw")
    for length in range(8, len(data), len(data) // 60):
        try:
            assert list(image.decode(data[:length], TINY).segments)
        except MediaError:
            continue
    random = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for position in random.integers(4, len(data), 8):
            broken[position] = random.integers(256)
        try:
            list(image.decode(bytes(broken), TINY).segments)
        except MediaError:
            continue
