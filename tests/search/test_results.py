"""From candidates to hits: everything that is shown, of a store that says what a test says."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmsearch.encoders.fake import FakeHead
from mmsearch.search.candidates import Candidates, Past
from mmsearch.search.results import Shown, hits
from mmsearch.search.route import Route
from mmsearch.store.reading import Row
from mmsearch.types import Hit, Modality

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT
SPACE = FakeHead.space
ASKED = SimpleNamespace(modalities=(TEXT,))
FILE = {"root_id": 3, "path": b"caf\xe9/a.png", "size": 99, "mtime_ns": 1_700_000_000_123_456_789}


def row(segment, **more):
    """A segment of an item whose id, key and metadata tell its number."""
    known = dict.fromkeys(Row._fields) | {"segment_id": segment, "item_id": segment + 100, "key": f"k{segment}",
                                          "metadata": f'{{"n": {segment}}}'}  # fmt: skip
    return Row(**known | more)


class Store:
    """Of these rows; some are gone."""

    def __init__(self, *rows):
        self._rows = {one.segment_id: one for one in rows}

    def hydrate(self, segments):
        return {segment: self._rows[segment] for segment in segments if segment in self._rows}

    def keys(self, items):
        return {item: f"k{item - 100}" for item in items if item - 100 in self._rows}

    def root_path(self, root):
        return f"/root{root}".encode()


def candidates(*segments, modality=TEXT, **more):
    falling = np.linspace(1, 0.5, len(segments), dtype=np.float32)
    kinds = np.array([modality] * len(segments), object)
    return Candidates(np.array(segments) + 100, np.array(segments), kinds, falling / 2, falling, **more)


def shown(store, *answers, explain=False, spans=None):
    asked = [Shown(ASKED, one, spans or {}) for one in answers]
    return hits(store, asked, {IMAGE: Route(SPACE), TEXT: Route(SPACE)}, explain=explain)


def test_a_hit_has_everything_in_its_place():
    known = row(7, start=1.0, end=2.5, page=4, time_start=8.0, time_end=9.0, excerpt="said", width=64, height=48,
                seconds=5.0, characters=6, pages=10, taken="2020-01-01", **FILE)  # fmt: skip
    same = np.empty(1, object)
    same[0] = (108, 109, 110)
    found = candidates(7, modality=IMAGE, same=same, confidences=np.array([0.75], np.float32))
    ((hit,),) = shown(Store(known, row(8), row(10)), found, spans={7: (0.5, 3.0)})
    assert hit == Hit(
        rank=1, id="k7", path=Path("/root3/caf\udce9/a.png"), modality=IMAGE, score=1.0, cosine=0.5, confidence=0.75,
        start=1.0, end=2.5, page=4, time=(8.0, 9.0), excerpt="said",
        properties={"size": 99, "modified": "2023-11-14T22:13:20", "width": 64, "height": 48, "seconds": 5.0,
                    "characters": 6, "pages": 10, "taken": "2020-01-01"},
        metadata={"n": 7}, why=("text→image in fake",), same=("k8", "k10"), stages=(), span=(0.5, 3.0),
    )  # fmt: skip


def test_a_vector_asks_as_what_it_is():
    asked = [Shown(SimpleNamespace(modalities=()), candidates(1), {})]
    ((hit,),) = hits(Store(row(1)), asked, {TEXT: Route(SPACE)})
    assert (hit.why, hit.path) == (("vector→text in fake",), None)


def test_items_that_are_gone_are_left_out_of_each_answer():
    first, second = candidates(4, 1, 5), candidates(2, 5, 3, confidences=np.array([0.5, np.nan, np.nan], np.float32))
    answers = shown(Store(*map(row, (1, 2, 3, 4))), first, second)
    assert [[(hit.rank, hit.id, hit.metadata) for hit in answer] for answer in answers] == [
        [(1, "k4", {"n": 4}), (2, "k1", {"n": 1})],
        [(1, "k2", {"n": 2}), (2, "k3", {"n": 3})],
    ]
    assert [hit.score for hit in answers[1]] == [1.0, 0.5]
    assert [hit.confidence for hit in answers[1]] == [0.5, None]
    assert [hit.confidence for hit in answers[0]] == [None, None]


@pytest.mark.parametrize(
    ("mtime", "modified"),
    [
        (None, None),
        (-1, None),  # before 1970
        (2**63 - 1, None),  # what stands for all that is too late
        (0, "1970-01-01T00:00:00"),
        (999_999_999, "1970-01-01T00:00:00"),
        (2**63 - 2, "2262-04-11T23:47:16"),
    ],
)
def test_when_a_file_was_modified_is_told_where_a_date_can_say_it(mtime, modified):
    ((hit,),) = shown(Store(row(1, **FILE | {"mtime_ns": mtime})), candidates(1))
    assert hit.properties == {"size": 99} | ({} if modified is None else {"modified": modified})


def test_steps_are_told_to_those_that_they_had_to_do_with():
    history = (
        Past("words", np.array([2, 0, 1]), np.array([0.7, 0, 0.9], np.float32),
             np.array([None, {"words": ["a", "b"], "rank": 1}, None], object)),
        Past("cross", np.array([1, 2, 0]), np.array([0.8, 0.6, 0], np.float32),
             np.array([{"unread": "no file"}, {"match": 0.5}, None], object)),
    )  # fmt: skip
    (answer,) = shown(Store(*map(row, (1, 2, 3))), candidates(1, 2, 3, history=history), explain=True)
    assert [hit.why[1:] for hit in answer] == [
        ("rank 1 before cross, which kept it there: no file",),
        ("found by words alone, rank 1 by words: a, b", "rank 2 before cross"),
        (),
    ]
    assert [[(one.step, one.rank, one.score) for one in hit.stages] for hit in answer] == [
        [("found", 2, pytest.approx(0.7)), ("words", 1, pytest.approx(0.8)), ("cross", 1, 1.0)],
        [("found", 0, None), ("words", 2, pytest.approx(0.6)), ("cross", 2, 0.75)],
        [("found", 1, pytest.approx(0.9)), ("words", 3, 0.5)],
    ]
    assert answer[1].stages[1].used == {"words": ["a", "b"], "rank": 1}
    assert answer[0].stages[0].used == {"route": ["text→text in fake"], "cosine": 0.5}
