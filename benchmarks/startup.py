"""`mmsearch search "a dog"` as a whole process on 10,000 items, against importing the libraries that it needs.

::

    python benchmarks/startup.py [--rows 10000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from reference import Contender, limit_threads, race, report

IMPORTS = "import numpy, onnxruntime, tokenizers, sqlalchemy, typer, rich"


def main(rows: int) -> bool:
    limit_threads(2)
    import numpy as np

    import mmsearch
    from mmsearch import Record

    random = np.random.default_rng(0)
    kinds = ("image", "audio", "text")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "index"
        with mmsearch.open(place, model="lite") as index:
            index.add_items(
                Record(id=str(i), vectors={kinds[i % 3]: random.standard_normal(384)}, metadata={"number": i})
                for i in range(rows)
            )
        search = [sys.executable, "-m", "mmsearch", "search", "a dog", "--index", str(place)]

        def run(command):
            return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        ours = Contender('mmsearch search "a dog"', run(search))
        imports = Contender("importing its libraries", run([sys.executable, "-c", IMPORTS]))
        races = [race(f"a process, {rows:,} items", ours, imports, rounds=12, at_most=2.0)]
    return report(
        "startup",
        "One question as a whole process",
        races,
        packages=["onnxruntime", "tokenizers", "sqlalchemy", "typer", "rich"],
        notes=f'The reference is `python -c "{IMPORTS}"`.',
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    raise SystemExit(not main(parser.parse_args().rows))
