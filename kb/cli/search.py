"""`kb search`: the passages, without an answer."""

from __future__ import annotations

from typing import Annotated

import typer

from kb.cli import answers, filters, output, session
from kb.cli.ask import read_question
from kb.cli.options import KB, Config, Filter, Json, TopK


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for; - reads it from standard input.")],
    top_k: TopK = None,
    filter_: Filter = None,
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find the passages that are nearest to a query, best first."""
    from kb.question import check_question

    text = check_question(read_question(query))
    chosen = filters.parse(filter_)
    with session.application(config, {"retrieval.top_k": top_k}) as application:
        retrieval = application.retriever(kb).retrieve(text, filters=chosen)
    if as_json:
        from kb.payloads import search_payload

        output.emit_json(search_payload(retrieval))
        return
    for number, hit in enumerate(retrieval.hits, start=1):
        output.line(f"{number}. {hit.score:.3f}  {answers.address(hit)}")
        output.line(f"   {output.one_line(hit.text, 240)}")
    if not retrieval.hits:
        output.notice("nothing found")
