"""The two ways through mmsearch that are timed: the whole indexer, and the encoder alone. Weights are loaded before."""

from __future__ import annotations

import shutil
from pathlib import Path


class Indexing:
    """`add` of a folder into a fresh index: scan, hash, decode in processes, encode, commit. Call `open` first.

    Attributes:
        report: of the last run.
    """

    def __init__(self, name: str, files: list[Path], index: Path, device: str) -> None:
        self._name, self._files, self._index, self._device = name, files, index, device
        self._opened = self.report = None

    def open(self) -> None:
        """An empty index, and the model in memory; decoding processes are started by `add`."""
        import mmsearch

        self.close()
        self._opened = mmsearch.open(self._index, model=self._name, device=self._device)
        contents, modality = decoded(self._files[:1], self._opened.model)
        warm(self._opened.model, contents[0], modality)

    def close(self) -> None:
        """Also removes the index."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        shutil.rmtree(self._index, ignore_errors=True)

    def __call__(self) -> None:
        """Index."""
        self.report = self._opened.add([self._files[0].parent])
        assert self.report.added == len(self._files), self.report.failed[:3]


class Encoding:
    """The encoder alone, fed with what was decoded before, in batches as it likes them. Call `open` first."""

    def __init__(self, name: str, files: list[Path], device: str) -> None:
        from mmsearch.encoders import registry

        self._name, self._device = name, device
        self.contents, self._modality = decoded(files, registry.load(name, device))
        self._model = None

    def open(self) -> None:
        """The model in memory."""
        from mmsearch.encoders import registry

        self._model = None  # the one before is let go first
        self._model = registry.load(self._name, self._device)
        warm(self._model, self.contents[0], self._modality)

    def __call__(self):
        """Vectors `(n, d)`."""
        return encode(self._model, self.contents, self._modality)


def decoded(files: list[Path], model):
    """What a model is given of files of one modality, and which modality that is."""
    from mmsearch.media.decode import decode
    from mmsearch.media.formats import format_of

    modality = format_of(files[0].name.encode()).modality
    media = (decode(path, modality, model.inputs) for path in files)
    return [segment.content for medium in media for segment in medium.segments], modality


def warm(model, content, modality) -> None:
    """Load the weights, and let the tower find out how many inputs it takes at once."""
    (encoder,) = (one for one in model.encoders if modality in one.dims)
    encode(model, [content] * encoder.batch_size, modality)


def encode(model, contents, modality):
    """Vectors `(n, d)` of contents, in the encoder's own batches."""
    import numpy as np

    from mmsearch.encoders.base import Batch
    from mmsearch.types import Role

    (encoder,) = (one for one in model.encoders if modality in one.dims)
    batches = (contents[at : at + encoder.batch_size] for at in range(0, len(contents), encoder.batch_size))
    return np.concatenate([encoder.encode(Batch(modality, batch), Role.DOCUMENT) for batch in batches])
