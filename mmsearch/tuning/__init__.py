"""Tuning: which rerankers help in which direction of one index, measured on it, and kept where they do.

::

    pairs ─► truth ─► directions ─► half of the questions choose a chain ─► the others confirm it ─► the catalog
"""
