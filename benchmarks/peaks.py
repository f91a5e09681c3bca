"""Peak memory of indexing the largest files that people have: ten hours of sound, 200 megapixels, 2,000 pages.

::

    python benchmarks/peaks.py

Each file is indexed by a process of its own with the `fake` model, so that what is measured is reading, not a network:
the peak of that process, and of its decoding process, above what both need for a small file of the kind.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reference import RESULTS, machine

MIB = 1 << 20
AT_MOST = 1024  # MiB, of either process, above the small file
HOURS, PAGES, SIDE = 10, 2_000, (16_320, 12_240)
RATE, PIECE = 16_000, 10

RUN = """
import json, re, resource, sys, time
from pathlib import Path
import mmsearch
started = time.perf_counter()
with mmsearch.open(sys.argv[2], model="fake") as index:
    report = index.add([sys.argv[1]])
assert not report.failed and report.added == 1, report
# Not getrusage for this process: on Linux that counts what its parent had when it forked.
own = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
peaks = [own * 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]
print(json.dumps([*peaks, report.segments, time.perf_counter() - started]))
"""


def sounds(seconds: int) -> Iterator[tuple[str, str, bytes]]:
    import numpy as np
    import soundfile

    piece = (np.random.default_rng(0).standard_normal(RATE * PIECE) * 0.05).astype(np.float32)
    for name, suffix, kind in (("WAV", ".wav", "WAV"), ("FLAC", ".flac", "FLAC")):
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", RATE, 1, "PCM_16", format=kind) as out:
            for _ in range(0, seconds, PIECE):
                out.write(piece)
        yield name, suffix, file.getvalue()
    for name, suffix, muxer, codec in (
        ("Opus", ".opus", "ogg", "libopus"),
        ("MP3", ".mp3", "mp3", "libmp3lame"),
        ("M4A", ".m4a", "ipod", "aac"),
    ):
        yield name, suffix, repeated(piece, seconds // PIECE, muxer, codec)


def repeated(piece: Any, times: int, muxer: str, codec: str) -> bytes:
    """A sound many times over; encoded once, as ten hours would take long."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as out:
        track = out.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(piece[None], "flt", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        converter = av.AudioResampler(track.format, "mono", RATE, frame_size=track.codec_context.frame_size or None)
        packets = [packet for part in converter.resample(frame) for packet in track.encode(part)]
        packets = [(bytes(packet), packet.duration, packet.time_base) for packet in packets if packet.size]
        at = 0
        for _ in range(times):
            for content, duration, base in packets:
                packet = av.Packet(content)
                packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = track, base, at, at, duration
                at += duration
                out.mux(packet)
    return file.getvalue()


def pictures(size: tuple[int, int]) -> Iterator[tuple[str, str, bytes]]:
    import numpy as np
    from PIL import Image

    small = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    picture = Image.fromarray(small).resize(size, Image.Resampling.BILINEAR)
    for name, suffix, kind, mode, options in (
        ("JPEG", ".jpg", "JPEG", "RGB", {}),
        ("JPEG, progressive", ".jpg", "JPEG", "RGB", {"progressive": True}),
        ("PNG", ".png", "PNG", "RGB", {"compress_level": 1}),
        ("PNG with transparency", ".png", "PNG", "RGBA", {"compress_level": 1}),
        ("TIFF", ".tif", "TIFF", "RGB", {}),
        ("HEIC, of 128", ".heic", "HEIF", "RGB", {}),
    ):
        file = io.BytesIO()
        if kind == "HEIF":
            import pillow_heif

            pillow_heif.from_pillow(picture.resize([side * 4 // 5 for side in size])).save(file, quality=30)
        else:
            picture.convert(mode).save(file, kind, **options)
        yield name, suffix, file.getvalue()


def document(pages: int) -> Iterator[tuple[str, str, bytes]]:
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    kind = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    font = writer._add_object(DictionaryObject({NameObject(key): NameObject(value) for key, value in kind.items()}))
    for number in range(pages):
        page = writer.add_blank_page(595, 842)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        lines = (
            f"({number} {line}: the quick brown fox jumps over the lazy dog, again and again) Tj T*"
            for line in range(45)
        )
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 10 Tf 14 TL 40 800 Td {' '.join(lines)} ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content.flate_encode())
    file = io.BytesIO()
    writer.write(file)
    yield "PDF", ".pdf", file.getvalue()


def measured(folder: Path, suffix: str, content: bytes) -> list[float]:
    """Peak bytes of the process and its child, segments, seconds."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / f"file{suffix}"
        path.write_bytes(content)
        command = [sys.executable, "-c", RUN, path, Path(place) / "index"]
        return json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)


def main() -> bool:
    kinds = (
        (f"{HOURS} hours of sound", sounds(10), sounds(HOURS * 3600)),
        (f"{SIDE[0] * SIDE[1] / 1e6:.0f} megapixels", pictures((64, 48)), pictures(SIDE)),
        (f"{PAGES:,} pages", document(1), document(PAGES)),
    )
    rows = ["| what | format | file | indexing process | decoding process | segments | time |", "|---" * 7 + "|"]
    worst = 0.0
    with tempfile.TemporaryDirectory() as place:
        for what, small, large in kinds:
            for (name, suffix, little), (_, _, much) in zip(small, large, strict=True):
                before, after = (measured(Path(place), suffix, content) for content in (little, much))
                above = [(b - a) / MIB for a, b in zip(before[:2], after[:2], strict=True)]
                worst = max(worst, *above)
                cells = [
                    what, name, f"{len(much) / MIB:.0f} MiB", f"{after[0] / MIB:.0f} MiB (+{max(above[0], 0):.0f})",
                    f"{after[1] / MIB:.0f} MiB (+{max(above[1], 0):.0f})", f"{after[2]:,}", f"{after[3]:.0f} s",
                ]  # fmt: skip
                rows.append(f"| {' | '.join(cells)} |")
                print(rows[-1], flush=True)
    kept = worst <= AT_MOST
    verdict = (
        f"In brackets: above what a small file of the kind needs. The most is {worst:.0f} MiB, claim ≤ {AT_MOST} MiB: "
        f"{'kept' if kept else '**missed**'}. A decoding process may not take more than 4 GiB of address space at all; "
        "what needs more is refused with a reason. The model is `fake`; sounds are cut into windows of 10 s every 5 s."
    )
    packages = ["pillow", "pillow-heif", "soundfile", "av", "pypdf"]
    text = "\n\n".join(["# Peak memory on the largest files", "\n".join(rows), verdict, machine(packages)]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "peaks.md").write_text(text, encoding="utf-8")
    print(text)
    return kept


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    raise SystemExit(not main())
