"""What words found to the letter are worth beside vectors, with `lite`, and what they cost.

::

    python benchmarks/lexical.py [CAPTIONED_FOLDER]

1. Worth. The texts are four captions of each of Flickr8k's 1,000 dev pictures; the first asks for the other four, as it
   is, or by its first two words of four letters. The pictures are asked with the same captions; what they have of words
   are their files' names. Names are those of invented files, half of them of texts about something else, half of
   pictures. `lexical` is the reranker: plain reciprocal rank fusion, whatever share of the words was found.
2. Cost: what words add to a search, in an index of 100,000 captions, each made of halves of two of Flickr8k's; and to
   indexing 10,000 passages.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ingredients.media import CAPTIONED
from reference import RESULTS, limit_threads, machine

WAYS = {
    "off": {"lexical": "off"},
    "**on**": {"lexical": "on"},
    "only": {"lexical": "only"},
    "off, `lexical`": {"lexical": "off", "rerank": "lexical"},
}
KINDS, NAMES = ["invoice", "receipt", "contract", "letter", "report", "minutes", "offer", "order"], 60
CAPTIONS, PASSAGES = 100_000, 10_000


def worth(index: Any, asked: Sequence[str], right: Callable[[int, Any], bool], of: int, **options: Any) -> str:
    """Hits at 1 and 10, and nDCG@10 of as many right ones, with 95 % intervals over the questions."""
    import numpy as np
    from ingredients.measures import ndcg

    hits, gains = [], []
    for number, hits_of in enumerate(index.search_many(asked, k=10, min_confidence=0, **options)):
        found = [right(number, hit) for hit in hits_of]
        hits.append((bool(found) and found[0], any(found)))
        gains.append(ndcg(found, of))
    first, ten = np.mean(hits, axis=0)
    spread = 1.96 * np.std(gains) / len(gains) ** 0.5
    return f"{first:.3f} | {ten:.3f} | {np.mean(gains):.3f} ± {spread:.3f}"


def two_words(caption: str) -> str:
    found = re.findall(r"[a-z]{4,}", caption.lower())
    return " ".join(found[:2]) or caption


def named(folder: Path, pictures: Sequence[Path], captions: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files with names that tell what is in them, and nothing else does; the names, and questions for them."""
    draw, names, asked = random.Random(1), [], []
    for number in range(NAMES):
        kind, year, serial = KINDS[number % len(KINDS)], 2015 + number % 9, draw.randint(100, 999)
        names.append(f"{kind}_{year}-{serial}{'.txt' if number % 2 else '.jpg'}")
        asked.append(f"{kind} {year}-{serial}")
        if number % 2:
            (folder / names[-1]).write_text(captions[number])
        else:
            (folder / names[-1]).write_bytes(pictures[number].read_bytes())
    return names, asked


def worths(place: Path, data: Path, told: Sequence[Any]) -> list[str]:
    import mmsearch

    pictures = [data / one["image"] for one in told]
    asked = [one["captions"][0] for one in told]
    texts = [
        mmsearch.Record(id=f"{number} {n}", text=text)
        for number, one in enumerate(told)
        for n, text in enumerate(one["captions"][1:])
    ]
    folder = place / "named"
    folder.mkdir()
    names, by_name = named(folder, pictures, [text.text for text in texts])
    with mmsearch.open(place / "index", model="lite") as index:
        index.add_items(texts)
        index.add([data / "images"])

        def same(number: int, hit: Any) -> bool:
            return hit.id.split()[0] == str(number)

        rows = []
        short = [two_words(text) for text in asked]
        for what, questions, right, of, target in (
            ("caption → 4,000 captions", asked, same, 4, "text"),
            ("two words of it → 4,000 captions", short, same, 4, "text"),
            ("caption → 1,000 pictures", asked, lambda n, hit: hit.path == pictures[n], 1, "image"),
        ):
            for way, options in WAYS.items():
                if target == "image" and way == "only":
                    continue
                rows.append(f"| {what} | {way} | {worth(index, questions, right, of, target=target, **options)} |")
        index.add([folder])
        for way, options in WAYS.items():
            found = worth(index, by_name, lambda n, hit: hit.path.name == names[n] if hit.path else False, 1, **options)
            rows.append(f"| name → all of these, and {NAMES} files | {way} | {found} |")
    return rows


def passages(captions: Sequence[str], count: int, halves: int, draw: random.Random) -> list[str]:
    split = [text.split() for text in captions]

    def half() -> list[str]:
        words = draw.choice(split)
        return words[: len(words) // 2] if draw.random() < 0.5 else words[len(words) // 2 :]

    return [" ".join(word for _ in range(halves) for word in half()) for _ in range(count)]


def filled(place: Path, texts: Sequence[str], *, words: bool = True) -> float:
    """Put texts into an index; the seconds of the commits. Without `words` it has no full text."""
    import numpy as np

    import mmsearch
    from mmsearch.embedding import vector_group
    from mmsearch.store.bulk import PutRows
    from mmsearch.store.database import CATALOG
    from mmsearch.store.store import Store
    from mmsearch.types import Modality

    with mmsearch.open(place, model="fake") as index:
        (space,) = index.model.spaces
    if not words:
        with closing(sqlite3.connect(place / CATALOG)) as catalog:
            catalog.execute("DROP TRIGGER segment_said")
    rows = np.random.default_rng(0).standard_normal((len(texts), space.dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    group = vector_group(space, Modality.TEXT)
    with closing(Store.open(place)) as store, store.writer() as writer:
        start = time.perf_counter()
        for first in range(0, len(texts), 4096):
            some = texts[first : first + 4096]
            keys = [str(first + number) for number in range(len(some))]
            writer.commit([PutRows(keys, [{}] * len(some), some, group, rows[first : first + len(some)])])
        return time.perf_counter() - start


def latencies(place: Path, captions: Sequence[str]) -> list[str]:
    """Milliseconds of what words do, without anything else."""
    import numpy as np

    from mmsearch.search.fuse import LEAST
    from mmsearch.search.lexical.bm25 import matches
    from mmsearch.search.lexical.language import parse
    from mmsearch.store.store import Store

    filled(place, passages(captions, CAPTIONS, 2, random.Random(0)))
    some = [text for text in captions if 9 <= len(text.split()) <= 11][:500]
    asked = {"captions of 9 to 11 words": some, "two words of each": [two_words(text) for text in some]}
    store, rows = Store.open(place), []
    with store.view() as view:
        for what, questions in asked.items():
            for way, least in (("on", LEAST), ("only", 0.0)):
                for turn in ("first", "again"):
                    taken = []
                    for text in questions:
                        start = time.perf_counter()
                        matches(view, view.snapshot(), parse(text, strict=False), least=least)
                        taken.append(1000 * (time.perf_counter() - start))
                    p50, p95 = np.percentile(taken, (50, 95))
                    rows.append(f"| {what} | {way} | {turn} | {p50:.2f} ms | {p95:.2f} ms |")
    store.close()
    return rows


def indexing(place: Path, captions: Sequence[str]) -> str:
    import mmsearch

    texts = passages(captions, PASSAGES, 16, random.Random(2))
    bare = min(filled(place / f"bare {n}", texts, words=False) for n in range(3))
    ours = min(filled(place / f"ours {n}", texts) for n in range(3))
    sizes = [(place / f"{name} 0" / "catalog.sqlite").stat().st_size for name in ("bare", "ours")]
    with mmsearch.open(place / "lite", model="lite") as index:
        start = time.perf_counter()
        index.add_items(mmsearch.Record(id=str(n), text=text) for n, text in enumerate(texts[:1000]))
        whole = (time.perf_counter() - start) * PASSAGES / 1000
        size = sum(path.stat().st_size for path in (place / "lite" / "shards").rglob("*.vec")) * PASSAGES / 1000
    return (
        f"{PASSAGES:,} passages of {sum(map(len, texts)) // len(texts)} characters: {1000 * bare:.0f} ms to commit "
        f"without full text, {1000 * ours:.0f} ms with it, where all of indexing them with `lite` takes {whole:.0f} s: "
        f"{100 * (ours - bare) / whole:.1f} % more. The catalog has {sizes[0] / 1e6:.1f} MB without and "
        f"{sizes[1] / 1e6:.1f} MB with it, beside shards of {size / 1e6:.0f} MB."
    )


def main(data: Path) -> None:
    limit_threads(2)
    told = json.loads((data / "captions.json").read_text("utf-8"))
    captions = [text for one in told for text in one["captions"]]
    with tempfile.TemporaryDirectory() as place:
        table = [
            "# Words beside vectors", "",
            "| questions → answers | `--lexical` | hit@1 | hit@10 | nDCG@10 |", "|---|---|---|---|---|",
            *worths(Path(place), data, told), "",
            f"What words take, of {CAPTIONS:,} captions:", "",
            "| questions | `--lexical` | | p50 | p95 |", "|---|---|---|---|---|",
            *latencies(Path(place) / "captions", captions), "",
            indexing(Path(place), captions), "", machine(["mmsearch"]),
        ]  # fmt: skip
    (RESULTS / "lexical.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=CAPTIONED, metavar="CAPTIONED_FOLDER")
    main(parser.parse_args().data)
