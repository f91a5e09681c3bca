"""The store: shards of vectors and a catalog of what they mean."""
