"""Full-text search: what words of a question are found in passages, captions, file names and metadata.

::

    text ─► language: words, "phrases", prefixes* ─► frequencies: which of them tell something ─► bm25: items that have
    them ─► lists: one of each modality, for `search.fuse`
"""
