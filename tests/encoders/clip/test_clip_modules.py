import copy

import numpy as np
import pytest
from made_clip import TINY

from mmsearch.encoders.clip import modules_of, vocabulary, weights


def model(**changes):
    config = copy.deepcopy(TINY)
    for name, change in changes.items():
        config[name] = {**config[name], **change} if isinstance(change, dict) and name in config else change
    return config


OWN = {"custom_text": True}
TIMM = {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear", "image_size": 160}
DECODER = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1, "attn_pooler_heads": 2}
COCA = {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
# By name: the configuration, and whether ids must have the whole context length.
FAMILIES = {
    "clip": (model(), False),
    "quickgelu": (model(quick_gelu=True), False),
    "layer scale": (model(vision_cfg={"ls_init_value": 0.5}), False),
    "resnet": (model(vision_cfg={"layers": [1, 1, 1, 1], "width": 32, "image_size": 64}), False),
    "mean of patches": (model(vision_cfg={"pool_type": "avg"}), False),
    "norm after pooling": (model(vision_cfg={"final_ln_after_pool": True}), False),
    "custom blocks": (model(vision_cfg={"qk_norm": True}), False),
    "own text": (model(**OWN), False),
    "eos": (model(**OWN, text_cfg={"pool_type": "eos", "eos_id": 49407, "proj_bias": True}), False),
    "no projection": (model(**OWN, text_cfg={"proj_type": "none"}), False),
    "siglip": (model(**OWN, text_cfg={"no_causal_mask": True, "pool_type": "last", "proj_bias": True}), True),
    "not causal": (model(text_cfg={"no_causal_mask": True}), True),
    "first": (model(text_cfg={"pool_type": "first"}), True),
    "timm": (model(vision_cfg=TIMM), False),
    "coca": (
        model(**OWN, vision_cfg=COCA, text_cfg={"embed_cls": True, "output_tokens": True}, multimodal_cfg=DECODER),
        True,
    ),
}
TEXTS = ["a dog", "two cats on a mat, with a hat", "", "word " * 40]


@pytest.fixture(params=FAMILIES)
def family(request, torch, open_clip):
    """A reference, the modules of another model with the same weights, and whether texts have a fixed length."""
    config, fixed = FAMILIES[request.param]
    torch.manual_seed(0)
    reference = weights.build(config, request.param)
    for parameter in reference.parameters():  # norms and scales that are 1 or 0 hide mistakes
        parameter.data += 0.05 * torch.randn_like(parameter)
    taken = copy.deepcopy(reference)
    return reference, modules_of(taken, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)), fixed


def cosines(found, wanted):
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)


def test_pictures(torch, family):
    reference, (pictures, _), _ = family
    size = reference.visual.image_size
    size = size if isinstance(size, int) else size[0]
    given = torch.randint(0, 256, (5, size, size, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(one)[:, None, None] for one in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
    with torch.inference_mode():
        wanted = reference.encode_image((given.permute(0, 3, 1, 2) / 255 - mean) / std)
        found = pictures(given)
    assert found.dtype == torch.float32
    assert cosines(found, wanted).min() > 0.999999
    np.testing.assert_allclose(found.norm(dim=1), 1, atol=1e-5)


def test_sentences(torch, family):
    reference, (_, sentences), fixed = family
    assert sentences.fixed_length == fixed
    ids = vocabulary.tokenizer({"text_cfg": {"context_length": 16}})(TEXTS)
    with torch.inference_mode():
        wanted = reference.encode_text(ids)
        assert cosines(sentences(ids), wanted).min() > 0.999999
        for row, one in zip(ids, wanted, strict=True):
            length = 16 if fixed else int((row != 0).sum())
            assert cosines(sentences(row[None, :length]), one[None])[0] > 0.999999


def test_only_the_first_token_goes_through_the_last_block(torch, open_clip):
    taken = weights.build(TINY, "tiny")
    pictures, _ = modules_of(taken, (0.5,) * 3, (0.5,) * 3)
    seen = []
    taken.visual.transformer.resblocks[-1].block.mlp.register_forward_hook(
        lambda _, given, __: seen.append(given[0].shape)
    )
    with torch.inference_mode():
        pictures(torch.zeros((2, 32, 32, 3), dtype=torch.uint8))
    assert seen == [(2, 1, 64)]


def test_taking_a_model_over_twice_changes_nothing(torch, open_clip):
    taken = weights.build(TINY, "tiny")
    given = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        first = modules_of(taken, (0.5,) * 3, (0.5,) * 3)[0](given)
        again = modules_of(taken, (0.5,) * 3, (0.5,) * 3)[0](given)
    assert torch.equal(first, again)


def test_low_precision(torch, open_clip, family):
    reference, (pictures, sentences), _ = family
    size = reference.visual.image_size
    size = size if isinstance(size, int) else size[0]
    given = torch.randint(0, 256, (5, size, size, 3), dtype=torch.uint8)
    ids = vocabulary.tokenizer({"text_cfg": {"context_length": 16}})(TEXTS)
    for module, example in ((pictures, given), (sentences, ids)):
        with torch.inference_mode():
            wanted = module(example)
            low = copy.deepcopy(module).to(torch.bfloat16)(example)
        assert low.dtype == torch.float32
        assert cosines(low, wanted).min() > 0.998


def test_a_text_tower_of_transformers(torch, open_clip, tmp_path):
    from mmsearch.encoders import heavy

    config = heavy.transformers().RobertaConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config.save_pretrained(tmp_path)
    text = {"hf_model_name": str(tmp_path), "hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}
    reference = weights.build(TINY | {"text_cfg": text}, "roberta")
    _, sentences = modules_of(copy.deepcopy(reference), (0.5,) * 3, (0.5,) * 3)
    assert sentences.fixed_length
    ids = torch.tensor([[0, 7, 8, 2, 1, 1, 1, 1], [0, 9, 10, 11, 12, 13, 14, 2]])
    with torch.inference_mode():
        assert cosines(sentences(ids), reference.encode_text(ids)).min() > 0.999999
