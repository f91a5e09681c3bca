"""What joins two spaces that share only text: a picture then finds sounds, though its model never heard any.

::

    texts ──both text towers──► fit (maps, quality) ──► Bridge ──► file in the cache
    question in one space ──Bridge.carry──► direction in the other
"""

from __future__ import annotations

from mmsearch.encoders.bridge.bridge import Bridge
from mmsearch.encoders.bridge.quality import Quality

__all__ = ["Bridge", "Quality"]
