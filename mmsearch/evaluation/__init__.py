"""Evaluation: how well an index finds what it should."""
