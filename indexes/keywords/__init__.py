"""Exact BM25 over keyword segments on disk."""
