"""`kb ask`: one question, one answer with its sources."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from kb.cli import answers, filters, output, session
from kb.cli.options import KB, Config, EngineName, Filter, Json, TopK


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask; - reads it from standard input.")],
    top_k: TopK = None,
    engine: EngineName = None,
    filter_: Filter = None,
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Show the answer as it is written.", show_default="on a terminal"),
    ] = None,
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents, with citations.

    Where the documents hold no answer, it says so; that too is exit code 0.
    """
    from kb.question import check_question
    from kb.records import Question

    text = check_question(read_question(question))
    flags = {"retrieval.top_k": top_k, "engine.name": engine}
    chosen = filters.parse(filter_)
    with session.application(config, flags) as application:
        if not application.store(kb).current_version():
            output.notice("kb: nothing is published here yet: kb ingest PATH")
        asked = Question(text=text, filters=chosen)
        answerer = application.answerer(kb)
        if as_json:
            from kb.payloads import answer_payload

            output.emit_json(answer_payload(answerer.answer(asked)))
        elif output.is_terminal(sys.stdout) if stream is None else stream:
            answers.show_stream(answerer.stream(asked))
        else:
            answers.show_answer(answerer.answer(asked))


def read_question(argument: str) -> str:
    """Return the question, from standard input (UTF-8) where the argument is `-`."""
    if argument != "-":
        return argument
    buffer = getattr(sys.stdin, "buffer", None)
    return buffer.read().decode("utf-8", "surrogateescape") if buffer is not None else sys.stdin.read()
