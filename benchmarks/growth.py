"""Growth: an index from ten thousand to ten million vectors of 512 dimensions, as users make and ask it.

::

    python benchmarks/growth.py --folder /big/disk/growth [--sizes 10000 100000 1000000 10000000] [--again ask cold]

Each size is loaded from `.npy`, optimized, and asked in fresh processes. Sizes that are in the folder already are not
built again, and steps that were measured are not repeated, unless named; `results/growth.md` and `.png` are written
anew after every size. Ten million take about 27 GB of disk at the end, and 30 GB meanwhile.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingredients import growing
from reference import RESULTS, limit_threads, machine

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SLOPE = 0.5
BYTES = 160  # resident ones a vector that are claimed, of the largest size
TITLES = {"image": "image → image", "text": "text → image"}

Measured = dict[int, dict[str, dict[str, Any]]]


def main(sizes: Sequence[int], folder: Path, again: Sequence[str]) -> None:
    limit_threads(2)
    found: Measured = {}
    empty = growing.run("open", _empty(folder), 0, again="open" in again)
    for rows in sorted(sizes):
        found[rows] = {}
        for step in growing.STEPS:
            growing.say(f"{rows:,}: {step}")
            found[rows][step] = growing.run(step, folder / str(rows), rows, again=step in again)
        text = "\n\n".join(["# Growth, 512 dimensions", *_tables(found, empty), _verdict(found), _how()]) + "\n"
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "growth.md").write_text(text, encoding="utf-8")
        _plot(found, RESULTS / "growth.png")
    print(text)


def _empty(folder: Path) -> Path:
    place = folder / "empty"
    growing.opened(place).close()
    return place


def slope(found: Measured, asked: str, least: int = 0) -> float:
    """Of the logarithm of the median time by that of the size, least squares."""
    points = [(math.log(n), math.log(steps["ask"][asked]["p50"])) for n, steps in found.items() if n >= least]
    if len(points) < 2:
        return math.nan
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def _tables(found: Measured, empty: dict[str, Any]) -> list[str]:
    asked = ["| vectors | structure | asked | effort/fetch | recall@10 | p50 | p95 |", "|---" * 7 + "|"]
    made = ["| vectors | load | rows/s | peak | build | optimize in all | peak |", "|---" * 7 + "|"]
    space = [
        "| vectors | own memory | a vector | mapped: vectors | catalog | code | disk: vectors | structure | catalog |",
        "|---" * 9 + "|",
    ]
    starts = ["| vectors | open | read | first search, warm | first search, cold | read from disk | next, cold |"]
    starts += [
        "|---" * 7 + "|",
        f"| none | {empty['open'] * 1e3:.1f} ms | {empty['read'] / 1024:,.0f} KiB |  |  |  |  |",
    ]
    for rows, steps in found.items():
        built, ask, cold, opened = (steps[step] for step in growing.STEPS)
        for direction, title in TITLES.items():
            one, set_ = ask[direction], built["settings"].get(direction, [0, 0, 1.0])
            width = f"{set_[0]}/{set_[1]}" if set_[0] else "exact"
            asked.append(
                f"| {rows:,} | {built['structure']} | {title} | {width} | {one['recall']:.3f} | {_ms(one['p50'])} | "
                f"{_ms(one['p95'])} |"
            )
        made.append(
            f"| {rows:,} | {built['load']:.1f} s | {rows / built['load']:,.0f} | {_mib(built['load_peak'])} | "
            f"{built['built']:.1f} s | {built['optimize']:.1f} s | {_mib(built['peak'])} |"
        )
        memory, disk = ask["memory"], built["disk"]
        mapped = " | ".join(_mib(memory[kind]) for kind in ("vectors", "catalog", "code"))
        kept = " | ".join(_mib(disk[kind]) for kind in ("vectors", "structure", "catalog"))
        own = memory["anonymous"]
        space.append(f"| {rows:,} | {_mib(own)} | {own / rows:,.0f} B | {mapped} | {kept} |")
        starts.append(
            f"| {rows:,} | {opened['open'] * 1e3:.1f} ms | {opened['read'] / 1024:,.0f} KiB | {_ms(opened['first'])} | "
            f"{_ms(cold['first'])} | {_mib(cold['read'])} | {_ms(cold['next'])} |"
        )
    titles = ("Asking, one thread on one core", "Making", "Memory after searches, and disk", "Opening, and cold starts")
    return [f"## {title}\n\n" + "\n".join(t) for title, t in zip(titles, (asked, made, space, starts), strict=True)]


def _verdict(found: Measured) -> str:
    lines = []
    for asked, title in TITLES.items():
        if len(found) > 1:
            whole, large = slope(found, asked), slope(found, asked, 100_000)
            beyond = "" if math.isnan(large) else f", {large:.2f} from 100,000 on"
            kept = "kept" if whole <= SLOPE else "**missed**"
            lines.append(
                f"Slope of the latency, {title}: **{whole:.2f}** over all sizes{beyond}; claim ≤ {SLOPE}: {kept}."
            )
    largest = max(found)
    each = found[largest]["ask"]["memory"]["anonymous"] / largest
    recall = min(found[largest]["ask"][asked]["recall"] for asked in TITLES)
    if largest >= 10_000_000:
        kept = "kept" if each <= BYTES and recall >= 0.95 else "**missed**"
        lines.append(
            f"At {largest:,}: {each:.0f} resident bytes a vector at recall {recall:.3f}; claim ≤ {BYTES}: {kept}."
        )
    return "\n\n".join(lines)


def _plot(found: Measured, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sizes = list(found)
    figure, panels = pyplot.subplots(2, 2, figsize=(13, 9.5))

    def draw(panel, title: str, unit: str, lines: dict[str, list[float]]) -> None:
        for number, (label, values) in enumerate(lines.items()):
            kept = [(n, value) for n, value in zip(sizes, values, strict=True) if value > 0]
            if kept:
                panel.plot(*zip(*kept, strict=True), label=label, marker="osv^D"[number % 5], linewidth=2)
        panel.set(xscale="log", yscale="log", xlabel="vectors", ylabel=unit, title=title)
        panel.grid(which="both", alpha=0.25)
        panel.legend()

    def values(*keys: str, scale: float = 1.0) -> list[float]:
        made = []
        for steps in found.values():
            value: Any = steps
            for key in keys:
                value = value[key]
            made.append(value * scale)
        return made

    draw(panels[0, 0], "one question: vector to hits, one thread", "milliseconds", {
        **{f"{title}, recall ≥ {min(values('ask', asked, 'recall')):.3f}": values("ask", asked, "p50", scale=1e3)
           for asked, title in TITLES.items()},
        "vectors not in memory": values("cold", "next", scale=1e3),
        "first of a process, cold": values("cold", "first", scale=1e3),
    })  # fmt: skip
    draw(panels[0, 1], "making", "seconds", {
        "load from .npy": values("build", "load"), "build the structure": values("build", "built"),
        "optimize, tuning included": values("build", "optimize"), "open": values("open", "open"),
    })  # fmt: skip
    draw(panels[1, 0], "memory of a process that searches", "MiB", {
        "its own": values("ask", "memory", "anonymous", scale=2**-20),
        "the structure": values("build", "bytes", scale=2**-20),
        "mapped pages of vectors": values("ask", "memory", "vectors", scale=2**-20),
    })  # fmt: skip
    draw(panels[1, 1], "disk", "MiB", {
        kind: values("build", "disk", kind, scale=2**-20) for kind in ("vectors", "structure", "catalog")
    })  # fmt: skip
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _how() -> str:
    return (
        f"{growing.QUESTIONS} questions of each kind, from vector to hits with ids, against exact search over all "
        "rows; none is stored, or was used to tune. The process that asks is pinned to one core; making has both. Each "
        "question is asked twice, the second time counts; `next, cold` are questions whose vectors have to come from "
        "the disk, while the structure is in memory. `own memory` is what the process cannot give back: structure, "
        "tables, heap; mapped pages are the system's to take. Vectors are made (`ingredients/vectors.py`). "
        + machine(["faiss-cpu"])
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--folder", type=Path, required=True, help="where indexes are made, and kept")
    parser.add_argument("--again", nargs="*", default=[], choices=growing.STEPS, help="steps to repeat")
    given = parser.parse_args()
    main(given.sizes, given.folder.absolute(), given.again)
