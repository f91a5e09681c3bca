"""The values that cross module borders. All are immutable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mmsearch.errors import QueryError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    FloatArray: TypeAlias = NDArray[np.float32]
    ImageInput: TypeAlias = Path | str | bytes | Image | NDArray[Any]
    AudioInput: TypeAlias = Path | str | bytes | tuple[NDArray[Any], int]

Metadata: TypeAlias = Mapping[str, Any]


class Modality(StrEnum):
    """What a medium is made of."""

    IMAGE = "image"
    TEXT = "text"
    AUDIO = "audio"

    @classmethod
    def named(cls, name: str) -> Modality:
        """The one of that name.

        Raises:
            QueryError: there is none.
        """
        if not isinstance(name, str) or name not in set(cls):
            raise QueryError(f"{name}: no modality; there are: {', '.join(cls)}{did_you_mean(str(name), cls)}")
        return cls(name)


class Role(StrEnum):
    """Which side of a search an input stands on. Prompt templates and asymmetric encoders need to know."""

    DOCUMENT = "document"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """How an encoder wants pictures: RGB, uint8, `size` x `size`.

    With `squash` the picture is resized to the square; without, its short side is resized to `resize` and the centre
    `size` x `size` is cut out. Resizing is bicubic, or `bilinear`, with antialiasing.
    """

    size: int
    resize: int
    squash: bool = False
    bilinear: bool = False


@dataclass(frozen=True, slots=True)
class AudioSpec:
    """How an encoder wants sounds: mono float32 in [-1, 1] at `rate` Hz, windows of `window` s every `hop` s."""

    rate: int
    window: float = 10.0
    hop: float = 5.0


@dataclass(frozen=True, slots=True)
class TextSpec:
    """How an encoder wants text: passages of at most `max_tokens` tokens, as `count_tokens` counts them."""

    max_tokens: int
    count_tokens: Callable[[str], int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model needs from its input; `None` for a modality that it does not know."""

    image: ImageSpec | None = None
    audio: AudioSpec | None = None
    text: TextSpec | None = None

    @property
    def modalities(self) -> frozenset[Modality]:
        """Those that it knows."""
        return frozenset(modality for modality in Modality if getattr(self, modality) is not None)


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of a medium that is searched.

    Attributes:
        content: image `(size, size, 3)` uint8 RGB; audio `(n,)` float32 mono at the spec's rate, the last window of a
            sound may be shorter; text `str`.
        start: seconds (audio) or characters (text) from the beginning of the medium; None for a whole picture.
        end: like `start`, exclusive.
        page: the page that it is, or begins, on; 1 for the first. None where there are no pages.
        time: for subtitles, the seconds from and to which it is shown.
    """

    content: NDArray[Any] | str
    start: float | None = None
    end: float | None = None
    page: int | None = None
    time: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Medium:
    """One decoded picture, sound or text.

    Attributes:
        modality: what it is.
        segments: an iterator, read once; sounds are decoded while it is read, and may raise `MediaError` then.
        properties: `width`, `height` (pixels, after orientation), `seconds`, `characters`, `pages`, `taken` (ISO 8601).
        key: the record's own id, for a file of records (`.jsonl`).
        metadata: the record's own fields, for a file of records.
    """

    modality: Modality
    segments: Iterator[Segment]
    properties: Metadata = field(default_factory=dict)
    key: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """Something to add that need not be a file: one item of one or several media, or of ready vectors.

    Attributes:
        id: the caller's own id; adding it again replaces the item. None: one is made.
        image: a path, encoded bytes, a PIL image, or an array `(h, w)`, `(h, w, 3)` or `(h, w, 4)` uint8.
        audio: a path, encoded bytes, or `(samples, rate)` with samples `(n,)` or `(n, channels)`, float in [-1, 1] or
            integer PCM, and the rate in Hz.
        text: the text itself.
        vectors: ready vectors `(d,)` of the model's space, by the modality they stand for; made unit norm when added.
        metadata: JSON values by name, for `where` and for the hit.
    """

    id: str | None = None
    image: ImageInput | None = None
    audio: AudioInput | None = None
    text: str | None = None
    vectors: Mapping[str, NDArray[Any]] | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Space:
    """A vector space. Vectors of different spaces or versions are never compared."""

    name: str
    version: str
    dim: int
    modalities: frozenset[Modality]


@dataclass(frozen=True, slots=True)
class Item:
    """What the user added.

    Attributes:
        id: the user's, or one that was made.
        path: of its file; None if it has none.
        modalities: of its segments.
        number: in the catalog, never used again; what a `Ranking` names it by.
    """

    id: str
    path: Path | None
    modalities: frozenset[Modality]
    number: int


class Stage(NamedTuple):
    """How a hit stood after one step of a search.

    Attributes:
        step: `found`, for the search itself, or a reranker as it stands in the chain.
        rank: after it, among all candidates; 1 for the best, 0 for one that vectors did not find, before words do.
        score: after it; None for one that was not found yet.
        used: what the step went by for this hit, JSON values by name; empty where it cannot say.
    """

    step: str
    rank: int
    score: float | None
    used: Metadata = MappingProxyType({})


class Hit(NamedTuple):
    """One answer. A tuple and no dataclass, which would take longer to make than to find.

    Attributes:
        rank: 1 for the best.
        id: the item's stable id.
        path: where its file is; None for a record that has none.
        modality: of the segment that matched best.
        score: what the list is ordered by; higher is better. Comparable within one answer only.
        cosine: of query and segment, in their space.
        confidence: the share of questions that have nothing to do with the index whose best hit scores less, by what
            may be expected of each question, from 0 to 1; None where it is not known.
        start: seconds (audio) or characters (text) where the best segment begins.
        end: where it ends, exclusive.
        page: the page that the best segment is, or begins, on; None where there are no pages.
        time: for subtitles, the seconds from and to which the best segment is shown.
        excerpt: the text of the best segment, shortened; None for pictures and sounds.
        properties: of the file and the medium: size, modified, width, height, seconds, characters, pages, taken.
        metadata: the user's.
        why: the route and what each reranker did, in words.
        same: ids of items that are nearly the same and were folded into this one, see the reranker `collapse`.
        stages: how it got its rank, if that was asked for.
        span: of a sound, the seconds from and to which the windows beside the best one fit as well; it ends within two
            minutes of it. None for a sound of one window, and for pictures and texts.
    """

    rank: int
    id: str
    path: Path | None
    modality: Modality
    score: float
    cosine: float
    confidence: float | None = None
    start: float | None = None
    end: float | None = None
    page: int | None = None
    time: tuple[float, float] | None = None
    excerpt: str | None = None
    properties: Metadata = MappingProxyType({})
    metadata: Metadata = MappingProxyType({})
    why: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    span: tuple[float, float] | None = None

    @property
    def place(self) -> str:
        """Where in its file it fits, for people: `p. 7`, `1:02.5–1:12.5`; empty for all of it."""
        heard = self.span or ((self.start, self.end) if self.modality is Modality.AUDIO else self.time)
        if heard and heard[0] is not None and heard[1] is not None:
            return f"{clock(heard[0])}–{clock(heard[1])}"
        return f"p. {self.page}" if self.page is not None else ""


def clock(seconds: float) -> str:
    """Seconds for people: `1:02.5`."""
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


class Hits(tuple[Hit, ...]):
    """Hits, best first, and the question they answer."""

    query: Metadata

    def __new__(cls, hits: Sequence[Hit], query: Metadata) -> Hits:
        """Keep `hits` in their order."""
        made = super().__new__(cls, hits)
        made.query = query
        return made


class Moment(NamedTuple):
    """A stretch of a recording, or of a long text, that fits a question.

    Attributes:
        rank: 1 for the best.
        start: where it begins: seconds of a sound or of subtitles, characters of a text.
        end: where it ends, exclusive.
        score: of its best piece, above what the index has on average; see `search.curve`.
        cosine: of the question and the best segment in it.
        best: where that segment begins and ends.
        excerpt: the text of that segment, shortened; None for sounds.
        page: that it is, or begins, on.
        confidence: the share of questions that have nothing to do with the index whose best hit in this item scores
            less, from 0 to 1; None where it is not known.
    """

    rank: int
    start: float
    end: float
    score: float
    cosine: float
    best: tuple[float, float]
    excerpt: str | None = None
    page: int | None = None
    confidence: float | None = None


class Moments(tuple[Moment, ...]):
    """The moments of one item, best first, and the question they answer.

    Attributes:
        query: the question, in JSON values; `unmatched` is the best confidence where that is too little for an answer,
            `uncalibrated` is there where a confidence was asked for and is not known.
        id: of the item.
        path: of its file; None if it has none.
        modality: of the medium that was looked at.
        curve: start, end and score of each piece `(n, 3)` float64, in order.
    """

    query: Metadata
    id: str
    path: Path | None
    modality: Modality
    curve: NDArray[np.float64]

    def __new__(
        cls,
        moments: Sequence[Moment],
        query: Metadata,
        id: str,  # noqa: A002  (what users call it)
        path: Path | None,
        modality: Modality,
        curve: NDArray[np.float64],
    ) -> Moments:
        """Keep `moments` in their order."""
        made = super().__new__(cls, moments)
        made.query, made.id, made.path, made.modality, made.curve = query, id, path, modality, curve
        return made


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or a record that could not be added, and why."""

    path: Path | None
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an indexing run is; handed to `add(progress=...)` about ten times a second.

    `added` counts what was added, updated and reused. `total` is None until the folder has been counted, which is done
    beside a run that takes longer than a moment.
    """

    total: int | None
    added: int
    unchanged: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What an indexing run did. Counts are of files and records.

    Attributes:
        added: encoded and committed for the first time.
        updated: were there, had changed, and were replaced.
        reused: renamed or copied files, added without encoding.
        unchanged: not opened.
        removed: gone from the disk and now from the index.
        failed: each with its reason; those that had failed before and have not changed included.
        warnings: things left out on purpose (links to folders, an empty root).
        segments: committed in this run.
        seconds: of work per stage (`scan`, `decode`, `encode`, `commit`), and `total` by the clock. Stages overlap.
    """

    added: int = 0
    updated: int = 0
    reused: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    segments: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
