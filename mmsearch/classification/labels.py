"""The labels: given as they are, in a string, or in a file."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmsearch.errors import QueryError
from mmsearch.types import Modality

PLACE: Final = "{}"

TEMPLATES: Final[Mapping[Modality, tuple[str, ...]]] = {
    Modality.IMAGE: (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    Modality.AUDIO: ("the sound of {}", "This is a sound of {}."),
    Modality.TEXT: ("This text is about {}.",),
}
"""In what a label is asked, by what is classified.

For pictures the seven that CLIP's authors found to do nearly as well as their eighty on ImageNet (openai/CLIP,
notebooks/Prompt_Engineering_for_ImageNet.ipynb). `benchmarks/classification.py` compares them with others.
"""


@dataclass(frozen=True, slots=True)
class Label:
    """What something may be.

    Attributes:
        name: as it is shown.
        said: what it is called in the templates; several: their mean. The name, if it is empty.
    """

    name: str
    said: tuple[str, ...] = ()

    def prompts(self, templates: Iterable[str]) -> list[str]:
        """Every way to say it, in every template."""
        return [template.replace(PLACE, word) for word in self.said or (self.name,) for template in templates]


def of(given: str | Path | Iterable[str | Label]) -> tuple[Label, ...]:
    """Labels, from names, from `"cat,dog,rain"`, or from a file with one in each line, see `parse`.

    A string is taken for a file if there is one of that name; a `Path` always is.

    Raises:
        QueryError: there are fewer than two, one is no text, two have the same name, or the file cannot be read.
    """
    if isinstance(given, Path) or (isinstance(given, str) and _is_file(given)):
        found = list(_read(Path(given).expanduser()))
    elif isinstance(given, str):
        if "," not in given and _leads_to(given, Path.is_dir):
            raise QueryError(f"{given} is a folder; labels are names, cat,dog,rain, or a file with one in each line")
        found = [Label(name) for part in given.split(",") if (name := part.strip())]
    else:
        found = [_label(one) for one in given]
    names = [label.name for label in found]
    if "" in names:
        raise QueryError("a label is blank")
    if len(found) < 2:
        raise QueryError(
            f"a probability is a share among several labels, and there is {'one' if found else 'none'}: "
            "give at least two, as in cat,dog,rain"
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise QueryError(f"the label {twice!r} is given twice")
    return tuple(found)


def parse(lines: Iterable[str], source: str = "labels") -> Iterator[Label]:
    """A label from each line, `name` or `name: said | said`; blank lines and those that begin with `#` have none.

    Raises:
        QueryError: a line has no name, or a colon with nothing behind it; shows the place.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, rest = text.partition(":")
        said = tuple(word.strip() for word in rest.split("|"))
        if not name.strip() or (colon and "" in said):
            at = 0 if not name.strip() else _empty(name, rest)
            why = "a name is missing" if not name.strip() else "nothing is said here"
            raise QueryError(f"{source}, line {number}: {why}\n  {text}\n  {' ' * at}^")
        yield Label(name.strip(), said if colon else ())


def check_templates(templates: str | Iterable[str]) -> tuple[str, ...]:
    """The same, if all of them say where the label goes.

    Raises:
        QueryError: one does not.
    """
    found = (templates,) if isinstance(templates, str) else tuple(templates)
    for template in found:
        if PLACE not in template:
            raise QueryError(f"the template {template!r} does not say where the label goes: a photo of a {{}}")
    return found


def _empty(name: str, rest: str) -> int:
    """Where in `name:rest` one of the things said is blank."""
    at = len(name) + 1
    for word in rest.split("|"):
        if not word.strip():
            break
        at += len(word) + 1
    return at


def _label(given: str | Label) -> Label:
    if isinstance(given, Label):
        return given
    if not isinstance(given, str):
        raise QueryError(f"a label is a text, not {reprlib.repr(given)}")
    return Label(given.strip())


def _is_file(given: str) -> bool:
    """Whether a string names a file: one that is there, or, by its look, one that should be."""
    looks = "," not in given and given.strip().lower().endswith((".txt", ".labels"))
    return looks or _leads_to(given, Path.is_file)


def _leads_to(given: str, kind: Callable[[Path], bool]) -> bool:
    """Whether a string is the path of something of a kind that is there."""
    try:
        return bool(given.strip()) and kind(Path(given).expanduser())
    except (OSError, ValueError, RuntimeError):  # too long for a path, a null character, no such home
        return False


def _read(path: Path) -> Iterator[Label]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise QueryError(f"cannot read the labels {path}: {error}") from error
    return parse(text.splitlines(), str(path))
