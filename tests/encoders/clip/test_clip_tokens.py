import html
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.encoders.clip import vocabulary
from mmsearch.encoders.clip.tokens import SETTINGS, VOCABULARY, Tokenizer
from mmsearch.errors import ModelError, WeightsDamaged, WeightsMissing

ODD = [
    "",
    " \t\n",
    "it's they're I'd we'll you've I'm don't 'S 'RE ſ'ſ",
    "&lt;b&gt; &amp;amp; &eacute; &#39;",
    "schÃ¶n â€œquotedâ€\x9d l’humanitÃ©",
    "日本語のテキスト 한국어 العربية हिन्दी ไทย",
    "😀👍🏽👨‍👩‍👧‍👦🇩🇪❤️",
    "1234567890 ½ ² Ⅷ ٣ 一",
    "<start_of_text><end_of_text> <END_OF_TEXT> <|endoftext|>",
    "İstanbul ΑΣ ß ﬁ Ǆ ŉ",
    "\x00\x01\x1b[31mred\x1b[0m \ufffd \u200b\ufeff\u00ad",
    "e\u0301 a\u0308 \u0345",
    "snake_case CamelCase ... !!! --- $5.99 #tag @you",
    "a" * 500,
    "word " * 200,
    "🙂" * 100,
]


@pytest.fixture(scope="module")
def theirs(open_clip):
    return open_clip.get_tokenizer("ViT-B-32")


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    vocabulary.export(theirs, folder, fixed_length=False)
    return Tokenizer(folder)


def assert_same(ours, theirs, texts):
    found, wanted = ours.ids(texts), theirs(texts).numpy()
    width = found.shape[1]
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, wanted[:, :width])
    assert not wanted[:, width:].any()
    assert width == max(min(ours.count(text), 77) for text in texts)


def test_odd_texts(ours, theirs):
    for text in ODD:
        assert_same(ours, theirs, [text])
    assert_same(ours, theirs, ODD)


def test_thousands_of_texts(ours, theirs):
    chance = random.Random(0)
    letters = "abc ABZ  019.,!'’&;<>_-äßéÃ¶ẞİıſ日本한ا़ไ😀🏽\u200d\u0301²½\t\n\u00a0\u3000"
    texts = ["".join(chance.choices(letters, k=chance.randrange(40))) for _ in range(1500)]
    points = [chr(chance.randrange(0x110000)) for _ in range(6000)]
    points = [one for one in points if not 0xD800 <= ord(one) < 0xE000]
    texts += [f"a{''.join(points[i : i + 6])}b" for i in range(0, len(points), 6)]
    texts += [html.escape(text.encode().decode("latin-1")) for text in texts[:500]]
    assert len(texts) >= 2500
    assert_same(ours, theirs, texts)


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_any_text(ours, theirs, text):
    assert_same(ours, theirs, [text])


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(max_codepoint=127)))
def test_any_ascii(ours, theirs, text):
    assert_same(ours, theirs, [text])


def test_count_has_the_marks_and_no_limit(ours):
    assert ours.count("") == 2
    assert ours.count("a dog") == 4
    assert ours.count("word " * 200) == 202
    assert ours.context_length == 77


def test_a_long_text_ends_with_the_mark(ours):
    (ids,) = ours.ids(["word " * 200])
    assert len(ids) == 77
    assert ids[-1] == ours.ids([""])[0, -1]


def test_no_texts(ours):
    assert ours.ids([]).shape == (0, 0)


def test_a_fixed_length(theirs, tmp_path):
    vocabulary.export(theirs, tmp_path, fixed_length=True)
    np.testing.assert_array_equal(Tokenizer(tmp_path).ids(ODD), theirs(ODD).numpy())


@pytest.mark.parametrize("clean", ["canonicalize", "whitespace", "lower"])
@pytest.mark.parametrize("strip", [False, True])
def test_tokenizers_of_transformers(open_clip, words, tmp_path, clean, strip):
    config = {
        "text_cfg": {
            "context_length": 16,
            "hf_tokenizer_name": "somebody/words",
            "tokenizer_kwargs": {"clean": clean, "strip_sep_token": strip},
        }
    }
    theirs = vocabulary.tokenizer(config, words)
    found = vocabulary.export(theirs, tmp_path, fixed_length=True)
    assert found.clean == clean
    texts = [*ODD, "Two cats, on a_mat!", "a photo of a dog " * 9]
    wanted = theirs(texts).numpy()
    np.testing.assert_array_equal(Tokenizer(tmp_path).ids(texts), wanted)
    assert (wanted[0] == (0 if strip else 1)).any()
    assert Tokenizer(tmp_path).count("") == 1


def test_the_vocabulary_of_another_must_be_there(open_clip, tmp_path):
    config = {"text_cfg": {"hf_tokenizer_name": "somebody/words"}}
    with pytest.raises(WeightsMissing, match=r"somebody/words is not on this machine"):
        vocabulary.tokenizer(config)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(WeightsDamaged, match="cannot be read"):
        vocabulary.tokenizer(config, tmp_path)


def test_tokenizers_that_cannot_be_used(open_clip, words, tmp_path):
    config = {"text_cfg": {"hf_tokenizer_name": "somebody/words", "tokenizer_mode": "clips"}}
    with pytest.raises(ModelError, match="mode 'clips'"):
        vocabulary.export(vocabulary.tokenizer(config, words), tmp_path, fixed_length=True)
    with pytest.raises(WeightsDamaged, match="sets reduction_mask"):
        vocabulary.tokenizer({"text_cfg": {"tokenizer_kwargs": {"reduction_mask": "random"}}})
    random = open_clip.tokenizer.SimpleTokenizer(reduction_mask="random")
    with pytest.raises(ModelError, match="at random"):
        vocabulary.export(random, tmp_path, fixed_length=False)


def test_a_tokenizer_that_differs_is_not_written_off_as_the_same(open_clip, theirs, tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "_cleaner", lambda _: "whitespace")
    with pytest.raises(ModelError, match="gives other ids"):
        vocabulary.export(theirs, tmp_path, fixed_length=False)


def test_files_that_are_gone_or_broken(ours, theirs, tmp_path):
    with pytest.raises(WeightsMissing, match=SETTINGS):
        Tokenizer(tmp_path).count("a")
    vocabulary.export(theirs, tmp_path, fixed_length=False)
    (tmp_path / VOCABULARY).write_text("{")
    with pytest.raises(WeightsDamaged, match=VOCABULARY):
        Tokenizer(tmp_path).ids(["a"])
    (tmp_path / SETTINGS).write_text("[]")
    with pytest.raises(WeightsDamaged, match=SETTINGS):
        Tokenizer(tmp_path).ids(["a"])
