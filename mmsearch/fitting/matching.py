"""Which items of an index the pairs speak of, and what they say of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.errors import FitError
from mmsearch.store.tags import own
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.store.view import View
    from mmsearch.types import Item

MEDIA = (Modality.IMAGE, Modality.AUDIO)
FIELDS = ("caption", "captions", "description", "title", "label")
"""Metadata in which captions are looked for."""

Texts: TypeAlias = dict[int, list[str]]  # by internal id of the item


def texts_of(
    view: View, items: Callable[[], Sequence[Item]], dataset: Dataset | None, fields: Sequence[str] = FIELDS
) -> tuple[dict[Modality, Texts], tuple[str, ...]]:
    """The texts of media, for each medium that has some; and what was left out, counted.

    Args:
        view: of the index.
        items: of the index.
        dataset: says what goes with what; None for the items' own texts, and captions in their metadata.
        fields: of the metadata.

    Raises:
        FitError: there are none, or the index does not hold their media.
    """
    if dataset is not None:
        return _stated(view, dataset, items())
    found = {medium: texts for medium in MEDIA if (texts := own_texts(view, medium, fields))}
    if not found:
        raise FitError(
            f"the items of {view.folder} say nothing of their own pictures and sounds: name a file of pairs, or the "
            f"field of their metadata that holds captions (looked for: {', '.join(fields)})"
        )
    return found, ()


def _stated(view: View, dataset: Dataset, items: Sequence[Item]) -> tuple[dict[Modality, Texts], tuple[str, ...]]:
    from mmsearch.evaluation.pairs import pairs
    from mmsearch.evaluation.truth import match

    stated = pairs(dataset)
    if not stated:
        raise FitError(f"{dataset.name} has no picture and no sound with a text: there is nothing to learn from")
    numbers = {item.id: item.number for item in items}
    there = {record: numbers[key] for record, key in match(dataset, items).items()}
    found: dict[Modality, Texts] = {}
    for pair in stated:
        if pair.medium in there:
            found.setdefault(pair.modality, {}).setdefault(there[pair.medium], []).extend(pair.texts)
    absent = sum(pair.medium not in there for pair in stated)
    if not found:
        raise FitError(
            f"the index {view.folder} holds none of the {absent:,} pictures and sounds of {dataset.name}: index them "
            "first, so that there are features to learn from"
        )
    return found, (f"not in the index and left out: {absent:,} of {len(stated):,}",) if absent else ()


def own_texts(view: View, medium: Modality, fields: Sequence[str] = FIELDS) -> Texts:
    """What items say of their own media: captions in their metadata, and their texts; without those that say nothing.

    Tags are what the model guessed, and say nothing: it would learn from itself.

    By path and id: the order of an index is that in which files happened to be decoded, and a fit depends on the order.
    """
    found: dict[int, list[str]] = {}
    having = "SELECT item_id FROM segments WHERE modality = ?"
    for id_, metadata, tags in view.query(
        f"SELECT i.id, i.metadata, i.tags FROM items i LEFT JOIN files f ON f.id = i.file_id WHERE i.id IN ({having}) "
        "ORDER BY f.path, f.root_id, i.key",
        (medium,),
    ):
        fields_of_it = own(json.loads(metadata), json.loads(tags or "{}"))
        said = [fields_of_it[name] for name in fields if name in fields_of_it]
        texts = [text for value in said for text in (value if isinstance(value, list) else [value])]
        found[id_] = [text for text in texts if isinstance(text, str)]
    for id_, excerpt in view.query(
        f"SELECT item_id, excerpt FROM segments WHERE modality = 'text' AND item_id IN ({having}) ORDER BY id",
        (medium,),
    ):
        if excerpt:
            found[id_].append(excerpt)
    return {id_: texts for id_, texts in found.items() if any(text.strip() for text in texts)}
