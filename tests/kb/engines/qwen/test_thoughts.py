"""A local model that thinks: its thoughts are not shown, and a thought alone is no answer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from kb.engines.base import GenerationOptions, Restart
from kb.engines.qwen.engine import QwenEngine
from kb.engines.qwen.options import RunOptions
from kb.records import Message, Prompt, Usage

pytest.importorskip("transformers")
from tests.reciting_qwen import make_reciting_qwen

pytestmark = pytest.mark.models
OPTIONS = GenerationOptions(max_new_tokens=30, temperature=0.0)


def said(
    folder: Path, text: str, options: GenerationOptions = OPTIONS, window: int = 32768
) -> list[str | Usage | Restart]:
    engine = QwenEngine(str(make_reciting_qwen(folder, text, window=window)), RunOptions(device="cpu"))
    try:
        return list(engine.stream(Prompt((Message("user", "问"),), (), "问", "zh", "test"), options, threading.Event()))
    finally:
        engine.close()


def test_nothing_but_a_thought(tmp_path: Path) -> None:
    """A model that spends its tokens on thinking is an error that names the bound; no refusal is made of it."""
    thought = "<think>我想一想，员工手册里写了什么。"
    with pytest.raises(EngineUnavailableError, match=r"its bound of 6 tokens \(engine\.max_new_tokens, or what"):
        said(tmp_path / "thinks", thought, GenerationOptions(6, 0.0))
    # The prompt takes 18 tokens.
    with pytest.raises(EngineUnavailableError, match=r"its bound of 6 tokens \(engine\.max_new_tokens, or what"):
        said(tmp_path / "small", thought, GenerationOptions(600, 0.0), window=24)


def test_a_thought_that_nothing_opened(tmp_path: Path) -> None:
    """What stands before a closing tag that was never opened is taken back."""
    items = said(tmp_path / "unopened", "先想十五天。</think>\n\n共有十日。")
    assert "".join(item for item in items[items.index(Restart()) :] if isinstance(item, str)) == "共有十日。"
    assert isinstance(items[-1], Usage)
