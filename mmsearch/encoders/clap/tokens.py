"""Texts to token ids, as transformers' RoBERTa tokenizer makes them, without transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import WeightsDamaged

if TYPE_CHECKING:
    Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Tokenizer:
    """Reads its file when it is first used; may then be used from any thread.

    Attributes:
        path: a `tokenizer.json`.
        pad: the id of the padding, of which the model counts positions, too.
        limit: tokens of a text at most, its marks `<s>` and `</s>` included.
    """

    path: Path
    pad: int = 1
    limit: int = 512

    def count(self, text: str) -> int:
        """How many tokens `text` has, its marks included."""
        return len(self._tokenizer.encode(text).ids)

    def room(self, text: str) -> int:
        """How many tokens `text` takes within a longer one, marks included: those of a word depend on the space before.

        So that a passage which is put together from sentences and words has no more tokens than they have together.
        """
        return max(self.count(text), self.count(f" {text}")) if text else self.count(text)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, its marks included. What is beyond the limit is left out, the closing mark is kept."""
        found = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        return [ids if len(ids) <= self.limit else [*ids[: self.limit - 1], ids[-1]] for ids in found]

    def padded(self, tokens: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
        """Ids and mask `(n, l)` int64, with l the length of the longest; the mask is 1 where there is a token."""
        lengths = np.array([len(ids) for ids in tokens], np.intp)
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        filled = np.full(mask.shape, self.pad, np.int64)
        filled[mask] = [token for ids in tokens for token in ids]
        return filled, mask.astype(np.int64)

    @property
    def vocabulary(self) -> int:
        """The largest id, and 1."""
        return 1 + max(self._tokenizer.get_vocab().values(), default=-1)

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401  (tokenizers is not typed)
        from tokenizers import Tokenizer as Fast

        try:
            tokenizer = Fast.from_file(str(self.path))
        except Exception as error:  # it raises nothing more special
            raise WeightsDamaged(f"{self.path} cannot be read as a tokenizer ({error}); download it again") from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer
