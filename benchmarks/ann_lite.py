"""Approximate search among real vectors of `lite`: made captions, asked by pictures and by other captions.

::

    python benchmarks/ann_lite.py [PICTURES] [--texts 60000]

PICTURES is a folder of photos: half of them are indexed too, as `optimize` tunes with them; the other half and captions
that are not in the index, are the questions that the tables are made with.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from ingredients.media import CAPTIONED
from reference import RESULTS, limit_threads, machine

K, QUESTIONS = 10, 300
KINDS = ("hnsw", "pq", "rabitq")


def main(folder: Path, texts: int) -> None:
    limit_threads(2)
    import numpy as np
    from ingredients import vectors

    import mmsearch
    from mmsearch import Record, captions

    made = list(captions.bank(texts + QUESTIONS, seed=11))
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    with tempfile.TemporaryDirectory() as place, mmsearch.open(Path(place) / "index", model="lite") as index:
        index.add(pictures[::2])
        index.add_items(Record(id=str(i), text=text) for i, text in enumerate(made[:-QUESTIONS]))
        _say(f"{len(index)} items")
        rows, keys = _stored(index)
        questions = {
            "text": _asked(index, "text", made[-QUESTIONS:]),
            "image": _asked(index, "image", pictures[1::2][:QUESTIONS]),
        }
        truth = {asked: vectors.nearest(some, rows, K) for asked, some in questions.items()}
        lines = ["| structure | asked by | effort/fetch | recall@10 when tuned | of other questions | median | exact |"]
        lines += ["|---" * 7 + "|"]
        for kind in KINDS:
            parts = {part.modality: part for part in index.optimize(structure=kind)}
            for asked, some in questions.items():
                setting, times, shares = parts["text"].settings[asked], [], []
                snapshot = index._store.snapshot()
                shards = [shard for shard in snapshot.shards if shard.id in keys]
                for question, right in zip(some, truth[asked], strict=True):
                    start = time.perf_counter()
                    (found,) = index.searcher.nearest.top(snapshot, shards, question[None], K, asked=asked)
                    times.append(time.perf_counter() - start)
                    labels = [keys[s] + o for s, o in zip(found.shards.tolist(), found.offsets.tolist(), strict=True)]
                    shares.append(np.isin(right, labels).mean())
                width = f"{setting.effort}/{setting.fetch}" if setting.effort else "exact"
                interval = f"{setting.recall:.3f} ({setting.low:.3f} to {setting.high:.3f})"
                lines.append(
                    f"| {parts['text'].structure} | {asked} | {width} | {interval} | {np.mean(shares):.3f} | "
                    f"{median(times) * 1e6:,.0f} µs | {setting.exact_seconds * 1e6:,.0f} µs |"
                )
                _say(lines[-1])
    how = (
        f"{texts:,} made captions (`mmsearch.captions`) in vectors of `lite`, 384 numbers; asked by {QUESTIONS} other "
        "captions and by photos, which are out of distribution. Labels out. " + machine(["faiss-cpu"])
    )
    text = "\n\n".join(["# Approximate search among real vectors of lite", "\n".join(lines), how]) + "\n"
    (RESULTS / "ann_lite.md").write_text(text, encoding="utf-8")
    print(text)


def _stored(index):
    """The text vectors `(n, d)`, and by shard where its rows begin among them."""
    import numpy as np

    shards = [s for s in index._store.snapshot().shards if (s.group.kind, s.group.modality) == ("vectors", "text")]
    firsts = np.cumsum([0, *(shard.rows for shard in shards)]).tolist()
    rows = np.concatenate([shard.matrix for shard in shards])
    return rows, {shard.id: first for shard, first in zip(shards, firsts, strict=False)}


def _asked(index, asked: str, contents: list):
    """The vectors `(q, d)` of questions, as a search makes them."""
    from mmsearch import Query
    from mmsearch.types import Modality

    _, made = index.searcher.vectors([Query.record(Modality(asked), one) for one in contents], Modality.TEXT)
    return made


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="?", default=CAPTIONED / "images")
    parser.add_argument("--texts", type=int, default=60_000)
    given = parser.parse_args()
    main(given.pictures, given.texts)
