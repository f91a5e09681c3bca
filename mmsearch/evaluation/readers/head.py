"""The beginning of a file, by which readers tell whether it is theirs."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmsearch.errors import DatasetError

BYTES = 1 << 16


@dataclass(frozen=True)
class Head:
    """A file's path and the text that it begins with, as far as that can be decoded."""

    path: Path
    text: str

    @classmethod
    def of(cls, path: Path) -> Head:
        """Look at a file.

        Raises:
            DatasetError: there is none, it is not a regular file, or it may not be read.
        """
        if not path.exists():
            raise DatasetError(f"{path}: there is no such file or folder")
        if not path.is_file():
            raise DatasetError(f"{path} is not a regular file; expected a file of annotations")
        try:
            with path.open("rb") as file:
                begins = file.read(BYTES)
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
        marked = begins.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return cls(path, begins.decode("utf-16" if marked else "utf-8-sig", errors="replace"))

    @cached_property
    def is_json_object(self) -> bool:
        """Whether it begins as a JSON object does."""
        return self.text.lstrip()[:1] == "{"

    @cached_property
    def first_line(self) -> str:
        """The first line that is not blank, without the end of line."""
        return next((line for line in self.text.splitlines() if line.strip()), "")

    @cached_property
    def keys(self) -> frozenset[str]:
        """What looks like a key of a JSON object, at any depth."""
        return frozenset(re.findall(r'"(\w{1,40})"\s*:', self.text))
