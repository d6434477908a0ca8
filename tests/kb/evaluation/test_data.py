"""Question sets: what is read, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexes.errors import UsageError
from kb.evaluation.data import read_dataset


def test_squad_files_give_paragraphs_and_questions(tmp_path: Path) -> None:
    """Paragraphs stand once each, blank questions are left out, and impossible ones have no answers."""
    path = tmp_path / "set.json"
    entries = [
        {"question": "几天？", "answers": [{"text": "十天"}, {"text": "十天"}]},
        {"question": " \u200b", "answers": [{"text": "十天"}]},
        {"question": "谁？", "answers": [{"text": "经理"}], "is_impossible": True},
    ]
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": "年假十天。", "qas": entries}]}]}))
    read = read_dataset(path)
    assert [source.text for source in read.sources] == ["年假十天。"]
    assert [(asked.text, asked.answers, asked.source) for asked in read.questions] == [
        ("几天？", ("十天",), 0),
        ("谁？", (), 0),
    ]
    assert read.left_out == 1


def test_lines_name_files_texts_and_documents(tmp_path: Path) -> None:
    """A document is a file beside the set, a text that holds the answer, or a name to look up."""
    (tmp_path / "handbook.txt").write_text("x")
    path = tmp_path / "set.jsonl"
    lines = [
        {"question": "a?", "answers": ["1"], "document": "handbook.txt"},
        {"question": "b?", "answers": "十天", "document": "年假十天。"},
        {"question": "c?", "answers": [], "document": "policy.pdf"},
        {"question": "d?", "answers": ["4"], "context": "4 of them\u2028here"},
        {"question": "e?", "answers": []},
    ]
    path.write_text("\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    read = read_dataset(path)
    found = [None if asked.source is None else read.sources[asked.source] for asked in read.questions]
    assert found[0] is not None and found[0].path == tmp_path / "handbook.txt"
    assert found[1] is not None and found[1].text == "年假十天。"
    assert found[2] is not None and (found[2].name, found[2].text, found[2].path) == ("policy.pdf", None, None)
    assert found[3] is not None and found[3].text == "4 of them\u2028here"
    assert found[4] is None
    assert read.questions[3].place == "line 7"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"question": "a", "answers": []}\n{"question": ', "line 2"),
        ("a.jsonl", '{"question": "a", "answers": []}\n\n[]', "line 3"),
        ("a.jsonl", '{"question": "a"}', "line 1: `answers` is missing"),
        ("a.jsonl", '{"question": "a", "answers": [3]}', "line 1"),
        ("a.jsonl", '{"answers": []}', "line 1: `question` is missing"),
        ("a.jsonl", '{"question": "a\\u0000b", "answers": []}', "line 1: the question holds"),
        ("a.jsonl", '{"question": "a", "answers": [], "document": 5}', "line 1"),
        ("a.json", '{"data": [\n{"paragraphs": [}]}', "line 2"),
        ("a.json", '{"data": [{"paragraphs": [{"context": "c", "qas": [{}]}]}]}', "data[0].paragraphs[0].qas[0]"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": []}]}]}', "data[0].paragraphs[0]: `context`"),
        ("a.json", '{"version": 1}', "data: no list"),
        ("a.json", "[" * 100_000, "line 1"),
        ("a.json", "[]", "no question"),
        ("a.json", "", "line 1"),
    ],
)
def test_bad_sets_are_refused_with_their_place(tmp_path: Path, name: str, content: str, said: str) -> None:
    """The error names the line, or the place in a SQuAD-style file."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_dataset(path)
    assert said in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, a folder and a missing file are wrong usage."""
    path = tmp_path / "set.json"
    path.write_bytes("问题".encode("gb18030"))
    for wrong in (path, tmp_path, tmp_path / "missing.json"):
        with pytest.raises(UsageError):
            read_dataset(wrong)
