"""Small CLIP models with random weights, as open_clip's repositories are laid out."""

import copy
import json

from mmsearch.encoders import heavy

TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
OTHER = copy.deepcopy(TINY)
OTHER["vision_cfg"] |= {"width": 96, "patch_size": 8, "layers": 1}
PREPROCESSING = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}


def weights(seed=0):
    """Random weights of `TINY`, by name."""
    from mmsearch.encoders.clip import weights

    heavy.torch().manual_seed(seed)
    return {name: tensor.clone() for name, tensor in weights.build(TINY, "tiny").state_dict().items()}


def save(folder, seed=0):
    """Write a model to `folder`."""
    heavy.torch()
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    save_file(weights(seed), folder / "open_clip_model.safetensors")
    config = {"model_cfg": TINY, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
