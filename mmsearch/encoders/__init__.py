"""Encoders: decoded media to features, features to vectors."""
