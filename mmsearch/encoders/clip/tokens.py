"""Texts to token ids, exactly as open_clip makes them, with neither torch nor open_clip.

`vocabulary.export` writes the tokenizer once; `Tokenizer` reads it. CLIP's own is byte-level BPE over words that a
regular expression finds (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML
2021); those of SigLIP and others are tokenizers of transformers, whose insides are the same library as here.
"""

from __future__ import annotations

import html
import json
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmsearch.errors import MissingExtra, WeightsDamaged, WeightsMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCABULARY: Final = "tokenizer.json"
SETTINGS: Final = "tokenizer_settings.json"

_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
# {0} stands for letters, {1} for digits. Marks written out in a text are taken for marks, as open_clip takes them.
_WORDS: Final = r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[{0}]+|[{1}]|[^\s{0}{1}]+"
_ASCII_WORDS: Final = re.compile(_WORDS.format("a-z", "0-9"), re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `tokenizer.json` cannot say.

    Attributes:
        context_length: tokens that the model can take, marks included.
        clean: what is done to a text first, a key of `CLEANERS`.
        words: whether texts are then cut into words as CLIP does.
        fixed_length: whether ids must always be as wide as the context.
        pad: the id behind shorter texts.
        blank: an id that 0 takes the place of; in CLIPA, the end mark of BERT.
    """

    context_length: int
    clean: str
    words: bool
    fixed_length: bool
    pad: int = 0
    blank: int | None = None


class Tokenizer:
    """The tokenizer in a folder, read when it is first needed. Safe to use from several threads.

    `count` and `ids` raise `WeightsMissing` if a file is not there, and `WeightsDamaged` if it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def context_length(self) -> int:
        """Tokens that the model can take, marks included; `ids` cuts off what is beyond."""
        return self._settings.context_length

    def count(self, text: str) -> int:
        """How many tokens `text` has, marks included."""
        return len(self._encode([text])[0].ids) + self._marks

    def ids(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Ids `(n, l)` int64 of texts, `l` that of the longest, or the context length if it is fixed."""
        settings = self._settings
        rows = []
        for encoding in self._encode(texts):
            encoding.truncate(settings.context_length - self._marks)
            rows.append(self._backend.post_process(encoding).ids)
        width = settings.context_length if settings.fixed_length else max(map(len, rows), default=0)
        ids = np.full((len(rows), width), settings.pad, np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        if settings.blank is not None:
            ids[ids == settings.blank] = 0
        return ids

    def _encode(self, texts: Sequence[str]) -> list[Any]:
        """Whole texts, without marks."""
        clean = CLEANERS[self._settings.clean]
        given: list[Any] = [clean(text) for text in texts]
        if self._settings.words:
            given = [_words(text) for text in given]
        found: list[Any] = self._backend.encode_batch(
            given, is_pretokenized=self._settings.words, add_special_tokens=False
        )
        return found

    @cached_property
    def _marks(self) -> int:
        return int(self._backend.num_special_tokens_to_add(False))

    @cached_property
    def _settings(self) -> Settings:
        settings: Settings = _understood(self._folder / SETTINGS, lambda text: Settings(**json.loads(text)))
        return settings

    @cached_property
    def _backend(self) -> Any:  # noqa: ANN401  (tokenizers is not typed)
        from tokenizers import Tokenizer as Backend

        return _understood(self._folder / VOCABULARY, Backend.from_str)


def _understood(path: Path, understand: Callable[[str], Any]) -> Any:  # noqa: ANN401
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise WeightsMissing(
            f"{path} cannot be read ({error.strerror}); remove its folder, it is made again"
        ) from error
    except ValueError as error:
        raise WeightsDamaged(f"{path} is no text; remove its folder, it is made again") from error
    try:
        return understand(text)
    except Exception as error:  # tokenizers raises nothing more special
        raise WeightsDamaged(f"{path} cannot be understood ({error}); remove its folder, it is made again") from error


def _words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORDS.findall(text)
    return list(_package("regex").findall(_WORDS.format(r"\p{L}", r"\p{N}"), text, _package("regex").IGNORECASE))


def _basic(text: str) -> str:
    """Mend what was decoded wrongly, and HTML that was escaped up to twice."""
    if not (text.isascii() and text.isprintable() and "&" not in text):  # else ftfy, slow to import, has nothing to do
        text = html.unescape(html.unescape(_package("ftfy").fix_text(text)))
    return text.strip()


def _whitespace(text: str) -> str:
    return " ".join(_basic(text).split())


def _lower(text: str) -> str:
    return _whitespace(text).lower()


def _canonicalize(text: str) -> str:
    """Of Google's big_vision: no punctuation, no capitals."""
    return " ".join(_basic(text).replace("_", " ").translate(_PUNCTUATION).lower().split())


def _package(name: str) -> Any:  # noqa: ANN401  (neither is typed)
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(f'texts for CLIP need the package {error.name}: pip install "mmsearch[clip]"') from error


CLEANERS: Final[dict[str, Callable[[str], str]]] = {
    "lower": _lower,
    "whitespace": _whitespace,
    "canonicalize": _canonicalize,
}
"""By the names that open_clip gives them."""
