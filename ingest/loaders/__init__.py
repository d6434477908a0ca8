"""Loaders, one a format: bytes in, text with pages, headings and warnings out."""
