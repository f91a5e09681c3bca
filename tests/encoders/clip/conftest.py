"""A small model of open_clip with random weights, and the files that a user would have of it."""

import json

import made_clip
import pytest
from made_clip import OTHER, TINY


@pytest.fixture(scope="session")
def torch():
    from mmsearch.encoders import heavy

    module = heavy.torch()
    module.set_num_threads(2)
    return module


@pytest.fixture(scope="session")
def open_clip(torch, tmp_path_factory):
    """With the architectures `tiny` and `tiny-other`."""
    from mmsearch.encoders import heavy

    module = heavy.open_clip()
    folder = tmp_path_factory.mktemp("architectures")
    for name, config in (("tiny", TINY), ("tiny-other", OTHER)):
        (folder / f"{name}.json").write_text(json.dumps(config))
    module.add_model_config(folder)
    return module


@pytest.fixture(scope="session")
def state(torch, open_clip):
    """Random weights of `tiny`."""
    return made_clip.weights()


@pytest.fixture(scope="session")
def folder(torch, tmp_path_factory):
    """As a repository of open_clip is laid out."""
    made = tmp_path_factory.mktemp("tiny")
    made_clip.save(made)
    return made


@pytest.fixture(scope="session")
def file(folder):
    return folder / "open_clip_model.safetensors"


@pytest.fixture
def reference(torch, open_clip, file):
    """open_clip's own model of these weights, made by open_clip."""
    return open_clip.create_model("tiny", pretrained=str(file)).eval()


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """The folder of a tokenizer of transformers, as SigLIP's: lower case, an end mark, padding behind."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    from mmsearch.encoders import heavy

    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    lines = ["a photo of a dog", "two cats on a mat", "the blue sea", "it is late, don't go", "étude in E flat"] * 3
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    made.train_from_iterator(lines, trainer)
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder = tmp_path_factory.mktemp("words")
    tokenizer = heavy.transformers().PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", sep_token="</s>"
    )
    tokenizer.save_pretrained(folder)
    return folder
