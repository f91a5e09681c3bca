"""Tagging an index: the labels of its items become metadata, to be filtered by."""

from __future__ import annotations

import json
import re
from collections import Counter
from numbers import Real
from typing import TYPE_CHECKING

from mmsearch.classification.result import Tagged
from mmsearch.errors import QueryError, did_you_mean
from mmsearch.search.survivors import Survivors
from mmsearch.search.where import FIELDS, KEYWORDS
from mmsearch.store.changes import Tag
from mmsearch.store.tags import PROBABILITY, fields, path, tagged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmsearch.classification.classifier import Classifier
    from mmsearch.classification.stored import Probable
    from mmsearch.store.store import Store
    from mmsearch.store.view import View
    from mmsearch.store.writer import Writer

FIELD = "label"
DIGITS = 4  # of a probability that is written
_NAME = re.compile(r"[^\W\d]\w*")


def check(field: str, least: float) -> None:
    """Whether a field can be written and filtered by.

    Raises:
        QueryError: it is no name, or one that filters have another use for; or `least` is no probability.
    """
    why = None
    if not isinstance(field, str) or not _NAME.fullmatch(field):
        why = "it has to be a word of letters, digits and _"
    elif field in FIELDS or field.lower() in KEYWORDS:
        why = "it means something else in a filter"
    elif field.endswith(PROBABILITY):
        why = f"names that end in {PROBABILITY} say how probable another label is"
    if why is not None:
        raise QueryError(f"{field!r} cannot be the field of the labels: {why}; take another, such as {FIELD}")
    if not isinstance(least, Real) or not 0 <= least <= 1:
        raise QueryError(f"a probability is from 0 to 1, not {least!r}")


def tag(
    store: Store, writer: Writer, classifier: Classifier, found: Iterable[Probable], field: str, least: float
) -> Tagged:
    """Write the likeliest label of each item as `field`, and its probability as `field_probability`.

    An item whose likeliest label is less probable than `least` loses what it had of an earlier run; one that has a
    field of that name from its user gets none.

    Raises:
        StoreError: the disk is full or cannot be written; what was written before stays.
    """
    names, written = [label.name for label in classifier.labels], _fields(field)
    counts: Counter[str] = Counter()
    total = kept = 0
    for some in found:
        best = some.probabilities.argmax(axis=1)
        sure = some.probabilities.max(axis=1).tolist()
        theirs = _theirs(store, field, some.items.tolist())
        values = {
            item: (names[label], round(probability, DIGITS)) if probability >= least else None
            for item, label, probability in zip(some.items.tolist(), best.tolist(), sure, strict=True)
        }
        writer.commit([Tag(written, values)])
        counts.update(value[0] for item, value in values.items() if value is not None and item not in theirs)
        total += len(values)
        kept += len(theirs)
    unsure = total - kept - counts.total()
    return Tagged(field, total, {name: counts[name] for name in names}, unsure, kept)


def untag(view: View, writer: Writer, field: str, where: str | None = None) -> int:
    """Take what `tag` wrote as `field` off the items, all at once; how many had it.

    Args:
        view: of the index.
        writer: of the same.
        field: of the labels; their probabilities go as well.
        where: only off what this filter leaves.

    Raises:
        QueryError: no item has such a tag.
        FilterError: the filter makes no sense.
        StoreError: the disk is full or cannot be written; then nothing has changed.
    """
    items = tagged(view, field)
    if not items:
        there = fields(view)
        known = f"the fields of tags are: {', '.join(there)}" if there else "nothing is tagged"
        raise QueryError(f"no item is tagged with a field {field!r}; {known}{did_you_mean(field, there)}")
    if where is not None:
        left = Survivors().items(where, view)
        items = [item for item in items if item in left]
    writer.commit([Tag(_fields(field), dict.fromkeys(items))])
    return len(items)


def _fields(field: str) -> tuple[str, str]:
    """What is written of a label."""
    return field, f"{field}{PROBABILITY}"


def _theirs(store: Store, field: str, items: list[int]) -> set[int]:
    """Which items have a field of that name that no tagging wrote."""
    found = store.query(
        "SELECT id FROM items WHERE id IN (SELECT value FROM json_each(?2)) AND json_type(metadata, ?1) IS NOT NULL "
        "AND (tags IS NULL OR json_type(tags, ?1) IS NULL)",
        (path(field), json.dumps(items)),
    )
    return {item for (item,) in found}
