"""Media on their way from a decoding process: messages of a JSON head, and pixels, samples or text behind it.

No pickle: what a decoder that was taken over by a hostile file could send must not be code.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmsearch.types import AudioSpec, ImageSpec, InputSpec, Medium, Modality, Segment, TextSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTHS: Final = struct.Struct("<IQ")
_CHUNK: Final = 1 << 18
_DTYPES: Final = frozenset({"uint8", "float32"})


class Line:
    """One end of a socket: messages of a head and a body. Used by one thread."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._held = bytearray()
        self._kept: list[bytes] = []

    def send(
        self, head: Mapping[str, Any], body: bytes = b"", timeout: float | None = None, *, more: bool = False
    ) -> None:
        """Send a message; waits for the other end to take it.

        Args:
            head: JSON values.
            body: bytes.
            timeout: in seconds.
            more: another message follows at once; this one is sent with it.

        Raises:
            TimeoutError: the other end did not take it.
            OSError: the other end is gone.
        """
        text = json.dumps(head).encode()
        self._kept += (_LENGTHS.pack(len(text), len(body)), text, body)
        if not more:
            together, self._kept = b"".join(self._kept), []
            self._wait_at_most(timeout)
            self._end.sendall(together)

    def receive(self, timeout: float | None) -> tuple[dict[str, Any], bytes]:
        """The next message.

        Raises:
            TimeoutError: none came, or did not go on, for `timeout` seconds.
            EOFError: the other end is gone.
        """
        self._wait_at_most(timeout)
        text, body = _LENGTHS.unpack(self._take(_LENGTHS.size))
        head: dict[str, Any] = json.loads(self._take(text))
        return head, self._take(body)

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def _wait_at_most(self, timeout: float | None) -> None:
        if self._end.gettimeout() != timeout:  # setting it asks the system
            self._end.settimeout(timeout)

    def _take(self, size: int) -> bytes:
        """The next bytes. What came with them is held: small messages come several at a time."""
        while len(self._held) < size:
            more = self._end.recv(max(_CHUNK, size - len(self._held)))
            if not more:
                raise EOFError
            self._held += more
        taken = bytes(memoryview(self._held)[:size])
        del self._held[:size]
        return taken


def messages(medium: Medium) -> Iterator[tuple[dict[str, Any], bytes]]:
    """A medium without its segments, then each of them; lazy, as they are."""
    named = {"properties": dict(medium.properties), "key": medium.key, "metadata": dict(medium.metadata)}
    yield {"medium": medium.modality, **named}, b""
    for segment in medium.segments:
        place = {"start": segment.start, "end": segment.end, "page": segment.page, "time": segment.time}
        if isinstance(segment.content, str):
            # Half a surrogate pair is for the receiver to complain about, as it does about any text.
            yield {"segment": "text", **place}, segment.content.encode("utf-8", "surrogatepass")
        else:
            array = np.ascontiguousarray(segment.content)
            yield {"segment": str(array.dtype), "shape": array.shape, **place}, array.tobytes()


def unpack_segment(head: Mapping[str, Any], body: bytes) -> Segment:
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
