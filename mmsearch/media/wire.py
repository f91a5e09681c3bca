"""Media as bytes, on their way from a decoding process: a JSON head, and pixels, samples or text behind it.

No pickle: what a decoder that was taken over by a hostile file could send must not be code.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Medium, Modality, Segment, TextSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH: Final = struct.Struct("<I")
_DTYPES: Final = frozenset({"uint8", "float32"})


def pack(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A message."""
    text = json.dumps(head).encode()
    return b"".join((_LENGTH.pack(len(text)), text, body))


def unpack(message: bytes) -> tuple[dict[str, Any], memoryview]:
    """Head and body of a message."""
    (length,) = _LENGTH.unpack_from(message)
    head: dict[str, Any] = json.loads(message[_LENGTH.size : _LENGTH.size + length])
    return head, memoryview(message)[_LENGTH.size + length :]


def pack_medium(medium: Medium) -> Iterator[bytes]:
    """A medium without its segments, then each of them; lazy, as they are."""
    named = {"properties": dict(medium.properties), "key": medium.key, "metadata": dict(medium.metadata)}
    yield pack({"medium": medium.modality, **named})
    for segment in medium.segments:
        place = {"start": segment.start, "end": segment.end, "page": segment.page, "time": segment.time}
        if isinstance(segment.content, str):
            # Half a surrogate pair is for the receiver to complain about, as it does about any text.
            yield pack({"segment": "text", **place}, segment.content.encode("utf-8", "surrogatepass"))
        else:
            array = np.ascontiguousarray(segment.content)
            yield pack({"segment": str(array.dtype), "shape": array.shape, **place}, array.tobytes())


def unpack_segment(head: Mapping[str, Any], body: memoryview) -> Segment:
    """A segment; its array is read-only.

    Raises:
        ValueError: it is none.
    """
    time = None if head["time"] is None else (float(head["time"][0]), float(head["time"][1]))
    place = (head["start"], head["end"], head["page"], time)
    if head["segment"] == "text":
        return Segment(str(body, "utf-8", "surrogatepass"), *place)
    if head["segment"] not in _DTYPES:
        raise ValueError(f"segments of {head['segment']}")
    return Segment(np.frombuffer(body, head["segment"]).reshape(head["shape"]), *place)


def unpack_medium(head: Mapping[str, Any], segments: Iterator[Segment]) -> Medium:
    """A medium, with segments that come later."""
    return Medium(Modality(head["medium"]), segments, head["properties"], head["key"], head["metadata"])


def pack_spec(spec: InputSpec) -> str:
    """What a decoder needs to know of a model. Passages are cut by the receiver: it has the tokenizer."""
    return json.dumps(
        {
            "image": None if spec.image is None else asdict(spec.image),
            "audio": None if spec.audio is None else asdict(spec.audio),
            "text": spec.text is not None,
        }
    )


def unpack_spec(text: str) -> InputSpec:
    """The spec; its `text`, if it has one, only says that text is known."""
    found = json.loads(text)
    return InputSpec(
        None if found["image"] is None else ImageSpec(**found["image"]),
        None if found["audio"] is None else AudioSpec(**found["audio"]),
        TextSpec(1, len) if found["text"] else None,
    )
