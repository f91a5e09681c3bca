"""Which pictures and sounds of a dataset go with which texts: what a fit learns from."""

from __future__ import annotations

from dataclasses import dataclass

from mmsearch.evaluation.datasets import Dataset
from mmsearch.types import Modality, Record


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture or a sound, and its texts.

    Attributes:
        modality: what it is.
        medium: id of its record.
        texts: captions, labels, questions that it answers; at least one, none twice.
    """

    modality: Modality
    medium: str
    texts: tuple[str, ...]


def pairs(dataset: Dataset) -> list[Pair]:
    """Every picture and sound that a text goes with, once, in the order of the records, as are the texts of each.

    A text goes with it if it is relevant to the text, of whatever grade, or is the text of its own item.
    """
    texts: dict[tuple[Modality, str], list[str]] = {
        (modality, record.id): [record.text] if record.text is not None else []
        for record in dataset.records
        for modality in _media(record)
        if record.id is not None
    }
    relevant = {judged.target: judged.qrels for judged in dataset.judgements if judged.query is Modality.TEXT}
    for record in dataset.records:
        if record.id is None or record.text is None:
            continue
        for modality, qrels in relevant.items():
            for medium in qrels.get(record.id, ()):
                if (modality, medium) in texts:  # a text that answers a text is no pair
                    texts[modality, medium].append(record.text)
    return [Pair(modality, medium, tuple(dict.fromkeys(found))) for (modality, medium), found in texts.items() if found]


def _media(record: Record) -> list[Modality]:
    held = {Modality.IMAGE: record.image, Modality.AUDIO: record.audio}
    return [modality for modality, part in held.items() if part is not None]
