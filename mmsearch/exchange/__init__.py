"""In and out: vectors with what is known of them, to and from files that other programs read and write.

::

    index ─► selection ─► export ─► Parquet file, or folder of vectors.npy, rows.jsonl, about.json
    Parquet, .npy + .jsonl/.parquet, clip-retrieval's folder ─► source ─► batches ─► load ─► index
"""
