import os
import sqlite3
import string
from pathlib import Path

import numpy as np
import pytest
from made import RATE, picture, tone

import mmsearch
from mmsearch import Query, Record
from mmsearch.encoders import registry
from mmsearch.encoders.fake import COLOURS
from mmsearch.errors import QueryError
from mmsearch.search.calibrate.scale import CUTS, WORD
from mmsearch.search.lexical.language import STOP
from mmsearch.types import Modality, Space

WORDS = [f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "mnprst"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """24 pictures of each of five colours, 60 texts of words, and 4 sounds; the other colours are not there.

    One of the pictures has a title.
    """
    draw = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("large") / "index"
    colours = list(COLOURS)[:5]
    pictures = []
    for number in range(120):
        pixels = np.array(picture(colours[number % 5]))
        pixels[draw.random(pixels.shape[:2]) < 0.3] = draw.integers(0, 256, 3)
        said = {} if number else {"title": "quagga zebu"}
        pictures.append(Record(id=f"{colours[number % 5]} {number}", image=pixels, metadata=said))
    texts = [Record(id=f"t{n}", text=" ".join(draw.choice(WORDS, 4))) for n in range(60)]
    sounds = [Record(id=f"s{n}", audio=(tone("low", 1 + n), RATE)) for n in range(4)]
    with mmsearch.open(folder, model="fake") as opened:
        opened.add_items([*pictures, *texts, *sounds])
        yield opened


def test_a_good_answer_has_a_high_confidence_and_falls(large):
    hits = large.search(list(COLOURS)[0], target="image", k=20)
    assert hits[0].id.startswith(list(COLOURS)[0])
    assert hits[0].confidence > 0.7
    found = [hit.confidence for hit in hits]
    assert found == sorted(found, reverse=True)
    assert "unmatched" not in hits.query


def test_nonsense_is_not_taken_for_sure_and_an_empty_answer_says_so(large):
    """To the fake model no word but the names of colours has anything to do with a picture."""
    draw, answered, sure = np.random.default_rng(1), 0, 0
    for _ in range(40):
        nonsense = " ".join("".join(draw.choice(list(string.ascii_lowercase), 9)) for _ in range(2))
        hits = large.search(nonsense, target="image")
        nearest = large.search(nonsense, target="image", min_confidence=0)
        assert len(nearest) == 10
        answered += len(hits) > 0
        sure += len(large.search(nonsense, target="image", min_confidence=0.9)) > 0
        if not hits:
            assert hits.query["unmatched"] == pytest.approx(nearest[0].confidence, abs=1e-4)
    assert sure <= 8  # 4 of 40, and three times its deviation
    assert sure < answered < 24
    assert all(large.search(colour, target="image") for colour in list(COLOURS)[:5])


def test_a_filter_does_not_raise_a_confidence(large):
    for colour in list(COLOURS)[:5]:
        best = large.search(colour, target="image", k=1, min_confidence=0)[0]
        alone = large.search(colour, target="image", where=f"id = '{best.id}'", min_confidence=0)[0]
        assert alone.id == best.id
        assert alone.confidence <= best.confidence


def test_to_a_single_word_a_lower_cut_applies(large):
    """To the fake model each word that it does not know is as far from pictures as any other."""
    answered = []
    for word in set(WORDS) - STOP:
        (nearest,) = large.search(word, target="image", k=1, min_confidence=0)
        if WORD < nearest.confidence < CUTS[Modality.IMAGE]:
            answered.append(len(large.search(word, target="image", k=1)) == 1)
        if nearest.confidence < WORD:
            assert not large.search(word, target="image", k=1)
    assert answered and all(answered)


def test_what_is_there_word_for_word_is_shown(large):
    with large.hold() as view:
        said = [text for (text,) in view.query("SELECT excerpt FROM segments WHERE excerpt IS NOT NULL LIMIT 20")]
    assert all(large.search(text, k=1)[0].excerpt == text for text in said)


def test_a_least_confidence_leaves_out_hit_by_hit(large):
    question = list(COLOURS)[1]
    whole = large.search(question, target="image", k=200, min_confidence=0)
    assert len(whole) == 120
    middle = whole[5].confidence
    some = large.search(question, target="image", k=200, min_confidence=middle + 1e-6)
    assert [hit.id for hit in some] == [hit.id for hit in whole if hit.confidence > middle + 1e-6]
    assert 0 < len(some) < 6
    nothing = large.search(question, target="image", min_confidence=1)
    assert (len(nothing), nothing.query["unmatched"]) == (0, pytest.approx(whole[0].confidence, abs=1e-4))


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_a_confidence_is_a_share(large, wrong):
    with pytest.raises(QueryError, match="from 0 to 1"):
        large.search("red", min_confidence=wrong)


def test_rerankers_do_not_turn_confidence_round(large):
    plain = large.search("red", target="image", k=10, rerank="none", min_confidence=0)
    reranked = large.search("red", target="image", k=10, rerank="tags,mmr:0.5", min_confidence=0)
    assert [hit.confidence for hit in plain] == [hit.confidence for hit in reranked]


def test_one_list_goes_by_evidence_and_keeps_the_order_within(large):
    merged = large.search("red low", k=200, rerank="none", min_confidence=0)
    assert {str(hit.modality) for hit in merged} == {"image", "text", "audio"}
    assert [hit.score for hit in merged] == sorted((hit.score for hit in merged), reverse=True)
    for target in ("image", "text", "audio"):
        alone = large.search("red low", target=target, k=200, rerank="none", min_confidence=0)
        kept = [hit.id for hit in merged if hit.modality == target]
        assert kept == [hit.id for hit in alone][: len(kept)]
        sure = [hit.confidence for hit in merged if hit.modality == target]
        assert sure == sorted(sure, reverse=True)


def test_what_is_shown_of_a_list_does_not_depend_on_how_much_is_asked_for(large):
    """The best of each modality is judged, whether or not it is among the first k of the list."""
    draw, shown = np.random.default_rng(3), set()
    colours = list(COLOURS)
    for _ in range(40):
        question = f"{draw.choice(colours)} {draw.choice(WORDS)} {draw.choice(WORDS)}"
        every = large.search(question, k=200, rerank="none", lexical="off", min_confidence=0)
        ids = [hit.id for hit in large.search(question, k=200, rerank="none", lexical="off")]
        assert ids in ([], [hit.id for hit in every])
        for least in (None, 0.3, 0.6, 0.9):
            kept = [hit.id for hit in every if least is not None and hit.confidence >= least]
            for k in (1, 3):
                few = large.search(question, k=k, rerank="none", lexical="off", min_confidence=least)
                assert [hit.id for hit in few] == (ids if least is None else kept)[:k]
                shown.add((least, len(few)))
    assert {(None, 0), (None, 3), (0.9, 0), (0.9, 3)} <= shown


def test_a_filter_words_that_are_found_and_a_sum_are_never_answered_with_nothing(large):
    absent = " ".join(list(COLOURS)[5:8])
    assert large.search(absent, target="image") == ()
    assert len(large.search(absent, target="image", where="modality = 'image'")) == 10
    named = f"{list(COLOURS)[0]} 0"
    assert large.search("quagga zebu", target="image", lexical="off") == ()
    assert large.search("quagga zebu", target="image")[0].id == named
    (alone,) = large.search("quagga", target="image", lexical="only", min_confidence=1)
    assert (alone.id, alone.confidence) == (named, None)
    total = large.search(Query.text("zzyzx") - Query.text("qwrt"), target="text")
    assert len(total) == 10
    assert total[0].confidence is None


def test_pictures_ask_with_items_held_out_as_background(large):
    hits = large.search(Query.item(f"{list(COLOURS)[2]} 2"), target="image", k=10)
    assert hits[0].id.startswith(list(COLOURS)[2])
    assert hits[0].confidence > 0.5
    assert large.search(image=picture("red"), target="audio")[0].confidence is not None
    assert large.search(audio=(tone("low"), RATE), target="audio")[0].confidence is None  # four sounds are too few


def test_a_small_index_shows_whatever_is_nearest(full):
    hits = full.search("zzyzx", target="image")
    assert len(hits) == 4
    assert {hit.confidence for hit in hits} == {None}


def test_ranking_for_an_evaluation_is_not_cut(large):
    ranking = large.searcher.rank([Query.text("zzyzx qwrt")], "text", 10)
    assert (ranking.items >= 0).all()


def test_many_questions_are_judged_as_one(large):
    questions = ["red", "zzyzx qwrt", "low"]
    for question, many in zip(questions, large.search_many(questions, k=5), strict=True):
        one = large.search(question, k=5)
        assert [(hit.id, hit.confidence) for hit in many] == [
            (hit.id, pytest.approx(hit.confidence, abs=1e-4)) for hit in one
        ]


def test_an_index_without_backgrounds_has_no_confidence_until_it_changes(large, tmp_path):
    folder = tmp_path / "old"
    large.snapshot(folder)
    with sqlite3.connect(folder / "catalog.sqlite") as catalog:
        catalog.execute("DELETE FROM backgrounds")
    catalog.close()
    with mmsearch.open(folder) as old:
        hits = old.search("zzyzx qwrt", target="text")
        assert (len(hits), hits[0].confidence) == (10, None)
        old.add_items([Record(id="new", text="something new")])
        assert old.search("zzyzx qwrt", target="text", min_confidence=0)[0].confidence is not None


def test_a_copy_that_cannot_be_written_has_the_same_confidence(large, tmp_path, monkeypatch):
    large.snapshot(tmp_path / "copy")
    before = (tmp_path / "copy" / "catalog.sqlite").read_bytes()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with mmsearch.open(tmp_path / "copy") as copy:
        found = copy.search("red", target="image", min_confidence=0)
    wanted = large.search("red", target="image", min_confidence=0)
    assert [hit.confidence for hit in found] == [hit.confidence for hit in wanted]
    assert (tmp_path / "copy" / "catalog.sqlite").read_bytes() == before


@pytest.mark.lite
def test_gibberish_is_refused_and_what_is_said_is_found(tmp_path):
    """The lines of our own readme, asked in other words."""
    lines = (Path(__file__).parents[3] / "README.md").read_text("utf-8").splitlines()
    said = [line for line in lines if len(line.split()) > 6 and not line.startswith("|")]
    draw = np.random.default_rng(2)
    nonsense = [" ".join("".join(draw.choice(list(string.ascii_lowercase), 7)) for _ in range(3)) for _ in range(40)]
    with mmsearch.open(tmp_path / "index", model="lite") as opened:
        opened.add_items([Record(id=str(number), text=line) for number, line in enumerate(said)])
        assert sum(len(hits) > 0 for hits in opened.search_many(nonsense)) <= 2
        assert all(len(opened.search(line)) == 10 for line in said[:20])
        assert opened.search("how to search for pictures")[0].confidence > 0.7


@pytest.mark.lite
def test_exemplars_are_where_pictures_and_sounds_of_one_class_are():
    model = registry.load("lite")
    (head,) = model.heads
    for modality, classes in ((Modality.IMAGE, 1000), (Modality.AUDIO, 521)):
        exemplars = model.tagger.exemplars(head.space, modality)
        assert exemplars.shape == (classes, head.space.dim)
        assert np.linalg.norm(exemplars, axis=1) == pytest.approx(np.ones(classes), abs=1e-5)
    assert len(model.tagger.exemplars(head.space, Modality.TEXT)) == 0
    other = Space("other", "1", head.space.dim, head.space.modalities)
    assert model.tagger.exemplars(other, Modality.IMAGE) is None
