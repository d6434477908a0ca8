"""Every `--json` result has exactly the fields of the contract, of the right types and within their ranges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kb.cli.conftest import Run

Check = Callable[[Any], bool]
Shape = Mapping[str, Check]

QUESTION = "工龄满十年的年休假是几天？"


def text(value: object) -> bool:
    return isinstance(value, str)


def filled_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def score(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def duration(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def flag(value: object) -> bool:
    return isinstance(value, bool)


def moment(value: object) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def page(value: object) -> bool:
    return value is None or (count(value) and value != 0)


def maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def durations(value: object) -> bool:
    return isinstance(value, dict) and all(text(name) and duration(seconds) for name, seconds in value.items())


def listed(shape: Shape) -> Check:
    def check(value: Any) -> bool:
        assert isinstance(value, list)
        for entry in value:
            assert_shape(entry, shape)
        return True

    return check


HIT: Shape = {
    "document_id": filled_text,
    "chunk_id": filled_text,
    "title": filled_text,
    "uri": filled_text,
    "page": page,
    "start": count,
    "end": count,
    "text": filled_text,
    "heading": text,
    "score": score,
    "dense_score": score,
    "keyword_score": score,
}
CITATION: Shape = {
    "n": lambda value: count(value) and value >= 1,
    "document_id": filled_text,
    "title": filled_text,
    "uri": filled_text,
    "page": page,
    "start": count,
    "end": count,
    "quote": filled_text,
    "heading": text,
    "score": score,
    "supported": flag,
}
ANSWER: Shape = {
    "answer": filled_text,
    "status": lambda value: value in ("answered", "refused"),
    "engine": maybe(filled_text),
    "citations": listed(CITATION),
    "hits": listed(HIT),
    "confidence": score,
    "kb": filled_text,
    "version": count,
    "timings_ms": durations,
    "usage": lambda value: value is None or isinstance(value, dict),
    "request_id": filled_text,
}
SEARCH: Shape = {"hits": listed(HIT), "version": count, "timings_ms": durations}
INGEST: Shape = {
    "version": count,
    "added": count,
    "changed": count,
    "unchanged": count,
    "removed": count,
    "failed": listed({"uri": filled_text, "error": filled_text, "detail": filled_text}),
    "chunks": count,
    "embedded": count,
    "reused": count,
    "seconds": duration,
    "stages": durations,
}
DOCUMENTS: Shape = {
    "documents": listed(
        {
            "document_id": filled_text,
            "title": text,
            "uri": filled_text,
            "status": lambda value: value in ("ready", "failed"),
            "chunks": count,
            "pages": count,
            "version_added": count,
            "error": maybe(filled_text),
        }
    ),
    "next": maybe(filled_text),
}
# What the contract names; more may stand beside it.
DOCUMENT: Shape = {
    "document_id": filled_text,
    "title": filled_text,
    "uri": filled_text,
    "text": filled_text,
    "pages": listed({"page": page, "start": count, "end": count}),
    "chunks": listed({"chunk_id": filled_text, "start": count, "end": count, "page": page, "heading": text}),
    "extractor": filled_text,
    "warnings": lambda value: isinstance(value, list) and all(map(text, value)),
}
VERSIONS: Shape = {
    "versions": listed(
        {
            "version": count,
            "published_at": moment,
            "documents": count,
            "chunks": count,
            "added": count,
            "removed": count,
            "restored_from": maybe(count),
            "current": flag,
        }
    )
}


def assert_shape(value: Any, shape: Shape, *, more: bool = False) -> None:
    """Fail where a field is missing or wrong, or, unless `more` may stand there, where one is unknown."""
    assert isinstance(value, dict)
    missing, unknown = shape.keys() - value.keys(), value.keys() - shape.keys()
    assert not missing, f"missing: {sorted(missing)}"
    assert more or not unknown, f"unknown: {sorted(unknown)}"
    for name, check in shape.items():
        assert check(value[name]), f"{name}: {value[name]!r}"


@pytest.mark.parametrize("wrong", [{"n": 0}, {"score": 1.5}, {"supported": 1}, {"page": 0}, {"extra": 1}, {"uri": ""}])
def test_the_checker_finds_what_is_wrong(wrong: dict[str, object]) -> None:
    """A value out of its range, of another type, or of an unknown name fails the check itself."""
    sound = {
        "n": 1,
        "document_id": "a",
        "title": "t",
        "uri": "u",
        "page": None,
        "start": 0,
        "end": 1,
        "quote": "q",
        "heading": "",
        "score": 0.5,
        "supported": True,
    }
    assert_shape(sound, CITATION)
    with pytest.raises(AssertionError):
        assert_shape(sound | wrong, CITATION)


def test_ingest_and_dry_run(run: Run, documents: Path) -> None:
    """The report counts what went in and names what failed; a dry run adds only what is planned, and writes nothing."""
    (documents / "leer.txt").write_bytes(b"")
    planned = run("ingest", str(documents), "--dry-run", "--json").json
    assert_shape(planned, {**INGEST, "dry_run": flag, "planned": listed({"uri": filled_text, "action": filled_text})})
    assert run("status").code == 4
    result = run("ingest", str(documents), "--json")
    assert result.code == 3
    assert_shape(result.json, INGEST)
    assert (result.json["added"], len(result.json["failed"]), result.json["version"]) == (2, 1, 1)
    assert result.json["embedded"] + result.json["reused"] == result.json["chunks"]
    again = run("ingest", str(documents), "--json").json
    assert_shape(again, INGEST)
    assert (again["version"], again["embedded"], again["unchanged"]) == (1, 0, 2)


def test_ask_quotes_the_stored_text(run: Run, filled: Path) -> None:
    """An answer has the contract's fields; each quote is exactly that span of the stored text."""
    answer = run("ask", QUESTION, "--json").json
    assert_shape(answer, ANSWER)
    assert (answer["status"], answer["kb"], answer["engine"]) == ("answered", "default", "extractive")
    assert answer["citations"]
    assert {"retrieve", "generate", "total"} <= answer["timings_ms"].keys()
    for found in answer["citations"]:
        assert f"[{found['n']}]" in answer["answer"]
        stored = run("docs", "show", found["document_id"], "--json").json
        assert stored["text"][found["start"] : found["end"]] == found["quote"]
    for hit in answer["hits"]:
        stored = run("docs", "show", hit["document_id"], "--json").json
        assert stored["text"][hit["start"] : hit["end"]] == hit["text"]


def test_a_refusal_keeps_the_shape(run: Run, filled: Path) -> None:
    """A refusal cites nothing, names no engine, and says the contract's sentence in the question's language."""
    for question, sentence in (
        ("太阳系中哪一颗行星的卫星最多？", "根据已有资料无法回答该问题。"),
        ("Which planet has the most moons?", "The documents do not contain an answer to this question."),
    ):
        refusal = run("ask", question, "--json")
        assert refusal.code == 0
        assert_shape(refusal.json, ANSWER)
        assert refusal.json["status"] == "refused"
        assert (refusal.json["answer"], refusal.json["citations"], refusal.json["engine"]) == (sentence, [], None)


def test_search_is_ordered_and_bounded(run: Run, filled: Path) -> None:
    """Hits come best first, at most as many as asked for."""
    found = run("search", "年休假", "--top-k", "1", "--json").json
    assert_shape(found, SEARCH)
    assert len(found["hits"]) == 1
    scores = [hit["score"] for hit in run("search", "年休假 copies", "--json").json["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_documents_and_versions(run: Run, filled: Path) -> None:
    """The lists have the contract's fields, and chunks and pages lie inside the text."""
    (filled / "broken.pdf").write_bytes(b"%PDF-1.7\nrubbish")
    assert run("ingest", str(filled)).code == 3
    listing = run("docs", "list", "--json").json
    assert_shape(listing, DOCUMENTS)
    failed = run("docs", "list", "--failed", "--json").json
    assert_shape(failed, DOCUMENTS)
    assert [entry["status"] for entry in failed["documents"]] == ["failed"]
    for entry in listing["documents"]:
        if entry["status"] == "ready":
            shown = run("docs", "show", entry["document_id"], "--json").json
            assert_shape(shown, DOCUMENT, more=True)
            assert len(shown["chunks"]) == entry["chunks"]
            assert all(0 <= part["start"] < part["end"] <= len(shown["text"]) for part in shown["chunks"])
    first = next(entry["document_id"] for entry in listing["documents"] if entry["status"] == "ready")
    assert run("docs", "remove", first, "--json").json == {"removed": [first], "version": 2}
    assert run("rollback", "1", "--json").json == {"version": 3, "restored_from": 1}
    versions = run("versions", "--json").json
    assert_shape(versions, VERSIONS)
    assert [row["current"] for row in versions["versions"]].count(True) == 1
