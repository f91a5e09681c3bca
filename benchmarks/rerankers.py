"""What each reranker gains in each direction, held out, and what it costs at 100,000 items of each modality.

::

    python benchmarks/rerankers.py [DATASET...] [--rows 100000] [--rounds 12] [--most 5000]

Gains are over no reranker, on the half of the questions (and of what they are about) that chose nothing; the row
`chosen` is the chain that `mmsearch tune` chooses by the other half. Costs are of synthetic items: mixtures of the
stored features of two pictures or two captions of the first dataset, or of two sounds of the last one, projected as
the model projects them. The search is exact. What `lexical` costs is measured on the captions of the first dataset, and
`cross` on its pictures, with a BLIP of the true size whose weights are random.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingredients.media import CAPTIONED, ESC10
from reference import RESULTS, Contender, Race, limit_threads, machine, race

if TYPE_CHECKING:
    from mmsearch import Index

THREADS, K = 2, 10
GAINING = ("tags", "nnn", "qbnorm", "tags,nnn", "tags,qbnorm", "mmr")
CHAINS = ("tags", "nnn", "qbnorm", "tags,nnn", "tags,qbnorm", "exact", "maxsim", "collapse", "mmr")
IN_SOUNDS = ("tags", "nnn", "qbnorm", "exact", "maxsim")  # where the others have no more to do than among pictures
PICTURES = 200  # files among which `cross` judges
LONG = 4  # sounds of a recording
AT_MOST = 1.3  # the default chain, of the latency without it


def main(datasets: list[Path], rows: int, rounds: int, most: int, folder: Path | None) -> bool:
    limit_threads(THREADS)
    from ingredients.gains import gains as gains_of_many
    from ingredients.models import blip

    import mmsearch
    from mmsearch.evaluation.datasets import read

    gains = ["| data | direction | questions | rerankers | hit@10 | mrr | gain in hit@10 | p | gain in mrr | p |"]
    gains.append("|---" * 10 + "|")
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        for path in datasets:
            dataset = read(path)
            with mmsearch.open(place / path.name, model="lite") as index:
                if not len(index):
                    index.add_items(dataset.records)
                for line in gained(index, dataset, path.name, most):
                    print(line, flush=True)
                    gains.append(line)
        many = list(gains_of_many(datasets[-1], datasets[0], place))
        print("\n".join(many), flush=True)
        captions = [record.text for record in read(datasets[0]).records if isinstance(record.text, str)]
        with mmsearch.open(place / datasets[0].name) as index:
            reading = [reader("text", "lexical", "lexical", index, captions, rounds)]
        with mmsearch.open(place / "pictures", model="lite") as index:
            index.add(sorted((datasets[0] / "images").iterdir())[:PICTURES])  # as files, which `cross` reads
            reading.append(reader("image", "cross:BLIP@10", f"{blip(place / 'blip')}@10", index, captions, 2))
        with mmsearch.open(place / "large", model="lite") as index:
            fill(index, {"image": datasets[0], "text": datasets[0], "audio": datasets[-1]}, place, rows)
            alone = list(costs(index, rounds))
            whole = list(searches(index, shown(datasets[0]), heard(datasets[-1]), rounds))
    kept = all(one.kept for one in whole)
    parts = [
        "# Rerankers",
        "## What they gain, held out",
        "\n".join(gains),
        "Percent; gains are over no reranker, with 95 % bootstrap intervals over groups (the captions of one picture "
        "are one), p is of a paired randomisation test over groups. Questions are stored rows; the bank of `nnn` and "
        "`qbnorm` is 400 made captions for texts, 400 stored pictures or sounds for the others, some of which ask.",
        "## Where several answers are right, or what asks and answers is long",
        "\n".join(many),
        "Percent: average precision of all answers, and how often the first hit is one. Gains as above, over classes, "
        "pairs of classes, or sets of pictures; nothing was chosen by these questions.",
        f"## What they cost, {rows:,} pictures, texts and sounds each, exact search, question encoded",
        table(alone),
        "## What those cost that read words and files",
        table(reading),
        "`lexical` where captions ask for captions of Flickr8k; `cross` judges 10 pictures, of which each file is read "
        "again, by a BLIP of the base model's size with random weights: what such models gain is not measured here.",
        "## The default of the model, from question to hits, encoding included",
        table(whole),
        f"Medians of {2 * rounds} runs of each, in turns A B B A; the candidates of every question are new.",
        machine(["onnxruntime"]),
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "rerankers.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join(parts[4:]))
    return kept


def gained(index: Index, dataset: Any, name: str, most: int) -> Iterator[str]:
    """A line for each direction and chain."""
    import numpy as np

    from mmsearch.evaluation.bootstrap import intervals, mean
    from mmsearch.evaluation.significance import randomisation
    from mmsearch.tuning import trials
    from mmsearch.tuning.directions import stated

    searcher = index.searcher
    with index.hold():
        for direction in stated(searcher, index.items(), dataset, most=most):
            first, second = trials.halves(direction.groups, 0)
            tried = trials.chains(index.model, direction.asked, direction.target, fitted=False, before="")
            merits = {one: float(np.mean(1 / trials.firsts(searcher, direction, first, one)[0])) for one in tried}
            chosen = max(tried, key=lambda one: merits[one])
            own = ",".join(searcher.chain(direction.asked, direction.target))
            plain, _ = trials.firsts(searcher, direction, second, "")
            for said, chain in [
                ("none", ""),
                *((one, one) for one in dict.fromkeys([*GAINING, own]) if one),
                (f"chosen: {chosen or 'none'}", chosen),
            ]:
                ranks, _ = trials.firsts(searcher, direction, second, chain)
                columns = np.stack([(ranks <= K) * 1.0 - (plain <= K), 1 / ranks - 1 / plain], axis=1)
                groups = direction.groups[second]
                spans = intervals([(column, mean) for column in columns.T], groups=groups)
                luck = randomisation(columns, groups=groups)
                cells = [name, direction.name, str(len(second)), f"{said} (default)" if chain == own else said]
                cells += [f"{100 * (ranks <= K).mean():.1f}", f"{100 * (1 / ranks).mean():.1f}"]
                for place, (low, high) in enumerate(spans):
                    span = f"{100 * columns[:, place].mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
                    cells += [span, f"{luck[place]:.3f}"] if chain else ["", ""]
                yield f"| {' | '.join(cells)} |"


def fill(index: Index, sources: dict[str, Path], place: Path, rows: int) -> None:
    """Mixtures of what the indexes of the datasets hold, of each modality that is not there yet."""
    import numpy as np

    import mmsearch
    from mmsearch.embedding import feature_group, vector_group
    from mmsearch.store.bulk import PutRows
    from mmsearch.types import Modality

    random, (head,) = np.random.default_rng(0), index.model.heads
    encoders = {modality: encoder for encoder in index.model.encoders for modality in encoder.dims}
    there = {modality for item in index.items() for modality in item.modalities}
    for modality in [one for one in map(Modality, sources) if one not in there]:
        with mmsearch.open(place / sources[modality].name) as held, held.hold() as view:
            group = feature_group(encoders[modality], modality)
            shards = view.snapshot().of(group.kind, group.name, group.version, modality)
            known = np.concatenate([np.asarray(shard.matrix, np.float32) for shard in shards])
            for start in range(0, rows, 10_000):
                count = min(10_000, rows - start)
                one, other = (known[random.integers(0, len(known), count)] for _ in range(2))
                features = (0.8 * one + 0.2 * other).astype(np.float16)
                vectors = head.project(features.astype(np.float32), modality)
                keys, empty = [f"{modality}{start + n}" for n in range(count)], list[Any]([{}] * count)
                of, also = vector_group(head.space, modality), {group: features}
                with index._store.writer() as writer:
                    writer.commit([PutRows(keys, empty, [None] * count, of, vectors, also)])


def shown(dataset: Path) -> list[Any]:
    """Pictures to ask with `(h, w, 3)`."""
    import numpy as np
    from PIL import Image

    from mmsearch.evaluation.datasets import read

    files = [record.image for record in read(dataset).records if isinstance(record.image, Path)]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files[:200]]


def heard(dataset: Path) -> list[Any]:
    """Sounds to ask with, `(samples, rate)`."""
    from mmsearch.evaluation.datasets import read
    from mmsearch.media.audio.decode import decode
    from mmsearch.types import AudioSpec

    spec, files = AudioSpec(16_000), [record.audio for record in read(dataset).records if record.audio is not None]
    return [(next(iter(decode(file, spec).segments)).content, spec.rate) for file in files[:100]]


def costs(index: Index, rounds: int) -> Iterator[Race]:
    """Each chain beside none, for questions that are items of the index: nothing is encoded."""
    import numpy as np

    from mmsearch import Query
    from mmsearch.types import Modality

    random = np.random.default_rng(1)
    picture, text, sound = Modality.IMAGE, Modality.TEXT, Modality.AUDIO
    for asked, target in ((text, picture), (picture, text), (text, sound), (sound, text)):
        keys = [item.id for item in index.items() if asked in item.modalities]
        questions = cycle(Query.item(keys[n], asked) for n in random.permutation(len(keys))[:2_000].tolist())
        default = ",".join(index.searcher.chain(asked, target))
        for chain in IN_SOUNDS if sound in (asked, target) else CHAINS:

            def run(steps: str, questions: Any = questions, target: str = target) -> Any:
                return lambda: index.search(next(questions), target=target, k=K, rerank=steps, min_confidence=0)

            name = f"{asked}→{target}" + (", the default" if chain == default else "")
            one = race(name, Contender(chain, run(chain)), Contender("none", run("none")), rounds=rounds)
            print(f"{one.name} {chain}: {1e3 * one.p50[0]:.2f} ms, {1e3 * one.p50[1]:.2f} without", flush=True)
            yield one


def reader(target: str, name: str, chain: str, index: Index, texts: list[str], rounds: int) -> Race:
    """A step that looks at texts or files, beside none, for questions in words."""
    asked = cycle(texts)

    def run(steps: str) -> Any:
        return lambda: index.search(next(asked), target=target, k=K, rerank=steps, min_confidence=0, lexical="off")

    return race(f"text→{target}", Contender(name, run(chain)), Contender("none", run("none")), rounds=rounds)


def searches(index: Index, pictures: list[Any], sounds: list[Any], rounds: int) -> Iterator[Race]:
    """The model's default beside none, the whole way; recordings ask for sounds."""
    import numpy as np

    from mmsearch.types import Modality

    numbers, seen = iter(range(10**9)), cycle(pictures)
    long = [(np.concatenate([one for one, _ in sounds[n : n + LONG]]), sounds[n][1]) for n in range(len(sounds) - LONG)]
    played = {"text": cycle(sounds), "audio": cycle(long)}

    def by_text(target: str, rerank: str | None) -> Any:
        return lambda: index.search(f"a dog barks in field {next(numbers)}", target=target, k=K, rerank=rerank)

    def by_picture(rerank: str | None) -> Any:
        return lambda: index.search(image=next(seen), target="text", k=K, rerank=rerank)

    def by_sound(target: str, rerank: str | None) -> Any:
        return lambda: index.search(audio=next(played[target]), target=target, k=K, rerank=rerank)

    ways = {
        "text→image": partial(by_text, "image"), "image→text": by_picture,
        "text→audio": partial(by_text, "audio"), "audio→text": partial(by_sound, "text"),
        "audio→audio": partial(by_sound, "audio"),
    }  # fmt: skip
    for name, ask in ways.items():
        label = ",".join(index.searcher.chain(*map(Modality, name.split("→"))))
        yield race(name, Contender(label, ask(None)), Contender("none", ask("none")), rounds=rounds, at_most=AT_MOST)


def table(races: list[Race]) -> str:
    lines = ["| direction | rerankers | ms | without | added | ratio | 95 % interval | claim |", "|---" * 8 + "|"]
    for one in races:
        (ours, without), (low, high) = one.p50, one.interval
        claim = "" if one.at_most is None else f"≤ {one.at_most:.2f}: {'kept' if one.kept else '**missed**'}"
        cells = [one.name, one.labels[0], *(f"{1e3 * value:.2f}" for value in (ours, without, ours - without))]
        lines.append(f"| {' | '.join([*cells, f'{one.ratio:.2f}', f'{low:.2f} to {high:.2f}', claim])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", type=Path, help="The first one, of captioned pictures, is multiplied.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--most", type=int, default=5_000, help="Questions of a direction.")
    parser.add_argument("--folder", type=Path, help="Keep the indexes there, and take them from there.")
    given = parser.parse_args()
    raise SystemExit(not main(given.datasets or [CAPTIONED, ESC10], given.rows, given.rounds, given.most, given.folder))
