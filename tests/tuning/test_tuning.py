"""Chains that are measured, kept where they help, and used where nobody says otherwise."""

from datetime import date

import numpy as np
import pytest
from made import RATE, picture, tone
from made_hubs import HUBS, PAIRS, asked, dataset, fill
from made_pairs import painting

import mmsearch
from mmsearch import Query, Record
from mmsearch.cli.tuned import tuning_json
from mmsearch.encoders.fake import COLOURS
from mmsearch.errors import BridgeMissing, DatasetError, IndexLocked
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.search.searcher import Searcher
from mmsearch.tuning import directions, trials
from mmsearch.types import Modality


@pytest.fixture
def hubby(tmp_path):
    with mmsearch.open(tmp_path / "hubby", model="fake") as index:
        fill(index)
        yield index


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An index in which nothing is a hub."""
    with mmsearch.open(tmp_path_factory.mktemp("plain") / "plain", model="fake") as index:
        fill(index, lean=0.0)
        yield index


def answers(index, chain=None):
    return index.searcher.keys(index.searcher.rank(asked(index), "image", 5, chain))


def test_what_helps_is_kept_and_used(hubby):
    before = answers(hubby)
    assert before == answers(hubby, "none")
    found = hubby.tune(dataset())
    (one,) = found.findings
    assert one.direction == "audio->image"
    assert (one.before, one.gained) == ("", True)
    assert one.p < 0.01
    assert one.gains["mrr"][0] > 0.2
    assert one.gains["mrr"][1].low > 0
    assert one.chosen.startswith(("nnn", "qbnorm"))
    (kept,) = hubby.chains.kept()
    assert kept.chain == one.chosen
    after = answers(hubby)
    assert after == answers(hubby, one.chosen) != before
    assert answers(hubby, "none") == before  # said is said


def test_the_card_tells_what_it_was_measured_on(hubby):
    hubby.tune(dataset())
    (kept,) = hubby.chains.kept()
    card = kept.card
    assert (card["data"], card["items"], card["made"]) == ("hubs", 2 * PAIRS + HUBS, date.today().isoformat())
    assert sum(card["queries"]) == PAIRS
    low, high = card["gains"]["mrr"][1:]
    assert low < card["gains"]["mrr"][0] < high
    assert card["figures"]["mrr"][1] - card["figures"]["mrr"][0] == pytest.approx(card["gains"]["mrr"][0])
    assert (kept.space, kept.version) == ("fake", "1")
    assert card["version"] == hubby._store.snapshot().version - 1  # keeping it is a change too


def test_what_does_not_help_leaves_the_direction_as_it_is(plain):
    found = plain.tune(dataset())
    assert found.findings
    assert found.kept == ()
    assert plain.chains.kept() == ()


def test_checking_changes_nothing(hubby):
    version = hubby._store.snapshot().version
    found = hubby.tune(dataset(), check=True)
    assert found.findings[0].gained
    assert found.kept == ()
    assert hubby._store.snapshot().version == version


def test_undoing_goes_back_to_the_model_s_own(hubby):
    before = answers(hubby)
    hubby.tune(dataset())
    (gone,) = hubby.chains.undo()
    assert gone.direction == "audio->image"
    assert hubby.chains.kept() == ()
    assert hubby.chains.undo() == ()
    assert answers(hubby) == before


def test_a_chain_that_is_in_use_must_be_beaten(hubby):
    (first,) = hubby.tune(dataset()).findings
    (second,) = hubby.tune(dataset()).findings
    assert second.before == first.chosen
    assert not second.gained


def test_the_same_seed_gives_the_same_answer(hubby):
    first, second, third = (hubby.tune(dataset(), check=True, seed=seed).findings[0] for seed in (3, 3, 4))
    assert (first.merits, first.gains, first.p) == (second.merits, second.gains, second.p)
    assert first.merits != third.merits


def test_the_halves_have_no_group_in_common():
    groups = np.repeat(np.arange(30), 3)
    first, second = trials.halves(groups, 0)
    assert sorted([*first, *second]) == list(range(90))
    assert not set(groups[first]) & set(groups[second])
    assert len(first) == len(second)


def test_merits_are_mean_reciprocal_ranks_of_the_choosing_half(hubby):
    (one,) = hubby.tune(dataset(), check=True).findings
    first, second = trials.halves(np.arange(PAIRS), 0)
    for chain, merit in one.merits.items():
        ranks = [row.index(f"p{n}") + 1 for n, row in enumerate(_whole(hubby, chain))]
        assert merit == pytest.approx(np.mean(1 / np.array(ranks)[first]))
        if chain == one.chosen:
            assert one.figures["mrr"][1] == pytest.approx(np.mean(1 / np.array(ranks)[second]))
            assert one.figures["hit@10"][1] == pytest.approx(np.mean(np.array(ranks)[second] <= 10))


def _whole(index, chain):
    return index.searcher.keys(index.searcher.rank(asked(index), "image", PAIRS + HUBS, chain))


def test_a_tuned_chain_of_another_version_of_the_space_is_not_used(hubby):
    before = answers(hubby)
    hubby.tune(dataset())
    (kept,) = hubby.chains.kept()
    with hubby._store.writer() as writer:
        writer.forget_chains([kept])
        writer.keep_chains([type(kept)(kept.asked, kept.target, kept.space, "other", kept.chain, kept.card)])
    assert answers(hubby) == before
    assert hubby.chains.kept() != ()


def test_other_processes_see_it(hubby, tmp_path):
    with mmsearch.open(tmp_path / "hubby") as other:
        before = answers(other)
        hubby.tune(dataset())
        assert answers(other) == answers(hubby) != before


def test_another_writer_is_told_of_at_once(hubby, tmp_path):
    with mmsearch.open(tmp_path / "hubby") as other, other.writing(), pytest.raises(IndexLocked):
        hubby.tune(dataset())


def test_too_few_questions(hubby):
    few = dataset(trials.FEWEST - 1)
    with pytest.raises(DatasetError, match="too few independent questions.*it takes 40.*there are 39 of audio->image"):
        hubby.tune(few)


def test_pairs_of_other_media(hubby):
    other = Dataset(
        "other",
        (Record(id="a", text="x"), Record(id="b", text="y")),
        (Judgements(Modality.TEXT, Modality.IMAGE, {"a": frozenset(["b"])}),),
    )
    with pytest.raises(DatasetError, match="the index holds none of the media and texts of other"):
        hubby.tune(other)


def test_without_pairs_and_without_texts(hubby):
    with pytest.raises(DatasetError, match="no item of .* has a picture or a sound and a text.*name PAIRS.*--field"):
        hubby.tune()


def test_items_say_for_themselves_what_is_right(index):
    random = np.random.default_rng(0)
    for number in range(60):
        pixels, names = painting(random)
        index.add_items([Record(id=f"p{number}", image=pixels, text=" ".join(names))])
    found = index.tune(check=True)
    ways = {one.direction: one for one in found.findings}
    assert list(ways) == ["text->image", "image->text"]
    assert all(sum(one.queries) == 60 for one in ways.values())
    assert all(one.figures["hit@10"][0] > 0.5 for one in ways.values())  # the item itself is the answer


def test_captions_in_metadata_ask_for_their_pictures(index):
    colours = list(COLOURS)
    index.add_items(
        Record(
            id=f"p{n}", image=picture(colours[n % 10]), metadata={"said": [colours[n % 10], f"{colours[n % 10]} x{n}"]}
        )
        for n in range(50)
    )
    found = index.tune(check=True, fields=["said"])
    (one,) = found.findings
    assert (one.direction, sum(one.queries)) == ("text->image", 100)
    assert one.figures["hit@10"][0] == 1.0


def test_of_many_questions_some_are_drawn_by_whole_groups():
    groups = np.repeat(np.arange(80), 5)
    places = directions._some(groups, 100, 0)
    assert len(places) == 100
    assert (np.bincount(groups[places], minlength=80) % 5 == 0).all()
    assert (np.diff(places) > 0).all()


def test_a_group_that_is_too_large_does_not_leave_nothing():
    groups = np.concatenate([np.zeros(500, int), np.repeat(np.arange(1, 31), 5)])
    for seed in range(100):
        places = directions._some(groups, 100, seed)
        assert len(places) == 100
        assert groups[places].all()
    alone = directions._some(np.repeat([0, 1], 200), 100, 0)
    assert len(alone) == 200


def test_directions_without_a_bridge_are_told(tmp_path):
    def judged(asked, target, one, two):
        return Judgements(asked, target, {f"{one}{n}": frozenset([f"{two}{n}"]) for n in range(40)})

    media = [Record(id=f"p{n}", image=picture(list(COLOURS)[n % 10])) for n in range(40)]
    media += [Record(id=f"s{n}", audio=(tone("low", 1), RATE)) for n in range(40)]
    texts = [Record(id=f"t{n}", text=f"{list(COLOURS)[n % 10]} {n}") for n in range(40)]
    apart = judged(Modality.AUDIO, Modality.IMAGE, "s", "p")
    both = apart, judged(Modality.TEXT, Modality.IMAGE, "t", "p")
    with mmsearch.open(tmp_path / "pair", model="fake-pair") as index:
        index.add_items(media)
        found = index.tune(Dataset("pair", (*media, *texts), both), check=True)
        assert [one.direction for one in found.findings] == ["text->image"]
        assert list(found.unreached) == ["audio->image"]
        assert "needs a bridge" in found.unreached["audio->image"]
        assert tuning_json(found)["unreached"] == found.unreached
        with pytest.raises(DatasetError, match="audio->image left out: .*needs a bridge"):
            index.tune(Dataset("pair", (*media, *texts), (apart,)), check=True)


def test_items_whose_texts_a_bridge_is_missing_for_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(Searcher, "embedded", _cut_off(Searcher.embedded, Modality.AUDIO))
    with mmsearch.open(tmp_path / "index", model="fake") as index:
        index.add_items(
            Record(id=f"{medium}{n}", text=f"{list(COLOURS)[n % 10]} {n}", **{medium: content})
            for n in range(40)
            for medium, content in (("image", picture(list(COLOURS)[n % 10])), ("audio", (tone("low", 1), RATE)))
        )
        found = index.tune(check=True)
    assert list(found.unreached) == ["text->audio"]
    assert [one.direction for one in found.findings] == ["text->image", "image->text", "audio->text"]


def _cut_off(real, target):
    def embedded(searcher, queries, wanted):
        if target in wanted:
            raise BridgeMissing("it needs a bridge")
        return real(searcher, queries, wanted)

    return embedded


def test_chains_fit_the_direction(index):
    def of(asked, target, **more):
        return trials.chains(index.model, asked, target, **{"fitted": False, "before": "", **more})

    assert "tags,nnn:0.5" in of(Modality.TEXT, Modality.IMAGE)
    assert not any("tags" in chain for chain in of(Modality.IMAGE, Modality.AUDIO))
    assert not any("tags" in chain for chain in of(Modality.TEXT, Modality.IMAGE, fitted=True))
    assert of(Modality.TEXT, Modality.IMAGE, before="mmr")[0] == "mmr"


def test_an_evaluation_says_which_chains_it_used(hubby):
    hubby.tune(dataset())
    (kept,) = hubby.chains.kept()
    found = hubby.evaluate(dataset(), stored=True)
    assert found.provenance["settings"]["rerank"] == [kept.chain]
    assert found.directions["audio->image"].measures["mrr"].value > 0.5


def test_a_question_of_a_text_is_asked_as_before(hubby):
    hubby.tune(dataset())
    shown = hubby.search(Query.text("red"), target="image").query
    assert shown["rerank"] == []
