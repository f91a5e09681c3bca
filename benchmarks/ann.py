"""Approximate search: recall@10 against questions a second, beside libraries and engines, one thread each.

::

    python benchmarks/ann.py [--rows 200000] [--dim 512] [--only WORDS] [--keep FILE] [--name ann]

Questions are of both kinds: as the pictures that are stored, and as texts about them. All contenders are built from the
same rows in this run and asked one question at a time, pinned to one core. Libraries return labels; engines keep
an id and a metadata field of each row and return them. Ours is measured as both. The second table filters.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from ingredients.cores import one_core
from reference import RESULTS, limit_threads, machine

QUESTIONS, WARM = 300, 10
WANTED = 0.95
DIRECTIONS = ("image", "text")
TITLES = {"image": "in distribution: image → image", "text": "out of distribution: text → image"}
OURS = ("crimson", "black", "darkviolet", "magenta")
FLOOR = 0.8  # recall from which the plot begins
KEPT = ("name", "kind", "seconds", "memory", "disk")
PACKAGES = ("faiss-cpu", "hnswlib", "usearch", "lancedb", "chromadb")


@dataclass(frozen=True)
class Point:
    """One setting of one contender, asked in one direction; seconds are the median of one question."""

    name: str
    kind: str
    setting: str
    asked: str
    recall: float
    seconds: float


def main(rows: int, dim: int, only: list[str], keep: Path | None, name: str) -> None:
    limit_threads(1)
    os.environ |= {"RAYON_NUM_THREADS": "2", "LANCE_CPU_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    from ingredients import own, peers, vectors

    from mmsearch.ann.recipe import choose

    stored = vectors.image(rows, 100, dim)
    questions = {"image": vectors.image(QUESTIONS, 9001, dim), "text": vectors.text(QUESTIONS, 9101, dim)}
    truth = {asked: vectors.nearest(some, stored, peers.K) for asked, some in questions.items()}
    points, built, notes, extra = [], [], [], []
    done = json.loads(keep.read_text("utf-8")) if keep is not None and keep.is_file() else {}
    makers: list[tuple[str, Callable[[], Iterator[peers.Peer]]]] = [
        ("flat", lambda: peers.faiss_flat(stored)),
        *(
            (kind, lambda kind=kind: peers.faiss_index(stored, choose(rows, dim, kind=kind).recipe.factory))
            for kind in ("hnsw", "pq", "rabitq")
        ),
        ("hnswlib", lambda: peers.hnswlib(stored)),
        ("mmsearch", lambda: own.peers(stored, questions, extra)),
        ("usearch", lambda: peers.usearch(stored, "f16")),
        ("lancedb", lambda: peers.lancedb(stored)),
        ("chromadb", lambda: peers.chromadb(stored)),
    ]
    for contender, make in makers:
        if contender in done:
            points += [Point(**one) for one in done[contender]["points"]]
            built += [peers.Peer(**one, settings=None) for one in done[contender]["built"]]
            extra += done[contender]["extra"]
            continue
        if only and not any(word in contender for word in only):
            notes.append(f"Left out of this run: {contender}.")
            continue
        before = len(points), len(built), len(extra)
        try:
            for peer in make():
                found = list(_sweep(peer, questions, truth))
                points += found
                built.append(replace(peer, settings=None, held=None))
                _say(f"{time.strftime('%H:%M:%S')} {peer.name}: built in {peer.seconds:.1f} s, {len(found)} points")
        except ImportError as error:
            notes.append(f"Skipped: {contender} is not installed ({error}).")
            continue
        gc.collect()
        done[contender] = {
            "points": [asdict(one) for one in points[before[0] :]],
            "built": [{key: getattr(one, key) for key in KEPT} for one in built[before[1] :]],
            "extra": extra[before[2] :],
        }
        if keep is not None:
            keep.write_text(json.dumps(done), encoding="utf-8")
        _write(name, rows, dim, points, [_table(built, points), *extra, *notes])
    print(_write(name, rows, dim, points, [_table(built, points), *extra, *notes]))


def _write(name: str, rows: int, dim: int, points: list[Point], more: list[str]) -> str:
    title = f"# Approximate search at {rows:,} x {dim}, k = 10"
    text = "\n\n".join([title, _best(points), *more, _how()]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    _plot(points, RESULTS / f"{name}.png", f"{rows:,} x {dim}, one thread")
    return text


def _sweep(peer, questions, truth) -> Iterator[Point]:
    """Each setting in both directions."""
    import numpy as np

    with one_core():
        for setting, ask in peer.settings():
            for asked, some in questions.items():
                found, times = _ask(ask, some)
                share = np.mean([np.isin(b, a).mean() for a, b in zip(found, truth[asked], strict=True)])
                yield Point(peer.name, peer.kind, setting, asked, float(share), times)


def _ask(ask, questions) -> tuple[list, float]:
    """Answers, and the median seconds of a question asked alone."""
    found, times = [], []
    for question in questions[:WARM]:
        ask(question[None])
    gc.collect()
    gc.disable()
    try:
        for question in questions:
            start = time.perf_counter()
            found.append(ask(question[None]))
            times.append(time.perf_counter() - start)
    finally:
        gc.enable()
    return found, median(times)


def _front(points: list[Point], name: str, asked: str) -> list[Point]:
    """Settings of a contender that no other one beats in both recall and time, by rising recall."""
    mine = sorted((p for p in points if p.name == name and p.asked == asked), key=lambda p: (p.seconds, -p.recall))
    kept: list[Point] = []
    for point in mine:
        if not kept or point.recall > kept[-1].recall:
            kept.append(point)
    return kept


def _fastest(points: list[Point], name: str, asked: str) -> Point | None:
    enough = [p for p in points if p.name == name and p.asked == asked and p.recall >= WANTED]
    return min(enough, key=lambda p: p.seconds, default=None)


def _best(points: list[Point]) -> str:
    """The fastest setting of each contender that keeps the recall, by direction, and ours over the best of others."""
    lines = []
    for asked in DIRECTIONS:
        kept = {name: _fastest(points, name, asked) for name in dict.fromkeys(p.name for p in points)}
        found = sorted((p for p in kept.values() if p), key=lambda p: p.seconds)
        lines += [f"## The fastest with recall@10 of at least {WANTED}, {TITLES[asked]}", ""]
        lines += ["| contender | what | setting | recall@10 | median | questions/s |", "|---" * 6 + "|"]
        for p in found:
            bold = "**" if p.kind.startswith("ours") else ""
            lines.append(
                f"| {bold}{p.name}{bold} | {p.kind} | {p.setting} | {p.recall:.3f} | {p.seconds * 1e6:,.0f} µs | "
                f"{1 / p.seconds:,.0f} |"
            )
        if missed := [name for name, point in kept.items() if point is None]:
            lines += ["", f"No setting reaches it: {', '.join(missed)}."]
        for ours, others in (("ours, labels", "library"), ("ours, hits", "library"), ("ours, hits", "engine")):
            mine = next((p for p in found if p.kind == ours), None)
            other = next((p for p in found if p.kind == others), None)
            if mine and other:
                ratio = other.seconds / mine.seconds
                lines += ["", f"Questions/s of {ours} over the best {others} ({other.name}): **{ratio:.2f}**."]
        lines.append("")
    return "\n".join(lines).rstrip()


def _table(built: list, points: list[Point]) -> str:
    lines = ["## What was built, and all settings that no other of the same contender beats", ""]
    lines += ["| contender | built in | memory | disk | setting: recall@10, questions/s, in | out |", "|---" * 6 + "|"]
    for one in built:
        fronts = (
            "; ".join(
                f"{p.setting or '-'}: {p.recall:.3f}, {1 / p.seconds:,.0f}" for p in _front(points, one.name, asked)
            )
            for asked in DIRECTIONS
        )
        sizes = (f"{size / 2**20:,.0f} MiB" if size else "-" for size in (one.memory, one.disk))
        lines.append(f"| {one.name} | {one.seconds:.1f} s | {' | '.join(sizes)} | {' | '.join(fronts)} |")
    return "\n".join(lines)


def _plot(points: list[Point], path: Path, title: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    names = sorted(dict.fromkeys((p.kind, p.name) for p in points))
    figure, panels = pyplot.subplots(1, 2, figsize=(15, 7.5), sharey=True)
    for panel, asked in zip(panels, DIRECTIONS, strict=True):
        for number, (kind, name) in enumerate(names):
            front = [p for p in _front(points, name, asked) if p.recall >= FLOOR]
            ours = kind.startswith("ours")
            colour = OURS[number % 4] if ours else pyplot.get_cmap("tab20")(number % 20)
            panel.plot(
                [p.recall for p in front], [1 / p.seconds for p in front], label=name,
                color=colour, marker="osv^D*Px"[number % 8], markersize=9 if ours else 5,
                linewidth=3 if ours else 1.2, linestyle="--" if kind == "engine" else "-",
            )  # fmt: skip
        panel.axvline(WANTED, color="grey", linewidth=0.8, linestyle=":")
        panel.set(yscale="log", xlabel="recall@10", title=TITLES[asked], xlim=(FLOOR, 1.005))
        panel.grid(which="both", alpha=0.25)
    panels[0].set_ylabel("questions a second (one thread, log)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.suptitle(f"{title}: thick lines are ours, dashed ones engines; up and right is better")
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _how() -> str:
    from importlib.metadata import PackageNotFoundError, version

    there = []
    for package in PACKAGES:
        try:
            version(package)
            there.append(package)
        except PackageNotFoundError:
            continue
    return (
        f"{QUESTIONS} questions of each kind against exact search; they are asked one at a time. "
        "The process is pinned to one core while it is asked, and has two for building. Vectors are made "
        "(`ingredients/vectors.py`). Each contender shows its own best setting on the questions it is judged by, ours "
        f"too. {machine(there)}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512, help="512, or 384, that of the model lite")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of contenders")
    parser.add_argument("--keep", type=Path, help="a file of what was measured: a run that broke off goes on")
    parser.add_argument("--name", default="ann", help="of the files of results; with --only, another one")
    given = parser.parse_args()
    main(given.rows, given.dim, given.only, given.keep, given.name)
