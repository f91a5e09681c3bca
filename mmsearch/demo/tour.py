"""What the demo asks, in which order, and what there is to see. Pure data: the command line asks and prints."""

from __future__ import annotations

from dataclasses import dataclass

from mmsearch.types import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One search.

    Attributes:
        title: a headline.
        explanation: for somebody who sees this for the first time.
        text: of the question.
        image: of the question; a path in the corpus' folder of media.
        audio: of the question; likewise.
        target: what is looked for; nothing means everything.
        k: how many hits.
    """

    title: str
    explanation: str
    text: str | None = None
    image: str | None = None
    audio: str | None = None
    target: frozenset[Modality] = frozenset()
    k: int = 3


TOUR = (
    Step(
        title="Words find pictures",
        explanation=(
            "Nobody has tagged these pictures. The words and the pictures become points in the same space, and the "
            "nearest pictures are the answer, photos and drawings alike. A file whose name has the words would come "
            "first, but here none has."
        ),
        text="a musical instrument",
        target=frozenset({Modality.IMAGE}),
        k=2,
    ),
    Step(
        title="A picture finds texts",
        explanation="The other way round: the question is a photo of a jellyfish, and the answers are sentences.",
        image="pictures/jellyfish.jpg",
        target=frozenset({Modality.TEXT}),
    ),
    Step(
        title="A sound finds pictures",
        explanation=(
            "The question is a recording of barking. No picture was ever connected with it, but the sound and the "
            "pictures are both near the same words."
        ),
        audio="sounds/dog.mp3",
        target=frozenset({Modality.IMAGE}),
        k=2,
    ),
    Step(
        title="Words find a sound",
        explanation="Long recordings are searched in windows of a few seconds, and the hit says which one fits best.",
        text="ducks on a pond",
        target=frozenset({Modality.AUDIO}),
        k=2,
    ),
    Step(
        title="A picture and words together",
        explanation=(
            "A question may have several parts. The picture shows a mountain and the words add the sea. First comes "
            "the picture itself; after it, among all the mountains, look for what has both."
        ),
        text="the sea",
        image="pictures/mountain-at-dusk.jpg",
        target=frozenset({Modality.IMAGE}),
    ),
    Step(
        title="Words find everything",
        explanation=(
            "Pictures, sounds and texts in one list. Their raw similarities cannot be compared, so what counts is how "
            "seldom a question that has nothing to do with them finds as much among its own kind."
        ),
        text="a barking dog",
        k=5,
    ),
)
"""The questions, in order."""
