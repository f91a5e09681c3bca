"""Sounds and texts to vectors of CLAP's space."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Batch
from mmsearch.encoders.clap.features import MelSpec, log_mel
from mmsearch.encoders.clap.tokens import Tokenizer
from mmsearch.encoders.towers import Tower
from mmsearch.types import Modality, Role

if TYPE_CHECKING:
    from mmsearch.types import FloatArray

THREADS = 8  # at most, for features: a GPU takes more windows than one thread makes


class ClapEncoder:
    """Features: the unit vector of a window or a text, `(d,)`.

    The same window gives the same bits whatever stands beside it: batches of sounds to be indexed always have the same
    shape, and what is wanting is filled up with silence. Features of the next windows are made beside the work on those
    before.

    Args:
        name: of the encoder.
        version: of its vectors.
        dim: of its vectors.
        sounds: takes `features` `(n, 1, frames, bands)`.
        sentences: takes `ids` and `mask` `(n, l)`.
        tokenizer: of texts.
        mel: of sounds.
        rows: windows in a batch. On a CPU one is as fast as many, and nothing is ever filled up.
        batch_size: how many segments `encode` likes at once.
    """

    def __init__(
        self,
        name: str,
        version: str,
        dim: int,
        sounds: Tower,
        sentences: Tower,
        tokenizer: Tokenizer,
        mel: MelSpec,
        *,
        rows: int = 1,
        batch_size: int = 16,
    ) -> None:
        self.name, self.version = name, version
        self.dims: Mapping[Modality, int] = {Modality.AUDIO: dim, Modality.TEXT: dim}
        self.batch_size = max(batch_size, rows)
        self._dim, self._rows = dim, rows
        self._sounds, self._sentences = sounds, sentences
        self._tokenizer, self._mel = tokenizer, mel

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        """Unit vectors `(n, d)` float32 of windows `(m,)` float32 mono, or of texts.

        Raises:
            ValueError: a window is longer than the model hears.
        """
        vectors = np.empty((len(batch.contents), self._dim), np.float32)
        if batch.modality is Modality.AUDIO:
            self._hear([np.asarray(window) for window in batch.contents], vectors, role)
        else:
            self._read([str(text) for text in batch.contents], vectors, role)
        return vectors

    def _hear(self, windows: Sequence[NDArray[Any]], vectors: FloatArray, role: Role) -> None:
        features = self._features(windows)
        rows = self._rows if role is Role.DOCUMENT else min(self._rows, len(windows))  # a question is asked once
        for start in range(0, len(windows), rows or 1):
            given = np.concatenate(list(islice(features, rows)))
            wanting = ((0, rows - len(given)), (0, 0), (0, 0), (0, 0))
            found = self._sounds.run({"features": np.pad(given, wanting, constant_values=-100.0)}, role)
            vectors[start : start + rows] = found[: len(given)]

    def _features(self, windows: Sequence[NDArray[Any]]) -> Iterator[FloatArray]:
        """Of each window, `(1, 1, frames, bands)`."""
        make = partial(log_mel, spec=self._mel)
        if len(windows) <= 1:
            yield from (make([window]) for window in windows)
            return
        with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1), "mmsearch-mel") as pool:
            yield from pool.map(make, ([window] for window in windows))

    def _read(self, texts: Sequence[str], vectors: FloatArray, role: Role) -> None:
        tokens = self._tokenizer.tokens(texts)
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))  # texts of like length need little padding
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            ids, mask = self._tokenizer.padded([tokens[i] for i in rows])
            vectors[rows] = self._sentences.run({"ids": ids, "mask": mask}, role)
