"""Pictures to test with, and the encoders that Pillow does not have."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from mmsearch.media.image import decode as image
from mmsearch.types import ImageSpec

SPEC = ImageSpec(size=224, resize=256)
SQUASH = ImageSpec(size=64, resize=64, squash=True)
RED, WHITE = (200, 10, 20), (255, 255, 255)


def content(source, spec=SPEC):
    (segment,) = image.decode(source, spec).segments
    assert (segment.start, segment.end, segment.page) == (None, None, None)
    assert segment.content.shape == (spec.size, spec.size, 3)
    assert segment.content.dtype == np.uint8
    return segment.content


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def heif(picture, exif=None, **options):
    """Of pixels as they are stored; an orientation in `exif` is written as `irot` and `imir` too."""
    import pillow_heif

    made = pillow_heif.from_pillow(picture)
    made[0].info["exif"] = exif
    file = io.BytesIO()
    made.save(file, **({"chroma": 444} | options))
    return file.getvalue()


def scene(width, height, seed=0):
    """Smooth, so that JPEG keeps it, and different everywhere, so that a shift shows."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def by_hand(picture, spec):
    """torchvision's Resize and CenterCrop, in two steps."""
    width, height = picture.size
    if spec.squash:
        return np.asarray(picture.resize((spec.size, spec.size), Image.Resampling.BICUBIC))
    if width <= height:
        size = spec.resize, int(spec.resize * height / width)
    else:
        size = int(spec.resize * width / height), spec.resize
    left, top = round((size[0] - spec.size) / 2.0), round((size[1] - spec.size) / 2.0)
    resized = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + spec.size, top + spec.size)))


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int))


def png(pixels, interlaced=False, chunks=(), depth=None):
    """A PNG of an array: uint8 or uint16; `(h, w)` grey, or `(h, w, 2 to 4)`; `depth` below 8 packs grey samples."""
    height, width = pixels.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if pixels.ndim == 2 else pixels.shape[2]]
    depth = depth or pixels.dtype.itemsize * 8
    adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = []
    for left, top, across, down in adam7 if interlaced else [(0, 0, 1, 1)]:
        for row in pixels[top::down, left::across]:
            if not row.size:
                continue
            if depth < 8:
                bits = (row[:, None] >> np.arange(depth)[::-1]) & 1
                rows.append(b"\0" + np.packbits(bits.astype(np.uint8)).tobytes())
            else:
                rows.append(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes())
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    return png_file((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))


def png_file(*chunks):
    made = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def bmp(width, height, bits, body, compression=0, palette=b"", masks=b""):
    """`height` is negative for rows from the top."""
    offset = 14 + 40 + len(masks) + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + header + masks + palette + body


class Directory:
    """A picture in a TIFF made by hand: `tags` are numbers or tuples, `data` are the strips, `children` its SubIFDs."""

    def __init__(self, tags, data=(), children=()):
        self.tags, self.data, self.children = tags, data, children


def grey(width, height, value=0, **tags):
    """A directory of one grey, uncompressed."""
    basic = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height}
    return Directory(
        basic | {int(tag.lstrip("t")): it for tag, it in tags.items()}, [bytes([value]) * (width * height)]
    )


def tiff(*directories, big=False, order="<", loop=False):
    """A TIFF or BigTIFF of directories, chained; with `loop`, the last is followed by the first."""
    body = bytearray(16 if big else 8)
    word, many, kind = ("Q", "Q", 16) if big else ("I", "H", 4)
    pack = lambda form, *values: struct.pack(order + form, *values)  # noqa: E731

    def write(made):
        """Append it; its offset, and where its pointer to the next one is."""
        tags = dict(made.tags)
        strips = []
        for strip in made.data:
            strips.append(len(body))
            body.extend(strip)
        if strips:
            tags[273], tags[279] = tuple(strips), tuple(map(len, made.data))
        if made.children:
            tags[330] = tuple(write(child)[0] for child in made.children)
        entries = b""
        for tag, value in sorted(tags.items()):
            values = value if isinstance(value, tuple) else (value,)
            form, number = ("H", 3) if max(values) < 65536 and tag not in (273, 330) else (word, kind)
            packed = pack(f"{len(values)}{form}", *values)
            if len(packed) > struct.calcsize(word):
                at = len(body)
                body.extend(packed)
                packed = pack(word, at)
            entries += pack("HH" + word, tag, number, len(values)) + packed.ljust(struct.calcsize(word), b"\0")
        offset = len(body)
        body.extend(pack(many, len(tags)) + entries + pack(word, 0))
        return offset, len(body) - struct.calcsize(word)

    places = [write(made) for made in directories]
    header = (b"II" if order == "<" else b"MM") + (
        pack("HHHQ", 43, 8, 0, places[0][0]) if big else pack("HI", 42, places[0][0])
    )
    body[: len(header)] = header
    following = [offset for offset, _ in places[1:]] + ([places[0][0]] if loop else [])
    for (_, pointer), offset in zip(places, following, strict=False):
        body[pointer : pointer + struct.calcsize(word)] = pack(word, offset)
    return bytes(body)
