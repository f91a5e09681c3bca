"""What weights are of, told by their names and shapes, for the error when they are not what they were said to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmsearch.encoders import heavy

_SHOWN = 3


def difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """In words, how tensors differ in name and shape from those a model has; empty if they do not."""
    other = [name for name in expected if name in found and expected[name].shape != found[name].shape]
    parts = [
        f"{name} is {tuple(found[name].shape)} and not {tuple(expected[name].shape)}"
        for name in sorted(other, key=_telling)[:_SHOWN]
    ]
    for word, names in (
        ("lacks", [name for name in expected if name not in found]),
        ("has besides", [name for name in found if name not in expected]),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            parts.append(f"it {word} {', '.join(names[:_SHOWN])}{more}")
    return "; ".join(parts)


def _telling(name: str) -> tuple[bool, str]:
    return not name.startswith(("visual.conv1", "visual.proj")), name


def guess(state: Mapping[str, Any]) -> str:
    """In words, for the end of a sentence, the architectures of open_clip that have such weights, if any do."""
    facts = _facts(state)
    if "vision width" not in facts or len(facts) < 4:
        return ""
    open_clip = heavy.open_clip()
    configs = {name: _of_config(open_clip.get_model_config(name)) for name in open_clip.list_models()}
    fitting = [name for name, config in configs.items() if all(config.get(key) == facts[key] for key in facts)]
    if not fitting:
        return ""
    return f". They look like {' or '.join(fitting[:4])}"


def _facts(state: Mapping[str, Any]) -> dict[str, int]:
    shapes = {name.removeprefix("text."): tuple(tensor.shape) for name, tensor in state.items()}
    facts: dict[str, int] = {}
    if len(conv := shapes.get("visual.conv1.weight", ())) == 4 and "visual.class_embedding" in shapes:
        facts |= {"vision width": conv[0], "patch": conv[3], "vision layers": _count(state, "visual.transformer")}
        if places := shapes.get("visual.positional_embedding", ()):
            facts["image size"] = round((places[0] - 1) ** 0.5) * conv[3]
    for key, name, axis in (
        ("text width", "token_embedding.weight", 1),
        ("vocabulary", "token_embedding.weight", 0),
        ("context", "positional_embedding", 0),
        ("dim", "text_projection", 1),
    ):
        if len(shape := shapes.get(name, ())) == 2:
            facts[key] = shape[axis]
    return facts


def _count(state: Mapping[str, Any], tower: str) -> int:
    return len({name.split(".")[3] for name in state if name.startswith(f"{tower}.resblocks.")})


def _of_config(config: Mapping[str, Any]) -> dict[str, int]:
    open_clip = heavy.open_clip()
    text = vars(open_clip.CLIPTextCfg()) | config["text_cfg"]
    if "timm_model_name" in config["vision_cfg"]:
        return {}
    vision = vars(open_clip.CLIPVisionCfg()) | config["vision_cfg"]
    return {
        "vision width": vision["width"],
        "patch": vision["patch_size"],
        "vision layers": vision["layers"],
        "image size": vision["image_size"],
        "text width": text["width"],
        "vocabulary": text["vocab_size"],
        "context": text["context_length"],
        "dim": config["embed_dim"],
    }
