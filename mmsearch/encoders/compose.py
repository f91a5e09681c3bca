"""Several models in one index: each brings its space, and a text gets a vector in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from mmsearch.encoders.base import Model
from mmsearch.errors import ModelError
from mmsearch.types import AudioSpec, ImageSpec, InputSpec, TextSpec

_Spec = TypeVar("_Spec", ImageSpec, AudioSpec)


def compose(models: Sequence[Model]) -> Model:
    """One model of several.

    Raises:
        ModelError: they want the same medium in different ways, or have spaces of the same name.
    """
    name = " + ".join(model.name for model in models)
    heads = tuple(head for model in models for head in model.heads)
    if len({head.space.name for head in heads}) < len(heads):
        raise ModelError(f"{name}: these models have spaces of the same name")
    return Model(
        name=name,
        inputs=InputSpec(
            image=_only([model.inputs.image for model in models], name, "pictures"),
            audio=_only([model.inputs.audio for model in models], name, "sounds"),
            text=_shortest([model.inputs.text for model in models if model.inputs.text is not None]),
        ),
        encoders=tuple(encoder for model in models for encoder in model.encoders),
        heads=heads,
        tagger=next((model.tagger for model in models if model.tagger is not None), None),
        weights={
            f"{model.heads[0].space.name}/{file}": hash_ for model in models for file, hash_ in model.weights.items()
        },
        check=lambda: _check(models),
        scales={key: scale for model in models for key, scale in model.scales.items()},
    )


def _only(specs: Sequence[_Spec | None], name: str, media: str) -> _Spec | None:
    wanted = {spec for spec in specs if spec is not None}
    if len(wanted) > 1:
        raise ModelError(f"{name}: these models want {media} in different ways, and cannot share an index")
    return next(iter(wanted), None)


def _shortest(specs: Sequence[TextSpec]) -> TextSpec | None:
    """Passages that fit all of them."""
    if len(specs) <= 1:
        return specs[0] if specs else None
    marks = [spec.count_tokens("") for spec in specs]
    counters = [spec.count_tokens for spec in specs]
    most = max(marks)

    def count(text: str) -> int:
        """Each without its own marks: passages are put together from counts from which these are taken away."""
        return most + max(one(text) - own for one, own in zip(counters, marks, strict=True))

    return TextSpec(min(spec.max_tokens for spec in specs), count)


def _check(models: Sequence[Model]) -> None:
    for model in models:
        model.check()
