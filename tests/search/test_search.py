import numpy as np
import pytest
from made import RATE, picture, tone

from mmsearch import Record
from mmsearch.errors import QueryError
from mmsearch.types import Modality


def names(hits):
    return [hit.path.name if hit.path else hit.id for hit in hits]


@pytest.mark.parametrize(
    ("question", "target", "best"),
    [
        ({"text": "something red"}, "image", "red.png"),
        ({"text": "a whistle"}, "audio", "whistle.wav"),
        ({"text": "fire engine"}, "text", "fire.txt"),
        ({"image": picture("blue")}, "text", "sea.md"),
        ({"image": picture("green")}, "image", "green.png"),
        ({"audio": (tone("low"), RATE)}, "audio", "low.wav"),
    ],
)
def test_directions(full, question, target, best):
    hits = full.search(**question, target=target, k=3)
    assert names(hits)[0] == best
    assert all(hit.modality is Modality(target) for hit in hits)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


@pytest.mark.parametrize("asked", list(Modality))
@pytest.mark.parametrize("target", list(Modality))
def test_all_nine_directions_answer(full, asked, target):
    question = {"text": "red low", "image": picture("red"), "audio": (tone("low"), RATE)}[asked]
    assert len(full.search(**{str(asked): question}, target={target}, k=2)) == 2


def test_mixed_targets_come_in_one_list(full):
    hits = full.search("red low", k=20)
    assert {hit.modality for hit in hits} == set(Modality)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(hits) == 8
    assert {hit.modality for hit in full.search("red", target={"image", "audio"}, k=20)} == {"image", "audio"}


def test_parts_of_a_question_count_alike(full):
    assert set(names(full.search("green", image=picture("yellow"), target="image", k=2))) == {"green.png", "yellow.png"}


def test_a_vector_asks_like_what_it_was_made_from(full):
    by_text = full.search("red", target="image", rerank="none")
    vector = np.zeros(64, np.float32)
    vector[3] = 7.0  # the axis of "red"
    by_vector = full.search(vector=vector, target="image", rerank="none")
    assert names(by_vector)[0] == names(by_text)[0] == "red.png"
    assert by_vector[0].cosine == pytest.approx(1, abs=1e-3)


def test_hits_are_items_with_their_best_segment(index):
    """A long sound of which one window fits is one hit, and there are still k hits."""
    long = np.concatenate([tone("low", 60), tone("whistle", 10), tone("low", 300)])
    index.add_items([Record(id="long", audio=(long, RATE)), Record(id="hum", audio=(tone("hum", 3), RATE))])
    first, second = index.search("whistle", target="audio", k=2)
    assert (first.id, second.id) == ("long", "hum")
    assert first.start <= 60 < 70 <= first.end + 5


def test_what_a_hit_tells(full, media):
    (hit,) = full.search("red", target="image", k=1)
    assert hit.path == media / "red.png"
    assert (hit.properties["width"], hit.properties["height"]) == (64, 48)
    assert hit.properties["size"] == (media / "red.png").stat().st_size
    assert hit.confidence is None
    assert hit.why[0] == "text→image in fake"
    (text,) = full.search("sea", target="text", k=1)
    assert (text.excerpt, text.start, text.end) == ("the blue sea", 0, 12)


def test_centring_changes_no_order_within_a_modality(full):
    hits = full.search("red blue", target="image", k=4, rerank="none")
    assert [hit.cosine for hit in hits] == sorted((hit.cosine for hit in hits), reverse=True)


def test_rank_follows_the_same_path_as_search(full):
    from mmsearch import Query

    queries = [Query.text(text) for text in ("red", "a blue sea", "whistle")]
    ranked = full.rank(queries, "image", 3)
    for query, ids in zip(queries, ranked, strict=True):
        assert ids == [hit.id for hit in full.search(query, target="image", k=3)]


def test_an_empty_index_answers_nothing(index):
    assert len(index.search("anything")) == 0


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({}, "the query is empty"),
        ({"text": "red", "k": 0}, "k must be from 1 to 100000, not 0"),
        ({"text": "red", "target": "smell"}, "smell: no modality; there are: image, text, audio$"),
        ({"text": "red", "target": "imge"}, "imge: no modality; there are: .*; did you mean image"),
        ({"text": "red", "target": []}, "no target modality was given"),
        ({"text": ""}, "cannot ask with the text: no text"),
        ({"image": "/no/such.png"}, "cannot ask with the image /no/such.png: no such file"),
        ({"image": b"not a picture"}, "cannot ask with the image: not a picture"),
        ({"audio": (np.full(100, np.nan, np.float32), 8000)}, "cannot ask with the audio: samples that are NaN"),
        ({"vector": np.ones(3)}, "the query vector has 3 numbers, not 64"),
        ({"vector": np.zeros(64)}, "must have one dimension, be finite and not all zero"),
        ({"vector": np.full(64, np.nan)}, "must have one dimension, be finite and not all zero"),
    ],
)
def test_questions_that_make_no_sense(full, question, said):
    with pytest.raises(QueryError, match=said):
        full.search(**question)


def test_the_bad_picture_of_a_question_is_named(full, tmp_path):
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    with pytest.raises(QueryError, match=r"cut\.png"):
        full.search(image=tmp_path / "cut.png")
