"""Which part of a dataset to read: train, test, a fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsearch.errors import DatasetError

ALL = "all"

# Names for the same thing, asked when no split begins with the word. Clotho learns from `development`.
_ALIKE = (
    frozenset({"train", "training", "development"}),
    frozenset({"val", "valid", "validation", "dev"}),
    frozenset({"test", "testing", "evaluation", "eval"}),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to read.

    Attributes:
        names: of the splits that are in; None: everything is, also what no split names.
        name: of the part, None for everything.
        note: what was decided without being asked.
    """

    names: tuple[str, ...] | None = None
    name: str | None = None
    note: str | None = None

    def __contains__(self, split: str | None) -> bool:
        return self.names is None or split in self.names


EVERYTHING = Chosen()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asked for.

    Attributes:
        split: its name, or the beginning of it; several joined by `+`; `all`. None: not said.
        usual: what is taken if that was not said: the first of these that there is, else everything.
    """

    split: str | None = None
    usual: tuple[str, ...] = ()

    def choose(self, source: Path, there: Iterable[str], size: Callable[[str], int]) -> Chosen:
        """Choose among the splits that there are.

        Args:
            source: for messages.
            there: names of the splits.
            size: how many pictures or sounds a split has; asked for the message of an error only.

        Raises:
            DatasetError: there is no such split, or several begin like it.
        """
        names = sorted(set(there))
        if self.split is None:
            return self._usual(source, names)
        if self.split == ALL and ALL not in names:
            return EVERYTHING
        taken = [_one(source, part.strip(), names) for part in self.split.split("+")]
        if None not in taken:
            found = tuple(dict.fromkeys(name for name in taken if name is not None))
            return Chosen(found, "+".join(found))
        sizes = ", ".join(f"{name} ({size(name):,})" for name in names)
        raise DatasetError(
            f"{source}: there is no split {self.split!r}; "
            + (f"there are: {sizes}" if names else "it states no splits")
        )

    def choose_files(
        self, files: Sequence[Path], split_of: Callable[[Path], str], size: Callable[[Path], int]
    ) -> tuple[Chosen, dict[str, Path]]:
        """Choose among splits that are files of their own. One file alone is taken if nothing else was asked for.

        Args:
            files: of all splits, in one folder.
            split_of: the name of a file's split.
            size: how many pictures or sounds a file names; asked for the message of an error only.

        Returns:
            What was chosen, and its files by split.

        Raises:
            DatasetError: there is no such split, or several begin like it, or two files are the same split.
        """
        there: dict[str, Path] = {}
        for path in files:
            if there.setdefault(split_of(path), path) != path:
                other = there[split_of(path)].name
                raise DatasetError(
                    f"{path.parent}: {other} and {path.name} are both the split {split_of(path)}; name one"
                )
        if len(there) == 1 and self.split is None:
            return Chosen(tuple(there), next(iter(there))), there
        chosen = self.choose(files[0].parent, there, lambda name: size(there[name]))
        return chosen, {split: path for split, path in there.items() if split in chosen}

    def _usual(self, source: Path, names: list[str]) -> Chosen:
        for usual in self.usual:
            found = [name for part in usual.split("+") if (name := _one(source, part, names)) is not None]
            if len(found) == usual.count("+") + 1:
                others = [name for name in names if name not in found]
                name = "+".join(found)
                note = f"only the split {name} is taken; there are also: {', '.join(others)}" if others else None
                return Chosen(tuple(found), name, note)
        return EVERYTHING


def source(taken: Mapping[str, Path]) -> Path:
    """What to call the files of the splits that were taken: the one file, or the folder that they lie in."""
    first, *more = taken.values()
    return first.parent if more else first


def exclusive(source: Path, stated: Iterable[tuple[str, str]]) -> None:
    """See that nothing is in two splits.

    Args:
        source: for messages.
        stated: names of files, and the split of each.

    Raises:
        DatasetError: a file is.
    """
    found: dict[str, str] = {}
    for name, split in stated:
        if found.setdefault(name, split) != split:
            raise DatasetError(
                f"{source}: {name} is in two splits, {found[name]} and {split}; what is learned from must not be "
                "tested with: expected each file in one"
            )


def _one(source: Path, asked: str, names: list[str]) -> str | None:
    word = asked.lower()
    if not word or asked in names:
        return asked or None
    found = [name for name in names if name.lower().startswith(word)]
    if not found:
        alike = {other for group in _ALIKE if word in group for other in group}
        found = [name for name in names if name.lower() in alike]
    if len(found) > 1:
        raise DatasetError(f"{source}: several splits are called {asked}: {', '.join(found)}; name one of them")
    return found[0] if found else None
