"""What is asked and what answers it, for each direction of an index: a dataset's truth, or the items' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import BridgeMissing, DatasetError
from mmsearch.evaluation.evaluate import groups
from mmsearch.evaluation.judging import Ints, Qrels
from mmsearch.evaluation.questions import Questions
from mmsearch.evaluation.truth import Truth, match
from mmsearch.fitting.matching import MEDIA, own_texts
from mmsearch.search.query import Query
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.searcher import Searcher
    from mmsearch.store.view import View
    from mmsearch.types import Item

MOST = 1_000  # questions of a direction
TOGETHER = 64  # encoded at once, between two reports of progress

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Direction:
    """Questions of one modality about another.

    Attributes:
        asked: modality of the q questions.
        target: modality of the answers.
        questions: as the model sees them.
        qrels: numbers of the items that answer them.
        groups: `(q,)` the same number for questions that are no independent observations.
        own: `(q,)` the item that asks, which is no answer; -2 where there is none.
    """

    asked: Modality
    target: Modality
    questions: Sequence[Embedded]
    qrels: Qrels
    groups: Ints
    own: Ints

    @property
    def name(self) -> str:
        """Such as `text->image`."""
        return f"{self.asked}->{self.target}"

    def __len__(self) -> int:
        return len(self.questions)


@dataclass(frozen=True, slots=True)
class Unreached:
    """Questions of one modality that a bridge is missing for.

    Attributes:
        name: of the direction.
        why: they cannot be asked.
    """

    name: str
    why: str


def stated(
    searcher: Searcher,
    items: Sequence[Item],
    dataset: Dataset,
    *,
    most: int = MOST,
    seed: int = 0,
    told: Told | None = None,
) -> Iterator[Direction | Unreached]:
    """The directions that a dataset judges, as far as the index goes; of many questions some.

    Media of the index ask with their stored rows, texts that are not in it are encoded.

    Args:
        searcher: of the index.
        items: of the index.
        dataset: asks and judges.
        most: questions of a direction.
        seed: of what is drawn.
        told: what is being done, how much of it is done, and of how much.

    Raises:
        DatasetError: the index holds nothing that the dataset judges.
    """
    truth = Truth(dataset, items, match(dataset, items))
    found = False
    for judgements in dataset.judgements:
        all_of_them = truth.narrow(judgements)
        places = _some(groups(judgements.query, all_of_them), most, seed)
        asked = [all_of_them[place] for place in places.tolist()]
        if not asked:
            continue
        found = True
        questions = Questions(searcher, truth, asked, judgements.query, stored=True)
        queries: Any = [query for _, batch in questions.batches() for query in batch]  # all of one kind
        own = np.array([truth.numbers.get(one.own, -2) for one in asked], np.int64)
        try:
            embedded = _embedded(searcher, queries, judgements.target, judgements.direction, told)
        except BridgeMissing as error:
            yield Unreached(judgements.direction, str(error))
            continue
        yield Direction(
            judgements.query, judgements.target, embedded, questions.qrels, groups(judgements.query, asked), own
        )
    if not found:
        raise DatasetError(
            f"the index holds none of the media and texts of {dataset.name} that answer each other: name pairs of "
            "media that are indexed"
        )


def own(
    searcher: Searcher, view: View, fields: Sequence[str], *, seed: int = 0, told: Told | None = None
) -> Iterator[Direction | Unreached]:
    """What items say of themselves: captions in their metadata and their texts ask for their media, and the other way.

    Media ask for texts where items have a text of their own.

    Raises:
        DatasetError: no item has a picture or a sound and a text.
    """
    found = False
    for medium in MEDIA:
        texts = own_texts(view, medium, fields)
        if texts:
            found = True
            try:
                yield _texts_ask(searcher, texts, medium, seed, told)
            except BridgeMissing as error:
                yield Unreached(f"text->{medium}", str(error))
        both = view.query(
            "SELECT DISTINCT item_id FROM segments WHERE modality = ? AND item_id IN (SELECT item_id FROM segments "
            "WHERE modality = 'text') ORDER BY item_id",
            (str(medium),),
        )
        if both:
            try:
                yield _media_ask(searcher, np.array(both, np.int64).ravel(), medium, seed)
            except BridgeMissing as error:
                yield Unreached(f"{medium}->text", str(error))
    if not found:
        raise DatasetError(
            f"no item of {view.folder} has a picture or a sound and a text that goes with it, so there is no telling "
            "which answers are right: name PAIRS, a dataset as `mmsearch eval` reads it, of media that are indexed "
            f"(or --field NAME, the metadata that holds captions; looked for: {', '.join(fields)})"
        )


def _texts_ask(
    searcher: Searcher, texts: Mapping[int, Sequence[str]], medium: Modality, seed: int, told: Told | None
) -> Direction:
    pairs = [(item, text) for item, said in texts.items() for text in dict.fromkeys(said) if text.strip()]
    owners = np.array([item for item, _ in pairs], np.int64)
    places = _some(owners, MOST, seed)
    queries = [Query.text(pairs[place][1]) for place in places.tolist()]
    embedded = _embedded(searcher, queries, medium, f"text->{medium}", told)
    answers = owners[places]
    return Direction(
        Modality.TEXT, medium, embedded, _answered_by(answers), answers, np.full(len(answers), -2, np.int64)
    )


def _media_ask(searcher: Searcher, items: Ints, medium: Modality, seed: int) -> Direction:
    answers = items[_some(items, MOST, seed)]
    asking = searcher.embedded(searcher.stored(answers.tolist(), medium), (Modality.TEXT,))
    return Direction(medium, Modality.TEXT, asking, _answered_by(answers), answers, np.full(len(answers), -2, np.int64))


def _answered_by(items: Ints) -> Qrels:
    return Qrels.of([{item: 1} for item in items.tolist()])


def _some(groups: Ints, most: int, seed: int) -> Ints:
    """Places of up to `most` questions `(n,)`, drawn by whole groups, in their order.

    Groups that alone have more are left out; if all have, one is drawn all the same.
    """
    if len(groups) <= most:
        return np.arange(len(groups))
    named, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(named))
    small = order[sizes[order] <= most]
    kept = small[np.cumsum(sizes[small]) <= most] if len(small) else order[:1]
    return np.flatnonzero(np.isin(group, kept))


def _embedded(
    searcher: Searcher,
    queries: Sequence[Query] | Sequence[Embedded],
    target: Modality,
    direction: str,
    told: Told | None,
) -> list[Embedded]:
    found: list[Embedded] = []
    for start in range(0, len(queries), TOGETHER):
        if told is not None:
            told(f"encoding {direction}", start, len(queries))
        found += searcher.embedded(queries[start : start + TOGETHER], (target,))
    return found
