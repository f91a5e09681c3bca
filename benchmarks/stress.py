"""Writers that are killed, readers, compaction and snapshots on one index at once; counts what readers miss. POSIX.

The processes are those of `tests/faults/stress_run.py`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from reference import RESULTS, machine

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "faults"), str(HERE.parent / "tests")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--readers", type=int, default=2, help="processes that search (default 2)")
    chosen = parser.parse_args()

    from stress_run import THREADS, WRITERS, stress

    with tempfile.TemporaryDirectory(prefix="mmsearch-stress-") as folder:
        counts, problems = stress(Path(folder), chosen.seconds, readers=chosen.readers)
    parts = [
        "# Everything at once",
        f"{len(WRITERS)} writers, {chosen.readers} readers of {THREADS} threads each, a process that compacts and one "
        f"that takes snapshots, for {chosen.seconds:.0f} seconds on one index, on shards of a few rows; one of the "
        f"writers is killed (SIGKILL) about every four seconds and begun anew: {len(problems)} things were wrong.",
        "A reader asks for items that writers had been told were in, by their own vectors: each must be the first hit, "
        "and none that was removed before may be among the hits. A snapshot must be sound and hold all that was in "
        "when it was begun.",
        "\n".join(["| what | how many |", "|---|---|", *(f"| {name} | {count} |" for name, count in counts.items())]),
        machine(["sqlalchemy", "filelock"]),
    ]
    text = "\n\n".join(parts) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "stress.md").write_text(text, encoding="utf-8")
    print(text, *problems, sep="\n")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
