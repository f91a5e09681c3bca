"""Sums of questions: arithmetic, what they find, and what makes no sense."""

import math

import numpy as np
import pytest
from made import picture
from PIL import Image

from mmsearch import MmsearchError, Query, Record
from mmsearch.errors import FilterError, QueryError
from mmsearch.types import Modality


def names(hits):
    return [hit.path.name if hit.path else hit.id for hit in hits]


def vector(index, query, target="image"):
    return index.searcher.vectors([query], target)[1][0]


def test_arithmetic():
    dog, cat = Query.text("a dog"), Query.text("a cat")
    assert [part.weight for part in (dog + 0.5 * cat - dog / 4).parts] == [0.75, 0.5]
    assert -(dog - cat) == -1 * dog + cat
    assert dog + Query() == dog
    assert (dog - dog).parts[0].weight == 0
    assert repr(dog - 0.5 * cat) == "Query(text 'a dog' - 0.5 * text 'a cat')"
    assert Query.text("x", ["a {}"]) + Query.text("x") != 2 * Query.text("x")
    assert sum([dog, cat]) == dog + cat
    assert (dog + Query.image("x.jpg")).modalities == (Modality.IMAGE, Modality.TEXT)


@pytest.mark.parametrize("other", ["a cat", 1, None])
def test_only_questions_are_added(other):
    dog = Query.text("a dog")
    for add in (lambda: dog + other, lambda: dog - other, lambda: other + dog, lambda: other - dog):
        with pytest.raises(TypeError, match="unsupported operand|can only concatenate"):
            add()


def test_what_only_rounding_leaves_is_nothing():
    dog = Query.text("a dog")
    assert (0.1 * dog + 0.2 * dog - 0.3 * dog).parts[0].weight == 0
    assert (1e-20 * dog + 1e-20 * dog).parts[0].weight == 2e-20
    assert (dog - (1 - 1e-8) * dog).parts[0].weight == pytest.approx(1e-8)
    assert (math.inf * dog + dog).parts[0].weight == math.inf
    assert math.isnan((math.inf * dog - math.inf * dog).parts[0].weight)


def test_what_asks_the_same_is_equal():
    """Arrays by their numbers: `==` of dataclasses takes their truth value, and they have none."""
    ones, twos = np.ones((4, 4, 3), np.uint8), np.full((4, 4, 3), 2, np.uint8)
    for make in (
        Query.vector,
        Query.image,
        lambda array: Query.audio((array.ravel() / 9, 8000)),
        lambda array: Query.image(Image.fromarray(array)),
        lambda array: Query.vector([array[0, 0], array[1, 0]]),
    ):
        one, same, other = make(ones), make(ones.copy()), make(twos)
        assert one == same and hash(one) == hash(same) and len({one, same, other}) == 2
        assert one != other and one != 2 * same and one != Query.text("x") and one != Query.image("x.png")
    assert Query.vector([1, 2]) == Query.vector(np.array([1, 2])) != Query.vector([1, 2, 3])
    assert hash(Query.vector([1, 2])) == hash(Query.vector(np.array([1, 2])))
    assert Query.image(ones) != Query.vector(ones) and Query.audio((ones, 1)) != Query.audio((ones, 2))
    assert Query.text("x") == Query.text("x") != Query.text("x", words='"x"') and Query.text("x") != "x"
    assert len({Query.text("x"), Query.text("x"), Query.text("y"), Query.item("x")}) == 3


def test_parts_are_added_without_looking_into_arrays():
    vector = Query.vector(np.ones(3))
    (part,) = (vector + vector).parts
    assert part.weight == 2
    assert len((vector + Query.vector(np.ones(3))).parts) == 2
    for other in (Query.text("x", words='"x"'), Query.text("x", ["a {}"]), Query.item("x"), Query.item("x", "text")):
        assert len((Query.text("x") + other).parts) == 2


def test_what_is_wanted_less_comes_later(full):
    assert names(full.search("red blue", target="image", k=2)) in (["red.png", "blue.png"], ["blue.png", "red.png"])
    query = Query.text("red blue") - Query.text("blue")
    assert names(full.search(query, target="image"))[0] == "red.png"
    assert names(full.search(query, target="image"))[-1] == "blue.png"
    mixed = Query.text("red") + 0.4 * Query.image(picture("green"))
    assert names(full.search(mixed, target="image", k=2)) == ["red.png", "green.png"]
    assert names(full.search(0.4 * Query.text("red") + Query.image(picture("green")), target="image"))[0] == "green.png"


def test_only_the_proportions_count(full):
    query = Query.text("red") - 0.5 * Query.text("low")
    assert np.allclose(vector(full, query), vector(full, 7 * query), atol=1e-6)
    assert np.array_equal(vector(full, 3 * Query.text("red")), vector(full, Query.text("red")))


def test_a_question_of_negative_parts_only_is_answered_by_what_is_least_alike(full):
    assert names(full.search(-Query.text("red"), target="image"))[-1] == "red.png"
    assert names(full.search(-Query.text("red") - Query.text("blue"), target="image", k=2)) in (
        ["green.png", "yellow.png"], ["yellow.png", "green.png"],
    )  # fmt: skip


def test_parts_are_centred_per_modality(index):
    """Brute force: what all pictures have in common is taken off a picture, what all texts have off a text."""
    random = np.random.default_rng(1)
    rows = {
        modality: random.standard_normal((150, 64)).astype(np.float32) + 3 * np.eye(64, dtype=np.float32)[axis]
        for axis, modality in enumerate(("image", "text"))
    }
    for modality, matrix in rows.items():
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        index.add_vectors(matrix, modality=modality, ids=[f"{modality}-{n}" for n in range(150)])
    asked = Query.item("image-3") - 0.5 * Query.item("text-7")
    image, text = rows["image"], rows["text"]
    wanted = (image[3] - image.mean(0)) - 0.5 * (text[7] - text.mean(0))
    assert np.allclose(vector(index, asked), wanted / np.linalg.norm(wanted), atol=1e-5)
    scores = image @ wanted
    scores[3] = -np.inf
    best = [f"image-{n}" for n in np.argsort(-scores)[:10]]
    assert names(index.search(asked, target="image", rerank="none")) == best


def test_more_like_this_leaves_itself_out(full):
    (red,) = full.search("red", target="image", k=1)
    by_picture = full.search(image=red.path, target="image", k=4)
    by_item, by_hit = (full.search(Query.item(this), target="image", k=3) for this in (red.id, red))
    assert names(by_item) == names(by_hit) == names(by_picture)[1:]
    assert [hit.cosine for hit in by_item] == pytest.approx([hit.cosine for hit in by_picture[1:]], abs=1e-3)
    assert by_item.query["item"] == red.id
    assert len(full.search(Query.item(red.id), k=100)) == len(full) - 1


def test_an_item_may_be_named_by_its_file(full, media, monkeypatch):
    monkeypatch.chdir(media.parent)
    (red,) = full.search("red", target="image", k=1)
    by_id = full.search(Query.item(red.id), k=100)
    for name in ("media/red.png", str(media / "red.png"), media / "red.png"):
        by_file = full.search(Query.item(name), k=100)
        assert list(by_file) == list(by_id)
        assert by_file.query["item"] == red.id
    (both,) = full.search(Query.parse("id:media/red.png - 0.2*id:media/blue.png"), target="image", k=2)[:1]
    assert both.path not in (media / "red.png", media / "blue.png")
    (hits,) = full.search_many([Query.item("media/red.png")], k=100)
    assert [hit.id for hit in hits] == [hit.id for hit in by_id]


def test_an_id_comes_before_a_file_of_that_name(full, media, monkeypatch):
    monkeypatch.chdir(media)
    full.add_items([Record(id="red.png", image=picture("blue"))])
    assert full.search(Query.item("red.png"), target="image", k=1)[0].path == media / "blue.png"


def test_an_item_that_is_named_twice_is_asked_once(full, media):
    (red,) = full.search("red", target="image", k=1)
    with pytest.raises(MmsearchError, match="the weights cancel out: nothing is left to ask with, in Query"):
        full.search(Query.item(red.id) - Query.item(str(media / "red.png")))


def test_what_cancels_out_is_pointed_at_as_it_was_written(full):
    (red,) = full.search("red", target="image", k=1)
    for before, last, said in (
        (f"id:{red.id} - id:", red.path, "the weights cancel out"),
        ("red - ", '"red"', "the parts of the query cancel out"),
    ):
        asked = f"{before}{last}"
        with pytest.raises(QueryError) as caught:
            full.search(Query.parse(asked), lexical="off")
        first, line, caret = str(caught.value).split("\n")
        assert said in first and "Query(" not in first and line == f"  {asked}"
        assert caret == f"  {' ' * len(before)}^"


@pytest.mark.parametrize(
    ("asked", "said", "at"),
    [
        ("red + id:gone", "nothing in the index has the id 'gone' or is at that path", 9),
        ("日本 - 2*id:gone", "nothing in the index has the id 'gone' or is at that path", 12),
        ("id:media", "media stands for 9 items; name one by its id, such as ", 3),
        ("red - ./bad.png", "cannot ask with the image bad.png: ", 6),
    ],
)
def test_what_is_wrong_with_a_part_is_said_at_its_place(full, media, monkeypatch, asked, said, at):
    monkeypatch.chdir(media.parent)
    (media / "note.txt").write_text("red")
    full.add([media])
    (media.parent / "bad.png").write_bytes(b"no picture")
    with pytest.raises(QueryError) as caught:
        full.search(Query.parse(asked))
    first, line, caret = str(caught.value).split("\n")
    assert said in first and line == f"  {asked}" and caret == f"{' ' * (2 + at)}^"


@pytest.mark.parametrize("nothing", [object(), 5, None, b"red", ["red"]])
def test_an_item_is_named_by_its_id(nothing):
    for name in (Query.item, lambda item: Query.item(item, "text"), lambda item: Query().refined(like=[item])):
        with pytest.raises(MmsearchError, match="an item to ask with is named by its id, its file or a hit, not "):
            name(nothing)


@pytest.mark.parametrize("nothing", [5, ["image"], {}, b"image", "smell"])
def test_a_modality_that_there_is_not(nothing):
    with pytest.raises(QueryError, match="no modality; there are: image, text, audio"):
        Query.item("x", modality=nothing)


def test_an_item_asks_with_the_medium_that_is_named(index):
    index.add_items([
        Record(id="both", image=picture("red"), text="blue"),
        *(Record(id=colour, image=picture(colour)) for colour in ("red", "blue")),
    ])  # fmt: skip
    assert index.search(Query.item("both"), target="image")[0].id == "red"
    assert index.search(Query.item("both", "text"), target="image")[0].id == "blue"
    with pytest.raises(MmsearchError, match="the item red has no text, only image"):
        index.search(Query.item("red", "text"))
    with pytest.raises(MmsearchError, match="smell: no modality"):
        Query.item("both", "smell")


def test_relevance_feedback_is_rocchios(full):
    red, blue, green = (full.search(colour, target="image", k=1)[0] for colour in ("red", "blue", "green"))
    query = Query.text("red blue").refined(like=[red], unlike=[blue, green])
    assert [part.weight for part in query.parts] == [1, 0.75, -0.075, -0.075]
    found = full.search(query, k=10)
    assert not {red.id, blue.id, green.id} & {hit.id for hit in found}
    assert Query().refined(like=[red]).parts[0].content == red.id
    assert Query().refined(like=red, unlike="gone") == Query().refined([red], ["gone"])
    assert Query().refined(like="gone").items == ("gone",)
    assert Query().refined(like=red.path) == Query().refined(like=[red.path]) == 0.75 * Query.item(red.path)
    assert full.search(Query().refined(like=red.path, unlike=[blue.path])).query["parts"] == [
        {"item": red.id, "weight": 0.75}, {"item": blue.id, "weight": -0.15},
    ]  # fmt: skip
    assert Query().refined(like=iter("ab")) == Query().refined(like=["a", "b"])
    assert [part.weight for part in Query.text("x").refined(["a"], ["b"], alpha=2, beta=3, gamma=4).parts] == [2, 3, -4]


def test_parts_of_weight_0_take_no_part(full):
    """Rerankers are told the modalities of a question, and look for a part of each."""
    (hit,) = full.search("blue", target="image", k=1)
    wanted = full.search("red", target="image", k=3, rerank="tags,qbnorm")
    for nothing in (
        0 * Query.image(picture("blue")),
        Query.item(hit) - Query.item(hit),
        Query.item(hit) - Query.item(hit.path),
        Query.item("gone") * 0,
        Query.text("a text") - Query.text("a text"),
    ):
        query = nothing + Query.text("red")
        found = full.search(query, target="image", k=3, rerank="tags,qbnorm")
        assert [(one.id, one.score) for one in found] == [(one.id, one.score) for one in wanted]
        assert full.rank([query], "image", 3, ["tags", "qbnorm"]) == [[one.id for one in wanted]]
    alone = full.search(Query.text("red").refined(like=[hit], alpha=0), target="image", rerank="tags,qbnorm")
    assert [one.id for one in alone] == [one.id for one in full.search(Query.item(hit), target="image")]
    with pytest.raises(MmsearchError, match="the weights cancel out"):
        full.search(Query.item(hit) - Query.item(hit), rerank="tags,qbnorm")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(), "the query is empty"),
        (Query.text("a") - Query.text("a"), "the weights cancel out"),
        (Query.text("red") * math.nan, "a weight is no number"),
        (Query.text("red") + Query.text("blue") * math.inf, "a weight is no number"),
        (Query.vector(np.ones(64)) - Query.vector(np.ones(64)), "the parts of the query cancel out"),
        (Query.item("gone"), "nothing in the index has the id 'gone' or is at that path"),
        (Query.item("\udcff"), r"nothing in the index has the id '\\udcff'"),
        (Query.text(5), "a question is a text or a Query, not 5"),
        (Query.text(None), "a question is a text or a Query, not None"),
        (Query.vector(["a"]), r"a query vector must be an array of numbers, not \['a'\]"),
        (Query.vector([[1], [2, 3]]), "a query vector must be an array of numbers"),
        (Query.vector([10**400]), "a query vector must be an array of numbers"),
        (Query.vector(np.ones(7)) + Query.text("red"), "the query vector has 7 numbers, not 64"),
    ],
)
def test_what_makes_no_sense(full, query, said):
    with pytest.raises(MmsearchError, match=said):
        full.search(query)
    with pytest.raises(MmsearchError, match=said):
        full.rank([query], "image", 3)


@pytest.mark.parametrize("k", [2.5, "3", None, math.nan])
def test_how_many_is_a_whole_number(full, k):
    with pytest.raises(MmsearchError, match=f"k must be a whole number, not {k!r}"):
        full.search("red", k=k)
    with pytest.raises(MmsearchError, match=f"k must be a whole number, not {k!r}"):
        full.searcher.within(Query.text("red"), "any", most=k)


def test_many_sums_at_once_are_those_one_by_one(full):
    queries = [Query.text("red") - 0.3 * Query.text(other) for other in ("blue", "green", "low")]
    together = full.rank(queries, "image", 3, ["none"])
    assert together == [[hit.id for hit in full.search(q, target="image", k=3, rerank="none")] for q in queries]


def test_what_an_answer_tells_of_its_question(full):
    assert full.search("red", image=picture("red")).query["text"] == "red"
    told = full.search(Query.text("red") - 0.5 * Query.text("blue"), k=1).query["parts"]
    assert told == [{"text": "red", "weight": 1.0}, {"text": "blue", "weight": -0.5}]


def test_a_vector_can_be_a_part(full):
    text = vector(full, Query.text("red"))
    green = np.zeros(64, np.float32)
    green[4] = 5
    asked = vector(full, Query.text("red") + 0.5 * Query.vector(green))
    wanted = text + 0.5 * green / 5
    assert np.allclose(asked, wanted / np.linalg.norm(wanted), atol=1e-6)


def test_what_is_no_question_is_refused(full):
    for nothing in (5, b"red", Query.text, ["red"]):
        with pytest.raises(MmsearchError, match="a question is a text or a Query, not "):
            full.search(nothing)
    with pytest.raises(MmsearchError, match="what is parsed is a str, such as 'a dog - leash', not 5"):
        Query.parse(5)
    for wrong in ({"like": 5}, {"unlike": 5}, {"like": [5]}):
        with pytest.raises(MmsearchError, match="an item to ask with is named by its id, its file or a hit, not 5"):
            Query.text("red").refined(**wrong)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"where": 5}, FilterError, "a filter is a str, such as 'year >= 2020', not 5"),
        ({"where": ["a = 1"]}, FilterError, "a filter is a str, such as 'year >= 2020', not "),
        ({"rerank": 5}, QueryError, "rerank is a str such as 'tags,mmr:0.7', or a list of such names, not 5"),
        ({"rerank": ["tags", 5]}, QueryError, "or a list of such names, not"),
        ({"target": 5}, QueryError, "a target is named by a str, such as 'image', not 5"),
        ({"target": ["image", 5]}, QueryError, "a target is named by a str, such as 'image', not 5"),
        ({"min_confidence": "0.5"}, QueryError, "a confidence is a number from 0 to 1, not '0.5'"),
    ],
)
def test_what_is_of_the_wrong_type_is_told_with_what_is_wanted(full, options, error, said):
    for ask in (lambda: full.search("red", **options), lambda: full.search_many(["red"], **options)):
        with pytest.raises(error, match=said):
            ask()


def test_several_targets_come_in_any_order_from_anywhere(full):
    assert full.search("red", target=iter(["text", "image"])).query["target"] == ["image", "text"]


def test_one_template_is_no_list_of_letters(full):
    assert Query.text("red", "a {}") == Query.text("red", ["a {}"]) == Query.text("red").templated("a {}")
    assert full.search("red", templates="a {}").query["templates"] == ["a {}"]


def test_templates_go_with_a_text(full):
    with pytest.raises(QueryError, match=r"in a Query, Query\.text\(text, templates\)"):
        full.search(Query.text("red"), templates=["a {}"])
