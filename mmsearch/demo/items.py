"""What the demo corpus consists of: files of others with our captions, and texts of our own.

`media.jsonl` and `texts.jsonl` beside this module say it. Two items are relevant to each other if they share a topic.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mmsearch.demo.sources import SOURCES
from mmsearch.packages import Package
from mmsearch.types import Modality

FOLDERS = {"pictures": Modality.IMAGE, "sounds": Modality.AUDIO}


@dataclass(frozen=True, slots=True)
class File:
    """A picture or a sound.

    Attributes:
        path: in the corpus' folder of media, with `/`.
        descriptions: the captions of a picture, the label of a sound; written by somebody who looked and who read
            what the recording is.
        topics: what it is about.
        author: of the picture or the sound.
        licence: an SPDX identifier where there is one.
    """

    path: str
    descriptions: tuple[str, ...]
    topics: tuple[str, ...]
    author: str
    licence: str

    @property
    def modality(self) -> Modality:
        """As its folder says."""
        return FOLDERS[self.path.split("/")[0]]

    @property
    def drawn(self) -> bool:
        """Whether it is rasterised from an SVG drawing."""
        return self.member.endswith(".svg")

    @property
    def member(self) -> str:
        """Its name among the members of `package`."""
        return _members()[self._stem][0]

    @property
    def package(self) -> Package:
        """The package that it comes from."""
        return _members()[self._stem][1]

    @property
    def _stem(self) -> str:
        return self.path.split("/")[-1].rsplit(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Text:
    """A short text, by us."""

    id: str
    text: str
    topics: tuple[str, ...]


def media() -> tuple[File, ...]:
    """All pictures and sounds."""
    return tuple(
        File(
            line["path"],
            tuple(line.get("captions") or [line["label"]]),
            tuple(line["topics"]),
            line["author"],
            line["licence"],
        )
        for line in _lines("media.jsonl")
    )


def texts() -> tuple[Text, ...]:
    """All texts."""
    return tuple(Text(line["id"], line["text"], tuple(line["topics"])) for line in _lines("texts.jsonl"))


@cache
def _members() -> dict[str, tuple[str, Package]]:
    return {name.rsplit(".", 1)[0]: (name, package) for package in SOURCES for name in package.members}


def _lines(name: str) -> list[dict[str, Any]]:
    content = (files("mmsearch.demo") / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in content.splitlines()]
