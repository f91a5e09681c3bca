"""Search: question to query vectors, candidates, reranking, hits."""
