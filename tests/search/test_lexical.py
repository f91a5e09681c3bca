import math

import numpy as np
import pytest
from made import picture

import mmsearch
from mmsearch import Record
from mmsearch.errors import QueryError
from mmsearch.search import fuse
from mmsearch.search.lexical import bm25, lists
from mmsearch.search.lexical.bm25 import matches
from mmsearch.search.lexical.frequencies import Frequencies
from mmsearch.search.lexical.language import Term, parse
from mmsearch.search.query import Query


def found(index, text, **options):
    """Ids of matches, best first."""
    with index._store.view() as view:
        some = matches(view, view.snapshot(), parse(text), **options)
        keys = view.keys([match.item for match in some])
    return [keys[match.item] for match in some]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Texts by their ids, of which the last 30 are alike."""
    said = {
        "walk": "a dog runs along the beach with a ball",
        "bark": "two dogs bark at a cat",
        "car": "the red car of a dog lover stands at the beach",
        "red": "a car that is red",
    }
    said |= {f"n{n}": f"a text about the weather of day {n}" for n in range(30)}
    with mmsearch.open(tmp_path_factory.mktemp("texts") / "index", model="fake") as index:
        index.add_items(Record(id=key, text=text) for key, text in said.items())
        yield index


def test_any_word_counts_and_the_more_the_better(texts):
    assert found(texts, "dog beach zebra")[:2] == ["walk", "car"]
    assert set(found(texts, "dog beach")) == {"walk", "car", "bark"}
    assert found(texts, "zebra") == found(texts, "zebra", least=0.9) == []


def test_all_that_tells_something_must_be_found_where_it_is_asked(texts):
    assert set(found(texts, "a dog the beach", least=0.7)) == {"walk", "car"}
    assert found(texts, "dog ball beach", least=0.9) == ["walk"]
    assert found(texts, "dog ball zebra", least=0.9) == []
    assert found(texts, "the dog ball of her", least=0.9) == ["walk"]  # short words may be nowhere
    assert found(texts, "dog ball 7x", least=0.9) == []


def test_phrases_must_be_there_and_prefixes_find_longer_words(texts):
    assert found(texts, '"red car"') == ["car"]
    assert found(texts, '"red car" dog weather') == ["car"]
    assert found(texts, '"red car" "dog lover"') == ["car"]
    assert found(texts, '"red car" "two dogs"') == []
    assert set(found(texts, "weath*")) == {f"n{n}" for n in range(30)}
    assert found(texts, "weath") == []


def test_phrases_may_be_in_different_places_of_an_item(index):
    index.add_items(
        [
            Record(id="both", text="the yearly report", metadata={"of": "North America"}),
            Record(id="one", text="the yearly report"),
        ]
    )
    assert found(index, '"yearly report" "north america"') == ["both"]
    assert found(index, "report america", least=0.9) == ["both"]


def test_a_word_of_several_is_taken_apart_where_it_is_nowhere(texts):
    assert found(texts, "dog-beach") == found(texts, "dog beach")
    assert found(texts, '"dog-beach"') == []


def test_scores_are_those_of_fts5(texts):
    with texts._store.view() as view:
        some = matches(view, view.snapshot(), parse("dog beach car"))
        said = view.query(
            "SELECT s.item_id, -bm25(segment_words) FROM segment_words w JOIN segments s ON s.id = w.rowid "
            "WHERE segment_words MATCH 'dog OR beach OR car' ORDER BY 2 DESC, 1"
        )
    assert [match.item for match in some] == [item for item, _ in said]
    np.testing.assert_allclose([match.score for match in some], [score for _, score in said], rtol=1e-6)


def test_a_budget_does_not_change_what_comes_first(texts, monkeypatch):
    all_of_it = found(texts, "dog weather beach")
    monkeypatch.setattr(bm25, "BUDGET", 3)
    assert found(texts, "dog weather beach") == [one for one in all_of_it if not one.startswith("n")]


def test_words_that_are_everywhere_are_left_aside(texts, monkeypatch):
    monkeypatch.setattr(bm25, "FEW", 20)
    assert found(texts, "a dog ball", least=0.9) == ["walk"]
    assert set(found(texts, "weather")) == {f"n{n}" for n in range(30)}  # there is no other word
    assert found(texts, "weather", least=0.9) == []


def test_a_word_tells_as_much_as_it_is_rare(texts):
    with texts._store.view() as view:
        known = Frequencies.of(view, view.snapshot())
        assert known is Frequencies.of(view, view.snapshot())
        (dogs,) = known.counted(view, [Term("dogs")])
    assert (known.total, dogs.rows) == (34, 3)
    assert dogs.weight == pytest.approx(math.log(1 + 31.5 / 3.5))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Texts, and pictures that have names only."""
    folder = tmp_path_factory.mktemp("mixed")
    for colour, name in (("red", "IMG_beach-2024.png"), ("green", "invoiceScan.png"), ("blue", "sky.png")):
        picture(colour).save(folder / name)
    (folder / "invoice_2023-114.txt").write_text("dear customer, this is what you owe us")
    (folder / "invoice_2023-115.txt").write_text("the invoice of 2023 for 114 red things")
    (folder / "walk.txt").write_text("a dog runs along the beach")
    for n in range(20):
        (folder / f"n{n}.txt").write_text(f"what day {n} was like")
    with mmsearch.open(tmp_path_factory.mktemp("index") / "index", model="fake") as index:
        index.add([folder])
        yield index


def names(hits):
    return [hit.path.name for hit in hits]


def test_a_name_is_found_first_however_far_its_vector_is(mixed):
    off = mixed.search("invoice 2023-114", lexical="off", k=26)
    assert names(off)[0] != "invoice_2023-114.txt"
    on = mixed.search("invoice 2023-114", lexical="on")
    assert names(on)[0] == "invoice_2023-114.txt"
    assert [hit.score for hit in on] == sorted((hit.score for hit in on), reverse=True)
    first = {hit.path: hit for hit in mixed.search("invoice 2023-114", lexical="off", k=26, min_confidence=0)}
    assert on[0].cosine == pytest.approx(first[on[0].path].cosine)
    assert "rank 1 by words: 2023-114, invoice" in on[0].why[-1]
    assert on.query["lexical"] == "on"


def test_pictures_are_not_buried_by_texts(mixed):
    on = mixed.search("beach", lexical="on", min_confidence=0, k=26)
    assert names(hit for hit in on if hit.modality == "image")[0] == "IMG_beach-2024.png"
    assert names(hit for hit in on if hit.modality == "text")[0] == "walk.txt"
    off = mixed.search("beach", lexical="off", min_confidence=0, k=26)
    assert [hit.modality for hit in on] == [hit.modality for hit in off]
    assert [hit.score for hit in on] == pytest.approx([hit.score for hit in off])


def test_a_natural_sentence_is_answered_as_without_words(mixed):
    asked = "a dog and a cat run along some other street"
    assert names(mixed.search(asked, lexical="on")) == names(mixed.search(asked, lexical="off"))


def test_words_alone(mixed):
    only = mixed.search("beach", lexical="only")
    assert set(names(only)) == {"IMG_beach-2024.png", "walk.txt"}
    assert names(mixed.search("beach", lexical="only", target="image")) == ["IMG_beach-2024.png"]
    assert mixed.search("zebra", lexical="only") == ()
    assert names(mixed.search("beach", lexical="only", where="modality = 'image'")) == ["IMG_beach-2024.png"]
    assert names(mixed.search("invoice", lexical="only", where="path like '%115%'")) == ["invoice_2023-115.txt"]
    assert names(mixed.search("beach", lexical="on", where="path like '%n1%'")) == names(
        mixed.search("beach", lexical="off", where="path like '%n1%'")
    )


def test_words_alone_put_what_has_all_of_them_before_what_has_one_often(index, tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    picture("red").save(media / "black-cat.png")
    index.add([media])
    index.add_items([
        Record(id="cats", text="cat cat cat"),
        *(Record(id=f"{n}", text="rain" if n % 5 else "black clouds", metadata={"title": f"{n}"}) for n in range(30)),
    ])  # fmt: skip
    first, second = index.search("black cat", lexical="only", k=2, explain=True)
    assert (first.path and first.path.name, second.id) == ("black-cat.png", "cats")
    words = first.stages[-1].used
    assert first.score == pytest.approx(words["bm25"] * words["share"], abs=1e-2)
    words = second.stages[-1].used
    assert second.score == pytest.approx(words["bm25"] * words["share"], abs=1e-2)


def test_the_passage_that_has_the_words_is_shown(index):
    filler = " ".join(f"weather{n}" for n in range(40))
    index.add_items([Record(id="long", text=f"{filler}. Quagga tales.\n\n" + f"{filler}. The end.\n\n" * 3)])
    (hit,) = index.search("quagga", lexical="only")
    assert "Quagga" in hit.excerpt


def test_parts_that_hits_should_not_be_like_exclude_nothing(mixed):
    question = Query.text("beach") - Query.text("dog")
    assert "walk.txt" in names(mixed.search(question, lexical="only"))
    assert mixed.search(Query.text("beach") - Query.text('half "open'), lexical="only")


def test_questions_that_cannot_be_asked(mixed):
    with pytest.raises(QueryError, match="did you mean only"):
        mixed.search("beach", lexical="onyl")
    with pytest.raises(QueryError, match="the question has none"):
        mixed.search(image=picture("red"), lexical="only")
    with pytest.raises(QueryError, match="not closed"):
        mixed.search('a "beach', lexical="on")
    assert mixed.search('a "beach', min_confidence=0)  # nobody spoke of words
    assert mixed.search(image=picture("red"), lexical="on", min_confidence=0)


def test_what_is_added_later_is_found(index):
    index.add_items([Record(id="old", text="a zebra")])
    assert index.search("quagga", lexical="only") == ()
    index.add_items([Record(id="new", text="a quagga")])
    assert [hit.id for hit in index.search("quagga", lexical="only")] == ["new"]


def test_gains_are_reciprocal_ranks_that_equal_matches_share():
    def match(item, score, tells=9.0):
        return bm25.Match(item, score, None, tells, 1.0, ())

    some = [match(1, 3.0), match(2, 2.0), match(3, 2.0), match(4, 1.0, tells=fuse.TELLING / 2)]
    assert fuse.ranks(some).tolist() == [1, 2, 2, 4]
    np.testing.assert_allclose(fuse.gains(some), [3 / 61, 3 / 62, 3 / 62, 1.5 / 64])


def test_the_reranker_reorders_by_the_sum_of_reciprocal_ranks(texts):
    plain = texts.search("dog beach", target="text", k=34, rerank="none", lexical="off", min_confidence=0)
    with_words = texts.search(
        "dog beach", target="text", k=34, rerank="lexical", lexical="off", min_confidence=0, explain=True
    )
    before = {hit.id: 1 / (60 + hit.rank) for hit in plain}
    by_words = {key: 1 / (60 + rank) for rank, key in enumerate(found(texts, "dog beach"), 1)}
    wanted = sorted(before, key=lambda key: -(before[key] + by_words.get(key, 0)))
    assert [hit.id for hit in with_words] == wanted
    assert with_words[0].stages[-1].used["words"] == ["beach", "dog"]
    with pytest.raises(QueryError, match="takes no argument"):
        texts.search("dog", rerank="lexical:2")
    picture_asks = {"rerank": "lexical", "min_confidence": 0}
    without = texts.search(image=picture("red"), rerank="none", min_confidence=0)
    assert [hit.id for hit in texts.search(image=picture("red"), **picture_asks)] == [hit.id for hit in without]


def test_an_article_in_a_name_is_no_match(index, tmp_path):
    """`a` is a piece of a camera's file name; a question is not about that."""
    for name in ("142006_a_262.png", "green.png"):
        picture("green").save(tmp_path / name)
    picture("red").save(tmp_path / "third.png")
    index.add([tmp_path])
    assert index.search("a red thing", target="image", k=1)[0].path.name == "third.png"
    assert "words" not in str(index.search("a red thing", target="image")[0].why)
    assert found(index, "a") == [hit.id for hit in index.search("a", lexical="only")]  # if nothing else is asked
    assert index.search("the a", lexical="only")[0].path.name == "142006_a_262.png"


def test_sums_are_searched_for_words_only_if_that_is_said(mixed):
    sum_ = Query.text("invoice") + 0.1 * Query.text("red")
    assert mixed.search(sum_).query["lexical"] == "off"
    assert mixed.search(sum_, lexical="on").query["lexical"] == "on"
    assert mixed.search("invoice").query["lexical"] == "on"


def test_a_rare_name_comes_before_all_modalities(index, tmp_path):
    """However well sounds and texts fit: nobody else has this name."""
    for number in range(120):
        picture("green").save(tmp_path / f"view{chr(97 + number % 26)}{number // 26}.png")
    picture("blue").save(tmp_path / "zanzibar.png")
    index.add([tmp_path])
    index.add_items(Record(id=f"t{number}", text=f"red thing {number}") for number in range(5))
    first = index.search("zanzibar", k=3)[0]
    assert first.path.name == "zanzibar.png"
    assert index.search("zanzibar red thing", target=["image", "text"], k=3)[0].id.startswith("t")


def test_an_item_that_asks_is_not_found_by_words_either(texts):
    asked = Query.item("walk") + Query.text("dog beach")
    assert "walk" in [hit.id for hit in texts.search("dog beach", lexical="on")]
    assert "walk" not in [hit.id for hit in texts.search(asked, lexical="on")]


def test_words_come_before_what_arranges_the_list(index):
    same = "invoice 2023 for the red car and its repair"
    index.add_items([
        Record(id="first", text=same),
        Record(id="copy", text=same),
        Record(id="other", text="an invoice on blue water"),
        *(Record(id=f"grass {n}", text=f"green grass {n}") for n in range(5)),
    ])  # fmt: skip
    assert [hit.id for hit in index.search("invoice red", k=2)] == ["first", "copy"]
    diverse = index.search("invoice red", k=2, rerank="mmr:0.5", explain=True)
    assert [hit.id for hit in diverse] == ["first", "other"]
    assert [stage.step for stage in diverse[0].stages] == ["found", "words", "mmr:0.5"]
    (folded, *_) = index.search("invoice red", rerank="nnn,collapse", k=1, explain=True)
    assert folded.same == ("copy",)
    assert [stage.step for stage in folded.stages] == ["found", "nnn", "words", "collapse"]
    (folded, *_) = index.search("invoice red", rerank="collapse,nnn", k=1, explain=True)
    assert [stage.step for stage in folded.stages] == ["found", "collapse", "nnn", "words"]


def test_what_is_folded_does_not_come_back_through_words(index, tmp_path):
    for name in ("sunset-one.png", "sunset-two.png", "other.png"):
        picture("blue" if name == "other.png" else "red").save(tmp_path / name)
    index.add([tmp_path])
    hits = index.search("sunset", target="image", k=5, rerank="collapse:0.99")
    folded = {id for hit in hits for id in hit.same}
    assert len(folded) == 1
    assert not folded & {hit.id for hit in hits}
    assert hits[0].path.name.startswith("sunset")


@pytest.mark.parametrize(("select", "given"), [(lists._NEAR, 2), (lists._THESE, 2), (bm25._OWN, 1)])
def test_what_is_asked_for_leads_however_many_rows_there_are(index, select, given):
    """Free to choose, SQLite began with all rows of all shards, and went through all that is asked for with each."""
    index.add_vectors(np.random.default_rng(0).standard_normal((2_000, 64)), modality="image")
    with index.hold() as view:
        (first, *_) = view.query(f"EXPLAIN QUERY PLAN {select}", ("[1, 2, 3]",) * given)
    assert first[3].startswith("SCAN j ")
