"""Checking of answers: marks, citations, support and links."""
