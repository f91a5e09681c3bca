"""Classification without any index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.classification import labels as given
from mmsearch.classification.classifier import Classifier
from mmsearch.classification.media import Media
from mmsearch.encoders import registry
from mmsearch.media import TIMEOUT_SECONDS
from mmsearch.media.reader import InProcess, Readers
from mmsearch.types import Record

if TYPE_CHECKING:
    from mmsearch.classification.labels import Label
    from mmsearch.classification.result import Classified
    from mmsearch.types import Failure


def classify(
    media: str | Path | Record | Iterable[str | Path | Record],
    labels: str | Path | Iterable[str | Label],
    model: str = registry.DEFAULT,
    *,
    templates: str | Sequence[str] = (),
    device: str | None = None,
    exclude: str | Sequence[str] = (),
    timeout: float = TIMEOUT_SECONDS,
    isolate: bool = True,
) -> Iterator[Classified | Failure]:
    """Which of some labels each picture, sound or text goes with, without any index.

    What cannot be read is a `Failure` among the results, and stops nothing.

    Args:
        media: files, folders with everything below them, and records; one, or several.
        labels: names, or `"cat,dog,rain"`, or a file with one in each line: `rain`, or `rain: rainfall | a shower`.
        model: a model's name.
        templates: such as `"a photo of a {}"`; a label is said in each of them, and counts as their mean. What suits
            the medium if they are not given.
        device: as in `open_index`.
        exclude: globs of what is left out of folders.
        timeout: as in `Index.add`.
        isolate: as in `Index.add`.

    Raises:
        QueryError: labels or templates make no sense, or the model cannot classify.
        ModelError: the model is unknown, or its weights cannot be had.
        DecoderError: no process can be started.
    """
    sources = [media] if isinstance(media, (str, Path, Record)) else media
    named = given.of(labels)
    classifier = Classifier(registry.load(model, device), named, templates)
    inputs = classifier.model.inputs

    def classified() -> Iterator[Classified | Failure]:
        with ExitStack() as stack:
            readers: Readers | InProcess = InProcess(inputs)
            if isolate and os.name == "posix":
                readers = Readers(inputs)
                stack.callback(readers.close)
            yield from Media(sources, classifier, readers, exclude=exclude, timeout=timeout)

    return classified()
