"""Where in time: the curve against brute force, the stretch of a hit, and the moments of one recording."""

import numpy as np
import pytest
from made import RATE, picture, tone

from mmsearch import MmsearchError, Query, Record
from mmsearch.captions import own_bank
from mmsearch.search import searcher
from mmsearch.search.calibrate import of_item
from mmsearch.search.calibrate.bank import QUESTIONS, questions
from mmsearch.search.curve import Curve
from mmsearch.types import Modality


def test_a_piece_has_the_mean_of_the_segments_that_cover_it():
    random = np.random.default_rng(2)
    starts = random.integers(0, 50, 40).astype(float)
    ends = starts + random.integers(0, 12, 40)
    scores = random.standard_normal(40).astype(np.float32)
    curve = Curve.of(starts, ends, scores)
    assert (curve.starts[1:] >= curve.ends[:-1]).all()
    for start, end, score in zip(curve.starts, curve.ends, curve.scores, strict=True):
        covering = (starts <= start) & (ends >= end)
        assert score == pytest.approx(scores[covering].mean(), abs=1e-5)
    middle = (np.unique([*starts, *ends])[1:] + np.unique([*starts, *ends])[:-1]) / 2
    covered = [point for point in middle if ((starts < point) & (ends > point)).any()]
    assert len(curve.starts) == len(covered)


def test_stretches_end_where_the_curve_falls_below_half():
    edges = np.arange(9.0)
    curve = Curve(edges[:-1], edges[1:], np.array([0.1, 0.5, 1.0, 0.6, 0.4, -0.2, 0.3, 0.2]))
    assert [(span.start, span.end, span.score) for span in curve.spans(10)] == [(1, 4, 1.0), (6, 8, 0.3)]
    assert len(curve.spans(1)) == 1
    assert curve.around(6, 8)[:2] == (6, 8)
    assert curve.around(20, 30) is None
    assert Curve(edges[:-1], edges[1:], np.full(8, -1.0)).spans(10) == []
    assert Curve(edges[:-1], edges[1:], np.full(8, 1.0)).spans(10) == [(0, 8, 1)]


@pytest.fixture
def recordings(index):
    """`long` whistles from 60 to 90 s and from 200 to 210 s, and is low otherwise; `low` is low."""
    long = [tone("low", 60), tone("whistle", 30), tone("low", 110), tone("whistle", 10), tone("low", 60)]
    index.add_items([
        Record(id="long", audio=(np.concatenate(long), RATE), text="a text of its own"),
        *(Record(id=f"low-{n}", audio=(tone("low", 30), RATE)) for n in range(5)),
        Record(id="short", audio=(tone("whistle", 3), RATE)),
        Record(id="red", image=picture("red")),
    ])  # fmt: skip
    return index


def test_the_moments_of_one_recording(recordings):
    found = recordings.within("long", "a whistle")
    spans = sorted((one.start, one.end) for one in found)
    assert len(spans) == 2
    assert [start for start, _ in spans] == pytest.approx([60, 200], abs=5)
    assert [end for _, end in spans] == pytest.approx([90, 210], abs=5)
    assert [one.rank for one in found] == [1, 2]
    assert (found.id, found.modality, found.query["text"]) == ("long", "audio", "a whistle")
    start, end, score = found.curve[np.argmax(found.curve[:, 2])]
    assert found[0].start <= start < end <= found[0].end
    assert found[0].score == pytest.approx(score)
    assert found[0].best[1] - found[0].best[0] == 10
    assert len(recordings.within("long", "a whistle", k=1)) == 1
    assert found.curve[0, 0] == 0
    assert found.curve[-1, 1] == pytest.approx(270, abs=5)


def test_sums_and_sounds_ask_too(recordings):
    asked = Query.audio((tone("whistle"), RATE)) - 0.2 * Query.text("low")
    assert sorted(one.start for one in recordings.within("long", asked)) == pytest.approx([60, 200], abs=5)
    low = recordings.within("long", Query.item("low-0"))
    assert sorted(one.start for one in low) == pytest.approx([0, 90, 210], abs=5)
    assert sorted(one.end for one in low) == pytest.approx([60, 200, 270], abs=5)


def test_a_hit_names_its_item_and_its_medium(recordings):
    (sound,) = recordings.search("a whistle", target="audio", k=1, where="id = 'long'")
    (text,) = recordings.search("a text of its own", target="text", k=1)
    assert text.id == "long"
    assert list(recordings.within(sound, "a whistle")) == list(recordings.within("long", "a whistle"))
    assert recordings.within(text, "a text").modality == "text"
    assert recordings.within(text, "a whistle", modality="audio").modality == "audio"


def test_nothing_stands_out(recordings):
    found = recordings.within("low-0", "a whistle")
    assert list(found) == []
    assert len(found.curve)


def test_a_hit_tells_the_stretch_that_its_neighbours_make(recordings):
    hits = {hit.id: hit for hit in recordings.search("a whistle", target="audio", k=10)}
    assert hits["long"].span == pytest.approx((60, 90), abs=5) or hits["long"].span == pytest.approx((200, 210), abs=5)
    assert hits["long"].span[0] <= hits["long"].start + 5
    assert hits["short"].span is None
    (red,) = recordings.search("red", target="image", k=1)
    assert red.span is None


def test_stretches_of_more_hits_than_sqlite_takes_conditions(index):
    n = 1100
    index.add_items([
        Record(id="long", audio=(np.concatenate([tone("low", 60), tone("whistle", 30), tone("low", 60)]), RATE)),
        *(Record(id=f"{n:04}", audio=(tone("low", 1), RATE)) for n in range(n)),
    ])  # fmt: skip
    hits = {hit.id: hit for hit in index.search("a whistle", target="audio", k=n + 1)}
    assert len(hits) == n + 1
    assert hits["long"].span == pytest.approx((60, 90), abs=5)


def test_the_passages_of_a_text(index):
    said = " ".join(["the blue sea is wide and calm today"] * 40 + ["a red fire engine"] * 40 + ["yellow sand"] * 40)
    index.add_items([Record(id="book", text=said), Record(id="other", text="green grass")])
    found = index.within("book", "red fire engine", k=1)
    (moment,) = found
    assert "fire engine" in said[int(moment.best[0]) : int(moment.best[1])]
    assert "fire engine" in moment.excerpt
    assert abs(moment.start - said.index("a red")) < 400


@pytest.fixture
def book(index):
    """A text of many made questions, each of which finds itself in it, among others that are alike."""
    said = " ".join(f"{number} {caption}." for number, caption in enumerate(own_bank(QUESTIONS)[:200]))
    index.add_items([Record(id="book", text=said), *(Record(id=f"{n}", text="a man on grass") for n in range(150))])
    return index


def test_confidence_is_by_what_unrelated_questions_find_in_the_same_item(book):
    def judged(text, vector, words):
        (hit,) = book.search(text, where="id = 'book'", k=1, target="text", lexical="off", rerank="none")
        return hit.score + np.sort(words @ vector)[-10:].mean()

    made = questions()
    _, vectors = book.searcher.vectors([Query.text(text) for text in made], "text")
    of_made, words = np.split(vectors, 2)
    unrelated = [
        judged(text, vector, np.delete(words, number, axis=0))
        for number, (text, vector) in enumerate(zip(made, of_made, strict=False))
    ]
    for asked in ("snow", "two men", "a boat", "a dog and snow", "a boat qwertz", made[0], f"{made[0]} {made[0]}"):
        _, (vector,) = book.searcher.vectors([Query.text(asked)], "text")
        found = book.within("book", asked)
        sure = np.mean(np.array(unrelated) < judged(asked, vector, words))
        assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
        best = found[0].confidence
        assert best == pytest.approx(sure, abs=0.05)
        assert found.query.get("unmatched") == (round(best, 4) if best < 0.7 else None)


def test_a_question_that_is_no_language_fits_less(book):
    asked = {text: book.within("book", text, k=1)[0].confidence for text in ("a boat", "a boat qwertz yxcvb asdf")}
    assert asked["a boat"] > asked["a boat qwertz yxcvb asdf"] + 0.1


def test_where_nothing_fits_well_everything_is_shown_unless_a_confidence_is_asked_for(book):
    found = book.within("book", "snow")
    best = found.query["unmatched"]
    assert best == round(found[0].confidence, 4) < 0.7
    assert len(book.within("book", "snow", min_confidence=0)) == len(found) > 0
    assert "unmatched" not in book.within("book", "snow", min_confidence=0).query
    none = book.within("book", "snow", min_confidence=0.99)
    assert (list(none), none.query["unmatched"]) == ([], best)
    with pytest.raises(MmsearchError, match="a confidence is from 0 to 1, not 2"):
        book.within("book", "snow", min_confidence=2)


def test_in_a_space_that_was_fitted_nothing_is_said_to_fit_badly(book, monkeypatch):
    monkeypatch.setattr(of_item, "is_fit", lambda name: True)
    assert "unmatched" not in book.within("book", "snow").query


def test_confidence_is_of_single_texts_only(recordings):
    assert recordings.within("long", "a whistle")[0].confidence > 0.8
    sound, summed = Query.audio((tone("whistle"), RATE)), Query.text("a whistle") + Query.text("low")
    for asked in (sound, summed, Query.item("low-0")):
        found = recordings.within("long", asked, min_confidence=1)
        assert {one.confidence for one in found} == {None}
        assert found.query["uncalibrated"] is True
        assert "uncalibrated" not in recordings.within("long", asked).query


@pytest.mark.parametrize(
    ("item", "modality", "said"),
    [
        ("gone", None, "nothing in the index has the id 'gone' or is at that path"),
        (5, None, "an item is named by its id, its file or a hit, not 5"),
        ("red", None, "red has no sound and no text to look for moments in, only image"),
        ("short", "text", "short has no text to look for moments in, only audio"),
        ("red", "image", "moments are of sounds and texts: an image has no time"),
        ("red", "imge", "did you mean image"),
    ],
)
def test_what_has_no_moments(recordings, item, modality, said):
    with pytest.raises(MmsearchError, match=said):
        recordings.within(item, "a whistle", modality=modality)


def test_vectors_have_no_moments(index):
    index.add_vectors(np.eye(3, 64, dtype=np.float32), modality="audio", ids=["a", "b", "c"])
    with pytest.raises(MmsearchError, match="b has no moments: .* its audio goes, because it was added as vectors"):
        index.within("b", "a whistle")


def test_an_item_that_is_removed_meanwhile_has_no_moments(recordings, monkeypatch):
    def remove(*args):
        recordings.remove(ids=["long"])
        return Modality.AUDIO

    monkeypatch.setattr(searcher, "in_time", remove)
    with pytest.raises(MmsearchError, match="the item to look for moments in is gone"):
        recordings.within("long", "a whistle")


def test_files_are_named_by_their_path(full, media):
    assert full.named(media / "fire.txt") == full.named(str(media / "fire.txt"))
    assert full.within(media / "sounds" / "whistle.wav", "whistle")[0].start == 0
    with pytest.raises(MmsearchError, match="stands for 2 items; name one by its id"):
        full.within(media / "sounds", "whistle")


@pytest.mark.parametrize("k", [-1, 0, 10**9])
def test_at_least_one_moment_is_wanted(recordings, k):
    with pytest.raises(MmsearchError, match=f"k must be .*from 1 to 100000, not {k}"):
        recordings.within("long", "a whistle", k=k)
