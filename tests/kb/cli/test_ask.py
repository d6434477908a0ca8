"""`kb ask`, `kb search` and `kb chat`: cited answers, refusals, and what a person sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kb.cli.conftest import BACKUP, LEAVE, Run

ENGLISH = "How long are nightly copies of the database kept?"

pytestmark = pytest.mark.usefixtures("filled")


def test_an_answer_comes_with_its_sources(run: Run) -> None:
    """The text, then numbered sources with title and quoted span; nothing but the answer on standard output."""
    result = run("ask", "工龄满十年的年休假是几天？")
    assert result.code == 0, result.err
    assert "十五天" in result.out
    assert "[1]" in result.out
    assert "来源：" in result.out
    assert "员工手册" in result.out
    assert "“" in result.out


def test_an_english_question_has_english_sources(run: Run) -> None:
    """Answer and heading are in the question's language."""
    result = run("ask", ENGLISH)
    assert "ninety days" in result.out
    assert "Sources:" in result.out


def test_json_holds_exact_quotes(run: Run) -> None:
    """Every quote is `text[start:end]` of the document as `kb docs show` gives it."""
    answer = run("ask", "工龄满十年的年休假是几天？", "--json").json
    assert answer["status"] == "answered"
    assert answer["citations"]
    for citation in answer["citations"]:
        text = run("docs", "show", citation["document_id"], "--json").json["text"]
        assert citation["quote"] == text[citation["start"] : citation["end"]]
        assert citation["quote"] in LEAVE


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_streamed_and_whole_answers_are_the_same(run: Run, flag: str) -> None:
    """How an answer is shown does not change it."""
    assert run("ask", ENGLISH, flag).out == run("ask", ENGLISH).out


def test_a_refusal_is_exit_code_0(run: Run) -> None:
    """What is not in the documents is refused, in the question's language, without sources."""
    chinese = run("ask", "火星的卫星叫什么名字？", "--json")
    assert (chinese.code, chinese.json["status"], chinese.json["citations"]) == (0, "refused", [])
    assert chinese.json["engine"] is None
    english = run("ask", "Who won the chess olympiad in 1972?")
    assert (english.code, english.out) == (0, "The documents do not contain an answer to this question.\n")


def test_a_question_from_standard_input(run: Run) -> None:
    """`-` reads the question, in UTF-8."""
    assert "十五天" in run("ask", "-", stdin="工龄满十年的年休假是几天？\n".encode()).out
    assert run("ask", "-", stdin=b"\xff\xfe").code == 2


def test_search_gives_passages_best_first(run: Run) -> None:
    """Hits have scores between 0 and 1, best first, and no more than asked for."""
    found = run("search", "年休假", "--top-k", "1", "--json").json
    assert len(found["hits"]) == 1
    assert found["hits"][0]["text"] in LEAVE
    scores = [hit["score"] for hit in run("search", "年休假 copies", "--json").json["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert run("search", "copies").out.startswith("1. ")


def test_filters_narrow_the_search(run: Run, filled: Path) -> None:
    """Only documents that match are found; an unknown value finds none."""
    title = run("search", "copies", "--json").json["hits"][0]["title"]
    assert run("search", "年休假", "--filter", f"title={title}", "--json").json["hits"] == [] or all(
        hit["text"] in BACKUP for hit in run("search", "年休假", "--filter", f"title={title}", "--json").json["hits"]
    )
    assert run("search", "copies", "--filter", "title=nothing", "--json").json["hits"] == []


def test_chat_answers_line_by_line(run: Run) -> None:
    """Piped questions are answered in turn; a bad one does not end the conversation, `/quit` does."""
    asked = f"{ENGLISH}\n\n/help\na\x07b\n工龄满十年的年休假是几天？\n/quit\nnever asked\n"
    result = run("chat", stdin=asked.encode())
    assert result.code == 0
    assert "ninety days" in result.out
    assert "十五天" in result.out
    assert "control character" in result.err
    assert "never asked" not in result.out + result.err


def test_an_engine_that_is_away_is_exit_code_6(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model server that cannot be reached ends the question, in one line, and no answer is made up."""
    monkeypatch.setenv("KB_ENGINE__BASE_URL", "http://127.0.0.1:9/v1")
    result = run("ask", "工龄满十年的年休假是几天？", "--engine", "openai", "--json")
    assert (result.code, result.out) == (6, "")
    assert result.err.count("\n") == 1
