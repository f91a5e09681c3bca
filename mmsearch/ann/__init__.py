"""Approximate structures: which one, built how, asked how widely, and with what recall.

::

    rows, dimension, memory ─► recipe ─► build ─► structure ─┐
                                                             ├─► tune ─► a setting for each direction, with its recall
    sample questions of the modality that asks ──────────────┘

A structure proposes rows; what it proposes is scored again with the stored vectors, so that compressed codes never
decide an order. Structures are caches in files of FAISS beside the shards: without one, search is exact.
"""
