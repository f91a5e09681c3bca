"""Media: files and bytes to decoded segments."""

from typing import Final

TIMEOUT_SECONDS: Final = 60.0
"""How long a decoder may deliver nothing before its file is given up: the next segment, page or record counts."""
