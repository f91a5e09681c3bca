"""The models as modules that take a batch of pairs. Imports torch; import it late."""

from __future__ import annotations

from typing import Any

from mmsearch.encoders import heavy

torch = heavy.torch()
_Module: Any = torch.nn.Module


class Blip(_Module):  # type: ignore[misc]
    """`BlipForImageTextRetrieval` with its matching head, on any device."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.vision, self.text, self.head = model.vision_model, model.text_encoder, model.itm_head

    def forward(self, pixels: Any, seen: Any, ids: Any, mask: Any) -> Any:  # noqa: ANN401
        """Probabilities `(n,)` that pictures `(n, 3, h, w)` and texts `(n, l)` match; `seen` is of no use here."""
        picture = self.vision(pixel_values=pixels.to(self.head.weight.dtype)).last_hidden_state
        read = self.text(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=picture,
            encoder_attention_mask=torch.ones(picture.shape[:-1], dtype=torch.long, device=picture.device),
        ).last_hidden_state
        return self.head(read[:, 0]).float().softmax(dim=-1)[:, 1]


class Vilt(_Module):  # type: ignore[misc]
    """`ViltForImageAndTextRetrieval`. Its one score was trained to be larger for the right pair: its logistic here."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.body, self.head = model.vilt, model.rank_output

    def forward(self, pixels: Any, seen: Any, ids: Any, mask: Any) -> Any:  # noqa: ANN401
        """As `Blip.forward`; `seen` `(n, h, w)` is 1 where there is a picture."""
        both = self.body(
            input_ids=ids, attention_mask=mask, pixel_values=pixels.to(self.head.weight.dtype), pixel_mask=seen
        )
        return self.head(both.pooler_output)[:, 0].float().sigmoid()
