"""`kb chat`: questions one after another, each seen with those before it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from indexes.errors import EngineUnavailableError, UsageError
from kb.cli import answers, filters, output, session
from kb.cli.options import KB, Config, EngineName, Filter, TopK

# Turns (a question and its answer) that the next question is seen with.
_REMEMBERED = 6
_HELP = "Ask a question. /new forgets the conversation, /quit ends it."


def chat(
    top_k: TopK = None, engine: EngineName = None, filter_: Filter = None, kb: KB = "", config: Config = None
) -> None:
    """Ask questions one after another.

    Each question is seen with those before it. /new forgets them; /quit or the end of input ends the conversation.
    """
    from kb.question import check_question
    from kb.records import Message, Question

    chosen = filters.parse(filter_)
    history: list[Message] = []
    with session.application(config, {"retrieval.top_k": top_k, "engine.name": engine}) as application:
        answerer = application.answerer(kb)
        for entered in _questions():
            if entered == "/quit":
                return
            if entered == "/new":
                history.clear()
                continue
            if entered.startswith("/"):
                output.notice(_HELP)
                continue
            try:
                asked = Question(text=check_question(entered), filters=chosen, history=tuple(history), chat=True)
                if output.is_terminal(sys.stdout):
                    answer = answers.show_stream(answerer.stream(asked))
                else:
                    answer = answerer.answer(asked)
                    answers.show_answer(answer)
            except (UsageError, EngineUnavailableError) as error:
                # One bad question or a server that is away for a moment does not end the conversation.
                output.notice(f"kb: {error}")
                continue
            output.line()
            history += [Message("user", entered), Message("assistant", answer.answer)]
            del history[: -2 * _REMEMBERED]


def _questions() -> Iterator[str]:
    """Yield what is entered, line by line, with editing and recall on a terminal."""
    if not output.is_terminal(sys.stdin):
        for entered in sys.stdin:
            if entered.strip():
                yield entered.strip()
        return
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # importing it gives input() editing and recall
    output.notice(_HELP)
    while True:
        try:
            entered = input("> ").strip()
        except EOFError:
            output.line()
            return
        if entered:
            yield entered
