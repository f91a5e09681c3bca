"""Indexing: scan, decode, encode and commit, overlapped."""
