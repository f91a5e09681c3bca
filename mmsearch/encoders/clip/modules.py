"""The towers as modules: from what an encoder has in NumPy to unit vectors. Imports torch; import it late.

Both give what open_clip's `encode_image` and `encode_text` give, with `normalize=True`, and leave out work whose result
nobody looks at.
"""

from __future__ import annotations

from typing import Any

from mmsearch.encoders import heavy

torch = heavy.torch()
_Module: Any = torch.nn.Module
_NORMAL = torch.nn.functional.normalize


class Pictures(_Module):  # type: ignore[misc]
    """From pictures to vectors.

    Args:
        model: of open_clip. It is changed, and still gives the same vectors.
        mean: by channel, of values in [0, 1].
        std: by channel.
    """

    def __init__(self, model: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> None:  # noqa: ANN401
        super().__init__()
        self.visual = model.visual
        self._mean, self._std = mean, std
        blocks = _blocks_before_first_token(self.visual)
        if blocks is not None and not isinstance(blocks[-1], FirstToken):
            blocks[-1] = FirstToken(blocks[-1])

    def forward(self, pictures: Any) -> Any:  # noqa: ANN401
        """Vectors `(n, d)` float32, unit norm, of pictures `(n, size, size, 3)` uint8 RGB."""
        # Not buffers: in a module that computes in bfloat16, those would be rounded to three digits.
        mean = torch.tensor(self._mean, device=pictures.device)
        std = torch.tensor(self._std, device=pictures.device)
        pixels = (pictures.float() / 255 - mean) / std
        given = pixels.permute(0, 3, 1, 2).to(next(self.visual.parameters()).dtype)
        vectors = self.visual(given)
        if isinstance(vectors, tuple):  # of CoCa: the vectors, and tokens for its decoder
            vectors = vectors[0]
        return _NORMAL(vectors.float(), dim=-1)


class FirstToken(_Module):  # type: ignore[misc]
    """The last block of a transformer of which only the first token is used: the others are keys and values only.

    Of ten twelfths of the block's multiplications all but one token's fall away. The result is the same.
    """

    def __init__(self, block: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.block = block

    def forward(self, states: Any, attn_mask: None = None) -> Any:  # noqa: ANN401
        """States `(n, 1, d)` after the block, of states `(n, l, d)` before it."""
        block = self.block
        known = block.ln_1(states)
        first = states[:, :1] + block.ls_1(block.attention(q_x=known[:, :1], k_x=known, v_x=known))
        return first + block.ls_2(block.mlp(block.ln_2(first)))


def _blocks_before_first_token(visual: Any) -> Any:  # noqa: ANN401
    """The blocks of open_clip's own vision transformer, if its vector is made of the first token and of no other."""
    kinds = heavy.open_clip().transformer
    if type(visual) is not kinds.VisionTransformer or visual.attn_pool is not None or visual.pool_type != "tok":
        return None
    blocks = visual.transformer.resblocks
    return (
        blocks if type(blocks[-1]) in (kinds.ResidualAttentionBlock, FirstToken) and not visual.output_tokens else None
    )


class Sentences(_Module):  # type: ignore[misc]
    """From token ids to vectors.

    In a causal tower whose vector is made of the end mark, what stands behind the mark changes nothing. So ids need be
    as wide as the longest text only, unless `fixed_length`.

    Args:
        model: of open_clip.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.tower: Any = model.text if hasattr(model, "text") else _Parts(model)
        self._is_plain = isinstance(self.tower, _Parts) or _is_plain(self.tower)
        self.fixed_length = not (
            self._is_plain and self.tower.attn_mask is not None and self.tower.pool_type in ("argmax", "eos")
        )

    def forward(self, ids: Any) -> Any:  # noqa: ANN401
        """Vectors `(n, d)` float32, unit norm, of ids `(n, l)` int64; `l` is the context length if `fixed_length`."""
        vectors = self._plain(ids) if self._is_plain else self.tower(ids)
        if isinstance(vectors, tuple):
            vectors = vectors[0]
        return _NORMAL(vectors.float(), dim=-1)

    def _plain(self, ids: Any) -> Any:  # noqa: ANN401
        tower, length = self.tower, ids.shape[1]
        mask = None if tower.attn_mask is None else tower.attn_mask[:length, :length]
        states = tower.transformer(tower.token_embedding(ids) + tower.positional_embedding[:length], attn_mask=mask)
        pooled = tower.ln_final(_pool(states, ids, tower))
        projection = tower.text_projection
        if projection is None:
            return pooled
        return projection(pooled) if isinstance(projection, torch.nn.Module) else pooled @ projection


class _Parts(_Module):  # type: ignore[misc]
    """The text tower of a `CLIP`, which has its parts among its own, without the vision tower."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.transformer, self.token_embedding, self.ln_final = model.transformer, model.token_embedding, model.ln_final
        self.positional_embedding, self.text_projection = model.positional_embedding, model.text_projection
        self.register_buffer("attn_mask", model.attn_mask, persistent=False)
        self.pool_type, self.eos_id = model.text_pool_type, model.text_eos_id


def _is_plain(tower: Any) -> bool:  # noqa: ANN401
    """Whether it is a tower of open_clip's own, with no token of class added and no padding to be masked."""
    kind = heavy.open_clip().transformer.TextTransformer
    return type(tower) is kind and tower.cls_emb is None and not tower.use_pad_mask and tower.pool_type != "none"


def _pool(states: Any, ids: Any, tower: Any) -> Any:  # noqa: ANN401
    """One state `(n, d)` of each text."""
    if tower.pool_type in ("first", "last"):
        return states[:, 0 if tower.pool_type == "first" else -1]
    ends = (ids == tower.eos_id).int() if tower.pool_type == "eos" else ids
    return states[torch.arange(ids.shape[0], device=ids.device), ends.argmax(dim=-1)]
