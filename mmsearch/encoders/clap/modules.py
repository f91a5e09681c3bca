"""CLAP's two towers as modules from arrays to unit vectors. Imports torch: import it late.

CLAP: Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
augmentation", ICASSP 2023. Its ear is HTS-AT (Chen et al., ICASSP 2022), a Swin transformer over log-mel pictures.
"""

from __future__ import annotations

from typing import Any

from mmsearch.encoders import heavy

torch: Any = heavy.torch()
Module: Any = torch.nn.Module


class Sounds(Module):  # type: ignore[misc]
    """Log-mel features `(n, 1, frames, bands)` to unit vectors `(n, d)` float32.

    A fused model looks at four spectrograms of a sound of more than 10 s, of which the first shows all of it. Windows
    are never longer, and of such it uses the first alone: its fusion is switched off in `model`, for good.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401  (transformers.ClapModel, imported late)
        super().__init__()
        self.ear = model.audio_model
        self.projection = model.audio_projection
        self.ear.audio_encoder.enable_fusion = False
        self.ear.audio_encoder.patch_embed.enable_fusion = False

    def forward(self, features: Any) -> Any:  # noqa: ANN401  (torch.Tensor)
        """Vectors, unit norm."""
        return _unit(self.projection(self.ear(input_features=features.to(_dtype(self))).pooler_output))


class Sentences(Module):  # type: ignore[misc]
    """Token ids and mask `(n, l)` int64 to unit vectors `(n, d)` float32."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  (transformers.ClapModel)
        super().__init__()
        self.reader = model.text_model
        self.projection = model.text_projection

    def forward(self, ids: Any, mask: Any) -> Any:  # noqa: ANN401  (torch.Tensor)
        """Vectors, unit norm."""
        return _unit(self.projection(self.reader(input_ids=ids, attention_mask=mask).pooler_output))


def _dtype(module: Any) -> Any:  # noqa: ANN401
    return module.projection.linear1.weight.dtype


def _unit(vectors: Any) -> Any:  # noqa: ANN401
    """In float32, whatever the precision of the weights: norms in float16 are off by 1e-3."""
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
