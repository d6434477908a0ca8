"""The comparison with peers: figures from known ranks, real peers on a few paragraphs, and what is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.peer_pipelines import PEERS, WINDOW, bm25s_characters, cut_to_window, llama_index_vectors
from benchmarks.question_sets import Asked, missing
from indexes.text.token_count import count_simple_tokens

PARAGRAPHS = (
    "东犬灯塔建于1872年，塔高19.5米。",
    "员工每年享有十五天带薪年假。未休的天数可以顺延。",
    "机房的冷通道温度应当保持在十八度以上。",
)
QUESTIONS = ("灯塔有多高？", "带薪年假有几天？", "冷通道的温度是多少？")


def test_figures_follow_from_the_places() -> None:
    """Places one, two and nowhere, several passages of a paragraph counted once."""
    found = {"a": [0, 0, 1], "b": [0, 0, 1, 2], "c": [0, 1]}
    asked = [Asked("a", 0, ()), Asked("b", 1, ()), Asked("c", 2, ())]
    rows = peers.measure({"x": peers.Contender(found.__getitem__, 1.0, "x 1")}, asked)
    row = rows["x"]
    assert (row.first, row.five, row.mrr) == (0.3333, 0.6667, 0.5)
    assert 0 <= row.p50_ms <= row.p95_ms


def test_a_window_is_as_long_as_it_may_be() -> None:
    """What is cut has exactly the tokens that a model reads; what fits is left alone."""
    long = "知识库 words " * 400
    cut = cut_to_window(long)
    assert long.startswith(cut)
    assert count_simple_tokens([cut])[0] == WINDOW
    assert cut_to_window("短。") == "短。"


@pytest.mark.parametrize("build", [llama_index_vectors, bm25s_characters])
def test_a_peer_ranks_what_it_was_given(build: object) -> None:
    """A real peer finds the paragraph of each question."""
    pytest.importorskip({"bm25s_characters": "bm25s"}.get(build.__name__, "llama_index.core"))  # type: ignore[attr-defined]
    rank = build(list(PARAGRAPHS) * 7)  # type: ignore[operator]
    assert [rank(question)[0] % len(PARAGRAPHS) for question in QUESTIONS] == [0, 1, 2]


def test_a_peer_that_is_not_installed_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """qwen-kb is measured all the same, on the same questions."""
    for package in ("llama_index", "langchain_community", "bm25s", "haystack"):
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)
    asked = [Asked(question, number, ()) for number, question in enumerate(QUESTIONS)]
    rows = peers.compare(PARAGRAPHS, asked)
    assert list(rows) == [peers.OURS]
    assert rows[peers.OURS].first == 1.0
    assert capsys.readouterr().out.count("left out") == len(PEERS)


def test_a_question_set_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the question sets a benchmark ends with a line, not with a traceback."""
    assert missing(tmp_path / "none.json")
    assert "none.json is not there" in capsys.readouterr().out
    assert not missing(Path(__file__))
