"""Varied English captions, about half of pictures and half of sounds, made when they are needed.

They are what two models are shown that share nothing but English: to fit the bridge between them, to calibrate scores.
"""

from __future__ import annotations

from mmsearch.captions.generator import bank, bank_if_installed, own_bank, own_version, version
from mmsearch.captions.words import Words, installed

__all__ = ["Words", "bank", "bank_if_installed", "installed", "own_bank", "own_version", "version"]
