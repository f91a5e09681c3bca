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
import json
import random
import re
import string
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingredients.media import CAPTIONED, ESC10
from reference import RESULTS, limit_threads, machine

from mmsearch.search.lexical.language import STOP

HERE = Path(__file__).parent / "ingredients"
CONSONANTS = (
    "b",
    "c",
    "d",
    "f",
    "g",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "w",
    "z",
    "br",
    "cr",
    "st",
    "pl",
)
VOWELS, ENDS = "aeiou", ("", "n", "r", "x", "lk")
SAID = {
    "chosen": (
        "{}", "the sound of {}", "a recording of {}", "i hear {} in the distance", "loud {}",
        "{} noise", "a clip of {}", "what {} sounds like", "{} nearby", "listen to the {}",
    ),
    "held out": ("the noise of {}", "{} sound", "someone recorded {}", "hearing {}", "a short sample of {}"),
}  # fmt: skip
SETS = {  # seeds, behind the names of files, and which captions ask
    "chosen": ((1, 2), "", (1, 2, 3)),
    "held out": ((3,), "_held_out", (4,)),
}
BETWEEN = ("one", "two", "three", "four", "near", "next", "another", "while")  # words that show nothing
SHARE = 160  # of each modality in the mixed index


def gibberish(seed: int, count: int = 200) -> list[str]:
    draw = random.Random(seed)

    def letters() -> str:
        return "".join(draw.choice(string.ascii_lowercase) for _ in range(draw.randint(2, 10)))

    def syllables() -> str:
        return "".join(
            draw.choice(CONSONANTS) + draw.choice(VOWELS) + draw.choice(ENDS) for _ in range(draw.randint(1, 3))
        )

    return [
        " ".join((letters if n % 2 else syllables)() for _ in range(draw.randint(1, 5))) for n in range(count)
    ]  # fmt: skip


def telling(text: str) -> list[str]:
    """The words of a text that show something."""
    return [word for word in re.findall("[a-z]+", text.lower()) if word not in STOP and word not in BETWEEN]


def shortly(photos: Sequence[Mapping[str, Any]], width: int, part: int, count: int = 400) -> list[tuple[str, set[int]]]:
    """Words that stand beside each other in captions of at least three pictures, and in which pictures."""
    found = defaultdict(set)
    for number, photo in enumerate(photos):
        for caption in photo["captions"]:
            words = re.findall("[a-z]+", caption.lower())
            for start in range(len(words) - width + 1):
                said = " ".join(words[start : start + width])
                if len(telling(said)) == width and min(map(len, said.split())) > 2:
                    found[said].add(number)
    common = sorted(said for said, where in found.items() if len(where) >= 3)
    random.Random(0).shuffle(common)  # every second one is held out
    return [(said, found[said]) for said in common[part % 2 :: 2][:count]]


def absent(name: str, photos: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    known = {
        word for photo in photos for caption in photo["captions"] for word in re.findall("[a-z]+", caption.lower())
    }
    lines = (HERE / f"absent_{name}.txt").read_text("utf-8").splitlines()
    assert not photos or all(set(re.findall("[a-z]+", line.lower())) - known for line in lines)
    return lines


def noises(count: int) -> list[tuple[Any, int]]:
    """Sounds that are none of the world: chords of pure tones, and clicks at random times."""
    import numpy as np

    draw, rate, made = np.random.default_rng(2), 16_000, []
    seconds = np.arange(5 * rate) / rate
    for number in range(count):
        if number % 2:
            sound = sum(np.sin(2 * np.pi * f * seconds) for f in draw.uniform(200, 6000, 3)) / 3
        else:
            sound = np.zeros(len(seconds))
            sound[draw.integers(0, len(sound), 40)] = 1
        made.append((sound.astype(np.float32), rate))
    return made


def patterns(count: int) -> list[Any]:
    """Pictures of nothing: noise of pixels, plain colours, and slopes."""
    import numpy as np

    draw, made = np.random.default_rng(3), []
    for number in range(count):
        base = (
            draw.integers(0, 256, (256, 256, 3))
            if number % 3 == 0
            else np.full((256, 256, 3), draw.integers(0, 256, 3))
        )
        slope = np.linspace(0, 1, 256)[:, None, None] if number % 3 == 2 else 1
        made.append((base * slope).astype(np.uint8))
    return made


def left(index: Any, queries: Sequence[Any], target: str) -> list[bool]:
    """Of each question, whether the default cut leaves anything; rerankers do not change it."""
    return [len(hits) > 0 for hits in index.search_many(queries, target=target, k=10, rerank="none")]


def share(flags: Sequence[bool]) -> str:
    return f"{100 * sum(flags) / len(flags):.1f} % of {len(flags)}" if flags else "–"


def row(
    name: str, what: str, index: Any, nonsense: Sequence[bool], missing: Sequence[bool], asked: Sequence[Any],
    right: Sequence[set[str]],
) -> str:  # fmt: skip
    target = name.split("→")[1]
    nearest = list(index.search_many(asked, target=target, k=10, min_confidence=0))
    kept = left(index, asked, target)
    found = [n for n in range(len(asked)) if right[n] & {hit.id for hit in nearest[n]}]
    quartile = sorted(max(hit.confidence for hit in nearest[n]) for n in found)[len(found) // 4]
    true = share([kept[n] for n in found])
    made = f"| {name} | {what} | {share(nonsense)} | {share(missing)} | {true} | {quartile:.2f} |"
    print(made, flush=True)
    return made


def one_class_less(place: Path, index: Any, sounds: Sequence[Any], of_class: Mapping[str, set[str]]) -> list[Any]:
    """For each class an index of the other sounds, and then of these and one clip of it.

    What the default cut leaves: of each sound of the class that asks for sounds, and of its names, without any of the
    class; and of its names where they found the one clip.
    """
    import mmsearch
    from mmsearch import Query

    with index.hold() as view:
        keys = dict(view.query("SELECT s.id, i.key FROM segments s JOIN items i ON i.id = s.item_id"))
        (space,) = index.model.spaces
        (shard,) = view.snapshot().of("vectors", space.name, space.version, "audio")
        segments = dict(view.query('SELECT "offset", segment_id FROM rows WHERE shard_id = ?', (shard.id,)))
        ids, vectors = [keys[segments[offset]] for offset in range(shard.rows)], shard.matrix.copy()
    by_sound, by_name, only = [], [], []
    for label, members in of_class.items():
        others = [n for n, id_ in enumerate(ids) if id_ not in members]
        names = [wording.format(label) for wording in SAID["chosen"]]
        with mmsearch.open(place / label, model="lite") as other:
            other.add_vectors(vectors[others], modality="audio", ids=[ids[n] for n in others])
            by_sound += left(other, [Query.audio(one.audio) for one in sounds if one.id in members], "audio")
            by_name += left(other, names, "audio")
            for clip in sorted(members)[:4]:
                other.add_vectors(vectors[[ids.index(clip)]], modality="audio", ids=["one"])
                other.optimize()  # compares everything anew
                nearest = other.search_many(names, target="audio", k=10, rerank="none", min_confidence=0)
                is_found = ["one" in {hit.id for hit in hits} for hits in nearest]
                only += [one for one, found in zip(left(other, names, "audio"), is_found, strict=True) if found]
    return [by_sound, by_name, only]


def unlike(place: Path) -> tuple[list[Any], list[tuple[str, set[str]]]]:
    """Pictures of things that nothing else shows, those of `mmsearch demo`; and captions, with the picture of each."""
    from mmsearch import Record
    from mmsearch.demo import corpus

    made = corpus.build(place)
    rows = [row for row in json.loads(made.manifest.read_text("utf-8")) if "image" in row]
    pictures = [Record(id=row["image"], image=made.folder / row["image"]) for row in rows]
    return pictures, [(caption, {row["image"]}) for row in rows for caption in row["captions"]]


def mixed(index: Any, questions: Mapping[str, tuple[Sequence[Any], Sequence[set[str]], Sequence[str]]]) -> list[str]:
    """nDCG@10 of each way to make one list, by what asks."""
    import numpy as np

    from mmsearch.types import Modality

    lines = []
    for name, (queries, right, own) in questions.items():
        with index.hold() as view:
            keys = dict(view.query("SELECT s.id, i.key FROM segments s JOIN items i ON i.id = s.item_id"))
            ids, cosines, centres = [], [], []
            for target in Modality:
                space, vectors = index.searcher.vectors(queries, target)
                (shard,) = view.snapshot().of("vectors", space.name, space.version, target)
                places = dict(view.query('SELECT "offset", segment_id FROM rows WHERE shard_id = ?', (shard.id,)))
                ids.append([keys[places[offset]] for offset in range(shard.rows)])
                cosines.append(vectors @ shard.matrix.T)
                centres.append((vectors @ (shard.total / (100 + shard.rows)).astype(np.float32))[:, None])
        flat = [id_ for some in ids for id_ in some]
        ranks = [np.argsort(np.argsort(-some, axis=1), axis=1) for some in cosines]
        ways = {
            "raw cosines": np.hstack(cosines),
            "centred cosines": np.hstack([some - mean for some, mean in zip(cosines, centres, strict=True)]),
            "z-scores": np.hstack([(s - s.mean(1, keepdims=True)) / s.std(1, keepdims=True) for s in cosines]),
            "reciprocal ranks": np.hstack([1 / (61 + some) for some in ranks]),
        }
        gains = {}
        for way, scores in ways.items():
            orders = np.argsort(-scores, axis=1, kind="stable")[:, :11].tolist()
            lists = [[flat[n] for n in order if flat[n] != me][:10] for order, me in zip(orders, own, strict=True)]
            gains[way] = np.array([ndcg(one, wanted) for one, wanted in zip(lists, right, strict=True)])
        found = index.search_many(queries, k=11, min_confidence=0, rerank="none")
        lists = [[hit.id for hit in hits if hit.id != me][:10] for hits, me in zip(found, own, strict=True)]
        gains["ours"] = np.array([ndcg(one, wanted) for one, wanted in zip(lists, right, strict=True)])
        kinds = {id_: str(target) for target, some in zip(Modality, ids, strict=True) for id_ in some}
        shown = [kinds[id_] for one in lists for id_ in one]
        shares = " / ".join(f"{100 * shown.count(str(target)) / len(shown):.0f}" for target in Modality)
        cells = [
            f"{values.mean():.3f} ({low:.3f}–{high:.3f})"
            for values in gains.values()
            for low, high in [interval(values)]
        ]
        ahead = gains["ours"] - gains["centred cosines"]
        low, high = interval(ahead)
        lines.append(
            f"| {name} | {len(queries)} | {' | '.join(cells)} | "
            f"{ahead.mean():+.3f} ({low:+.3f} to {high:+.3f}) | {shares} |"
        )
    return lines


def ndcg(found: Sequence[str], right: set[str]) -> float:
    import math

    gain = sum(1 / math.log2(rank + 1) for rank, id_ in enumerate(found, 1) if id_ in right)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(right)) + 1))


def interval(values: Any) -> tuple[float, float]:
    import numpy as np

    draws = np.random.default_rng(0).integers(0, len(values), (2_000, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def main(esc10: Path, captioned: Path) -> None:
    limit_threads(2)
    import numpy as np

    import mmsearch
    from mmsearch import Query, Record
    from mmsearch.search.calibrate import scale, update

    photos = json.loads((captioned / "captions.json").read_text("utf-8"))
    clips = json.loads((esc10 / "items.json").read_text("utf-8"))
    labels = sorted({clip["label"] for clip in clips})
    pictures = [Record(id=one["image"], image=captioned / one["image"]) for one in photos]
    texts = [Record(id=f"caption {n}", text=one["captions"][0]) for n, one in enumerate(photos)]
    sounds = [Record(id=one["audio"], audio=esc10 / one["audio"]) for one in clips]
    of_class = {label: {one["audio"] for one in clips if one["label"] == label} for label in labels}
    spent: list[float] = []
    kept = update.update

    def timed(*arguments: Any, **named: Any) -> None:
        start = time.perf_counter()
        kept(*arguments, **named)
        spent.append(time.perf_counter() - start)

    update.update = timed
    cut, one_list, costs = [], [], []
    with tempfile.TemporaryDirectory() as place:
        with mmsearch.open(Path(place) / "index", model="lite") as index:
            start = time.perf_counter()
            index.add_items(pictures)
            whole = time.perf_counter() - start
            costs.append(
                f"| index {len(pictures):,} pictures, and the questions for the first time | {whole:.1f} s | "
                f"{spent[-1]:.2f} s |"
            )
            for some, what in ((texts, "captions"), (sounds, "sounds")):
                start = time.perf_counter()
                index.add_items(some)
                costs.append(f"| add {len(some):,} {what} | {time.perf_counter() - start:.1f} s | {spent[-1]:.2f} s |")
            start = time.perf_counter()
            index.add_items([Record(id="one more", text="one more")])
            index.remove(ids=["one more"])
            costs.append(f"| add one text | {time.perf_counter() - start:.2f} s | {spent[-1]:.4f} s |")
            for chosen, (seeds, behind, which) in SETS.items():
                nonsense = [text for seed in seeds for text in gibberish(seed)]
                things = absent(f"things{behind}", photos)
                asked = {
                    "captions": [(one["captions"][place], {n}) for n, one in enumerate(photos) for place in which],
                    "two words": shortly(photos, 2, len(seeds)),
                    "one word": shortly(photos, 1, len(seeds)),
                }
                known = {word for one in photos for caption in one["captions"] for word in telling(caption)}
                missing = {
                    "captions": things,
                    "two words": [" ".join(telling(thing)[:2]) for thing in things],
                    "one word": [next(word for word in telling(thing) if word not in known) for thing in things],
                }
                for target, records in (("image", pictures), ("text", texts)):
                    refused = left(index, nonsense, target)
                    for kind, some in asked.items():
                        questions, places = zip(*some, strict=True)
                        cut.append(
                            row(
                                f"text→{target}", f"{kind}, {chosen}", index, refused,
                                left(index, missing[kind], target), questions,
                                [{records[n].id for n in where} for where in places],
                            )
                        )  # fmt: skip
                said = [(wording.format(label), of_class[label]) for label in labels for wording in SAID[chosen]]
                questions, right = zip(*said, strict=True)
                refused = left(index, nonsense, "audio")
                lost = left(index, absent(f"sounds{behind}"), "audio")
                cut.append(row("text→audio", f"names, {chosen}", index, refused, lost, questions, right))
            refused = left(index, [Query.image(p) for p in patterns(60)], "text"), []
            shots = [Query.item(r.id) for r in pictures[:400]]
            cut.append(row("image→text", "pictures", index, *refused, shots, [{r.id} for r in texts[:400]]))
            mates = [of_class[one["label"]] - {one["audio"]} for one in clips]
            strange = left(index, [Query.audio(s) for s in noises(60)], "audio")
            missing_sound, missing_name, only = one_class_less(Path(place), index, sounds, of_class)
            refused = strange, missing_sound
            cut.append(row("audio→audio", "sounds", index, *refused, [Query.item(r.id) for r in sounds], mates))
            cut.append(f"| text→audio | names, the only one | – | {share(missing_name)} | {share(only)} | |")
            rare, said = unlike(Path(place) / "demo")
            index.add_items(rare)
            questions, right = zip(*said, strict=True)
            cut.append(row("text→image", "captions, the only one", index, [], [], questions, right))
            searcher = index.searcher
            question = searcher.embedded([Query.text("a dog in the snow")], ("image", "text", "audio"))
            routes = searcher._asking.routes(("text",), ("image", "text", "audio"))
            with index.hold() as view:
                finder, rounds = searcher._finder, {True: list[float](), False: list[float]()}
                for turn in range(600):
                    judged = turn % 4 in (0, 3)
                    start = time.perf_counter()
                    directions = finder.directions(view, question, routes, judged=judged)
                    finder.candidates(view, question, directions, 10, finder.scales(question, directions))
                    rounds[judged].append(time.perf_counter() - start)
            added, without = (1e6 * float(np.median(rounds[judged])) for judged in (True, False))
            costs.append(
                f"| find ten of all three modalities for one question | {added:.0f} µs | {added - without:.0f} µs |"
            )
        with mmsearch.open(Path(place) / "mixed", model="lite") as index:
            some = photos[500 : 500 + SHARE]  # others than those of which the way was chosen
            spoken = [
                Record(id=f"caption {n}", text=one["captions"][0]) for n, one in enumerate(some[: SHARE - len(labels)])
            ]
            spoken += [Record(id=label, text=label) for label in labels]
            seen = pictures[500 : 500 + SHARE]
            index.add_items([*seen, *spoken, *sounds])
            pairs = [
                (caption, n) for n, one in enumerate(some[: SHARE - len(labels)]) for caption in one["captions"][1:]
            ]
            told = [(wording.format(label), label) for wording in SAID["chosen"][:5] for label in labels]
            one_list = mixed(
                index,
                {
                    "captions": (
                        [Query.text(c) for c, _ in pairs],
                        [{seen[n].id, f"caption {n}"} for _, n in pairs],
                        [""] * len(pairs),
                    ),
                    "names of sounds": (
                        [Query.text(c) for c, _ in told],
                        [of_class[label] | {label} for _, label in told],
                        [""] * len(told),
                    ),
                    "pictures": (
                        [Query.image(r.image) for r in seen[:150]],
                        [{f"caption {n}"} for n in range(150)],
                        [r.id for r in seen[:150]],
                    ),
                    "sounds": (
                        [Query.audio(r.audio) for r in sounds],
                        [of_class[c["label"]] - {c["audio"]} | {c["label"]} for c in clips],
                        [r.id for r in sounds],
                    ),
                },
            )
    cuts, others = (
        ", ".join(f"{value:g} for {kind}" for kind, value in some.items()) for some in (scale.CUTS, scale.OTHERS)
    )
    text = [
        "# Confidence: the default cut, and one fair list",
        "",
        "`lite`. An answer is empty unless its best hit reaches the cut of its modality: to texts "
        f"{cuts}, but {scale.WORD:g} for a single word; to pictures and sounds as questions {others}.",
        "",
        "| direction | asked with | gibberish answered (≤ 5 %) | absent answered (≤ 20 %) | true kept, of those found "
        "in the top 10 (≥ 90 %) | confidence that 3 in 4 of these reach |",
        "|---|---|---|---|---|---|",
        *cut,
        "",
        "Cuts and weights were chosen on the questions called so and on the only ones of their kind (a picture of the "
        "demo among these, a clip among those of other classes); not on those held out. What is absent is shortened as "
        "what is asked. Gibberish for pictures are noise, plain colours and slopes; for sounds, "
        "chords of pure tones and clicks. Absent from audio→audio is "
        "a class of ESC-10 that was left out of the index. Of pictures that ask nobody knows what is absent.",
        "",
        f"nDCG@10 of one list over {SHARE} pictures, {SHARE} texts and {SHARE} sounds (95 % bootstrap intervals over "
        "questions); right are a caption's picture and its other caption, the clips of a class and its name. How it is "
        "done was chosen with 150 other pictures and the same sounds.",
        "",
        "| asked with | questions | raw cosines | centred cosines | z-scores | reciprocal ranks | ours | "
        "ours − centred | image / text / audio in ours, % |",
        "|---|---|---|---|---|---|---|---|---|",
        *one_list,
        "",
        "| what | all of it | of that, confidence |",
        "|---|---|---|",
        *costs,
        "",
        machine(["numpy", "onnxruntime"]),
    ]
    (RESULTS / "calibration.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("esc10", type=Path, nargs="?", default=ESC10, metavar="ESC10_FOLDER")
    parser.add_argument("captioned", type=Path, nargs="?", default=CAPTIONED, metavar="CAPTIONED_FOLDER")
    given = parser.parse_args()
    main(given.esc10, given.captioned)
