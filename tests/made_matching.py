"""Small matching models with random weights, as transformers saves them."""

import json

from mmsearch.encoders import heavy

WORDS = ["a", "dog", "red", "green", "blue", "yellow", "sea", "fire", "engine", "the", "and", "two", "rain"]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
TEXT = {
    "vocab_size": 40,
    "hidden_size": 32,
    "encoder_hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "bos_token_id": 2,
    "sep_token_id": 3,
}
VISION = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def blip(folder):
    """Write a BLIP for retrieval to `folder`; returns it as transformers has it."""
    transformers = heavy.transformers()
    config = transformers.BlipConfig(text_config=TEXT, vision_config=VISION, image_text_hidden_size=16)
    size = {"height": 32, "width": 32}
    return save(folder, transformers.BlipForImageTextRetrieval, config, {"size": size})


def vilt(folder):
    """The same of a ViLT."""
    transformers = heavy.transformers()
    text = {name: value for name, value in TEXT.items() if not name.startswith(("encoder", "bos", "sep"))}
    config = transformers.ViltConfig(**text, image_size=32, patch_size=8, pad_token_id=0)
    return save(folder, transformers.ViltForImageAndTextRetrieval, config, {"size": 32, "size_divisor": 8})


def save(folder, kind, config, settings):
    """Write a model of that kind with random weights, its tokenizer and what its pictures are made like."""
    torch = heavy.torch()
    torch.manual_seed(0)
    model = kind(config).eval()
    with torch.no_grad():  # as they are initialised, all pairs match alike
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "embed" not in name:
                weight.add_(torch.randn_like(weight) * (2.0 / weight[0].numel() ** 0.5))
            elif "embed" in name:
                weight.add_(torch.randn_like(weight))
    model.save_pretrained(folder)
    _tokenizer().save(str(folder / "tokenizer.json"))
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    said = {**settings, "image_mean": mean, "image_std": std}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return model


def _tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate([*MARKS, *WORDS])}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.enable_truncation(5)  # as of the hub's files, where it is not what the model can read
    return made


def reference(model, pixels, seen, ids, mask):
    """Probabilities `(n,)` of transformers' own path."""
    torch = heavy.torch()
    given = [torch.from_numpy(array) for array in (pixels, seen, ids, mask)]
    with torch.inference_mode():
        if type(model).__name__.startswith("Blip"):
            logits = model(input_ids=given[2], pixel_values=given[0], attention_mask=given[3]).itm_score
            return logits.softmax(dim=1)[:, 1].numpy()
        each = [
            model(input_ids=given[2][n : n + 1], attention_mask=given[3][n : n + 1],
                  pixel_values=given[0][n : n + 1], pixel_mask=given[1][n : n + 1]).logits[0, 0]
            for n in range(len(ids))
        ]  # fmt: skip
        return torch.stack(each).sigmoid().numpy()
