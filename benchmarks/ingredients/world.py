"""What an index of pictures, texts and sounds is filled with: photos with captions, and clips with labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingredients.questions import Photo
from mmsearch import Record


@dataclass(frozen=True, slots=True)
class World:
    """What is indexed.

    Attributes:
        photos: pictures with their captions, as `captions.json` has them.
        clips: sounds with their labels, as `items.json` has them.
        pictures: of the photos, in their order; ids are names of files.
        texts: the first captions of the photos, in their order.
        sounds: of the clips, in their order; ids are names of files.
        of_class: the ids of the sounds with each label.
    """

    photos: Sequence[Photo]
    clips: Sequence[Mapping[str, str]]
    pictures: Sequence[Record]
    texts: Sequence[Record]
    sounds: Sequence[Record]
    of_class: Mapping[str, set[str]]

    @classmethod
    def read(cls, esc10: Path, captioned: Path) -> World:
        """From folders as `shared/data` has them."""
        photos = json.loads((captioned / "captions.json").read_text("utf-8"))
        clips = json.loads((esc10 / "items.json").read_text("utf-8"))
        labels = sorted({clip["label"] for clip in clips})
        return cls(
            photos,
            clips,
            [Record(id=one["image"], image=captioned / one["image"]) for one in photos],
            [Record(id=f"caption {n}", text=one["captions"][0]) for n, one in enumerate(photos)],
            [Record(id=one["audio"], audio=esc10 / one["audio"]) for one in clips],
            {label: {one["audio"] for one in clips if one["label"] == label} for label in labels},
        )

    @property
    def labels(self) -> list[str]:
        """Of the sounds, none twice."""
        return list(self.of_class)

    def mates(self, clip: Mapping[str, str]) -> set[str]:
        """The other sounds with its label."""
        return self.of_class[clip["label"]] - {clip["audio"]}
