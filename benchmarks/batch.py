"""Questions from a file against the bare encoder and search calls: what the batch adds to them.

::

    python benchmarks/batch.py [--questions 1000] [--pictures 1000] [--rounds 8] [--model lite]

Ours is `mmsearch search --file`, from the lines to the JSON lines, in this process; and `Index.search_many`. The
reference encodes the same questions in the same blocks and asks `Index.search` with each vector; a second one, for the
strict, is the encoder and NumPy's product and selection of ten alone, without looking up what is found. Questions are
captions that a generator made, none twice; pictures are synthetic vectors.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reference import Contender, limit_threads, race, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from mmsearch import Index

THREADS, K, AT_MOST = 2, 10, 1 / 0.9
BARE = {"target": "image", "k": K, "rerank": "none", "lexical": "off", "min_confidence": 0.0}  # vectors alone


def main(given: argparse.Namespace) -> bool:
    limit_threads(THREADS)
    import numpy as np

    import mmsearch
    from mmsearch.captions.generator import own_bank
    from mmsearch.search.searcher import TOGETHER

    questions = own_bank(given.questions, seed=7)
    rows = np.random.default_rng(0).standard_normal((given.pictures, 384), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as place, mmsearch.open(Path(place) / "index", given.model) as index:
        index.add_vectors(rows, modality="image")
        (Path(place) / "questions.txt").write_text("\n".join(questions))
        forget = partial(clear, index)
        plain = Contender("search --file", partial(asked, index, Path(place), BARE), forget)
        chain = Contender("search --file", partial(asked, index, Path(place), {"target": "image", "k": K}), forget)
        python = Contender("search_many", partial(many, index, questions), forget)
        bare = Contender("encoder and `search` calls", partial(calls, index, questions))
        strict = Contender("encoder, product, selection", partial(product, index, questions, rows))
        timed = partial(race, rounds=given.rounds, warmup=1)
        races = [
            timed("lines to JSON lines", plain, bare, at_most=AT_MOST),
            timed("the same, with all that is on by default", chain, bare),
            timed("lines to JSON lines", plain, strict),
            timed("hits in Python", python, strict),
        ]
    return report(
        "batch",
        f"{given.questions:,} questions of a file at {given.pictures:,} pictures, {given.model}",
        races,
        packages=["onnxruntime"],
        notes=f"A ratio of 1.11 is .9 x the rate. All encode the same questions in blocks of {TOGETHER}. Hits have "
        "ids, files, metadata and properties; those of the product alone are numbers of rows.",
    )


def blocks(index: Index, questions: Sequence[str]) -> Iterator[np.ndarray]:
    """Vectors `(n, d)` of the questions, some hundred at once."""
    from mmsearch.embedding import encode
    from mmsearch.search.searcher import TOGETHER
    from mmsearch.types import Modality, Role

    for start in range(0, len(questions), TOGETHER):
        for group, vectors in encode(index.model, Modality.TEXT, questions[start : start + TOGETHER], Role.QUERY):
            if group.kind == "vectors":
                yield vectors


def calls(index: Index, questions: Sequence[str]) -> None:
    for block in blocks(index, questions):
        for vector in block:
            index.search(vector=vector, **BARE)


def product(index: Index, questions: Sequence[str], rows: np.ndarray) -> None:
    import numpy as np

    for block in blocks(index, questions):
        scores = block @ rows.T
        best = np.argpartition(-scores, K, axis=1)[:, :K]
        np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)


def asked(index: Index, place: Path, options: dict[str, object]) -> None:
    from mmsearch.cli.batch import batch

    many = partial(index.search_many, **options)
    with redirect_stderr(io.StringIO()):
        batch(place / "questions.txt", many, out=place / "answers.jsonl", trec=None, templates=(), strict=True)


def many(index: Index, questions: Sequence[str]) -> None:
    list(index.search_many(questions, **BARE))


def clear(index: Index) -> None:
    """Forget the texts that were asked: otherwise the second round would encode nothing."""
    index.searcher._asking._remembered._made.clear()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--model", default="lite")
    raise SystemExit(not main(parser.parse_args()))
