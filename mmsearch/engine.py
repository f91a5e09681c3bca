"""`Index`: the engine as a user holds it. It wires the parts together and has no logic of its own.

What only indexing or only evaluation needs is imported there: a search is often a process of its own.
"""

from __future__ import annotations

import itertools
import os
import reprlib
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mmsearch.encoders import registry
from mmsearch.errors import MediaError, MissingExtra, ModelError, QueryError
from mmsearch.identity import identity, projector
from mmsearch.media import TIMEOUT_SECONDS
from mmsearch.model import IndexModel
from mmsearch.search.moments import ORDERED
from mmsearch.search.query import Query
from mmsearch.search.route import targets
from mmsearch.search.searcher import TOGETHER, FitsChanged, Searcher
from mmsearch.search.survivors import Survivors
from mmsearch.search.wanted import Wanted
from mmsearch.store.changes import Remove
from mmsearch.store.database import CATALOG
from mmsearch.store.statistics import Counts, count
from mmsearch.store.store import Store
from mmsearch.store.verify import verify
from mmsearch.types import Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from mmsearch.ann.gpu import Card
    from mmsearch.classification.labels import Label
    from mmsearch.classification.result import Classified, Tagged
    from mmsearch.encoders.base import Model
    from mmsearch.encoders.bridge import Bridge
    from mmsearch.errors import MmsearchError
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.evaluation.trial import Trial
    from mmsearch.exchange.batch import Columns
    from mmsearch.exchange.export import Exported
    from mmsearch.exchange.load import Loaded
    from mmsearch.fitting.shelf import Fits
    from mmsearch.media.reader import InProcess, Readers
    from mmsearch.search.optimize import Part
    from mmsearch.store.backup import Backup
    from mmsearch.store.compact import Compacted
    from mmsearch.store.repair import Repaired
    from mmsearch.store.view import View
    from mmsearch.store.writer import Writer
    from mmsearch.tuning.chains import Chains, Tuning
    from mmsearch.types import AudioInput, Hits, ImageInput, Item, Metadata, Moments, Progress, Record, Report

Answer = TypeVar("Answer")


def open_index(path: str | Path, model: str | None = None, *, create: bool = True, device: str | None = None) -> Index:
    """Open the index in a folder, or make one there.

    Args:
        path: the index folder.
        model: a name from `mmsearch models`; the index's own, or `lite` for a new one, if it is not given. For an index
            that exists it tells where its model is now, if local weights were moved.
        create: make an index if there is none.
        device: where the model computes: `cpu`, `cuda`, `cuda:0,1`, each with `/float32`, `/float16` or `/bfloat16` if
            wanted; `$MMSEARCH_DEVICE`, or `auto`, if it is not given. `auto` is the GPUs in float16, else the CPU in
            float32.

    Raises:
        IndexNotFound: there is none, and `create` is false.
        ModelMismatch: it was built with another model or other weights.
        StoreError: it cannot be read.
        ModelError: the model is unknown, its weights cannot be had, or the device is not there.
    """
    folder = Path(path).expanduser()
    if not create or (folder / CATALOG).is_file():
        return Index(Store.open(folder), model, device)
    loaded = registry.load(model or registry.DEFAULT, device)
    return Index(Store.create(folder, identity(loaded)), loaded)


def repair(path: str | Path, *, wait: float = 0.0) -> Repaired:
    """Make a damaged index agree with itself again, and keep all of it that is proven to be intact.

    Every intact block of a damaged shard is kept; vectors that were lost are computed again from stored features. An
    item that lost more than that is removed, and its file forgotten: the next `add` reads it again. Media files are
    not touched. Repairing a sound index changes nothing.

    Args:
        path: the index folder.
        wait: seconds to wait for another writer.

    Raises:
        IndexNotFound: there is no index.
        IndexDamaged: nothing can be salvaged from its catalog.
        IndexLocked: another process is writing.
        StoreError: the disk is full or fails.
    """
    from mmsearch.store.repair import repair as mend

    return mend(Path(path).expanduser(), projector, wait=wait)


class Index:
    """An open index. Reading from several threads is fine; the model is loaded when it is first needed."""

    def __init__(self, store: Store, model: str | Model | None = None, device: str | None = None) -> None:
        self._store, self._device = store, device
        try:
            self._model = IndexModel(store, model, device)
        except BaseException:
            store.close()
            raise
        self._guard = self._model.guard
        self._searcher: Searcher | None = None
        self._readers: Readers | None = None

    @property
    def folder(self) -> Path:
        """Where the index is."""
        return self._store.folder

    @property
    def model(self) -> Model:
        """The model that the index is built with, and the fits that it uses now.

        Raises:
            ModelMismatch: the model of that name has other weights or another version by now.
        """
        with self._guard, self._store.view() as view:
            return self._model.fitted(view)

    def fit_bridge(
        self, texts: Sequence[str] = (), *, progress: Callable[[str, int, int], None] | None = None
    ) -> Bridge:
        """Join the two spaces of the index's model through text; see `mmsearch.encoders.bridge.shelf.fit`.

        Raises:
            ModelError: the model has not two spaces that have text, or the bridge cannot be written.
            BridgeRefused: texts do not find themselves across the bridge clearly better than by chance.
        """
        return self._model.fit_bridge(texts, progress)

    def bridges(self) -> list[Bridge]:
        """What joins the spaces of the index, if anything does; does not load the model."""
        return self._model.bridges()

    @property
    def searcher(self) -> Searcher:
        """The query path."""
        with self._guard:
            model, known = self.model, self._searcher
            if known is None or known.model is not model:
                nearest = None if known is None else known.nearest
                known = Searcher(self._store, model, self._model.bridge, self._cards, nearest, self._device)
                self._searcher = known
            return known

    def _cards(self) -> Sequence[Card]:
        from mmsearch.ann.gpu import found
        from mmsearch.encoders.devices import name

        return found(name(self._device))

    def add(
        self,
        paths: Iterable[str | Path],
        *,
        exclude: str | Sequence[str] = (),
        prune: bool = False,
        wait: float = 0.0,
        timeout: float = TIMEOUT_SECONDS,
        isolate: bool = True,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Bring the index up to date with folders and files; what has not changed is not opened.

        Bad files are in the report and stop nothing. What was committed stays if the run is interrupted; the next run
        goes on from there.

        Args:
            paths: folders, with everything below them, and single files.
            exclude: globs, matched against the path below the folder and against each name in it.
            prune: also remove what vanished when a whole folder is empty (an unmounted drive looks like that).
            wait: seconds to wait for another writer.
            timeout: a file is given up when its decoder delivers nothing (no page, no window) for so many seconds.
            isolate: decode in processes of their own, so that a file that crashes a decoder costs that file only.
                They are started once and kept until the index is closed; where there are none, this makes no
                difference.
            progress: called about ten times a second.

        Raises:
            MediaError: one of the paths does not exist.
            DecoderError: no process can be started.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.indexing.roots import outermost, resolve
        from mmsearch.indexing.run import Run

        wanted = [Path(path).expanduser() for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
        for path in wanted:
            if not os.path.lexists(path):
                raise MediaError(f"there is no file or folder {path}")
        with self._changing(wait) as (writer, model):
            roots = resolve(self._store, writer, outermost(wanted))
            run = Run(
                self._store, writer, model, self._reading(isolate), progress=progress, prune=prune, timeout=timeout
            )
            return run.add_roots(roots, exclude)

    @contextmanager
    def _changing(self, wait: float) -> Iterator[tuple[Writer, Model]]:
        """The writer, and the model with the fits of now, whatever is held, since what is added gets rows of them.

        What tells how confident a hit is is brought up to date when the block is left.
        """
        from mmsearch.search.calibrate.update import update

        with self._store.writer(wait=wait) as writer:
            model = self._model.fitted(self._store)
            yield writer, model
            update(self._store, writer, model)

    def add_items(
        self,
        records: Iterable[Record],
        *,
        wait: float = 0.0,
        timeout: float = TIMEOUT_SECONDS,
        isolate: bool = True,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Add records; one whose id is in the index replaces that item.

        Encoded pictures and sounds (paths, bytes) are decoded as `add` does; see there for the arguments.

        Raises:
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.indexing.run import Run

        with self._changing(wait) as (writer, model):
            run = Run(self._store, writer, model, self._reading(isolate), progress=progress, timeout=timeout)
            return run.add_records(records)

    def add_vectors(
        self,
        vectors: NDArray[Any],
        *,
        modality: str,
        ids: Sequence[str] | None = None,
        metadata: Sequence[Metadata] | None = None,
        space: str | None = None,
        wait: float = 0.0,
    ) -> Loaded:
        """Add ready vectors, an item each: the fast way for those who embed for themselves.

        An item whose id is in the index is replaced. Rows that cannot be used are in the report and stop nothing.

        Args:
            vectors: `(n, d)` of a floating type, of the index's model; made unit norm.
            modality: what they stand for.
            ids: of each; made if they are not given.
            metadata: of each, JSON values by name, for `where` and for the hit.
            space: that they are of, if the model has several for the modality.
            wait: seconds to wait for another writer.

        Raises:
            QueryError: the vectors are no matrix, have another length than the model's, or lengths differ.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.exchange.arrays import Arrays
        from mmsearch.exchange.load import Load

        found = Arrays(vectors, ids, metadata, modality, space)
        with self._changing(wait) as (writer, model):
            return Load(self._store, writer, model).run(found)

    def remove(
        self, *, paths: str | Path | Iterable[str | Path] = (), ids: str | Iterable[str] = (), wait: float = 0.0
    ) -> int:
        """Remove items at once, by file, by folder (everything below it) or by id; how many there were.

        Raises:
            QueryError: nothing in the index has that path or id; then nothing is removed.
            IndexLocked: another process is writing.
        """
        from mmsearch.store.named import find

        with self._store.writer(wait=wait) as writer:
            items, files = find(self._store, paths, ids)
            before = count(self._store).items
            writer.commit([Remove(tuple(items), tuple(files))])
            return before - count(self._store).items

    def named(self, name: str | Path) -> list[str]:
        """Ids of what a user may mean: the item of that id, or else all that came from a file, or is below a folder.

        Raises:
            QueryError: there is neither in the index.
        """
        from mmsearch.store.named import ids

        return ids(self._store, name)

    def search(
        self,
        text: str | Query | None = None,
        *,
        image: ImageInput | None = None,
        audio: AudioInput | None = None,
        vector: NDArray[Any] | None = None,
        target: str | Iterable[str] | None = None,
        k: int = 10,
        where: str | None = None,
        rerank: str | Sequence[str] | None = None,
        templates: str | Sequence[str] = (),
        lexical: str | None = None,
        explain: bool = False,
        min_confidence: float | None = None,
    ) -> Hits:
        """The k best items for a question.

        Args:
            text: ask with a text, or a whole `Query`; several kinds of question at once count alike.
            image: ask with a picture.
            audio: ask with a sound.
            vector: ask with a vector `(d,)` of the model's space; of several spaces, of that in which the targets are.
            target: the modalities to find, all by default.
            k: how many items.
            where: a filter such as `"modality = 'image' and year >= 2020"`.
            rerank: reranker names, `"none"`, or None for the model's default.
            templates: such as `"a photo of {}"`; the text is asked in each of them, and counts as their mean.
            lexical: what words that are found to the letter count, in passages, captions, names of files and
                metadata: `off`, `on` (beside vectors) or `only`. Any of the words may be found, `"a phrase"` as it
                stands, and with `only` it must be, and `beach*` is found in beaches; parts of negative weight exclude
                nothing.
            explain: give each hit its `stages`: the steps of the search with rank and score after each.
            min_confidence: leave out hits of a lower confidence, from 0 to 1: 0 shows everything. Without it all hits
                are given, unless not even the best is clearly better than what a question that has nothing to do with
                the index finds: then there are none, and `query["unmatched"]` tells the best confidence.

        Raises:
            QueryError: the question makes no sense, or its picture or sound cannot be read.
            FilterError: the filter makes no sense.
            BridgeMissing: question and target live in spaces that nothing joins; see `fit_bridge`. If only some of
                several targets cannot be reached, `query["unreached"]` of the answer names them.
            ModelError: the model's weights or its device are not there.
        """
        if templates and not isinstance(text, str):
            raise QueryError("templates go with a text that is given as such; in a Query, Query.text(text, templates)")
        query = Query() if text is None else _question(text, templates)
        if image is not None:
            query = query + Query.image(image)
        if audio is not None:
            query = query + Query.audio(audio)
        if vector is not None:
            query = query + Query.vector(vector)
        wanted = Wanted.of(target, k, where, rerank, lexical, explain=explain, least=min_confidence)
        return self._ask(lambda searcher: searcher.search(query, wanted))

    def search_many(
        self,
        queries: Iterable[str | Query],
        *,
        target: str | Iterable[str] | None = None,
        k: int = 10,
        where: str | None = None,
        rerank: str | Sequence[str] | None = None,
        lexical: str | None = None,
        explain: bool = False,
        min_confidence: float | None = None,
    ) -> Iterator[Hits | MmsearchError]:
        """The answers to many questions, in their order, as `search` gives them; see there for the arguments.

        Questions are read, encoded and compared some hundred at a time, so that there may be any number of them. One
        that cannot be asked has the error that `search` would raise in its place, and stops nothing.

        Raises:
            QueryError: what is the same for all of them makes no sense.
            ModelError: the model's weights or its device are not there.
        """
        _several(queries, "search_many")
        wanted = Wanted.of(target, k, where, rerank, lexical, explain=explain, least=min_confidence)
        if where is not None:
            with self._store.view() as view:
                Survivors().check(where, view)

        def answers() -> Iterator[Hits | MmsearchError]:
            asked = map(_question, queries)
            while some := list(itertools.islice(asked, TOGETHER)):
                yield from self._ask(lambda searcher: searcher.search_many(some, wanted))  # noqa: B023  (asked at once)

        return answers()

    def within(
        self,
        item: str | Path | Hit,
        question: str | Query,
        *,
        modality: str | None = None,
        k: int = 10,
        min_confidence: float | None = None,
    ) -> Moments:
        """The moments of one recording, or of one long text, that fit a question best (temporal grounding).

        Args:
            item: its id, its file, or a hit.
            question: a text or a `Query`.
            modality: `audio` or `text`, for an item that has both; that of the hit, or its sound otherwise.
            k: how many moments at most; there are fewer where nothing else stands out.
            min_confidence: leave out what has less, from 0 to 1, of what has one. Without it nothing is left out, and
                `Moments.query["unmatched"]` is the best confidence where that is too little.

        Raises:
            QueryError: nothing, or several items, are there, or the item has no such medium, or the question makes no
                sense.
        """
        from mmsearch.store.named import only

        if isinstance(item, Hit):
            found, modality = item.id, modality or (item.modality if item.modality in ORDERED else None)
        elif isinstance(item, (str, Path)):
            found = only(item, self.named(item))
        else:
            raise QueryError(f"an item is named by its id, its file or a hit, not {reprlib.repr(item)}")
        query = _question(question)
        return self._ask(
            lambda searcher: searcher.within(query, found, modality=modality, most=k, least=min_confidence)
        )

    def _ask(self, ask: Callable[[Searcher], Answer]) -> Answer:
        """The answer of a searcher with the fits of the version of the index that it sees."""
        searcher = self._searcher or self.searcher
        while True:
            try:
                return ask(searcher)
            except FitsChanged:
                searcher = self.searcher

    def rank(
        self, queries: Sequence[str | Query], target: str, depth: int, rerank: Sequence[str] | None = None
    ) -> list[list[str]]:
        """Ids of the `depth` best items of one modality for each of many questions.

        Raises:
            QueryError: as `search`.
        """
        _several(queries, "rank")
        with self.hold():
            return self.searcher.keys(self.searcher.rank([*map(_question, queries)], target, depth, rerank))

    @contextmanager
    def hold(self) -> Iterator[View]:
        """Until the block is left, all searches of this `Index`, in whatever thread, see the index as it is now.

        Gives its catalog and its shards as they are then. The catalog's log grows with what is written meanwhile.

        Raises:
            StoreError: the index cannot be read.
        """
        with self._store.hold() as view:
            yield view

    @contextmanager
    def writing(self, *, wait: float = 0.0) -> Iterator[None]:
        """Be the one writer until the block is left, for many small changes: no call has to become it anew.

        Each change is committed, and seen by searches, when its call returns. It is for what this thread writes;
        others, and other processes, find the index locked.

        Raises:
            IndexLocked: another process is writing.
            StoreError: the index cannot be written.
        """
        with self._store.writing(wait=wait):
            yield

    def compact(self, *, dead_share: float = 0.2, wait: float = 0.0) -> Compacted:
        """Give back the room of what was removed; searches, here and elsewhere, go on meanwhile.

        Args:
            dead_share: parts of the index with at least this share of dead rows are written anew.
            wait: seconds to wait for another writer.

        Raises:
            IndexLocked: another process is writing.
            IndexDamaged: a part that was to be copied is not what it was; it is left as it is.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.store.compact import compact

        return compact(self._store, dead_share=dead_share, wait=wait)

    def snapshot(
        self,
        destination: str | Path,
        *,
        link: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Backup:
        """Copy the index, as it is now, to a new folder, while others write and search; see `store.backup`.

        Args:
            destination: a folder that is not there, or is empty.
            link: give full shards a second name (a hard link) instead of copying them.
            progress: told what is being done, how much of it is done, and of how much.

        Raises:
            IndexDamaged: a checksum is wrong; there is no copy then.
            StoreError: the place is taken or cannot be written, or the disk is full.
        """
        from mmsearch.encoders.bridge.shelf import FILE
        from mmsearch.store.backup import backup

        return backup(self._store, Path(destination), link=link, also=(FILE,), progress=progress)

    def export(
        self,
        destination: str | Path,
        *,
        format: str | None = None,  # noqa: A002  (what users call it)
        target: str | Iterable[str] | None = None,
        space: str | None = None,
        where: str | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Exported:
        """Write vectors, ids and metadata to a Parquet file or a folder of `.npy` and JSON lines.

        Args:
            destination: a new file or folder.
            format: `parquet` or `npy`; told by the name of the destination if it is not given.
            target: only these modalities.
            space: only vectors of this space.
            where: only what this filter leaves.
            progress: told what is being done, how much of it is done, and of how much.

        Raises:
            QueryError: nothing in the index is of that kind.
            FilterError: the filter makes no sense.
            MissingExtra: Parquet needs `mmsearch[parquet]`.
            StoreError: the destination is there already or cannot be written.
        """
        from mmsearch.exchange.export import export

        wanted = [target] if isinstance(target, str) else list(target or ())
        return export(
            self._store,
            Path(destination),
            format=format,
            modalities=wanted,
            space=space,
            where=where,
            progress=progress,
        )

    def load(
        self,
        source: str | Path,
        columns: Columns | None = None,
        *,
        wait: float = 0.0,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Loaded:
        """Add vectors that were computed elsewhere, with the model of this index: nothing else can be searched.

        An item whose id is in the index is replaced. Rows that cannot be used are in the report and stop nothing.

        Args:
            source: what `export` wrote, another Parquet file, a `.npy` file with a table beside it, or the folder that
                clip-retrieval wrote.
            columns: which columns of a foreign table hold what; see `mmsearch.exchange.batch.Columns`.
            wait: seconds to wait for another writer.
            progress: told what is being done, how much of it is done, and of how much.

        Raises:
            MediaError: the source cannot be read, or its vectors have another length than the model's.
            ModelMismatch: it says that its vectors are of another version of the model.
            MissingExtra: Parquet needs `mmsearch[parquet]`.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.exchange.batch import Columns
        from mmsearch.exchange.load import Load
        from mmsearch.exchange.source import open_source

        found = open_source(Path(source), columns or Columns())
        with self._changing(wait) as (writer, model):
            return Load(self._store, writer, model, progress).run(found)

    def optimize(
        self,
        *,
        memory: int | None = None,
        recall: float | None = None,
        structure: str | None = None,
        texts: Sequence[str] = (),
        wait: float = 0.0,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> tuple[Part, ...]:
        """Build approximate structures where exact search would be slow, and tune them for each direction.

        What a structure proposes is scored with the stored vectors, and what was added since is searched exactly.
        Structures are caches: without them, and without FAISS, every search is exact. Other writers wait meanwhile.

        Args:
            memory: bytes that they may take; None for no limit.
            recall: recall@10 against exact search that each direction must keep; .95 by default. One for which nothing
                faster keeps it goes on being searched exactly. With 1 all answers stay exact, and codes of 8 bits a
                number, every one of which is compared, spare most of the vectors.
            structure: `exact`, `sq8`, `hnsw`, `pq` or `rabitq` for everything, or for GPUs `ivfpq` or `cagra`, instead
                of what fits the number of vectors.
            texts: questions as they will be asked; made captions or stored texts otherwise.
            wait: seconds to wait for another writer.
            progress: told what is being done, how much of it is done, and of how much.

        Raises:
            QueryError: an argument makes no sense, or nothing fits into the memory.
            MissingExtra: a structure is needed, and FAISS is not installed.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.search.calibrate.update import update
        from mmsearch.search.optimize import RECALL, Optimizer

        with self._store.writer(wait=wait) as writer:
            optimizer = Optimizer(self._store, writer, self.model, self.searcher.nearest, texts)
            wanted = RECALL if recall is None else recall
            parts = optimizer.run(memory=memory, recall=wanted, kind=structure, told=progress)
            update(self._store, writer, self._model.fitted(self._store), anew=True)
            return parts

    def audit(
        self,
        *,
        texts: Sequence[str] = (),
        wait: float = 0.0,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> tuple[Part, ...]:
        """Measure recall@10 against exact search, and the time of both, for every direction, as the index is now.

        A direction that has fallen under the recall that it was tuned for is tuned again, or searched exactly.

        Raises:
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        from mmsearch.search.optimize import Optimizer

        with self._store.writer(wait=wait) as writer:
            return Optimizer(self._store, writer, self.model, self.searcher.nearest, texts).audit(progress)

    @property
    def fits(self) -> Fits:
        """What the index has learnt from pairs: `learn` more, `use`, `undo`, carry it to other indexes."""
        from mmsearch.evaluation.temporary import temporary
        from mmsearch.fitting.shelf import Fits

        @contextmanager
        def opened(dataset: Dataset) -> Iterator[Fits]:
            with temporary(dataset, self._model.plain()) as index:
                yield index.fits

        return Fits(self._store, self._model.plain, self.items, opened)

    @property
    def chains(self) -> Chains:
        """The rerankers that directions of the index were tuned for: `tune` them, see what is `kept`, `undo`."""
        from mmsearch.tuning.chains import Chains

        return Chains(self._store, lambda: self.searcher, self.items)

    def tune(
        self,
        pairs: str | Path | Dataset | None = None,
        *,
        split: str | None = None,
        fields: Sequence[str] | None = None,
        check: bool = False,
        seed: int = 0,
        wait: float = 0.0,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Tuning:
        """Find out which rerankers help in which direction of this index, and use them from then on; see `Chains.tune`.

        `progress` is its `told`.

        Raises:
            DatasetError: the dataset cannot be used; nothing tells which answers are right; or no direction has enough
                questions.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written.
        """
        return self.chains.tune(pairs, split=split, fields=fields, check=check, seed=seed, wait=wait, told=progress)

    def classify(
        self,
        labels: str | Path | Iterable[str | Label],
        *,
        templates: str | Sequence[str] = (),
        target: str | Iterable[str] | None = None,
        where: str | None = None,
    ) -> Iterator[Classified]:
        """Which of some labels each item goes with, by its stored vectors: nothing is encoded but the labels.

        Args:
            labels: as in `mmsearch.classify`.
            templates: as in `mmsearch.classify`.
            target: only media of these modalities. Of an item with several, a picture or a sound comes before a text.
            where: only what this filter leaves.

        Raises:
            QueryError: labels or templates make no sense, or the model cannot classify.
            FilterError: the filter makes no sense.
            ModelError: the model's weights or its device are not there.
        """
        from mmsearch.classification import labels as given
        from mmsearch.classification.classifier import Classifier
        from mmsearch.classification.stored import check, classified, named

        classifier, wanted = Classifier(self._model.plain(), given.of(labels), templates), targets(target)
        with self._store.view() as view:
            check(view, where)

        def seen() -> Iterator[Classified]:
            with self._store.view() as view:
                yield from named(view, classifier, classified(view, classifier, wanted, where))

        return seen()

    def tag(
        self,
        labels: str | Path | Iterable[str | Label],
        *,
        field: str = "label",
        min_probability: float = 0.0,
        templates: str | Sequence[str] = (),
        target: str | Iterable[str] | None = None,
        where: str | None = None,
        wait: float = 0.0,
    ) -> Tagged:
        """Classify as `classify` does, and write what was found into the items' metadata, to be filtered by.

        Each item gets its likeliest label as `field` and its probability as `<field>_probability`. They stay until it
        is tagged anew, its file changes or `untag` takes them off. A field of that name that an item has from its user
        stays as it is.

        Args:
            labels: as in `classify`.
            field: what the labels are; several sets of labels can be kept in several fields.
            min_probability: an item of which no label is so probable gets none, and loses what it had.
            templates: as in `classify`.
            target: as in `classify`.
            where: as in `classify`.
            wait: seconds to wait for another writer.

        Raises:
            QueryError: as `classify`; or the field is no name.
            FilterError: the filter makes no sense.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written; what was written before stays.
        """
        from mmsearch.classification import labels as given
        from mmsearch.classification import tag
        from mmsearch.classification.classifier import Classifier
        from mmsearch.classification.stored import classified

        tag.check(field, min_probability)
        classifier = Classifier(self._model.plain(), given.of(labels), templates)
        with self._store.writer(wait=wait) as writer, self._store.view() as view:
            found = classified(view, classifier, targets(target), where)
            return tag.tag(self._store, writer, classifier, found, field, min_probability)

    def untag(self, field: str = "label", *, where: str | None = None, wait: float = 0.0) -> int:
        """Take off the items what `tag` wrote as `field`, and its probability, at once; how many had it.

        Args:
            field: as it was given to `tag`. One of the same name that an item has from its user stays.
            where: only off what this filter leaves, such as `"label_probability < 0.5"`.
            wait: seconds to wait for another writer.

        Raises:
            QueryError: no item has such a tag; then nothing is changed.
            FilterError: the filter makes no sense.
            IndexLocked: another process is writing.
            StoreError: the disk is full or cannot be written; then nothing is changed either.
        """
        from mmsearch.classification import tag

        tag.check(field, 0.0)
        with self._store.writer(wait=wait) as writer, self._store.view() as view:
            return tag.untag(view, writer, field, where)

    def counts(self) -> Counts:
        """How much the index holds."""
        return count(self._store)

    def verify(self) -> list[str]:
        """What is wrong with the index or its model's weights on disk, one sentence each; empty if they are sound.

        Reads all of both.
        """
        from mmsearch.encoders import weights

        problems = list(verify(self._store))
        try:
            if weights.installed(self.model_name):
                weights.verify(self.model_name)
        except (ModelError, MissingExtra) as error:
            problems.append(str(error))
        return problems

    def identity(self) -> dict[str, Any]:
        """The model that the index was built with: name, versions, spaces, sha256 of the weights; fits in use."""
        fits = dict(self._store.snapshot().fits)
        return {**self._store.model, **({"fits": fits} if fits else {})}

    @property
    def model_name(self) -> str:
        """Name of the model that the index was built with; does not load it."""
        return str(self._store.model["name"])

    def items(self) -> list[Item]:
        """All items, in the order in which they were added."""
        from mmsearch.store.items import items

        with self._store.view() as view:
            return items(view)

    def evaluate(
        self,
        data: str | Path | Dataset,
        *,
        split: str | None = None,
        rerank: str | Sequence[str] | None = None,
        stored: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Evaluation:
        """Measure how well this index answers a dataset whose media it holds; see `mmsearch.evaluate`.

        Args:
            data: the dataset, or its file or folder.
            split: of the dataset.
            rerank: reranker names, `"none"`, or None for the model's default.
            stored: records that are items of the index ask with their stored vectors; nothing is encoded then.
            progress: told direction, queries done and queries in all.

        Raises:
            DatasetError: the dataset cannot be used, or the index holds nothing that it judges.
        """
        return self.trial(data, split=split).evaluate(rerank=rerank, stored=stored, progress=progress)

    def trial(self, data: str | Path | Dataset, *, split: str | None = None) -> Trial:
        """This index and a dataset whose media it holds, found by their ids or files.

        Raises:
            DatasetError: the dataset cannot be used.
        """
        from mmsearch.evaluation.datasets import given
        from mmsearch.evaluation.trial import Trial
        from mmsearch.evaluation.truth import match

        path, dataset = given(data, split=split)
        return Trial(self, dataset, path, match(dataset, self.items()))

    def close(self) -> None:
        """Give back files, memory and processes."""
        with self._guard:
            if self._readers is not None:
                self._readers.close()
            if self._searcher is not None:
                self._searcher.nearest.close()
        self._store.close()

    def _reading(self, isolate: bool) -> Readers | InProcess:
        from mmsearch.media.reader import InProcess, Readers

        if not isolate or os.name != "posix":
            return InProcess(self._model.plain().inputs)
        with self._guard:
            if self._readers is None:
                self._readers = Readers(self._model.plain().inputs)
            return self._readers

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self.counts().items


def _several(queries: Iterable[str | Query], method: str) -> None:
    """Whether there may be several questions.

    Raises:
        QueryError: it is a single one, or none.
    """
    if isinstance(queries, (str, Query)) or not isinstance(queries, Iterable):
        raise QueryError(f"{method} takes several questions: [{queries!r}], or search for one")


def _question(asked: str | Query, templates: str | Sequence[str] = ()) -> Query:
    """A question as it is given; what is neither a text nor a `Query` is refused when it is asked."""
    return asked if isinstance(asked, Query) else Query.text(asked, templates)
