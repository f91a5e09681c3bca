"""What the default cut keeps and refuses, and whether lists of several modalities are fair, with `lite`.

::

    python benchmarks/calibration.py [ESC10_FOLDER CAPTIONED_FOLDER]

1. The cut. Questions are gibberish (random letters, and syllables that could be words), plausible things that are not
   in the index (`ingredients/absent_*.txt`, each with a word that no caption has), and true ones: captions, two words
   that stand beside each other in captions of three pictures or more, and single words that do; the absent ones are
   shortened as well. Pictures and captions are Flickr8k's (its dev split, five captions each, of which the first is in
   the index), sounds ESC-10's. The only ones of their kind are the pictures of `mmsearch demo` among these, and
   a clip among those of other classes. The cuts and the weights of the yardstick were chosen, in coarse steps, on these
   and on the first set of the others; the questions held out were not looked at for it.
2. One list. As many pictures as texts and sounds, 160 each, and what is right is known: nDCG@10 of raw cosines, centred
   cosines, z-scores of each question's cosines, reciprocal rank fusion of the three lists, and ours.
3. What it costs to keep the backgrounds, as a share of indexing, and to ask for a confidence.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ingredients.media import CAPTIONED, ESC10
from reference import RESULTS, limit_threads, machine

if TYPE_CHECKING:
    from ingredients.world import World

    from mmsearch import Index, Record

ROUNDS = 600


def main(esc10: Path, captioned: Path) -> None:
    limit_threads(2)
    from ingredients import cut, one_list
    from ingredients.questions import CHOSEN, HELD_OUT
    from ingredients.world import World

    import mmsearch

    world = World.read(esc10, captioned)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with mmsearch.open(place / "index", model="lite") as index:
            costs = indexing(index, world)
            kept = [*cut.by_text(index, world, CHOSEN), *cut.by_text(index, world, HELD_OUT)]
            kept += [*cut.by_media(index, world, place), cut.only_picture(index, place / "demo")]
            costs.append(asking(index))
        with mmsearch.open(place / "mixed", model="lite") as index:
            gains = one_list.mixed(index, world)
    text = page(kept, gains, costs)
    (RESULTS / "calibration.md").write_text(text, encoding="utf-8")
    print(text)


def indexing(index: Index, world: World) -> list[str]:
    """Fill the index; rows that tell how long that took, and keeping the backgrounds of it."""
    from mmsearch import Record

    rows = []

    def timed(what: str, records: Sequence[Record], digits: tuple[int, int] = (1, 2)) -> None:
        with updates() as spent:
            start = time.perf_counter()
            index.add_items(records)
            whole = time.perf_counter() - start
        rows.append(f"| {what} | {whole:.{digits[0]}f} s | {spent[-1]:.{digits[1]}f} s |")

    timed(f"index {len(world.pictures):,} pictures, and the questions for the first time", world.pictures)
    timed(f"add {len(world.texts):,} captions", world.texts)
    timed(f"add {len(world.sounds):,} sounds", world.sounds)
    timed("add one text", [Record(id="one more", text="one more")], (2, 4))
    index.remove(ids=["one more"])
    return rows


@contextmanager
def updates() -> Iterator[list[float]]:
    """The seconds that each update of the backgrounds takes, until the block is left."""
    from mmsearch.search.calibrate import update

    spent: list[float] = []
    kept = update.update

    def timed(*arguments: Any, **named: Any) -> None:
        start = time.perf_counter()
        kept(*arguments, **named)
        spent.append(time.perf_counter() - start)

    update.update = timed
    try:
        yield spent
    finally:
        update.update = kept


def asking(index: Index) -> str:
    """A row that tells what finding takes, and what of it confidence does; in turns, with and without."""
    from mmsearch import Query
    from mmsearch.search.finding import Finder
    from mmsearch.search.route import route
    from mmsearch.types import Modality

    def no_bridge(source: object, target: object) -> None:
        return None

    searcher = index.searcher
    question = searcher.embedded([Query.text("a dog in the snow")], tuple(Modality))
    routes = {target: route(index.model, (Modality.TEXT,), target, no_bridge) for target in Modality}
    finder, rounds = Finder(index.model, searcher.nearest), {True: list[float](), False: list[float]()}
    with index.hold() as view:
        for turn in range(ROUNDS):
            judged = turn % 4 in (0, 3)
            start = time.perf_counter()
            directions = finder.directions(view, question, routes, judged=judged)
            finder.candidates(view, question, directions, 10, finder.scales(question, directions))
            rounds[judged].append(time.perf_counter() - start)
    added, without = (1e6 * median(rounds[judged]) for judged in (True, False))
    return f"| find ten of all three modalities for one question | {added:.0f} µs | {added - without:.0f} µs |"


def page(kept: Sequence[str], gains: Sequence[str], costs: Sequence[str]) -> str:
    from ingredients import cut, one_list

    from mmsearch.search.calibrate import scale

    cuts, others = (
        ", ".join(f"{value:g} for {kind}" for kind, value in some.items()) for some in (scale.CUTS, scale.OTHERS)
    )
    each = one_list.SHARE
    lines = [
        "# Confidence: the default cut, and one fair list",
        "",
        "`lite`. An answer is empty unless its best hit reaches the cut of its modality: to texts "
        f"{cuts}, but {scale.WORD:g} for a single word; to pictures and sounds as questions {others}.",
        "",
        cut.HEAD,
        "|---|---|---|---|---|---|",
        *kept,
        "",
        "Cuts and weights were chosen on the questions called so and on the only ones of their kind (a picture of the "
        "demo among these, a clip among those of other classes); not on those held out. What is absent is shortened as "
        "what is asked. Gibberish for pictures are noise, plain colours and slopes; for sounds, chords of pure tones "
        "and clicks. Absent from audio→audio is a class of ESC-10 that was left out of the index. Of pictures that ask "
        "nobody knows what is absent.",
        "",
        f"nDCG@10 of one list over {each} pictures, {each} texts and {each} sounds (95 % bootstrap intervals over "
        "questions); right are a caption's picture and its other caption, the clips of a class and its name. How it is "
        "done was chosen with 150 other pictures and the same sounds.",
        "",
        one_list.HEAD,
        "|---|---|---|---|---|---|---|---|---|",
        *gains,
        "",
        "| what | all of it | of that, confidence |",
        "|---|---|---|",
        *costs,
        "",
        machine(["numpy", "onnxruntime"]),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("esc10", type=Path, nargs="?", default=ESC10, metavar="ESC10_FOLDER")
    parser.add_argument("captioned", type=Path, nargs="?", default=CAPTIONED, metavar="CAPTIONED_FOLDER")
    given = parser.parse_args()
    main(given.esc10, given.captioned)
