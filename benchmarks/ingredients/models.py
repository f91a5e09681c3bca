"""Models of the true architectures with random weights: as fast and as precise as trained ones, and no good at all.

Speed and rounding do not depend on what was learnt; only where rankings matter are trained weights needed.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # whose made CLAP is ours

WORDS = ["a dog barks at the rain", "birds sing in the morning", "somebody plays the trumpet in the street, again"]
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def clip(folder: Path, architecture: str = "ViT-B-32") -> str:
    """Write a CLIP of that architecture, or `tiny`, below `folder`; the name by which mmsearch knows it.

    An architecture whose tokenizer is not CLIP's own gets a small one of the same kind beside its weights.
    """
    from mmsearch.encoders import heavy

    open_clip, torch = heavy.open_clip(), heavy.torch()
    from safetensors.torch import save_model

    place = folder / architecture
    place.mkdir(parents=True)
    torch.manual_seed(0)
    if architecture == "tiny":
        config = {"model_cfg": TINY, "preprocess_cfg": {}}
        (place / "open_clip_config.json").write_text(json.dumps(config))
        save_model(open_clip.CLIP(**TINY).eval(), str(place / "open_clip_model.safetensors"))
        return f"clip:{place}"
    config = open_clip.get_model_config(architecture)
    if config["text_cfg"].get("hf_tokenizer_name"):
        _unigram(place)
    logging.disable(logging.WARNING)  # that the weights are random
    model = open_clip.create_model(architecture).eval()
    logging.disable(logging.NOTSET)
    _settle(model)
    file = place / "open_clip_model.safetensors"
    save_model(model, str(file))
    return f"clip:{architecture}/{file}"


def blip(folder: Path) -> str:
    """Write a BLIP for retrieval, of the size of its base model, to `folder`; the name of the reranker."""
    from made_matching import save

    from mmsearch.encoders import heavy

    transformers = heavy.transformers()
    config = transformers.BlipConfig()
    side = config.vision_config.image_size
    save(folder, transformers.BlipForImageTextRetrieval, config, {"size": {"height": side, "width": side}})
    return f"cross:{folder}"


def _settle(model) -> None:
    """As far along as training would have it, so that every layer counts in what comes out.

    Statistics of batch norms are those of an input: with 0 and 1 a deep network's activations grow or die. Layer
    scales, which begin at nearly nothing, let their blocks through; biases are not 0.
    """
    from mmsearch.encoders import heavy

    torch = heavy.torch()
    norms = [one for one in model.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
    size = model.visual.image_size
    side = size if isinstance(size, int) else size[0]
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1 and len(weight) > 1 and weight.abs().max() < 0.01:
                weight.add_(0.02 * torch.randn_like(weight) if not weight.any() else 0.3)
        for one in norms:
            one.momentum = None
            one.train()
        if norms:
            model.encode_image(torch.randn(8, 3, side, side))
    model.eval()


def _unigram(folder: Path) -> None:
    """A tokenizer as SigLIP's: pieces of words, an end mark, padding behind."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    from mmsearch.encoders import heavy

    made = Tokenizer(models.Unigram())
    made.normalizer, made.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    made.train_from_iterator(WORDS * 5, trainer)
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    heavy.transformers().PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", sep_token="</s>"
    ).save_pretrained(folder)


def clap(folder: Path, size: str = "full") -> str:
    """Write a CLAP as laion/clap-htsat-unfused is one, or `tiny`, below `folder`; the name that mmsearch knows."""
    import made_clap

    from mmsearch.encoders import heavy

    place = folder / f"clap-{size}"
    place.mkdir(parents=True)
    heavy.transformers().utils.logging.disable_progress_bar()
    made_clap.save(place, settings=made_clap.SETTINGS if size == "tiny" else made_clap.LARGE)
    return f"clap:{place}"
