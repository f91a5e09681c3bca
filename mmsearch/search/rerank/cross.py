"""`cross`: a cross-encoder reads question and candidate together; see `encoders.matching`."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmsearch.encoders.matching.source import parse
from mmsearch.errors import MediaError, QueryError, UnknownModel
from mmsearch.search.query import Kind
from mmsearch.search.rerank import POOL
from mmsearch.search.rerank.argument import whole
from mmsearch.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mmsearch.encoders.matching.matcher import Matcher
    from mmsearch.encoders.matching.source import Source
    from mmsearch.search.candidates import Candidates
    from mmsearch.search.embedded import Embedded
    from mmsearch.search.rerank.base import Context
    from mmsearch.store.reading import Row
    from mmsearch.types import Metadata

FIRST: Final = 20
_ARGUMENT: Final = re.compile(r"(?P<model>.*?)(@(?P<first>\d+))?", re.DOTALL)

# What answers a question of each kind, as far as the models can judge it.
_ANSWERS: Final = {Kind.TEXT: Modality.IMAGE, Kind.IMAGE: Modality.TEXT}


class CrossEncoder:
    """Orders the first candidates by the probability that picture and text match.

    A text judges the pictures among the candidates, whose files are read again; a picture judges the passages of text.
    Other directions, sums and items as questions change nothing. One whose picture cannot be read keeps its place, and
    says why in `Hit.why`. The scores stay where they are, as with `tags`.

    The argument is `MODEL@FIRST`: where the model comes from, see `encoders.matching.source`, and how many candidates
    of the modality are judged, 20 by default. Each is a whole pass: with BLIP's base model some tenths of a second on a
    CPU, so that this is for GPUs, or for few. Needs `mmsearch[clip]`.
    """

    def __init__(self, context: Context, source: Source, first: int) -> None:
        self._context, self._source, self._first = context, source, first

    @classmethod
    def read(cls, argument: str) -> Callable[[Context], CrossEncoder]:
        """As `base.WithArgument`; whether the model is there is not asked."""
        match = _ARGUMENT.fullmatch(argument)
        assert match is not None  # anything is a model
        first = match["first"] or str(FIRST)
        if not 1 <= whole(first) <= POOL:
            raise QueryError(f"cross judges from 1 to {POOL} candidates, not {first}: cross:blip@{FIRST}")
        try:
            return partial(cls, source=parse(match["model"]), first=whole(first))
        except UnknownModel as error:
            raise QueryError(str(error)) from error

    def rerank(self, query: Embedded, candidates: Candidates) -> Candidates:
        """Reorder the first ones of the modality that can be judged."""
        if not query.plain or query.asked is None:
            return candidates
        part = next(part for part in query.asked.parts if part.weight)
        places = np.flatnonzero(candidates.modalities == _ANSWERS.get(part.kind))[: self._first]
        if not len(places):
            return candidates
        from mmsearch.encoders.matching.matcher import matcher  # needs torch

        model = matcher(self._source, self._context.device)
        rows = self._context.store.hydrate(candidates.segments[places].tolist())
        asked = part.content if part.kind is Kind.TEXT else _picture(model, part.content)
        notes: list[Metadata | None] = [None] * len(candidates)
        readable: list[int] = []
        answers: list[Any] = []  # pictures, or texts
        for place in places.tolist():
            try:
                answers.append(self._answer(model, part.kind, rows.get(int(candidates.segments[place]))))
                readable.append(place)
            except MediaError as error:
                notes[place] = {"unread": str(error)}
        order = np.arange(len(candidates))
        if readable:
            asking = [asked] * len(readable)
            values = model.match(*((answers, asking) if part.kind is Kind.TEXT else (asking, answers)))
            order[readable] = np.array(readable)[np.argsort(-values, kind="stable")]
            for place, value in zip(readable, values.tolist(), strict=True):
                notes[place] = {"match": round(value, 4), "model": model.name}
        return candidates.noted(notes).take(order, candidates.scores)

    def _answer(self, model: Matcher, asked: Kind, row: Row | None) -> NDArray[np.uint8] | str:
        """What a candidate has to say to a question of a kind.

        Raises:
            MediaError: it cannot be read.
        """
        from mmsearch.search.results import path_of

        if row is None:
            raise MediaError("it was removed meanwhile")
        if asked is Kind.IMAGE:
            if not row.excerpt:
                raise MediaError("its text is not stored")
            return row.excerpt
        path = path_of(self._context.store, row)
        if path is None:
            raise MediaError("it has no file")
        return model.picture(path, row.page)


def _picture(model: Matcher, content: Any) -> NDArray[np.uint8]:  # noqa: ANN401  (as in `types.Record`)
    try:
        return model.picture(Path(content).expanduser() if isinstance(content, str) else content)
    except MediaError as error:
        raise QueryError(f"cannot ask with the picture: {error}") from error
