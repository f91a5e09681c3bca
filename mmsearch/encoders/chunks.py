"""How many rows go through a processor at once: found while running, smaller when its memory runs out."""

from __future__ import annotations

from mmsearch.errors import DeviceUnavailable

GAIN = 1.05  # a larger chunk must be faster by this much, or it only costs memory


class Chunks:
    """Begins with `first` rows, doubles up to `largest` while that pays, and halves when memory runs out.

    Not safe to use from several threads at once.
    """

    def __init__(self, first: int, largest: int | None = None) -> None:
        self.size = first
        self._largest = largest or first
        self._best = 0.0  # rows a second, of the size before
        self._searching = self._largest > first

    @property
    def is_searching(self) -> bool:
        """Whether `took` wants to be told."""
        return self._searching

    def took(self, rows: int, seconds: float) -> None:
        """Learn from a chunk of `rows` rows; only full ones say anything."""
        if not self._searching or rows < self.size:
            return
        rate = rows / max(seconds, 1e-9)
        if rate < GAIN * self._best:
            self.size = max(1, self.size // 2)
            self._searching = False
        elif 2 * self.size > self._largest:
            self._searching = False
        else:
            self._best = rate
            self.size *= 2

    def overflowed(self, rows: int, place: str) -> None:
        """Memory was not enough for a chunk of `rows` rows: from now on at most half of it.

        Raises:
            DeviceUnavailable: it was a single row.
        """
        if rows <= 1:
            raise DeviceUnavailable(
                f"{place} has not enough memory for a single input: close what else uses it, take a smaller model, "
                "or another device"
            )
        self.size = self._largest = rows // 2
        self._searching = False
