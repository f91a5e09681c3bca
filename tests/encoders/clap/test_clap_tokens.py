import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.encoders import heavy
from mmsearch.encoders.clap.tokens import Tokenizer
from mmsearch.errors import WeightsDamaged

TEXTS = ["a dog barks", "", " ", "the rain,\n\tagain", "Straße ☃ 🎺", "<mask> and </s>", "in  the   street"]


@pytest.fixture(scope="module")
def both(folder):
    return Tokenizer(folder / "tokenizer.json"), heavy.transformers().AutoTokenizer.from_pretrained(folder)


def test_ids_and_mask_are_those_of_transformers(both):
    ours, theirs = both
    ids, mask = ours.padded(ours.tokens(TEXTS))
    expected = theirs(TEXTS, padding=True, return_tensors="np")
    assert ids.dtype == mask.dtype == np.int64
    assert np.array_equal(ids, expected["input_ids"])
    assert np.array_equal(mask, expected["attention_mask"])
    assert [ours.count(text) for text in TEXTS] == mask.sum(axis=1).tolist()


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_has_the_ids_of_transformers(both, text):
    ours, theirs = both
    assert ours.tokens([text]) == theirs([text])["input_ids"]


def test_what_is_beyond_the_limit_is_left_out_as_transformers_does(both, folder):
    _, theirs = both
    ours = Tokenizer(folder / "tokenizer.json", limit=12)
    text = "a dog barks at the rain " * 20
    assert ours.tokens([text]) == theirs([text], truncation=True, max_length=12)["input_ids"]
    assert ours.count(text) > 12


def test_padding_is_what_the_model_pads_with(folder):
    tokenizer = Tokenizer(folder / "tokenizer.json", pad=3)
    ids, mask = tokenizer.padded([[0, 2], [0, 9, 9, 2]])
    assert ids.tolist() == [[0, 2, 3, 3], [0, 9, 9, 2]]
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert tokenizer.padded([])[0].shape == (0, 0)


@pytest.mark.parametrize("said", [None, "", "{}", '{"model": {"type": "BPE"}}'])
def test_a_damaged_file(tmp_path, said):
    if said is not None:
        (tmp_path / "tokenizer.json").write_text(said)
    with pytest.raises(WeightsDamaged, match="tokenizer.json"):
        Tokenizer(tmp_path / "tokenizer.json").count("a")


def test_words_take_at_least_the_room_that_they_have_in_a_text(prepared):
    """Passages are put together from parts that were counted one by one."""
    ours = Tokenizer(prepared.staging / "tokenizer.json", prepared.card["pad"], prepared.card["limit"])
    text = "over the hill the dog number 7 runs, and zebras quarrel"
    marks = ours.room("")
    apart = sum(ours.room(word) - marks for word in text.split()) + marks
    assert ours.count(text) <= apart
    assert ours.count(text) > sum(ours.count(word) - marks for word in text.split()) + marks  # which is why
