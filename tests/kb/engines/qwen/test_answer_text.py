"""Tokens become text piece by piece: whole characters only, without thinking, up to a stop string."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kb.engines.stopping import StopFilter

TEXT = "知识库🚀 answers\n只依据资料。 naïve 🇨🇳 e\u0301 完"


def pieces(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_stops_however_the_pieces_are_cut(size: int) -> None:
    """The text ends right before the first stop string; a beginning of one that came to nothing is shown."""
    stops = ("\n\nUser:", "###", "##!")
    text = "答案 ## 一\n\nUse 二。##!后面###"
    found = StopFilter(stops)
    assert "".join(map(found.feed, pieces(text, size))) + found.finish() == "答案 ## 一\n\nUse 二。"
    assert found.stopped
    open_end = StopFilter(stops)
    assert "".join(map(open_end.feed, pieces("没有 ##", size))) + open_end.finish() == "没有 ##"
    assert not open_end.stopped


def test_no_stops_hold_nothing_back() -> None:
    """Without stop strings every piece passes at once."""
    assert StopFilter(("",)).feed("a#") == "a#"


@pytest.mark.models
def test_characters_are_whole(tmp_path: Path) -> None:
    """However tokens come, no broken character is shown, and in the end the text is that of all tokens at once."""
    pytest.importorskip("transformers")
    from kb.engines.qwen.answer_text import AnswerText
    from kb.engines.qwen.loading import load_tokenizer
    from tests.tiny_qwen import make_tiny_qwen

    tokenizer = load_tokenizer(make_tiny_qwen(tmp_path / "tiny"))
    ids = tokenizer(TEXT)["input_ids"]
    whole = tokenizer.decode(ids)
    assert len(ids) > len(whole) > 20
    chance = random.Random(1)
    for _ in range(20):
        text, shown, place = AnswerText(tokenizer, inside=False, stops=()), [], 0
        while place < len(ids):
            step = chance.randint(1, 4)
            shown.append(text.add(ids[place : place + step]))
            place += step
        assert "\ufffd" not in "".join(shown)
        assert "".join([*shown, text.finish()]) == whole
    cut = AnswerText(tokenizer, inside=False, stops=())
    assert cut.add(tokenizer("好🚀")["input_ids"][:-1]) + cut.finish() == "好\ufffd"
    thinking = AnswerText(tokenizer, inside=True, stops=("资料",))
    assert thinking.add(tokenizer("想</think>\n\n依据资料回答")["input_ids"]) + thinking.finish() == "依据"
    assert thinking.stopped
