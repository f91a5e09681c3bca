"""The threads that a search shares its work among."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

THREADS = min(8, os.cpu_count() or 1)


@cache
def pool() -> ThreadPoolExecutor:
    """They are the same for all searches; what runs in one of them must not wait for another."""
    return ThreadPoolExecutor(THREADS, "mmsearch-scan")
