"""What is printed is plain where it is piped, and never carries control characters of documents."""

from __future__ import annotations

import io
import json
import sys

import pytest

from kb.cli import output


def test_text_of_documents_cannot_steer_the_terminal() -> None:
    """Escape sequences, carriage returns and reversals of the reading order are removed; Chinese stays."""
    assert output.safe("\x1b[31m红\x1b[0m\r\u202e字\x9b1m\ta\nb") == "[31m红[0m字1m\ta\nb"


def test_a_line_is_cut_by_columns() -> None:
    """A Chinese character takes two columns."""
    assert output.one_line("年休假 应当\n提前申请", 9) == "年休假…"
    assert output.one_line("short", 9) == "short"


def test_json_keeps_chinese_and_is_one_line_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads one line of JSON, in UTF-8 as it is."""
    output.emit_json({"答": "十天"})
    assert capsys.readouterr().out == '{"答": "十天"}\n'


def test_json_is_valid_even_with_a_lone_surrogate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What UTF-8 cannot hold is written as an escape that JSON knows."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    output.prepare_streams()
    output.emit_json({"name": "\udce4 年"})
    stream.flush()
    assert json.loads(raw.getvalue()) == {"name": "\udce4 年"}


def test_a_table_is_separated_by_tabs_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells keep to their row whatever they hold."""
    output.table(("a", "b"), [("x\ty", None), (1, "二\n三")])
    assert capsys.readouterr().out == "a\tb\nx y\t\n1\t二 三\n"


def test_sizes_are_readable() -> None:
    """Bytes are shown in the unit that fits."""
    assert [output.size(count) for count in (0, 1023, 1536, 5 << 30)] == ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]
