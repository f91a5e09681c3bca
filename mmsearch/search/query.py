"""The question: a weighted sum of parts, each a text, a picture, a sound, a vector or an item of the index."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.errors import QueryError, pointed
from mmsearch.types import Hit, Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.encoders.base import Model
    from mmsearch.types import AudioInput, ImageInput, Metadata

LEAST = 1e-9  # of the larger of two weights, what their sum must reach to be more than rounding
_ORDER = {modality: place for place, modality in enumerate(Modality)}


class Kind(StrEnum):
    """What a part of a question is."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VECTOR = "vector"
    ITEM = "item"


@dataclass(frozen=True, slots=True)
class Written:
    """An expression, and the place in it where a part of a question stands."""

    expression: str
    at: int = 0

    def error(self, what: str, at: int | None = None) -> QueryError:
        """What is wrong at that place, or at another one; the message points at it."""
        at = self.at if at is None else at
        return QueryError(f"query: {what}, at character {at + 1}{pointed(self.expression, at)}")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a question. Parts are equal if they ask the same; arrays are compared number by number.

    Attributes:
        kind: what it is.
        content: the text; a picture or a sound as in `types.Record` (a long sound asks with the mean of its windows);
            a vector `(d,)` of the space that is searched; the id of an item, or its file.
        weight: a part of negative weight is what the answers should not be like.
        templates: of a text, such as `a photo of {}`: it is asked in each of them, and counts as their mean (prompt
            ensembles: Radford et al., ICML 2021).
        modality: of what asks; None for a vector, and for an item of which it is not yet known.
        words: of a text, what full-text search looks for, if that is not the text itself: with its quotation marks.
        written: where it was read, if it was; errors show the place.
    """

    kind: Kind
    content: Any
    weight: float = 1.0
    templates: tuple[str, ...] = ()
    modality: Modality | None = None
    words: str | None = None
    written: Written | None = None

    def __eq__(self, other: object) -> bool:
        """Whether all is the same, weights too."""
        if not isinstance(other, Part):
            return NotImplemented
        return (self.weight, self._rest()) == (other.weight, other._rest()) and _equal(self.content, other.content)

    def __hash__(self) -> int:
        """Of what is not an array: to hash its numbers would take as long as to compare them."""
        return hash((self.weight, self._rest(), self.content if isinstance(self.content, (str, Path)) else None))

    def _rest(self) -> tuple[object, ...]:
        """All but content and weight."""
        return self.kind, self.templates, self.modality, self.words

    def same(self, other: Part) -> bool:
        """Whether both are the same but for their weights, as far as that can be told by looking at them."""
        is_name = isinstance(self.content, (str, Path)) and isinstance(other.content, (str, Path))
        if self.content is not other.content and not (is_name and self.content == other.content):
            return False  # arrays are not compared: with large ones, adding would take longer than asking
        return self._rest() == other._rest()

    def error(self, what: str) -> QueryError:
        """What is wrong with it."""
        return QueryError(what) if self.written is None else self.written.error(what)

    def check(self) -> None:
        """Whether the content is of its kind, as far as that can be told by looking at it.

        Raises:
            QueryError: a text is none, or a vector is not made of numbers.
        """
        if self.kind is Kind.TEXT and not isinstance(self.content, str):
            raise QueryError(f"a question is a text or a Query, not {reprlib.repr(self.content)}")
        if self.kind is Kind.VECTOR:
            try:
                np.asarray(self.content, np.float32)
            except (TypeError, ValueError, OverflowError) as error:
                shown = reprlib.repr(self.content)
                raise QueryError(f"a query vector must be an array of numbers, not {shown}") from error

    def describe(self) -> Any:  # noqa: ANN401  (a JSON value)
        """The content as a JSON value."""
        if self.kind is Kind.VECTOR:
            return list(np.shape(self.content))
        return str(self.content) if isinstance(self.content, (str, Path)) else f"<{type(self.content).__name__}>"


@dataclass(frozen=True, slots=True)
class Query:
    """A question: a sum of parts, made of single ones by arithmetic.

    >>> Query.text("a dog") + 0.5 * Query.text("a beach") - Query.text("leash")
    Query(text 'a dog' + 0.5 * text 'a beach' - text 'leash')

    Each part becomes a vector of unit norm. Where there are several, the mean of its modality is taken off each before
    they are added by their weights: otherwise what all pictures have in common would count more than what a picture
    shows. The sum asks, made unit norm, so that only the proportions of the weights matter. A question of negative
    parts only is answered by what is least like them. Items that take part are not among the answers.
    """

    parts: tuple[Part, ...] = ()

    @classmethod
    def text(cls, text: str, templates: str | Iterable[str] = (), words: str | None = None) -> Query:
        """A text; see `Part` for the arguments."""
        return cls((Part(Kind.TEXT, text, 1.0, (), Modality.TEXT, words),)).templated(templates)

    @classmethod
    def image(cls, image: ImageInput) -> Query:
        """A picture, as in `types.Record`."""
        return cls((Part(Kind.IMAGE, image, modality=Modality.IMAGE),))

    @classmethod
    def audio(cls, audio: AudioInput) -> Query:
        """A sound, as in `types.Record`; a long one asks with the mean of its windows."""
        return cls((Part(Kind.AUDIO, audio, modality=Modality.AUDIO),))

    @classmethod
    def vector(cls, vector: NDArray[Any]) -> Query:
        """A vector `(d,)` in the space that is searched."""
        return cls((Part(Kind.VECTOR, vector),))

    @classmethod
    def item(cls, item: str | Path | Hit, modality: str | None = None) -> Query:
        """What is stored of an item of the index: more like this.

        Args:
            item: its id, the path of its file, if that has no other item, or a hit.
            modality: of its medium that asks; that of the hit, or the first of image, audio and text that it has.

        Raises:
            QueryError: it is no str, no `Path` and no hit, or there is no such modality.
        """
        wanted = None if modality is None else Modality.named(modality)
        if isinstance(item, Hit):
            return cls((Part(Kind.ITEM, item.id, modality=wanted or Modality(item.modality)),))
        if not isinstance(item, (str, Path)):
            raise QueryError(f"an item to ask with is named by its id, its file or a hit, not {reprlib.repr(item)}")
        return cls((Part(Kind.ITEM, item, modality=wanted),))

    @classmethod
    def record(cls, modality: Modality, content: Any) -> Query:  # noqa: ANN401  (of any modality)
        """One medium of a record."""
        return cls((Part(Kind(modality), content, modality=modality),))

    @classmethod
    def parse(cls, expression: str) -> Query:
        """A question written as `a dog + 0.5*./beach.jpg - leash`; see `search.expression`.

        Raises:
            QueryError: it cannot be read; the message shows the place.
        """
        from mmsearch.search.expression import parse

        if not isinstance(expression, str):
            raise QueryError(f"what is parsed is a str, such as 'a dog - leash', not {reprlib.repr(expression)}")
        return parse(expression)

    def refined(
        self,
        like: str | Path | Hit | Iterable[str | Path | Hit] = (),
        unlike: str | Path | Hit | Iterable[str | Path | Hit] = (),
        *,
        alpha: float = 1.0,
        beta: float = 0.75,
        gamma: float = 0.15,
    ) -> Query:
        """Relevance feedback: this question, moved to items that were right and away from those that were wrong.

        `alpha * question + beta * mean(like) - gamma * mean(unlike)` (Rocchio, in The SMART Retrieval System, 1971;
        the weights are those of Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, 9.1.1).
        Of an empty question only the items are left.

        Raises:
            QueryError: something is no id, no file and no hit.
        """
        question = alpha * self
        for named, weight in ((like, beta), (unlike, -gamma)):
            items = tuple(named) if isinstance(named, Iterable) and not isinstance(named, (str, Hit)) else (named,)
            for item in items:
                question = question + weight / len(items) * Query.item(item)
        return question

    def templated(self, templates: str | Iterable[str]) -> Query:
        """The same, with all texts asked in these templates, if there are any; see `Part`."""
        some = (templates,) if isinstance(templates, str) else tuple(templates)
        if not some:
            return self
        return Query(tuple(replace(part, templates=some) if part.kind is Kind.TEXT else part for part in self.parts))

    def __add__(self, other: Query) -> Query:
        """The sum; parts that are the same become one."""
        if not isinstance(other, Query):
            return NotImplemented
        parts = list(self.parts)
        for part in other.parts:
            for place, known in enumerate(parts):
                if known.same(part):
                    weight = _sum(known.weight, part.weight)
                    written = known.written if weight else part.written  # what took it away is pointed at
                    parts[place] = replace(known, weight=weight, written=written)
                    break
            else:
                parts.append(part)
        return Query(tuple(parts))

    def __radd__(self, other: int) -> Query:
        """What `sum` begins with is 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: Query) -> Query:
        """The difference."""
        if not isinstance(other, Query):
            return NotImplemented
        return self + -other

    def __neg__(self) -> Query:
        """The opposite."""
        return self * -1

    def __mul__(self, weight: float) -> Query:
        """All weights multiplied by a number."""
        return Query(tuple(replace(part, weight=part.weight * weight) for part in self.parts))

    __rmul__ = __mul__

    def __truediv__(self, weight: float) -> Query:
        """All weights divided by a number."""
        return self * (1 / weight)

    def __repr__(self) -> str:
        """The sum as it is written, and that it is one."""
        return f"Query({self})"

    def __str__(self) -> str:
        """The sum as it is written."""
        shown = ""
        for part in self.parts:
            sign = "-" if part.weight < 0 else "+" if shown else ""
            times = "" if abs(part.weight) == 1 else f"{abs(part.weight):g} * "
            shown += f"{' ' if shown else ''}{sign}{' ' if sign else ''}{times}{part.kind} {part.describe()!r}"
        return shown

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those of the parts, each once, in a fixed order."""
        found = {part.modality for part in self.parts if part.modality is not None}
        return tuple(sorted(found, key=_ORDER.__getitem__))

    @property
    def items(self) -> tuple[str | Path, ...]:
        """Ids of the items that take part, or their files, as they were given."""
        return tuple(part.content for part in self.parts if part.kind is Kind.ITEM)

    @property
    def weighty(self) -> Query:
        """The same without parts of weight 0, unless there are no others: `check` says so."""
        parts = tuple(part for part in self.parts if part.weight)
        return Query(parts) if 0 < len(parts) < len(self.parts) else self

    @property
    def has_vector(self) -> bool:
        """Whether a vector takes part, which is of one space only."""
        return any(part.kind is Kind.VECTOR for part in self.parts)

    def describe(self) -> Metadata:
        """The question in JSON values: its parts by name if they count alike, or as a list with their weights."""
        kinds = [part.kind for part in self.parts]
        templates = [template for part in self.parts for template in part.templates]
        shown: dict[str, Any] = {}
        if len(set(kinds)) == len(kinds) and all(part.weight == 1 for part in self.parts):
            shown |= {str(part.kind): part.describe() for part in self.parts}
        else:
            shown["parts"] = [{str(part.kind): part.describe(), "weight": part.weight} for part in self.parts]
        if templates:
            shown["templates"] = list(dict.fromkeys(templates))
        return shown

    def error(self, what: str) -> QueryError:
        """What is wrong with all of it, at its last part if that was read somewhere."""
        last = self.parts[-1]
        return last.error(what if last.written is not None else f"{what}, in {self!r}")

    def check(self, model: Model) -> None:
        """Whether a model can be asked this.

        Raises:
            QueryError: it is empty, its weights are no numbers or cancel out, it has a text that is none, a vector that
                is not made of numbers, a part that the model does not know, or a template without the place for the
                text.
        """
        if not self.parts:
            raise QueryError("the query is empty: give a text, an image, a sound or a vector")
        if not all(math.isfinite(part.weight) for part in self.parts):
            raise QueryError(f"a weight is no number in {self!r}")
        if not any(part.weight for part in self.parts):
            raise self.error("the weights cancel out: nothing is left to ask with")
        for part in self.parts:
            part.check()
        for modality in self.modalities:
            if getattr(model.inputs, modality) is None:
                raise QueryError(f"the model {model.name} does not know the modality {modality}")
        for template in (template for part in self.parts for template in part.templates):
            if "{}" not in template:
                raise QueryError(f"the template {template!r} does not say where the text goes: a photo of {{}}")


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401  (contents of parts)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):  # a sound: its samples and their rate
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, (str, Path)) or isinstance(other, (str, Path)):
        return isinstance(one, (str, Path)) and isinstance(other, (str, Path)) and one == other
    if any(hasattr(content, "__array__") for content in (one, other)):
        return one is other or np.array_equal(one, other)
    return bool(one == other)


def _sum(one: float, other: float) -> float:
    """Of two weights; 0 where only rounding is left, as of 0.1 + 0.2 - 0.3."""
    total = one + other
    return 0.0 if abs(total) < LEAST * max(abs(one), abs(other)) else total  # nothing is less than an infinite one
