"""Cross-encoders as a step of a chain; their weights are random."""

from functools import partial

import made_matching
import numpy as np
import pytest
from made import picture

from mmsearch import Query, Record
from mmsearch.encoders import heavy
from mmsearch.encoders.matching.matcher import matcher
from mmsearch.encoders.matching.source import parse
from mmsearch.errors import MissingExtra, QueryError, WeightsMissing

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple")


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    """The folder of a small model."""
    torch = heavy.torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("blip")
    made_matching.blip(folder)
    yield folder
    torch.set_num_threads(before)
    matcher.cache_clear()


@pytest.fixture
def pictures(index, tmp_path):
    """Six pictures with files, one without, and two texts."""
    (tmp_path / "pictures").mkdir()
    for colour in COLOURS:
        picture(colour).save(tmp_path / "pictures" / f"{colour}.png")
    index.add([tmp_path / "pictures"])
    index.add_items([Record(id="bare", image=picture("red")), Record(id="fire", text="a red fire engine")])
    index.add_items([Record(id="sea", text="the blue sea")])
    yield partial(index.search, lexical="off")


def judged(blip, paths, text):
    model = matcher(parse(str(blip)), None)
    return model.match([model.picture(path) for path in paths], [text] * len(paths))


def test_pictures_follow_the_probability_of_a_match(pictures, blip):
    plain = pictures("red dog", target="image", k=9, rerank="none")
    found = pictures("red dog", target="image", k=9, rerank=f"cross:{blip}", explain=True)
    readable = [hit for hit in found if hit.path]
    values = judged(blip, [hit.path for hit in readable], "red dog")
    assert (np.diff(values) <= 0).all() and np.ptp(values) > 1e-4
    assert [hit.stages[-1].used["match"] for hit in readable] == pytest.approx(values.tolist(), abs=1e-4)
    assert [hit.id for hit in found] != [hit.id for hit in plain]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in plain])
    assert {hit.id: hit.cosine for hit in found} == pytest.approx({hit.id: hit.cosine for hit in plain})


def test_what_cannot_be_read_keeps_its_place_and_says_why(pictures, blip, tmp_path):
    (tmp_path / "pictures" / "blue.png").write_bytes(b"no picture")
    (tmp_path / "pictures" / "green.png").unlink()
    plain = pictures("red dog", target="image", k=9, rerank="none")
    found = pictures("red dog", target="image", k=9, rerank=f"cross:{blip}")
    unread = {hit.path.name if hit.path else hit.id: hit for hit in found if "kept it there" in hit.why[-1]}
    assert set(unread) == {"bare", "blue.png", "green.png"}
    assert "no such file" in unread["green.png"].why[-1]
    assert "it has no file" in unread["bare"].why[-1]
    places = {hit.id: hit.rank for hit in plain}
    assert all(hit.rank == places[hit.id] for hit in unread.values())


def test_only_the_first_are_judged(pictures, blip):
    plain = pictures("red dog", target="image", k=9, rerank="none")
    found = pictures("red dog", target="image", k=9, rerank=f"cross:{blip}@3", explain=True)
    assert {hit.id for hit in found[:3]} == {hit.id for hit in plain[:3]}
    assert [hit.id for hit in found[3:]] == [hit.id for hit in plain[3:]]
    assert [bool(hit.stages[-1].used) for hit in found] == [True] * 3 + [False] * 4


def test_a_picture_judges_texts(pictures, blip, tmp_path):
    asked = tmp_path / "pictures" / "red.png"
    found = pictures(image=asked, target="text", rerank=f"cross:{blip}", explain=True)
    model = matcher(parse(str(blip)), None)
    texts = {"fire": "a red fire engine", "sea": "the blue sea"}
    values = dict(zip(texts, model.match([model.picture(asked)] * 2, list(texts.values())).tolist(), strict=True))
    assert [hit.id for hit in found] == sorted(values, key=values.get, reverse=True)
    assert {hit.id: hit.stages[-1].used["match"] for hit in found} == pytest.approx(values, abs=1e-4)


def test_other_directions_sums_and_vectors_are_left_alone(pictures, blip, tmp_path):
    asked = tmp_path / "pictures" / "red.png"
    for question in (
        Query.image(asked) + Query.text("red"),
        -Query.text("red"),
        Query.vector(np.ones(64)),
        Query.item("sea"),
    ):
        plain, after = (pictures(question, k=9, rerank=chain) for chain in ("none", f"cross:{blip}"))
        assert [hit.id for hit in plain] == [hit.id for hit in after]
    texts = [pictures("blue sea", target="text", rerank=chain) for chain in ("none", f"cross:{blip}")]
    assert [hit.id for hit in texts[0]] == [hit.id for hit in texts[1]]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("bilp", "no matching model 'bilp'; did you mean blip"),
        ("blip@0", "from 1 to 200"),
        ("blip@201", "from 1 to 200"),
        (f"blip@{'9' * 5000}", "from 1 to 200"),
        ("blip@x", "no matching model 'blip@x'"),
    ],
)
def test_an_argument_that_makes_no_sense(pictures, argument, said):
    with pytest.raises(QueryError, match=said) as caught:
        pictures("red", rerank=f"tags,cross:{argument}")
    _, chain, caret = str(caught.value).splitlines()
    assert chain[caret.index("^") :] == f"cross:{argument}"


def test_nor_does_one_of_two_lines(pictures):
    with pytest.raises(QueryError, match="no matching model"):
        pictures("red", rerank="cross:two\nlines")


def test_a_folder_that_is_not_there(pictures, tmp_path):
    with pytest.raises(WeightsMissing, match="there is no folder"):
        pictures("red", rerank=f"cross:{tmp_path / 'none'}")


def test_without_its_packages_it_says_what_to_install(pictures, blip, monkeypatch):
    import importlib

    def missing(name, real=importlib.import_module):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name)

    matcher.cache_clear()
    heavy.transformers.cache_clear()
    heavy._mend_torchvision.cache_clear()
    monkeypatch.setattr(heavy, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"cross-encoders need the package torch: pip install .mmsearch\[clip\]"):
        pictures("red", rerank=f"cross:{blip}")
