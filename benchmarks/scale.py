"""An index of a million vectors of 512 dimensions beside bare things: opening, adding, exact search, batches, hits.

::

    python benchmarks/scale.py --folder /big/disk/growth [--rows 1000000] [--only opening ... proven]

The folder is that of `growth.py`; the size is built there if it is not. What changes the index is done to a copy.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from reference import RESULTS, limit_threads, machine

PARTS = ("opening", "approximate", "exactly", "inserting", "proven")


def main(rows: int, folder: Path, only: Sequence[str]) -> bool:
    limit_threads(2)
    from ingredients import growing, scales

    size, empty = folder / str(rows), folder / "empty"
    growing.opened(empty).close()
    built = growing.run("build", size, rows)
    growing.say(f"{rows:,}: {built['structure']}")
    found: list[scales.Compared] = []

    def keep(one: scales.Compared) -> None:
        growing.say(f"{one.what}: {_time(one.ours)}; {one.reference}: {_time(one.theirs)} {one.note}")
        found.append(one)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "scale.md").write_text(_text(rows, built["structure"], found), encoding="utf-8")

    if "opening" in only:
        for one in scales.opening(size, empty, rows):
            keep(one)
    if set(only) - {"opening"}:
        with scales.copied(size, folder / "copy") as place, growing.opened(place) as index:
            for part in PARTS[1:]:
                if part in only and (part != "approximate" or index._store.snapshot().structures):
                    for one in getattr(scales, part)(index, rows):
                        keep(one)
    print(_text(rows, built["structure"], found))
    return all(one.kept for one in found)


def _text(rows: int, structure: str, found: Sequence) -> str:
    lines = ["| what | ours | beside | takes | ratio | more | claim | | |", "|---" * 9 + "|"]
    for one in found:
        claim = "" if one.claim is None else f"{_time(one.claim)} more" if one.added else f"x {one.claim:.2f}"
        verdict = "" if one.claim is None else "kept" if one.kept else "**missed**"
        lines.append(
            f"| {one.what} | {_time(one.ours)} | {one.reference} | {_time(one.theirs)} | {one.ours / one.theirs:.2f} | "
            f"{_time(one.ours - one.theirs)} | {claim and f'≤ {claim}'} | {verdict} | {one.note} |"
        )
    how = (
        "Medians of runs in turns, A B B A, in one process; opening in processes of their own. Hits one by one and "
        "what they are beside run on one core, all else on two. Vectors are made (`ingredients/vectors.py`); no "
        "reranker. " + machine(["faiss-cpu"])
    )
    return "\n\n".join([f"# At scale: {rows:,} x 512, {structure}", "\n".join(lines), how]) + "\n"


def _time(seconds: float) -> str:
    size = abs(seconds)
    if size >= 1:
        return f"{seconds:,.2f} s"
    return f"{seconds * 1e3:,.2f} ms" if size >= 1e-3 else f"{seconds * 1e6:,.0f} µs"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True, help="that of growth.py")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    raise SystemExit(not main(given.rows, given.folder.absolute(), given.only))
