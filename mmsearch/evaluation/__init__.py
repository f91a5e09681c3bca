"""Evaluation: how well an index finds what it should.

::

    file or folder ─► readers ─► Dataset ─┐
                                          ├─► truth ─► questions ─► the index ─► judging ─► measures ─► result
    index ─► its items ───────────────────┘                                                            │
                                         report, scores (per query), trec, compare ◄───────────────────┘

A model is measured the same way, in a temporary index.
"""
