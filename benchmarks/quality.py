"""Retrieval quality of the models, with and without rerankers, through `mmsearch.evaluate`.

::

    python benchmarks/quality.py [MANIFEST...] [--models lite,lite2] [--chains "none;tags;default"]

Without a manifest, the demo corpus. A data set that may not be copied is named by its place on your disk.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from reference import RESULTS, machine

SHOWN = ("hit@1", "hit@5", "hit@10", "mrr", "map", "median_rank")


def main(manifests: list[Path], models: list[str], chains: list[str]) -> None:
    import mmsearch
    from mmsearch.demo.corpus import build

    head = ["data", "direction", "queries", "model", "rerankers", *(name.replace("_", " ") for name in SHOWN)]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    with tempfile.TemporaryDirectory() as place:
        if not manifests:
            corpus = build(Path(place) / "demo")
            manifests = [corpus.manifest, corpus.topics]
        for manifest in manifests:
            for model in models:
                for chain in chains:
                    found = mmsearch.evaluate(manifest, model, rerank=None if chain == "default" else chain)
                    for direction, result in found.directions.items():
                        cells = [
                            f"{manifest.parent.name}/{manifest.name}",
                            direction,
                            str(result.queries),
                            model,
                            chain,
                        ]
                        cells += [_cell(name, result.measures[name]) for name in SHOWN]
                        rows.append(f"| {' | '.join(cells)} |")
                        print(rows[-1], flush=True)
    notes = "Percent and 95 % bootstrap intervals over queries; hit@K is what CLIP papers call Recall@K; depth 1,000."
    text = "\n\n".join(["# Retrieval quality", "\n".join(rows), notes, machine(["onnxruntime"])]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "quality.md").write_text(text, encoding="utf-8")


def _cell(name, estimate):
    if name == "median_rank":
        return f"{estimate.value:g}"
    low, high = estimate.interval
    return f"{100 * estimate.value:.1f} ({100 * low:.1f}–{100 * high:.1f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="*", type=Path)
    parser.add_argument("--models", default="lite,lite2")
    parser.add_argument("--chains", default="none;tags;default", help="of rerankers, with ; between them")
    given = parser.parse_args()
    main(given.manifests, given.models.split(","), given.chains.split(";"))
