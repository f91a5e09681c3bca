"""Late interaction of segments, against brute force."""

import numpy as np
import pytest

import mmsearch
from mmsearch import Query, Record
from mmsearch.errors import QueryError
from mmsearch.search.rerank.maxsim import late_interaction
from mmsearch.types import Modality

RANDOM = np.random.default_rng(0)
WORDS = ["red", "green", "blue", "yellow", "orange", "purple", "brown", "sea", "dog", "cat", "car", "tree"]


def text(parts):
    """Paragraphs that fill a passage each, about a few words each."""
    return "\n\n".join(" ".join(RANDOM.permutation(part.split() * (60 // len(part.split())))) for part in parts)


@pytest.fixture
def documents(index):
    """Forty texts of one to four passages, each about two words."""
    made = [[" ".join(RANDOM.choice(WORDS, 2, replace=False)) for _ in range(n % 4 + 1)] for n in range(40)]
    index.add_items([Record(id=f"d{n}", text=text(parts)) for n, parts in enumerate(made)])
    return index


def rows(index):
    """Vectors of all segments by item."""
    (shard,) = index._store.snapshot().of("vectors", "fake", "1", "text")
    found = {}
    for (segment, item), vector in zip(index._store.ids(shard.id, 0, shard.rows), shard.matrix, strict=True):
        assert segment >= 0
        found.setdefault(int(item), []).append(vector)
    return {item: np.array(vectors) for item, vectors in found.items()}


def brute(asked, vectors, most):
    values = []
    for question in asked:
        products = sorted((float(question @ one) for one in vectors), reverse=True)[:most]
        values.append(sum(products) / len(products))
    return sum(values) / len(values)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_order_is_that_of_the_definition(documents, most):
    question = Query.text(text(["red sea", "dog car", "tree blue"]))
    (embedded,) = documents.searcher.embedded([question], (Modality.TEXT,))
    (asked,) = embedded.parts[0].segments.values()
    assert len(asked) == 3
    values = {item: brute(asked, vectors, most) for item, vectors in rows(documents).items()}
    chain = "maxsim" if most == 1 else f"maxsim:{most}"
    found = documents.searcher.rank([question], "text", 40, [chain]).items[0].tolist()
    assert [values[item] for item in found] == pytest.approx(sorted(values.values(), reverse=True), abs=1e-6)
    assert found != documents.searcher.rank([question], "text", 40, "none").items[0].tolist()


def test_scores_stay_and_hits_say_what_was_compared(documents):
    question = Query.text(text(["red sea", "dog car"]))
    plain, after = (documents.search(question, k=40, rerank=chain, explain=True) for chain in ("none", "maxsim"))
    assert sorted(hit.score for hit in plain) == pytest.approx(sorted(hit.score for hit in after))
    assert {hit.id for hit in plain} == {hit.id for hit in after}
    used = [hit.stages[-1].used for hit in after]
    assert [one["asked"] for one in used] == [2] * 40
    assert {one["segments"] for one in used} == {1, 2, 3, 4}
    assert [one["maxsim"] for one in used] == sorted((one["maxsim"] for one in used), reverse=True)


def test_a_question_of_one_segment_changes_nothing(documents):
    plain, after = (documents.search("red sea", k=40, rerank=chain) for chain in ("tags", "tags,maxsim"))
    assert [hit.id for hit in plain] == [hit.id for hit in after]


def test_an_item_asks_with_all_its_segments(documents):
    long = next(item for item, vectors in rows(documents).items() if len(vectors) == 4)
    name = next(item.id for item in documents.items() if item.number == long)
    values = {item: brute(rows(documents)[long], vectors, 1) for item, vectors in rows(documents).items()}
    found = documents.searcher.rank([Query.item(name)], "text", 39, ["maxsim"]).items[0].tolist()
    assert [values[item] for item in found] == pytest.approx(
        sorted((value for item, value in values.items() if item in found), reverse=True), abs=1e-6
    )


def test_sums_and_vectors_ask_with_one_vector(documents):
    sum_ = Query.text(text(["red sea", "dog car"])) + Query.text("tree")
    for question in (sum_, -Query.text("red"), Query.vector(RANDOM.standard_normal(64))):
        plain, after = (documents.search(question, target="text", k=40, rerank=chain) for chain in ("none", "maxsim"))
        assert [hit.id for hit in plain] == [hit.id for hit in after]


def test_late_interaction():
    asked = np.eye(3, dtype=np.float32)[:2]
    segments = np.array([[0.5, 0.1, 0], [0.2, 0.9, 0], [0.3, 0.3, 0]], np.float32)
    assert late_interaction(asked, segments) == pytest.approx((0.5 + 0.9) / 2)
    assert late_interaction(asked, segments, 2) == pytest.approx((0.4 + 0.6) / 2)
    assert late_interaction(asked, segments, 9) == pytest.approx(segments[:, :2].mean())


@pytest.mark.parametrize("argument", ["0", "x", "-1", "1.5", "9" * 5000])
def test_an_argument_that_makes_no_sense(documents, argument):
    with pytest.raises(QueryError, match="maxsim takes how many segments"):
        documents.search("red", rerank=f"maxsim:{argument}")


@pytest.mark.lite
def test_with_lite_a_recording_finds_its_like_by_all_of_its_windows(tmp_path):
    random = np.random.default_rng(0)
    time = np.arange(20 * 16_000) / 16_000
    sounds = {
        "noise": random.standard_normal(len(time)) / 5,
        "tone": np.sin(2 * np.pi * 440 * time),
        "clicks": (np.arange(len(time)) % 8_000 < 20) * 1.0,
    }
    pairs = [("noise", "tone"), ("tone", "clicks"), ("clicks", "noise")]

    def recording(*names):
        return np.concatenate([sounds[name] for name in names]).astype(np.float32), 16_000

    with mmsearch.open(tmp_path / "index", model="lite") as index:
        index.add_items([Record(id="+".join(pair), audio=recording(*pair)) for pair in pairs])
        for first, second in pairs:
            found = index.search(audio=recording(second, first), target="audio", k=3)
            assert (found[0].id, found.query["rerank"]) == (f"{first}+{second}", ["maxsim"])
