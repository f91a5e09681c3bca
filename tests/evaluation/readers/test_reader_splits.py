"""How splits are chosen by what the caller says, or does not say."""

from pathlib import Path

import pytest

from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import LEARNED, MEASURED
from mmsearch.evaluation.readers.splits import Wanted, exclusive

SOURCE = Path("data.json")
KARPATHY = ("train", "restval", "val", "test")
CLOTHO = ("development", "validation", "evaluation")
FLICKR8K = ("train", "dev", "test")


def choose(split, there, usual=()):
    return Wanted(split, usual).choose(SOURCE, there, lambda name: 1_000 + len(name))


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        (KARPATHY, "test", ["test"]),
        (KARPATHY, "TEST", ["test"]),
        (KARPATHY, "rest", ["restval"]),
        (KARPATHY, "train + restval", ["train", "restval"]),
        (KARPATHY, "train+train", ["train"]),
        (KARPATHY, "validation", ["val"]),
        (CLOTHO, "dev", ["development"]),
        (CLOTHO, "train", ["development"]),
        (CLOTHO, "val", ["validation"]),
        (CLOTHO, "test", ["evaluation"]),
        (FLICKR8K, "dev", ["dev"]),
        (FLICKR8K, "val", ["dev"]),
        (("val", "validation"), "val", ["val"]),
        (("all", "test"), "all", ["all"]),
    ],
)
def test_a_split_is_asked_for_by_name_by_its_beginning_or_by_what_others_call_it(there, asked, found):
    chosen = choose(asked, there)
    assert list(chosen.names) == found
    assert chosen.name == "+".join(found)
    assert chosen.note is None
    assert all((name in chosen) == (name in found) for name in (*there, None))


@pytest.mark.parametrize(("split", "there"), [("all", KARPATHY), (None, ()), (None, ("fold1", "fold2"))])
def test_everything_includes_what_no_split_names(split, there):
    chosen = choose(split, there, MEASURED)
    assert chosen.name is None
    assert None in chosen


@pytest.mark.parametrize("asked", ["gold", "test+gold", "", "+", " "])
def test_what_does_not_exist_is_refused_with_all_names_and_sizes(asked):
    with pytest.raises(DatasetError, match=r"no split '.*'; there are: dev \(1,003\), test \(1,004\), train \(1,005\)"):
        choose(asked, FLICKR8K)


@pytest.mark.parametrize(("asked", "found"), [("t", "test, train"), ("restv+t", "test, train")])
def test_what_could_be_several_must_be_named(asked, found):
    with pytest.raises(DatasetError, match=f"several splits are called t: {found}; name one of them"):
        choose(asked, KARPATHY)


@pytest.mark.parametrize(
    ("there", "measured", "learned"),
    [
        (KARPATHY, "test", "train+restval"),
        (CLOTHO, "evaluation", "development"),
        (FLICKR8K, "test", "train"),
        (("train", "val"), "val", "train"),
        (("fold1", "fold2"), None, None),
    ],
)
def test_what_is_measured_and_what_is_learned_from_unless_a_split_is_named(there, measured, learned):
    assert choose(None, there, MEASURED).name == measured
    assert choose(None, there, LEARNED).name == learned


def test_what_was_decided_is_said():
    assert choose(None, KARPATHY, MEASURED).note == "only the split test is taken; there are also: restval, train, val"
    assert choose(None, ["test"], MEASURED).note is None


def test_nothing_may_be_in_two_splits():
    exclusive(SOURCE, [("a.jpg", "train"), ("b.jpg", "test"), ("a.jpg", "train")])
    with pytest.raises(DatasetError, match="data.json: a.jpg is in two splits, train and test"):
        exclusive(SOURCE, [("a.jpg", "train"), ("a.jpg", "test")])
