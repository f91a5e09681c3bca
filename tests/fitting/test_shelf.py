"""Fits of an index: learnt, put to use, undone, carried elsewhere; and what that does to searches."""

import threading
from dataclasses import replace

import fitted_rows
import numpy as np
import pytest
from made import RATE, picture, tone
from made_pairs import WORDS, paintings, unit

import mmsearch
from mmsearch import Record
from mmsearch.encoders.base import Batch
from mmsearch.encoders.fake import COLOURS, FakeEncoder
from mmsearch.errors import FitError, StoreError
from mmsearch.evaluation.datasets import Dataset
from mmsearch.types import Modality, Role

SPACE = "fake.fit-image"
SERVED = {("text", "image"), ("image", "text")}
PARTS = {"text": "rot blue low", "image": picture("red"), "audio": (tone("low"), RATE)}
VECTOR = unit(np.random.default_rng(0).standard_normal((1, 64)))[0]


def asked(index, *parts, target):
    """What is found: ids, scores and cosines to the bit, and the way."""
    question = {"vector": VECTOR} if parts == ("vector",) else {part: PARTS[part] for part in parts}
    hits = index.search(**question, target=target, k=100)
    return [(hit.id, hit.score, hit.cosine, hit.why) for hit in hits]


def everything(index):
    questions = [("text",), ("image",), ("audio",), ("text", "image"), ("vector",)]
    return {(parts, target): asked(index, *parts, target=target) for parts in questions for target in PARTS}


def rows(index):
    return {place: row.tobytes() for place, row in fitted_rows.rows(index).items()}


def kept(index):
    return {one.name: bool(one.active) for one in index.fits.kept()}


def other(fit, weight=0.5):
    return replace(fit, settings=replace(fit.settings, weight=weight))


def test_what_was_learnt_is_searched_in_the_directions_that_were_learnt(plain, taught):
    before, after = everything(plain), everything(taught)
    for (parts, target), found in after.items():
        if (*parts, target) in SERVED:
            assert {why[0] for *_, why in found} == {f"{parts[0]}→{target} in {SPACE}"}
            assert len(found) == len(before[parts, target])
        else:
            assert found == before[parts, target], (parts, target)


def test_words_that_the_model_does_not_know_find_their_pictures(plain, taught):
    said = {record.id: record.metadata["caption"] for record in paintings(60)}
    for index, least in ((plain, 0), (taught, 9)):
        right = 0
        for word in WORDS.values():
            (hit,) = index.search(word, target="image", k=1, lexical="off")
            right += word in said[hit.id].split()
        assert right >= least
        if index is plain:
            assert right < 6


def test_scores_are_the_mean_of_both_scores(kit, plain, taught):
    """Of the cosine without the fit and the cosine of the fitted parts, weighted by the fit's weight."""
    _, fit, _ = kit
    weight = fit.settings.weight
    before = {hit.id: hit.cosine for hit in plain.search("rot blue", target="image", k=100)}
    pictures = [record.image for record in paintings(60)]
    words, colours = (
        FakeEncoder().encode(Batch(modality, contents), Role.QUERY).astype(np.float16)
        for modality, contents in ((Modality.TEXT, ["rot blue"]), (Modality.IMAGE, pictures))
    )
    fitted = fit.media.project(colours) @ fit.texts.project(words)[0]
    for hit in taught.search("rot blue", target="image", k=100):
        wanted = (1 - weight) * before[hit.id] + weight * fitted[int(hit.id[1:])]
        assert hit.cosine == pytest.approx(wanted, abs=2e-3)  # features were kept in 16 bits


def test_undo_gives_back_all_to_the_bit(plain, taught):
    assert taught.fits.undo() == ("colours", None)
    assert everything(taught) == everything(plain)
    assert rows(taught) == rows(plain)
    assert kept(taught) == {"colours": False}
    assert not [path for path in taught.folder.rglob("*") if path.is_file() and ".fit-" in str(path)]
    with pytest.raises(FitError, match="no fit is in use: there is nothing to undo"):
        taught.fits.undo()


def test_use_gives_back_what_was_undone(taught, opened):
    taught.fits.undo()
    taught.fits.use("colours")
    again = opened("taught")
    assert everything(taught) == everything(again) and rows(taught) == rows(again)
    taught.fits.use("colours")  # it is already
    with pytest.raises(FitError, match="the index keeps no fit 'colors'; there are: colours"):
        taught.fits.use("colors")


def test_rows_of_the_space_itself_stay_as_they_are(plain, taught):
    before, after = rows(plain), rows(taught)
    assert before.items() <= after.items()
    added = {(group.name, group.modality) for group, _ in after.keys() - before.keys()}
    assert added == {(SPACE, "image"), (SPACE, "text")}


def test_several_fits_one_after_the_other(kit, taught):
    first = everything(taught)
    assert taught.fits.put("strong", other(kit[1], 0.9), {}) == "strong"
    assert kept(taught) == {"colours": False, "strong": True}
    assert everything(taught) != first
    assert taught.fits.undo() == ("strong", "colours")
    assert everything(taught) == first and kept(taught) == {"colours": True, "strong": False}
    assert taught.fits.undo() == ("colours", None)


def test_undo_comes_to_an_end(kit, plain, taught):
    """However often one and another fit were put to use in turn."""
    taught.fits.put("strong", other(kit[1], 0.9), {})
    taught.fits.use("colours")
    taught.fits.use("strong")
    taught.fits.use("colours")
    undone = []
    while any(kept(taught).values()):
        undone.append(taught.fits.undo()[0])
        assert len(undone) <= 2, undone
    assert everything(taught) == everything(plain)


def test_a_fit_that_is_kept_already_is_used_by_its_name(kit, taught):
    taught.fits.undo()
    assert taught.fits.put("again", kit[1], {}) == "colours"
    assert kept(taught) == {"colours": True}
    assert taught.fits.put("colours", other(kit[1]), {}) == "colours-2"
    assert taught.fits.put("colours", other(kit[1], 0.6), {}) == "colours-3"
    assert kept(taught) == {"colours": False, "colours-2": False, "colours-3": True}


def test_a_fit_that_is_not_in_use_is_forgotten(taught):
    with pytest.raises(StoreError, match="'colours' is in use"):
        taught.fits.forget("colours")
    taught.fits.undo()
    taught.fits.forget("colours")
    assert taught.fits.kept() == ()
    for call in (taught.fits.forget, taught.fits.use, taught.fits.get):
        with pytest.raises(FitError, match="keeps no fit 'colours'; there are: none"):
            call("colours")


def test_a_fit_goes_to_another_index(kit, taught, plain, tmp_path):
    taught.fits.export("colours", tmp_path / "colours.fit")
    assert plain.fits.load(tmp_path / "colours.fit") == "colours"
    assert everything(plain) == everything(taught) and rows(plain) == rows(taught)
    (mine,), (theirs,) = plain.fits.kept(), taught.fits.kept()
    assert (mine.card, mine.version) == (theirs.card, theirs.version)
    with mmsearch.open(tmp_path / "empty", model="fake") as empty:
        assert empty.fits.load(tmp_path / "colours.fit", name="theirs") == "theirs"
        empty.add_items(paintings(60))
        found, wanted = (
            {hit.id: round(hit.score, 5) for hit in index.search("rot", target="image", k=60)}
            for index in (empty, taught)
        )
        assert found == wanted  # equal scores stand in the order of adding, which is that in which files were decoded
        assert list(empty.verify()) == []


def test_an_index_of_another_model_refuses_it(kit, taught, tmp_path):
    taught.fits.export("colours", tmp_path / "colours.fit")
    with mmsearch.open(tmp_path / "pair", model="fake-pair") as pair:
        with pytest.raises(FitError, match="for the space fake, which the model fake-pair has not"):
            pair.fits.load(tmp_path / "colours.fit")
        assert pair.fits.kept() == ()


def test_another_index_object_notices_what_is_in_use_now(kit, taught, plain):
    """A service goes on searching while somebody fits; and while somebody else adds, too."""
    with mmsearch.open(plain.folder) as service:
        service.search("rot", target="image")
        plain.fits.put("colours", kit[1], {})
        assert everything(service) == everything(taught)
        service.add_items(paintings(3, seed=5, first=100))
        assert {hit.id for hit in service.search("rot", target="image", k=100)} >= {"p100", "p101", "p102"}
        plain.fits.put("strong", other(kit[1], 0.9), {})
        found = asked(service, "text", target="image")
        assert found == asked(plain, "text", target="image") and len(found) == 63
        plain.fits.undo()
        plain.fits.undo()
        assert {why[0] for *_, why in asked(service, "text", target="image")} == {"text→image in fake"}
        service.add_items(paintings(1, seed=6, first=200))
    assert list(plain.verify()) == []


def test_threads_search_while_fits_come_and_go(kit, taught, plain):
    """Every answer is that with the one fit, with the other, or without any."""
    taught.fits.put("strong", other(kit[1], 0.9), {})

    def answer():
        found = taught.search("rot blue", target="image", k=60)
        return tuple(hit.id for hit in found), found[0].why

    known = {answer()}
    for step in (taught.fits.undo, taught.fits.undo):
        step()
        known.add(answer())
    assert len(known) == 3
    stop, seen, errors = threading.Event(), set(), []

    def ask():
        while not stop.is_set():
            try:
                seen.add(answer())
                assert taught.rank([mmsearch.Query.text("rot blue")], "image", 60)[0] in [list(ids) for ids, _ in known]
            except Exception as error:  # noqa: BLE001  (told below, by the thread that tests)
                errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        taught.fits.use("colours")
        taught.fits.use("strong")
        taught.fits.undo()
        taught.fits.undo()
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == [] and seen <= known and len(seen) > 1


def test_class_tags_have_no_say_where_a_fit_has(plain, taught):
    """A fit has learnt from the features themselves; in other directions tags go on."""
    for index, moves in ((plain, True), (taught, False)):
        before, after = (
            [hit.id for hit in index.search("red blue", target="image", k=60, rerank=chain)]
            for chain in ("none", "tags")
        )
        assert (before != after) is moves


def test_what_a_fit_finds_is_shown_however_unsure_it_is(plain, taught):
    """It may know words that no made question has."""
    odd = [f"xq{a}{b} vuu{b}{a}" for a in "abcdef" for b in "klmno"]
    for index in (plain, taught):
        index.add_items(paintings(60, seed=5, first=100))
    shown = list(taught.search_many(odd, target="image", k=1))
    assert [len(hits) for hits in shown] == [1] * len(odd)
    assert 0 <= min(hit.confidence for (hit,) in shown) < 0.2
    assert not all(plain.search_many(odd, target="image"))


def test_a_writer_can_go_on_writing(kit, plain):
    with plain.writing():
        plain.fits.put("colours", kit[1], {})
        plain.add_items(paintings(2, seed=5, first=100))
        plain.fits.put("strong", other(kit[1]), {})
        plain.remove(ids=["p100"])
        assert plain.fits.undo() == ("strong", "colours")
    assert asked(plain, "text", target="image")[0][3] == (f"text→image in {SPACE}",)


def test_what_is_held_stays_as_it_was(kit, plain, taught):
    wanted = everything(plain)
    with mmsearch.open(plain.folder) as service:
        with service.hold():
            plain.fits.put("colours", kit[1], {})
            assert everything(service) == wanted
        assert everything(service) == everything(taught)
        with service.hold():
            plain.fits.undo()
            assert everything(service) == everything(taught)
        assert everything(service) == wanted


def test_what_is_added_while_the_old_state_is_held_has_rows_of_the_fit(kit, plain):
    with mmsearch.open(plain.folder) as service, service.hold():
        plain.fits.put("colours", kit[1], {})
        service.add_items(paintings(2, seed=5, first=100))
        service.add_vectors(np.eye(64, dtype=np.float32)[:2], modality="image", ids=["a", "b"])
    assert list(plain.verify()) == []
    assert {hit.id for hit in plain.search("rot", target="image", k=100)} >= {"p100", "p101", "a", "b"}


def test_a_fit_that_is_put_to_use_while_an_old_state_is_held_has_all_rows(kit, plain):
    with mmsearch.open(plain.folder) as service, service.hold():
        plain.add_items(paintings(2, seed=5, first=100))
        plain.remove(ids=["p3"])
        service.fits.put("colours", kit[1], {})
    assert list(plain.verify()) == []
    found = {hit.id for hit in plain.search("rot", target="image", k=100)}
    assert found >= {"p100", "p101"} and "p3" not in found


def noise(count=60):
    """Captions that are about nothing that can be seen."""
    seen, said = list(paintings(count)), list(paintings(count, seed=1000))
    for picture_of, caption_of in zip(seen, said, strict=True):
        yield replace(picture_of, metadata=caption_of.metadata)


def test_what_is_no_better_is_not_put_to_use(tmp_path):
    with mmsearch.open(tmp_path / "noise", model="fake") as index:
        index.add_items(noise())
        before = rows(index)
        (outcome,) = index.fits.learn()
        assert not outcome.installed and outcome.learnt.held_out.p >= 0.05
        assert index.fits.kept() == () and rows(index) == before
        (forced,) = index.fits.learn(force=True, name="mine")
        assert forced.installed and forced.name == "mine" and kept(index) == {"mine": True}
        assert forced.learnt.fit.version == outcome.learnt.fit.version
        assert list(index.verify()) == []


def test_the_card_says_what_it_is_worth(kit, taught):
    (one,) = taught.fits.kept()
    card = one.card
    assert (card["medium"], card["media"], card["texts"], card["model"], card["seed"]) == ("image", 60, 60, "fake", 0)
    assert card["held_out"]["gains"]["text->image"]["hit@10"][0] > 0
    assert card["held_out"]["p"] < 0.05 and card["seconds"] > 0 and card["warnings"] == [] and card["checks"] == {}
    assert one.bytes == card["bytes"] == len(kit[1].content)


def test_the_same_pairs_and_seed_give_the_same_fit(kit, plain):
    (outcome,) = plain.fits.learn()
    assert outcome.learnt.fit.content == kit[1].content and outcome.name == "own"


def test_elsewhere_is_measured_without_a_trace(kit, plain):
    """Pictures and captions that zero-shot knows: the fit alone collapses there, both together do not."""
    known = {f"k{n}": (picture(colour), f"{colour} x{n}") for n, colour in enumerate([*COLOURS, *COLOURS])}
    records = tuple(Record(id=key, image=image) for key, (image, _) in known.items())
    texts = tuple(Record(id=f"t-{key}", text=said) for key, (_, said) in known.items())
    qrels = {f"t-{key}": frozenset(k for k, (_, t) in known.items() if t.split()[0] == said.split()[0])
             for key, (_, said) in known.items()}  # fmt: skip
    judged = mmsearch.evaluation.datasets.Judgements(Modality.TEXT, Modality.IMAGE, qrels)
    check = Dataset("known", (*records, *texts), (judged,))
    empty = Dataset("sounds", (Record(id="s", audio=(tone("low"), RATE)), Record(id="t", text="low")), ())
    (outcome,) = plain.fits.learn(checks=[check, empty])
    figures = outcome.card["checks"]["known"]["figures"]["text->image"]
    assert figures["before"]["hit@1"] == 1
    assert figures["fit alone"]["hit@1"] < figures["after"]["hit@1"]
    (warning,) = outcome.card["warnings"]
    assert warning.startswith("not checked: sounds")


def test_questions_about_anything_are_asked_of_the_index(kit):
    from mmsearch import captions

    if not captions.installed():
        pytest.skip("the word lists for captions are not installed")
    found = kit[2].card["agreement"]
    assert 0 < found["alone"] <= found["mixed"] < 1
