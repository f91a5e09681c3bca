"""Build the structures of an index, find out how each direction must ask them, and audit what they are worth.

All figures are measured on the index itself: questions of the modality that asks, against exact search over the same
rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from mmsearch.ann import tune
from mmsearch.ann.recipe import GPU_KINDS, Recipe, choose
from mmsearch.errors import QueryError
from mmsearch.search import stretch
from mmsearch.search.asker import asker
from mmsearch.search.samples import LEAST, Samples
from mmsearch.store.covers import Cover
from mmsearch.store.structures import Standing
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mmsearch.ann.on_gpu import OnGpu
    from mmsearch.ann.recipe import Choice
    from mmsearch.ann.structure import Structure
    from mmsearch.encoders.base import Model
    from mmsearch.search.nearest import Nearest
    from mmsearch.store.snapshot import Shard, Snapshot
    from mmsearch.store.store import Store
    from mmsearch.store.structures import Setting
    from mmsearch.store.writer import Writer

    Told = Callable[[str, int, int], None]

PART_ROWS = 1 << 24  # of one structure: building a larger one would need more memory than its codes are worth
RECALL = 0.95
FRESH = 0.02  # a share of rows added since, below which a structure is not built again
DEAD = 0.2  # a share of its labels that stand for no live row, above which it is


@dataclass(frozen=True, slots=True)
class Part:
    """A structure, or the rows that have none, and how it is asked.

    Attributes:
        space: name of the space.
        modality: of the rows.
        rows: how many.
        structure: its kind and lists, in words; `exact` where there is none.
        why: it was chosen; empty in an audit.
        bytes: resident ones; 0 for exact search, which maps the vectors.
        seconds: that building took.
        settings: by the modality that asks, how and with what recall and time.
    """

    space: str
    modality: str
    rows: int
    structure: str
    why: str
    bytes: int
    seconds: float
    settings: dict[str, Setting]


class Optimizer:
    """Works on one index under the writer's lock."""

    def __init__(self, store: Store, writer: Writer, model: Model, nearest: Nearest, texts: Sequence[str] = ()) -> None:
        self._store, self._writer, self._model, self._nearest = store, writer, model, nearest
        self._samples = Samples(store, model, texts)

    def run(
        self, *, memory: int | None = None, recall: float = RECALL, kind: str | None = None, told: Told | None = None
    ) -> tuple[Part, ...]:
        """Build what is missing or has outgrown its structure, and tune everything.

        Args:
            memory: bytes that all structures together may take; None for no limit.
            recall: recall@10 against exact search to keep in every direction.
            kind: of the structures, instead of the policy's choice.
            told: what is being done, how much of it is done, and of how much.

        Raises:
            QueryError: an argument makes no sense, or nothing fits into the memory.
            StoreError: the disk is full or cannot be written.
            MissingExtra: a structure is needed, and FAISS is not installed.
        """
        if not 0 < recall <= 1:
            raise QueryError(f"the recall to keep must be above 0 and at most 1, not {recall}")
        if memory is not None and memory <= 0:
            raise QueryError("structures need some memory: give --memory a size such as 4GiB")
        snapshot = self._store.snapshot()
        groups = _groups(self._model, snapshot)
        total = sum(shard.live for _, _, shards in groups for shard in shards)
        choices = [
            choose(live, shards[0].group.dim, memory=memory and memory * live // total, kind=kind, recall=recall)
            for _, _, shards in groups
            for live in (sum(shard.live for shard in shards),)
        ]
        return tuple(
            part
            for (name, modality, shards), choice in zip(groups, choices, strict=True)
            for part in self._group(snapshot, name, modality, shards, choice, recall, told)
        )

    def _group(
        self,
        snapshot: Snapshot,
        name: str,
        modality: str,
        shards: Sequence[Shard],
        choice: Choice,
        recall: float,
        told: Told | None,
    ) -> Iterator[Part]:
        old = snapshot.structures_of(shards)
        if choice.recipe.kind == "exact":
            if old:
                self._writer.discard([one.id for one in old])
            yield Part(name, modality, choice.rows, "exact", choice.why, 0, 0.0, {})
            return
        for part in _parts(shards, old):
            standing = next((one for one in map(partial(_within, part), old) if _fits(one, part, choice)), None)
            structure: Structure | OnGpu | None = None if standing is None else self._nearest.structure(standing)
            if standing is None or structure is None:
                standing, made = self._build(name, modality, part, choice, told)
                self._nearest.use(standing, made)
                structure = self._nearest.structure(standing) or made  # the copy on a GPU
            settings = self._tune(snapshot, standing, structure, recall, choice.forced, told)
            standing = replace(standing, settings=settings)
            self._writer.install(standing)
            yield _part(standing, choice.why)

    def _build(
        self, name: str, modality: str, shards: Sequence[Shard], choice: Choice, told: Told | None
    ) -> tuple[Standing, Structure]:
        from mmsearch.ann.build import build

        recipe = _of_size(choice, sum(shard.rows for shard in shards))
        number, path = self._writer.room(name, modality)
        progress = None if told is None else lambda done, total: told(f"building for {modality} in {name}", done, total)
        card = self._nearest.card if recipe.kind in GPU_KINDS else None
        made = build(shards, recipe, path, progress, card)
        covers, first = [], 0
        for shard in shards:
            covers.append(Cover(shard.id, first, shard.rows))
            first += shard.rows
        group = shards[0].group
        standing = Standing(
            number, name, group.version, modality, str(recipe), made.path, made.bytes, made.crc, first, made.seconds,
            tuple(covers),
        )  # fmt: skip
        return standing, made.structure

    def _tune(
        self,
        snapshot: Snapshot,
        standing: Standing,
        structure: Structure | OnGpu,
        recall: float,
        forced: bool,
        told: Told | None,
    ) -> dict[str, Setting]:
        found = {}
        asking = sorted(_asking(self._model, standing.name, standing.modality))
        for number, asked in enumerate(asking):
            if told is not None:
                told(f"tuning {asked}→{standing.modality}", number, len(asking))
            questions = self._samples.of(asked, standing.name)
            if len(questions) >= LEAST:
                ask = asker(snapshot, standing, structure, self._nearest)
                found[asked] = tune.tune(structure, ask, questions, recall, faster=not forced)
        return found

    def audit(self, told: Told | None = None) -> tuple[Part, ...]:
        """Measure every direction again, with other questions than it was tuned with where there are enough.

        One that has fallen below the recall it was tuned for, as an index grows, is tuned again, and exact from now on
        if no setting keeps it.
        """
        snapshot, parts = self._store.snapshot(), []
        for name, modality, shards in _groups(self._model, snapshot):
            covered: set[int] = set()  # a shard of which some rows are: what was added since is not told
            for standing in snapshot.structures_of(shards):
                structure = self._nearest.structure(standing)
                here = stretch.covered(standing.covers, snapshot.by_id)
                if structure is None or not any(one.rows.live for one in here):
                    continue
                settings = self._again(snapshot, standing, structure, told)
                if settings != standing.settings:
                    self._writer.settle_structure(standing.id, settings)
                covered.update(one.rows.id for one in here)
                parts.append(_part(replace(standing, settings=settings), ""))
            rest = sum(shard.live for shard in shards if shard.id not in covered)
            if rest:
                parts.append(Part(name, modality, rest, "exact", "", 0, 0.0, {}))
        return tuple(parts)

    def _again(
        self,
        snapshot: Snapshot,
        standing: Standing,
        structure: Structure | OnGpu,
        told: Told | None,
    ) -> dict[str, Setting]:
        found = dict(standing.settings)
        for number, (asked, old) in enumerate(standing.settings.items()):
            if told is not None:
                told(f"auditing {asked}→{standing.modality}", number, len(found))
            questions = self._samples.of(asked, standing.name, seed=1)
            if old.effort == 0 or len(questions) < LEAST:
                continue
            ask = asker(snapshot, standing, structure, self._nearest)
            truth = ask(questions, 0, 0)
            times = (
                tune.median_seconds(ask, questions, old.effort, old.fetch),
                tune.median_seconds(ask, questions, 0, 0),
            )
            found[asked] = tune.measure(ask, questions, truth, old.effort, old.fetch, old.wanted, times)
            if found[asked].recall < old.wanted:
                found[asked] = tune.tune(structure, ask, questions, old.wanted, faster=False)
        return found


def _groups(model: Model, snapshot: Snapshot) -> list[tuple[str, str, tuple[Shard, ...]]]:
    """Space, modality and shards of everything that is searched."""
    return [
        (space.name, str(modality), shards)
        for space in model.spaces
        for modality in sorted(space.modalities)
        for shards in (snapshot.of("vectors", space.name, space.version, modality),)
        if any(shard.live for shard in shards)
    ]


def _asking(model: Model, name: str, modality: str) -> frozenset[str]:
    """The modalities of questions that are asked in a space about one modality."""
    target = Modality(modality)
    asking = {str(m) for head in model.heads if head.space.name == name for m in head.space.modalities}
    return frozenset(asking) | {
        str(m) for one in model.fitted if one.space.name == name for m in one.space.modalities if one.serves(m, target)
    }


def _parts(shards: Sequence[Shard], standings: Sequence[Standing] = ()) -> Iterator[list[Shard]]:
    """Shards of which each part has a structure, those together that one of `standings` covers."""
    home = {cover.shard_id: number for number, one in enumerate(standings) for cover in one.covers}
    part: list[Shard] = []
    for shard in sorted(shards, key=lambda one: (home.get(one.id, len(standings)), one.id)):
        rows, other = sum(one.rows for one in part), bool(part) and home.get(part[-1].id) != home.get(shard.id)
        if part and (rows + shard.rows > PART_ROWS or (other and rows >= (1 - DEAD) * PART_ROWS)):
            yield sorted(part, key=lambda one: one.id)
            part = []
        part.append(shard)
    if part:
        yield sorted(part, key=lambda one: one.id)


def _within(shards: Sequence[Shard], standing: Standing) -> Standing:
    """A structure as far as it covers rows of these shards."""
    ids = {shard.id for shard in shards}
    return replace(standing, covers=tuple(cover for cover in standing.covers if cover.shard_id in ids))


def _fits(standing: Standing, shards: Sequence[Shard], choice: Choice) -> bool:
    """Whether a structure covers these shards but for a few rows, and is of the kind that is wanted."""
    rows, there = sum(shard.rows for shard in shards), sum(cover.there for cover in standing.covers)
    gone = standing.rows - there
    dead = sum(len(shard.dead) for shard in shards) + gone
    same = Recipe.parse(standing.recipe).kind == choice.recipe.kind
    return same and rows - there <= FRESH * rows and dead <= DEAD * (rows + gone) and standing.path.is_file()


def _of_size(choice: Choice, rows: int) -> Recipe:
    return choose(rows, choice.recipe.dim, kind=choice.recipe.kind).recipe


def _part(standing: Standing, why: str) -> Part:
    recipe = Recipe.parse(standing.recipe)
    return Part(
        standing.name, standing.modality, standing.rows, recipe.factory, why,
        round(recipe.bytes_per_vector(standing.rows) * standing.rows), standing.seconds, dict(standing.settings),
    )  # fmt: skip
