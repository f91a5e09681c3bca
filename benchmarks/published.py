"""The published figures of CLIP and CLAP, once more, through `mmsearch.evaluate`; within one point is as it should be.

::

    python benchmarks/published.py --data FOLDER [--models clip,clap] [--device cuda]

FOLDER holds the data sets in their usual layout, those that are to be had: `flickr30k`, `coco`, `audiocaps`, `clotho`,
`esc50`; `ingredients/papers.py` draws it. Weights are fetched, or in the cache. What is missing is named and left out.
Without a folder the same is run on random weights and a few real media: then the figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingredients import models, papers, samples
from reference import RESULTS, limit_threads, machine

SHOWN = ("hit@1", "hit@5", "hit@10")
POINT = 1.0
_SEEN, _HEARD = ("text->image", "image->text"), ("text->audio", "audio->text")


@dataclass(frozen=True)
class Published:
    """What a paper or its repository says.

    Attributes:
        model: by mmsearch's name.
        data: a key of `papers.READERS`.
        figures: percent at 1, 5 and 10, by direction; fewer where no more are published.
    """

    model: str
    data: str
    figures: Mapping[str, tuple[float, ...]]


def _clip(spec: str, flickr: tuple, flickr_back: tuple, coco: tuple, coco_back: tuple) -> tuple[Published, ...]:
    name = f"clip:{spec}"
    return (
        Published(name, "flickr30k", dict(zip(_SEEN, (flickr, flickr_back), strict=True))),
        Published(name, "coco", dict(zip(_SEEN, (coco, coco_back), strict=True))),
    )


CLAP = "clap:laion/clap-htsat-unfused"
PUBLISHED = (
    # open_clip, docs/openclip_retrieval_results.csv
    *_clip(
        "ViT-B-32/laion2b_s34b_b79k", (66.8, 88.4, 93.1), (84.1, 96.2, 98.3), (39.3, 65.4, 75.6), (56.3, 79.8, 87.1)
    ),
    *_clip("ViT-B-32/openai", (58.8, 83.6, 90.0), (78.9, 94.9, 98.2), (30.4, 55.9, 66.9), (50.1, 75.0, 83.5)),
    *_clip(
        "ViT-L-14/laion2b_s32b_b82k", (75.5, 92.9, 95.9), (89.5, 98.7, 99.4), (46.5, 71.1, 79.8), (63.4, 84.0, 90.7)
    ),
    # MTEB's results
    Published(CLAP, "audiocaps", dict(zip(_HEARD, ((30.2, 62.3, 76.9), (41.5, 75.2, 85.8)), strict=True))),
    Published(CLAP, "clotho", {"text->audio": (14.1, 34.2, 44.3)}),
    Published(CLAP, "esc50", {"audio->text": (81.7,)}),
)


def main(place: Path, data: Path | None, families: list[str], device: str | None) -> bool:
    limit_threads(2)
    means_something = data is not None
    actual: Callable[[str], str] = str
    if data is None:
        data = samples.write(place)
        made = {"clip": models.clip(place / "models", "tiny"), "clap": models.clap(place / "models", "tiny")}
        actual = lambda name: made[name.partition(":")[0]]  # noqa: E731
    rows, left_out, worst = [], [], 0.0
    for one in PUBLISHED:
        if one.model.partition(":")[0] not in families:
            continue
        named = f"{one.model} on {one.data}"
        try:
            found, warnings = _measured(one, data, place / f"{one.data}.json", actual(one.model), device)
        except LookupError as error:
            left_out.append(f"{named}: {error}")
            print(f"left out: {left_out[-1]}", flush=True)
            continue
        for direction, published in one.figures.items():
            queries, ours = found[direction]
            ours = ours[: len(published)]
            far = max(abs(a - b) for a, b in zip(ours, published, strict=True))
            worst = max(worst, far)
            verdict = ("kept" if far <= POINT else "**missed**") if means_something else "means nothing"
            compared = [_said(ours), _said(published), _apart(ours, published), verdict]
            cells = [one.model, one.data, direction, f"{queries:,}", *compared]
            rows.append(f"| {' | '.join(cells)} |")
            print(rows[-1], flush=True)
        left_out += [f"{named}: {warning}" for warning in warnings]
    text = _page(rows, left_out, means_something)
    print(text)
    if not means_something:
        print("Random weights and a few media, to try it out: THESE FIGURES MEAN NOTHING. Nothing was written.")
        return True
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "published.md").write_text(text, encoding="utf-8")
    return worst <= POINT


def _measured(one: Published, data: Path, manifest: Path, model: str, device: str | None):
    """Queries and percentages at 1, 5 and 10, by direction; and what of the data set was left out.

    Raises:
        LookupError: data set or weights are missing.
    """
    import mmsearch
    from mmsearch.errors import DatasetError, MissingExtra, ModelError

    try:
        entries = papers.READERS[one.data](data / one.data)
    except FileNotFoundError as error:
        raise LookupError(f"the data set is not there ({error.filename})") from error
    manifest.write_text(json.dumps(entries), "utf-8")
    try:
        found = mmsearch.evaluate(manifest, model, rerank="none", device=device)
    except (DatasetError, MissingExtra, ModelError) as error:
        raise LookupError(str(error)) from error
    measured = {
        direction: (result.queries, [100 * result.measures[name].value for name in SHOWN])
        for direction, result in found.directions.items()
    }
    return measured, found.warnings


def _page(rows: list[str], left_out: list[str], means_something: bool) -> str:
    head = ["model", "data", "direction", "queries", "ours at 1/5/10", "published", "difference", f"within {POINT:g}"]
    parts = [
        "# Published figures, once more" if means_something else "# Published figures: only tried out",
        "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows]) if rows else "Nothing was measured.",
        "Percent of queries with a right answer among the first 1, 5 and 10 (Recall@K of CLIP papers), no "
        f"rerankers, no prompts; Karpathy's test splits with {papers.CAPTIONS} captions of each picture. ESC-50: "
        f"zero-shot accuracy, all 2,000 clips, classes as {papers.PROMPT!r}. Sounds longer than ten seconds are heard "
        "whole, in windows, of which the best counts; transformers' own default hears ten seconds drawn at random.",
        "\n".join(["Not measured, or not in full:", "", *(f"- {one}" for one in left_out)]) if left_out else "",
        machine(["onnxruntime", "torch", "open_clip_torch", "transformers", "pillow"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _said(percentages) -> str:
    return "/".join(f"{one:.1f}" for one in percentages)


def _apart(ours, published) -> str:
    return "/".join(f"{a - b:+.1f}" for a, b in zip(ours, published, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--models", default="clip,clap", help="which families")
    parser.add_argument("--device", help="as everywhere; default: the GPUs, else the CPU")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        raise SystemExit(not main(Path(made), given.data, given.models.split(","), given.device))
