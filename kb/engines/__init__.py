"""Engines, one a file: each turns a grounded prompt into a stream of text."""
