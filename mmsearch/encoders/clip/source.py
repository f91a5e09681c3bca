"""What stands after `clip:` in the name of a model: which architecture, and where its weights are.

::

    ViT-B-32/laion2b_s34b_b79k          an architecture of open_clip and one of its tags
    ViT-B-32                            the architecture with the tag that suits it best
    ViT-B-32/~/weights/b32.safetensors  an architecture and a file
    ~/models/b32                        a folder with open_clip_config.json and the weights
    hf-hub:laion/CLIP-ViT-B-32-...      a repository of such folders
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mmsearch.encoders import heavy
from mmsearch.errors import UnknownModel, WeightsMissing

DEFAULT: Final = "ViT-B-32/laion2b_s34b_b79k"
HUB: Final = "hf-hub:"
CONFIG: Final = "open_clip_config.json"
WEIGHTS: Final = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What open_clip calls the weights in a repository, the better one first."""
SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".bin")

# By zero-shot retrieval as far as it is published, among tags whose licence lets anybody use them.
_BETTER: Final = (
    "webli",
    "datacompdr",
    "dfndr2b",
    "datacomp1b",
    "laion5b",
    "laion2b",
    "datacomp",
    "merged2b",
    "openai",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from: a `tag` or a `file` of an `architecture`, a `folder`, or a `repository`.

    Of an architecture alone tag and file are None; `check` chooses the tag.
    """

    architecture: str | None = None
    tag: str | None = None
    file: Path | None = None
    folder: Path | None = None
    repository: str | None = None

    @property
    def canonical(self) -> str:
        """The text that parses to this, with the whole path."""
        if self.repository:
            return HUB + self.repository
        if self.folder:
            return str(self.folder)
        rest = self.tag or self.file
        return f"{self.architecture}/{rest}" if rest else str(self.architecture)


def parse(argument: str) -> Source:
    """Understand what stands after `clip:`; nothing is the default model. Neither disk nor open_clip is asked.

    Raises:
        UnknownModel: it is no such text.
    """
    argument = argument.strip() or DEFAULT
    if argument.startswith(HUB):
        repository = argument.removeprefix(HUB)
        if len([part for part in repository.split("/") if part]) != 2:
            raise UnknownModel(f"{argument!r} names no repository; write {HUB}OWNER/NAME")
        return Source(repository=repository)
    if argument.startswith(("/", "~", ".")) or Path(argument).is_absolute():
        if argument.endswith(SUFFIXES):
            raise UnknownModel(f"which architecture has {argument!r}? Write it before the file: ViT-B-32/{argument}")
        return Source(folder=_path(argument))
    architecture, _, rest = argument.partition("/")
    if rest.startswith(("/", "~", ".")) or Path(rest).is_absolute() or rest.endswith(SUFFIXES):
        return Source(architecture, file=_path(rest))
    return Source(architecture, tag=rest or None)


def check(source: Source) -> Source:
    """The same source, with the tag chosen where it had none. Imports open_clip.

    Raises:
        UnknownModel: open_clip has no such architecture or tag; names those that are nearest.
        WeightsMissing: the file or the folder is not there, or the folder lacks a part.
    """
    if source.folder and source.folder.is_dir() and not (source.folder / CONFIG).is_file():
        raise WeightsMissing(f"{source.folder} has no {CONFIG}, which says what the weights are of")
    if source.folder:
        find(source.folder)
    if source.file and not source.file.is_file():
        raise WeightsMissing(f"{source.file} is not there, or is no file")
    if source.architecture is None:
        return source
    open_clip = heavy.open_clip()
    if source.architecture not in (known := open_clip.list_models()):
        raise UnknownModel(
            f"open_clip {open_clip.__version__} has no architecture {source.architecture!r}"
            f"{_nearest(source.architecture, known)}; a folder is written ./FOLDER"
        )
    if source.file:
        return source
    tags = open_clip.list_pretrained_tags_by_model(source.architecture)
    if source.tag is None:
        if not tags:
            raise UnknownModel(
                f"open_clip knows no weights of {source.architecture}; give a file: {source.architecture}/FILE"
            )
        return replace(source, tag=default_tag(source.architecture, tags))
    if source.tag not in tags:
        raise UnknownModel(
            f"{source.architecture} has no tag {source.tag!r}{_nearest(source.tag, tags)}; a file ends in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    return source


def find(folder: Path) -> Path:
    """The file of weights in a folder laid out as open_clip's repositories are.

    Raises:
        WeightsMissing: there is no such folder, or no weights are in it.
    """
    if not folder.is_dir():
        raise WeightsMissing(f"{folder} is not there, or is no folder")
    named = [folder / name for name in WEIGHTS]
    others = sorted((path for path in folder.iterdir() if path.suffix in SUFFIXES), key=_better_suffix)
    for path in (*named, *others):
        if path.is_file():
            return path
    raise WeightsMissing(f"{folder} has no weights; they are called {' or '.join(WEIGHTS)}")


def default_tag(architecture: str, tags: Sequence[str]) -> str:
    """The tag to take where none is named."""
    preferred = DEFAULT.split("/")
    if architecture == preferred[0]:
        return preferred[1]
    return next((tag for start in _BETTER for tag in tags if tag.startswith(start)), tags[-1])


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _better_suffix(path: Path) -> tuple[int, str]:
    return SUFFIXES.index(path.suffix), path.name


def _nearest(name: str, known: Sequence[str]) -> str:
    lowered = {one.lower(): one for one in known}
    near = [lowered[one] for one in difflib.get_close_matches(name.lower(), lowered, n=5, cutoff=0.4)]
    if len(known) <= 5:
        near = list(known)
    if not near:
        return ""
    return f"; {'it has' if len(known) <= 5 else 'the nearest are'} {', '.join(near)}"
