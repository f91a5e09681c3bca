import io
import struct

import numpy as np
import pytest
from made_pictures import SQUASH, content, difference, encoded, heif, scene
from PIL import Image, ImageCms

from mmsearch.media.image import colour
from mmsearch.media.image import decode as image

# Chromaticities of SMPTE EG 432-1 (Display P3) and Adobe RGB (1998), red to blue; white is D65.
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
D65 = (0.3127, 0.3290)
D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def matrix(primaries):
    """From linear RGB to XYZ, relative to D65: Lindbloom, RGB/XYZ matrices."""
    columns = np.column_stack([xyz(*it) for it in primaries])
    return columns * np.linalg.solve(columns, xyz(*D65))


def profile(primaries=P3, gamma=2.2, space=b"RGB ", kind=b"mntr"):
    """A version 2 matrix profile; for GRAY, one with a curve only. ICC.1:2001-04, sections 6.1 to 6.3."""
    adapted = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ xyz(*D65))) @ BRADFORD
    fixed = lambda values: struct.pack(">3i", *(round(value * 65536) for value in values))  # noqa: E731
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    text = b"made by hand\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": b"XYZ \0\0\0\0" + fixed(D50),
    }
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), (adapted @ matrix(primaries)).T, strict=True):
            tags[name] = b"XYZ \0\0\0\0" + fixed(column)
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    header = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(body), b"lcms", 0x02400000, kind, space, b"XYZ ")
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + fixed(D50)
    return header.ljust(128, b"\0") + table + body


def computed(colours, primaries=P3, gamma=2.2):
    """By definition: to light, to XYZ, to sRGB's light, cut off, IEC 61966-2-1's curve."""
    light = np.linalg.inv(matrix(SRGB)) @ matrix(primaries) @ (np.asarray(colours) / 255) ** gamma
    light = light.clip(0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("primaries", [P3, ADOBE])
@pytest.mark.parametrize(
    "rgb", [(255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 120, 60), (60, 180, 90), (90, 100, 220), (255, 0, 0)]
)
def test_a_wide_gamut_is_converted_as_computed(primaries, rgb):
    flat = Image.new("RGB", (50, 40), rgb)
    expected = computed(rgb, primaries)
    for kind in ("PNG", "TIFF", "WEBP", "JPEG"):
        data = encoded(flat, kind, icc_profile=profile(primaries), lossless=True, quality=100)
        assert np.abs(content(data, SQUASH) - expected).max() <= (3 if kind == "JPEG" else 1.5)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_a_wide_gamut_in_the_other_containers(kind):
    flat = Image.new("RGB", (64, 64), (200, 120, 60))
    flat.info["icc_profile"] = profile()
    data = heif(flat, quality=95) if kind == "HEIF" else encoded(flat, kind, quality=95, icc_profile=profile())
    assert np.abs(content(data, SQUASH) - computed((200, 120, 60))).max() <= 5


def test_thumbnails_are_converted_too():
    data = encoded(Image.new("RGB", (50, 40), (60, 180, 90)), "PNG", icc_profile=profile())
    small = Image.open(io.BytesIO(image.thumbnail(data)))
    assert np.abs(np.asarray(small) - computed((60, 180, 90))).max() <= 3
    assert "icc_profile" not in small.info


def test_grey_profiles_have_a_curve():
    data = encoded(Image.new("L", (50, 40), 128), "PNG", icc_profile=profile(space=b"GRAY", gamma=1.0))
    assert difference(content(data, SQUASH), np.array(188)).max() <= 1  # half the light
    alpha = encoded(Image.new("LA", (50, 40), (128, 255)), "PNG", icc_profile=profile(space=b"GRAY", gamma=1.0))
    assert difference(content(alpha, SQUASH), np.array(188)).max() <= 1


def test_grey_pictures_may_have_a_profile_of_colours():
    data = encoded(Image.new("L", (50, 40), 128), "JPEG", icc_profile=profile(gamma=1.0))
    assert difference(content(data, SQUASH), np.array(188)).max() <= 1


def test_palettes_have_profiles_too():
    palette = Image.new("P", (50, 40), 1)
    palette.putpalette([0, 0, 0, 200, 120, 60])
    assert (
        np.abs(content(encoded(palette, "PNG", icc_profile=profile()), SQUASH) - computed((200, 120, 60))).max() <= 1.5
    )


def test_srgb_pictures_are_left_as_they_are():
    picture = scene(90, 70)
    plain = content(encoded(picture, "PNG"))
    named = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (content(encoded(picture, "PNG", icc_profile=named)) == plain).all()
    assert (content(encoded(picture, "PNG", icc_profile=profile(SRGB, gamma=2.2))) != plain).any()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"junk", id="junk"),
        pytest.param(b"\0" * 500, id="zeros"),
        pytest.param(profile()[:200], id="cut short"),
        pytest.param(profile()[:128] + b"\xff" * 400, id="an absurd table of tags"),
        pytest.param(profile(space=b"CMYK"), id="of other channels"),
        pytest.param(profile(space=b"GRAY"), id="grey, on colours"),
        pytest.param(profile(kind=b"link"), id="a device link"),
        pytest.param(profile() + bytes(17 << 20), id="too large"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), id="Lab"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes(), id="XYZ"),
    ],
)
def test_profiles_that_count_as_absent(broken):
    picture = scene(90, 70)
    assert (content(encoded(picture, "TIFF", icc_profile=broken)) == content(encoded(picture, "TIFF"))).all()


def test_damaged_profiles_never_raise():
    picture, good = scene(40, 30), profile()
    random = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(good)
        for position in random.integers(0, len(good), 4):
            broken[position] = random.integers(256)
        assert colour.to_srgb(picture, bytes(broken)).mode == "RGB"


def cmyk_profile():
    """A press whose inks are perfect filters: a table of 2 grid points from CMYK to Lab. ICC.1:2001-04, 6.5.7."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    rgb = ((1 - corners[:, :3]) * (1 - corners[:, 3:]) * 255).astype(np.uint8)[None]
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(srgb, lab, "RGB", "LAB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    values = np.asarray(ImageCms.applyTransform(Image.fromarray(rgb), to_lab)).reshape(-1, 3)
    values = values ^ np.array([0, 128, 128], np.uint8)  # Pillow's a and b are signed, the profile's are not
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", *np.eye(3, dtype=int).ravel() * 65536)
    table += ramp * 4 + values.astype(np.uint8).tobytes() + ramp * 3
    tags = {b"A2B0": table, b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(it * 65536) for it in D50))}
    listed, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        listed += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    header = struct.pack(">I4sI4s4s4s", 128 + len(listed) + len(body), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + listed + body


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("inks", "rgb"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_cmyk_is_converted_by_its_profile(kind, inks, rgb):
    data = encoded(Image.new("CMYK", (50, 40), inks), kind, icc_profile=cmyk_profile(), quality=100)
    assert difference(content(data, SQUASH), np.array(rgb)).max() <= 12


def test_cmyk_without_a_profile_and_with_one_differ():
    flat = Image.new("CMYK", (50, 40), (128, 40, 0, 30))
    plain, printed = encoded(flat, "TIFF"), encoded(flat, "TIFF", icc_profile=cmyk_profile())
    assert (content(plain, SQUASH) == np.asarray(flat.convert("RGB"))[0, 0]).all()
    assert difference(content(plain, SQUASH), content(printed, SQUASH)).max() > 5


def test_transforms_are_made_once_per_profile():
    colour._transform.cache_clear()
    data = encoded(scene(60, 40), "PNG", icc_profile=profile())
    for _ in range(5):
        content(data)
    assert colour._transform.cache_info().misses == 1
    assert colour._transform.cache_info().maxsize <= 64
