"""Showing an answer to a person: the text as it comes, then its sources with page and quoted span."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kb.cli import output

if TYPE_CHECKING:
    from indexes.records import Hit
    from kb.records import Answer, Citation, Event

_QUOTE_WIDTH = 300
_NEAREST = 3


def show_stream(events: Iterable[Event]) -> Answer:
    """Write the answer as it comes, and return it whole.

    The check at the end may withdraw an answer or add the marks of its sources: then what holds is written below.
    """
    from kb.records import DeltaEvent, DoneEvent

    written = ""
    for event in events:
        if isinstance(event, DeltaEvent):
            output.write(event.text)
            written += event.text
        elif isinstance(event, DoneEvent):
            answer = event.answer
            output.line()
            if answer.answer != written:
                output.notice(_why_again(answer, written))
                output.line(answer.answer)
            show_sources(answer)
            return answer
    raise RuntimeError("the answer ended without its last event")


def _why_again(answer: Answer, written: str) -> str:
    """Say why the answer is not what was written as it came."""
    if answer.status == "refused":
        return "withdrawn, for the sources give no answer:"
    if answer.truncated:
        return "what was finished of it:"
    if len(answer.answer) < len(written):
        return "the answer, without what the model thought before it:"
    return "with its sources marked:"


def show_answer(answer: Answer) -> None:
    """Write an answer that is complete."""
    output.line(answer.answer)
    show_sources(answer)


def show_sources(answer: Answer) -> None:
    """Write the numbered sources of an answer; for a refusal, name the nearest passages on standard error."""
    if answer.truncated:
        bound = "the bound of tokens (engine.max_new_tokens, or what the window leaves)"
        output.notice(f"cut off at {bound}: what was not finished is left out, or ends in ...")
    if answer.status == "refused":
        if answer.hits:
            output.notice(f"Nearest passages (confidence {answer.confidence:.2f}):")
        for hit in answer.hits[:_NEAREST]:
            output.notice(f"  {place(hit)}: {output.one_line(hit.text, 80)}")
        return
    if not answer.citations:
        return
    output.line()
    output.line("来源：" if _is_chinese(answer.answer) else "Sources:")
    shown: set[tuple[int, int]] = set()
    for citation in answer.citations:
        if (citation.n, citation.start) in shown:
            continue
        shown.add((citation.n, citation.start))
        doubt = "" if citation.supported else "  (not supported by this passage)"
        output.line(f"[{citation.n}] {address(citation)}{doubt}")
        output.line(f"    “{output.one_line(citation.quote, _QUOTE_WIDTH)}”")


def place(found: Citation | Hit) -> str:
    """Return where a passage is: title, page and heading path, without what the path repeats of the title."""
    title = found.title or found.uri
    parts = [title]
    if found.page is not None:
        parts.append(f"p. {found.page}")
    heading = found.heading.removeprefix(title).removeprefix(" > ")
    if heading:
        parts.append(heading)
    return output.one_line(", ".join(parts), 160)


def address(found: Citation | Hit) -> str:
    """Return the place of a passage with the address of its document."""
    return f"{place(found)}  <{output.one_line(found.uri)}>"


def _is_chinese(text: str) -> bool:
    from indexes.text.matching import detect_language

    return detect_language(text) == "zh"
