"""What is embedded for a chunk: its heading path and its text."""

from __future__ import annotations

from indexes.records import Chunk


def embedding_text(title: str, chunk: Chunk) -> str:
    """Return the text that stands for `chunk` in the index: heading path, line break, text.

    Its token count is what the splitter keeps within the budget. `title` stays out of it unless the heading path
    begins with it: titles often come from file names, and a renamed file must keep its vectors.
    """
    return with_heading(chunk.heading, chunk.text)


def with_heading(heading: str, text: str) -> str:
    """Return `text` under its heading path ("" where it has none)."""
    return f"{heading}\n{text}" if heading else text
