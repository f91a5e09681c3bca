"""Many questions at once have the answers that each has by itself."""

import itertools

import numpy as np
import pytest
from made import picture, tone

import mmsearch
from mmsearch.errors import BridgeMissing, FilterError, QueryError
from mmsearch.search.query import Query
from mmsearch.search.searcher import TOGETHER
from mmsearch.types import Hits, Record

COLOURS, PITCHES = ("red", "green", "blue", "yellow", "orange"), ("low", "high", "whistle")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    records = [Record(id=name, image=picture(name), metadata={"warm": name in "red orange"}) for name in COLOURS]
    records += [Record(id=name, audio=(tone(name, 25), 8000)) for name in PITCHES]
    records += [Record(id=f"t{n}", text=f"a {one} {two} thing") for n, (one, two) in
                enumerate(itertools.product(COLOURS + PITCHES, repeat=2))]  # fmt: skip
    with mmsearch.open(tmp_path_factory.mktemp("many") / "index", model="fake") as index:
        index.add_items(records)
        yield index


QUERIES = [
    Query.text("red"),
    Query.image(picture("blue")),
    Query.text("a whistle", templates=("{}", "the sound of {}")),
    Query.text("red") - 0.5 * Query.text("orange"),
    Query.item("green"),
    Query.audio((tone("low", 25), 8000)),
    Query.text("a yellow thing") + Query.image(picture("red")),
    Query.item("red") + Query.item("blue"),
    Query.text('"orange low"'),
    -Query.text("blue"),
]


def same(many, one):
    assert [hit._replace(score=0, cosine=0, confidence=None, stages=()) for hit in many] == [
        hit._replace(score=0, cosine=0, confidence=None, stages=()) for hit in one
    ]
    assert [hit.score for hit in many] == pytest.approx([hit.score for hit in one], abs=1e-5)
    assert [hit.confidence for hit in many] == pytest.approx([hit.confidence for hit in one], abs=1e-4)
    assert many.query == one.query


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target": "image", "k": 2},
        {"target": ["audio", "text"], "rerank": "tags,mmr:0.7", "explain": True},
        {"rerank": "none", "k": 40},
        {"lexical": "on"},
        {"where": "warm = true or modality = 'text'", "k": 5},
    ],
)
def test_as_one_by_one(filled, options):
    queries = QUERIES * 3
    found = list(filled.search_many(queries, **options))
    assert len(found) == len(queries)
    for many, query in zip(found, queries, strict=True):
        same(many, filled.search(query, **options))


def test_words_alone(filled):
    queries = [query for query in QUERIES if any(part.kind == "text" and part.weight > 0 for part in query.parts)]
    for many, query in zip(filled.search_many(queries, lexical="only"), queries, strict=True):
        same(many, filled.search(query, lexical="only"))


def test_one_that_cannot_be_asked_stops_nothing(filled, tmp_path):
    bad = [Query.image(tmp_path / "gone.png"), Query(), Query.item("nobody"), Query.text("red") - Query.text("red")]
    bad += [Query.vector(np.ones(3)), 5]
    queries = [query for pair in zip(QUERIES, bad, strict=False) for query in pair]
    found = list(filled.search_many(queries))
    for many, query in zip(found, queries, strict=True):
        if any(query is one for one in bad):
            with pytest.raises(QueryError) as raised:
                filled.search(query)
            assert isinstance(many, QueryError) and str(many) == str(raised.value)
        else:
            same(many, filled.search(query))


def test_any_number_is_read_as_it_is_asked(filled):
    read = []

    def endless():
        for n in itertools.count():
            read.append(n)
            yield f"{COLOURS[n % 5]} {n}"

    found = filled.search_many(endless(), k=1)
    assert not read
    first = list(itertools.islice(found, 2 * TOGETHER + 1))
    assert len(read) == 3 * TOGETHER and all(isinstance(hits, Hits) and len(hits) == 1 for hits in first)
    same(first[TOGETHER], filled.search(f"{COLOURS[TOGETHER % 5]} {TOGETHER}", k=1))


def test_what_is_wrong_for_all_is_told_at_once(filled):
    for options, error in (
        ({"k": 0}, QueryError), ({"target": "smell"}, QueryError), ({"where": "x ="}, FilterError),
        ({"where": "nofield = 1"}, FilterError), ({"rerank": "nothing"}, QueryError), ({"lexical": "yes"}, QueryError),
    ):  # fmt: skip
        with pytest.raises(error):
            filled.search_many(["red"], **options)


@pytest.mark.parametrize(
    "step", ["mmr:7", "nnn:x", "qbnorm:0", "maxsim:1.5", "collapse:nan", "cross:blip@0", "cross:nomodel", "tags:3",
             "exact:1", "lexical:on"],
)  # fmt: skip
def test_so_is_a_wrong_argument_of_a_reranker(filled, step):
    with pytest.raises(QueryError) as raised:
        filled.search_many(["red"], rerank=f"tags,{step}")
    _, chain, caret = str(raised.value).splitlines()
    assert chain[caret.index("^") :] == step


def test_without_a_bridge_only_some_cannot_be_asked(tmp_path):
    with mmsearch.open(tmp_path / "index", model="fake-pair") as index:
        index.add_items([Record(id="sound", audio=(tone("low"), 8000))])
        found = list(index.search_many([Query.text("low"), Query.image(picture("red"))], target="audio"))
    assert isinstance(found[0], Hits) and isinstance(found[1], BridgeMissing)


def test_none_at_all(filled):
    assert list(filled.search_many([])) == []


@pytest.mark.parametrize("asked", ["a dog", Query.text("a dog"), 5])
def test_one_question_is_not_several(filled, asked):
    with pytest.raises(QueryError, match="search_many takes several questions"):
        filled.search_many(asked)
    with pytest.raises(QueryError, match="rank takes several questions"):
        filled.rank(asked, "image", 3)


def test_texts_are_ranked_as_questions(filled):
    assert filled.rank(["red"], "image", 3) == filled.rank([Query.text("red")], "image", 3) != [[]]
