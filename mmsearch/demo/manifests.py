"""The files that stand beside the demo's media: what is relevant to what, and whose work it is.

::

    manifest.json        pictures with their captions, sounds with their labels, for `mmsearch eval`
    topics.json          {"items": [{"id", "image" | "audio" | "text", "topics"}]}: all modalities, for `mmsearch eval`;
                         two items that share a topic are relevant to each other
    credits.txt          source, author and licence of every file
    media/metadata.jsonl the same for `--where`: kind, author, licence, package
    media/texts.jsonl    our texts, one record each
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mmsearch.demo.items import File, Text
from mmsearch.demo.sources import SOURCES
from mmsearch.types import Modality

CREDITS = """\
The pictures and sounds of the demo are the work of others. They are not part of mmsearch: they were fetched from the
packages named here and stay under their authors' licences. Pictures under "MIT (of the package)" come with a package
that is under the MIT licence as a whole and does not name the photographers. The drawings were rasterised from SVG.
The texts and captions are part of mmsearch.
"""


def write(folder: Path, media: Iterable[File], texts: Iterable[Text]) -> None:
    """Write them all into `folder` and `folder / "media"`, which exist."""
    media, texts = tuple(media), tuple(texts)
    _write_json(folder / "manifest.json", [_pair(file) for file in media])
    _write_json(folder / "topics.json", {"items": [*map(_item, media), *map(_text_item, texts)]})
    _write_lines(folder / "media" / "metadata.jsonl", map(_metadata, media))
    _write_lines(folder / "media" / "texts.jsonl", ({"id": text.id, "text": text.text} for text in texts))
    (folder / "credits.txt").write_text("\n".join(_credits(media)), encoding="utf-8")


def _pair(file: File) -> dict[str, Any]:
    said = file.descriptions
    described = {"captions": said} if file.modality is Modality.IMAGE else {"label": said[0]}
    return {file.modality.value: f"media/{file.path}", **described}


def _item(file: File) -> dict[str, Any]:
    return {"id": file.path, file.modality.value: f"media/{file.path}", "topics": file.topics}


def _text_item(text: Text) -> dict[str, Any]:
    return {"id": text.id, "text": text.text, "topics": text.topics}


def _metadata(file: File) -> dict[str, Any]:
    photographed = "drawing" if file.drawn else "photo"
    kind = photographed if file.modality is Modality.IMAGE else "recording"
    return {
        "file_name": file.path,
        "kind": kind,
        "author": file.author,
        "licence": file.licence,
        "package": file.package.name,
    }


def _credits(media: Iterable[File]) -> Iterator[str]:
    yield CREDITS
    for package in SOURCES:
        yield f"{package.name} {package.version} ({package.filename})"
        for file in media:
            if file.package is package:
                yield f"    media/{file.path}: {file.author}; {file.licence}; from {package.members[file.member]}"
        yield ""


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
