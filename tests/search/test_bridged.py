"""Two spaces in one index: the native way where there is one, and over the bridge where there is none."""

import json

import numpy as np
import pytest
from made import RATE, picture, tone
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app
from mmsearch.encoders.bridge import shelf
from mmsearch.encoders.fake import COLOURS, PITCHES
from mmsearch.errors import BridgeMissing, ModelMismatch, QueryError
from mmsearch.types import Modality

QUESTIONS = {"text": "red low", "image": picture("red"), "audio": (tone("low"), RATE)}
NATIVE = {
    ("text", "image"): "eyes", ("image", "text"): "eyes", ("image", "image"): "eyes", ("text", "text"): "eyes",
    ("text", "audio"): "ears", ("audio", "text"): "ears", ("audio", "audio"): "ears",
}  # fmt: skip
BRIDGED = {("image", "audio"): ("ears", "eyes"), ("audio", "image"): ("eyes", "ears")}


def texts():
    """Every colour together with every pitch, and words that mean nothing to either."""
    words = [f"word{n}" for n in range(20)]
    return [f"{colour} {pitch} {word}" for colour in COLOURS for pitch in PITCHES for word in words]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def small_bank(monkeypatch):
    monkeypatch.setattr("mmsearch.captions.bank", lambda *_: tuple(texts()))


@pytest.fixture
def pair(tmp_path, media):
    with mmsearch.open(tmp_path / "pair", model="fake-pair") as opened:
        opened.add([media])
        yield opened


@pytest.fixture
def joined(pair, small_bank):
    pair.fit_bridge()
    return pair


@pytest.mark.parametrize("way", NATIVE)
def test_native_ways_need_no_bridge(pair, way):
    asked, target = way
    hits = pair.search(**{asked: QUESTIONS[asked]}, target=target, k=2)
    assert len(hits) == 2
    assert hits[0].why[0] == f"{asked}→{target} in {NATIVE[way]}"


def test_native_ways_find_what_is_meant(pair):
    assert pair.search("red", target="image", k=1)[0].path.name == "red.png"
    assert pair.search("a whistle", target="audio", k=1)[0].path.name == "whistle.wav"
    assert pair.search(image=picture("blue"), target="text", k=1)[0].path.name == "sea.md"


def test_a_text_has_a_vector_in_both_spaces(pair):
    groups = {(shard.group.name, shard.group.modality): shard.live for shard in pair._store.snapshot().by_id.values()}
    assert groups == {("eyes", "image"): 4, ("ears", "audio"): 2, ("eyes", "text"): 2, ("ears", "text"): 2}


@pytest.mark.parametrize("way", BRIDGED)
def test_without_a_bridge_the_error_names_the_command(pair, way):
    asked, target = way
    with pytest.raises(BridgeMissing, match=rf"{asked} → {target} needs a bridge.*mmsearch bridge fit --index"):
        pair.search(**{asked: QUESTIONS[asked]}, target=target)


def test_what_cannot_be_reached_is_told_and_the_rest_found(pair):
    hits = pair.search(image=picture("red"), k=20)
    assert hits.query["unreached"] == ["audio"]
    assert {hit.modality for hit in hits} == {Modality.IMAGE, Modality.TEXT}
    assert "unreached" not in pair.search("red", k=20).query


@pytest.mark.parametrize("way", BRIDGED)
def test_over_the_bridge(joined, way):
    asked, target = way
    hits = joined.search(**{asked: QUESTIONS[asked]}, target=target, k=2)
    to, source = BRIDGED[way]
    assert hits[0].why[:2] == (f"{asked}→{target} in {to}", f"{asked} carried over from {source}")
    assert len(hits) == 2


def test_a_carried_question_says_the_same_there(joined):
    """A red picture among ears is what the word red is among ears: texts about red come first."""
    joined.add_items([mmsearch.Record(id=f"is-{colour}", text=colour) for colour in COLOURS])
    searcher = joined.searcher
    space = next(head.space for head in joined.model.heads if head.space.name == "ears")
    eyes = next(head.space for head in joined.model.heads if head.space.name == "eyes")
    bridge = joined.bridges()[0]
    for colour in ("red", "green", "yellow"):
        (query,) = searcher._asking.embed([mmsearch.search.query.Query.image(picture(colour))],
                                   searcher._asking.routes((Modality.IMAGE,), (Modality.AUDIO,)))  # fmt: skip
        carried = bridge.carry(query.parts[0].row(eyes), "eyes")
        shards = joined._store.snapshot().of("vectors", space.name, space.version, Modality.TEXT)
        scores = {}
        for shard in shards:
            ids = joined._store.ids(shard.id, 0, shard.rows)
            keys = joined._store.keys(ids[:, 1].tolist())
            scores |= {
                keys[item]: score for item, score in zip(ids[:, 1].tolist(), shard.matrix @ carried, strict=True)
            }
        among = {key: score for key, score in scores.items() if key.startswith("is-")}
        assert max(among, key=among.get) == f"is-{colour}"


def test_parts_of_two_spaces_in_one_question(joined):
    """The picture is carried over, the text asked natively, and the answer is the text's."""
    hits = joined.search("a whistle", image=picture("red"), target="audio", k=2)
    assert hits[0].path.name == "whistle.wav"
    assert "image carried over from eyes" in hits[0].why and "text carried over" not in " ".join(hits[0].why)


def test_all_targets_at_once(joined):
    hits = joined.search(image=picture("red"), k=20)
    assert {hit.modality for hit in hits} == set(Modality)
    assert "unreached" not in hits.query


def test_a_vector_is_asked_in_the_space_of_its_target(pair):
    assert len(pair.search(vector=np.ones(128), target="image")) == 4
    assert len(pair.search(vector=np.ones(64), target="audio")) == 2
    with pytest.raises(QueryError, match="64 numbers, not 128 as eyes"):
        pair.search(vector=np.ones(64), target="image")


def test_a_vector_is_not_asked_in_two_spaces_at_once(pair):
    with pytest.raises(QueryError, match=r"a vector is of one space: .*image, text \(eyes\) or audio \(ears\)"):
        pair.search(vector=np.ones(128))
    assert pair.search(vector=np.ones(128), target={"image", "text"})


def test_a_template_needs_a_text(pair):
    with pytest.raises(QueryError, match="templates go with a text"):
        pair.search(image=picture("red"), templates=["a photo of {}"])


def test_questions_ranked_together_are_alike(pair):
    from mmsearch.search.query import Query

    with pytest.raises(QueryError, match="the same modalities"):
        pair.rank([Query.text("red"), Query.image(picture("red"))], "image", 3)


def test_the_bridge_is_made_once_and_copied(joined, tmp_path, media, monkeypatch):
    assert (joined.folder / shelf.FILE).is_file()
    monkeypatch.setattr("mmsearch.encoders.bridge.build.build", lambda *_: pytest.fail("made again"))
    with mmsearch.open(tmp_path / "other", model="fake-pair") as other:
        other.add([media])
        assert len(other.search(image=picture("red"), target="audio", k=2)) == 2  # from the cache
        assert not (other.folder / shelf.FILE).exists()
        other.fit_bridge()
        assert (other.folder / shelf.FILE).is_file()
    with mmsearch.open(joined.folder) as again:
        assert again.bridges()[0].texts == len(texts())


def test_own_texts_make_another_bridge(joined, tmp_path):
    before = joined.bridges()[0]
    joined.fit_bridge([f"green {n} whistle" for n in range(300)])
    assert joined.bridges()[0].texts == before.texts + 300
    assert "own texts" in joined.bridges()[0].bank
    with mmsearch.open(tmp_path / "other", model="fake-pair") as other:
        assert other.bridges()[0].texts == before.texts  # they are of that index alone


def test_a_damaged_bridge_is_as_none(joined):
    joined.close()
    (joined.folder / shelf.FILE).write_bytes(b"no bridge")
    for path in (shelf.cache_folder() / "bridges").iterdir():
        path.write_bytes(b"nor here")
    with mmsearch.open(joined.folder) as again, pytest.raises(BridgeMissing):
        again.search(image=picture("red"), target="audio")


def test_the_command(pair, small_bank):
    pair.close()
    run = CliRunner()
    name = str(pair.folder)
    found = run.invoke(app, ["search", "--image", "x.png", "--target", "audio", "-i", name])
    assert found.exit_code == 1
    shown = run.invoke(app, ["bridge", "fit", "-i", name])
    assert shown.exit_code == 0 and "eyes→ears" in shown.output and "find themselves first" in shown.output
    told = json.loads(run.invoke(app, ["info", "-i", name, "--json"]).output)
    assert told["bridges"][0]["ways"]["ears→eyes"]["hit@1"] > 0.5
    assert "bridge eyes→ears" in run.invoke(app, ["info", "-i", name]).output


def test_indexing_tells_that_the_spaces_are_apart(tmp_path, media, small_bank):
    run = CliRunner()
    arguments = ["index", str(media), "-i", str(tmp_path / "apart"), "--model", "fake-pair"]
    assert "bridge fit --index" in run.invoke(app, arguments).stderr
    run.invoke(app, ["bridge", "fit", "-i", str(tmp_path / "apart")])
    assert "bridge fit" not in run.invoke(app, arguments).stderr


def test_own_texts_on_the_command_line(pair, small_bank, tmp_path):
    (tmp_path / "own.txt").write_text("\n".join(f"my own text {n}" for n in range(50)))
    run = CliRunner()
    found = run.invoke(app, ["bridge", "fit", "--model", "fake-pair", "--texts", str(tmp_path / "own.txt"), "--json"])
    assert json.loads(found.output)["texts"] == len(texts()) + 50
    missing = run.invoke(app, ["bridge", "fit", "--model", "fake-pair", "--texts", str(tmp_path / "none.txt")])
    assert missing.exit_code == 1 and "none.txt" in str(missing.exception)


def test_the_model_of_an_index_is_not_another(pair):
    with pytest.raises(ModelMismatch, match="was built with the model fake-pair, not fake"):
        mmsearch.open(pair.folder, model="fake")
