"""The encoder seam: what turns decoded media into features, and features into vectors.

::

    segments ──encoder.encode──► features ──head.project──► unit vectors of a space
               (dear, stored)               (cheap, versioned)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mmsearch.types import InputSpec, Modality, Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmsearch.types import FloatArray


@dataclass(frozen=True, slots=True)
class Batch:
    """Contents of segments of one modality, as `types.Segment` describes them."""

    modality: Modality
    contents: Sequence[NDArray[Any] | str]


class Encoder(Protocol):
    """Turns media of the modalities it knows into features.

    Making one is cheap: weights are loaded when `encode` first needs them, per modality.
    """

    @property
    def name(self) -> str:
        """Names the folder of its feature shards: letters, digits, `.`, `_`, `-`."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same input would give other features (weights, preprocessing).

        The device and its precision are not part of it: what they change is rounding.
        """
        ...

    @property
    def dims(self) -> Mapping[Modality, int]:
        """Number of features, by modality that it knows."""
        ...

    @property
    def batch_size(self) -> int:
        """How many segments it likes at once."""
        ...

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Features `(n, dims[batch.modality])` float32, row i for content i. Deterministic; called by one thread."""
        ...


class Head(Protocol):
    """Maps features to unit vectors of a space."""

    @property
    def space(self) -> Space:
        """Where its vectors live. Its version changes when the same features would give other vectors."""
        ...

    @property
    def encoders(self) -> Mapping[Modality, str]:
        """The encoder, by name, whose features it takes for each modality of the space."""
        ...

    @property
    def keeps_features(self) -> bool:
        """Whether features are stored beside the vectors; False when they are the same (CLIP, CLAP)."""
        ...

    def project(self, features: FloatArray, modality: Modality) -> FloatArray:
        """Vectors `(n, space.dim)` float32, unit norm, from features `(n, f)`."""
        ...


class Fitted(Protocol):
    """A head that was learned from pairs, over the features of another one; its vectors begin with those of that."""

    @property
    def space(self) -> Space:
        """Where its vectors live: those of text and of one medium."""
        ...

    @property
    def base(self) -> Space:
        """The space that it extends."""
        ...

    @property
    def encoders(self) -> Mapping[Modality, str]:
        """As of a head."""
        ...

    def serves(self, asked: Modality, target: Modality) -> bool:
        """Whether questions of one modality about another are asked in its space."""
        ...

    def join(self, vectors: FloatArray, features: NDArray[Any] | None, modality: Modality) -> FloatArray:
        """Vectors `(n, space.dim)` float32, unit norm, from vectors of `base` and the features that they are made of.

        `features` is None where they are not known, or are the vectors themselves.
        """
        ...


class Tagger(Protocol):
    """Class tags over stored features: a second opinion that the `tags` reranker uses."""

    def tags(self, features: FloatArray, modality: Modality, vocabulary: Modality) -> FloatArray:
        """Unit vectors `(n, classes)` float32 over the classes that media of the modality `vocabulary` have.

        `modality` is that of the features: `vocabulary` itself, or text. The inner product of a text's tags and a
        medium's tags is the tag score, in [0, 1].
        """
        ...

    def names(self, vocabulary: Modality) -> Sequence[str]:
        """What the classes that media of the modality `vocabulary` have are called, for people."""
        ...

    def weights(self, query: Modality, target: Modality) -> TagWeights | None:
        """How to mix tag score and cosine in one direction; None where the two share no classes."""
        ...

    def exemplars(self, space: Space, modality: Modality) -> FloatArray | None:
        """Where in a space a medium lies that shows one class and nothing else, `(classes, d)` float32, unit norm.

        No rows for a modality without classes; None in a space that it does not know.
        """
        ...


@dataclass(frozen=True, slots=True)
class TagWeights:
    """`score = (1 - share) * cosine / cosine_scale + share * tag_score / tag_scale`. Scales are standard deviations."""

    share: float
    cosine_scale: float
    tag_scale: float


@dataclass(frozen=True, slots=True)
class Model:
    """A named set of encoders and heads that an index is built with.

    Attributes:
        name: such as `lite`.
        inputs: what media must be decoded to.
        encoders: by modality, those whose features a segment gets.
        heads: one for each space.
        tagger: for the `tags` reranker, where the model has class tags.
        weights: sha256 by file, of everything that was loaded from disk.
        rerank: names of the rerankers that measured better than none and are on unless told otherwise.
        rerank_by: instead of these, where asked and target are of these modalities; see `chain`.
        fitted: what the user's own pairs have taught, in the directions that they taught.
        scales: by space and modality of a medium, what its scores with texts are multiplied with before a softmax
            over the texts gives probabilities: the inverse of a temperature, CLIP's `logit_scale`. The score is the
            cosine, or cosine and tags together where `tagger` has weights for that direction.
        check: raises `WeightsDamaged` if files on disk are not as they were pulled. Called before anything is encoded
            for an index: vectors of other weights must not get in.
    """

    name: str
    inputs: InputSpec
    encoders: tuple[Encoder, ...]
    heads: tuple[Head, ...]
    tagger: Tagger | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    rerank: tuple[str, ...] = ()
    check: Callable[[], None] = lambda: None
    fitted: tuple[Fitted, ...] = ()
    scales: Mapping[tuple[str, Modality], float] = field(default_factory=dict)
    rerank_by: Mapping[tuple[Modality, Modality], tuple[str, ...]] = field(default_factory=dict)

    def chain(self, asked: Modality, target: Modality) -> tuple[str, ...]:
        """The rerankers that are on in one direction unless told otherwise."""
        return self.rerank_by.get((asked, target), self.rerank)

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Of all heads, the fitted ones included."""
        return (*(head.space for head in self.heads), *(fitted.space for fitted in self.fitted))
