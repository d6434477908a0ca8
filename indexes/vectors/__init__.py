"""Segments of unit vectors on disk, searched by FAISS."""
