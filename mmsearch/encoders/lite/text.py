"""English text: all-MiniLM-L6-v2, mean-pooled (Reimers and Gurevych, "Sentence-BERT", EMNLP 2019)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders.base import Batch
from mmsearch.encoders.lite.parts import Part
from mmsearch.encoders.lite.prototypes import unit
from mmsearch.encoders.session import open_session
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

DIM = 384
MAX_TOKENS = 256  # with [CLS] and [SEP]; what the model was trained with


class TextEncoder:
    """Features: the unit vector of the text, `(384,)`."""

    batch_size = 32
    dims = {Modality.TEXT: DIM}

    def __init__(self, part: Part) -> None:
        self._part = part
        self.name = part.name
        self.version = part.version

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has, [CLS] and [SEP] included. May be called from any thread."""
        return len(self._tokenizer.encode(text).ids)

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Unit vectors `(n, 384)` float32. What is beyond 256 tokens is left out."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch([str(text) for text in batch.contents])]
        tokens = [ids if len(ids) <= MAX_TOKENS else ids[: MAX_TOKENS - 1] + ids[-1:] for ids in tokens]
        vectors = np.empty((len(tokens), DIM), np.float32)
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))  # texts of like length need little padding
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            vectors[rows] = self._pooled([tokens[i] for i in rows])
        return vectors

    def _pooled(self, tokens: list[list[int]]) -> FloatArray:
        width = max(map(len, tokens))
        ids = np.array([row + [0] * (width - len(row)) for row in tokens], np.int64)
        mask = (np.arange(width) < np.array([[len(row)] for row in tokens])).astype(np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(None, feed)
        pooled: FloatArray = np.einsum("nld,nl->nd", states, mask.astype(np.float32))
        return unit(pooled)

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401  (onnxruntime is not typed)
        return open_session(self._part.file("text.onnx"), optimised=True)

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401  (tokenizers is not typed)
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._part.file("tokenizer.json")))
        tokenizer.no_padding()  # the file asks for 128 tokens always, and cuts there
        tokenizer.no_truncation()
        return tokenizer
