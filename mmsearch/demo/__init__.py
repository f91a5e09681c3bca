"""The demo: a small corpus of real pictures, sounds and texts, and a tour through it."""
