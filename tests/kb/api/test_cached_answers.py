"""The cache of answers behind the service: shared by all requests, emptied by what a new version brings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.fakes.engines import ScriptedEngine
from tests.kb.api.serving import ENGLISH, RunningService, sse

SAID = "The nightly backup starts at 02:30.[1]"


def ingest(running: RunningService, folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    running.application.pipeline("default").ingest([str(folder)])


def test_requests_share_answers_until_a_new_version(serve_home: Callable[..., RunningService], tmp_path: Path) -> None:
    """The second asker is served what the first was, whole or as events; in a chat and after an ingest it is anew."""
    engine = ScriptedEngine(SAID)
    running = serve_home(engine=engine)
    text = "Backup handbook\n\nThe nightly backup starts at 02:30 and keeps fourteen generations.\n"
    ingest(running, tmp_path / "documents", "backup.txt", text)
    first = running.client.post("/ask", json={"question": ENGLISH}).json()
    second = running.client.post("/ask", json={"question": f" {ENGLISH}？ "}).json()
    assert (first["status"], first["usage"]["cached"], second["usage"]["cached"]) == ("answered", False, True)
    assert (second["answer"], second["citations"]) == (first["answer"], first["citations"])
    assert second["request_id"] != first["request_id"]
    assert second["usage"]["prompt_version"]
    with running.client.stream("POST", "/ask", json={"question": ENGLISH, "stream": True}) as response:
        events = [(name, json.loads(data)) for name, data in sse(response)]
    assert [name for name, _ in events] == ["hits", "delta", "done"]
    assert events[1][1]["text"] == events[2][1]["answer"] == first["answer"]
    assert events[2][1]["usage"]["cached"]
    assert len(engine.prompts) == 1
    talk = {"question": ENGLISH, "history": [{"role": "user", "content": "Hello, I ask about the backup."}]}
    assert not running.client.post("/ask", json=talk).json()["usage"]["cached"]
    chat = {"model": "default", "messages": [{"role": "user", "content": ENGLISH}]}
    before = len(engine.prompts)
    assert running.client.post("/v1/chat/completions", json=chat).status_code == 200
    assert len(engine.prompts) == before + 1
    ingest(running, tmp_path / "documents", "extra.txt", "The canteen opens at noon.\n")
    renewed = running.client.post("/ask", json={"question": ENGLISH}).json()
    assert renewed["version"] > first["version"]
    assert not renewed["usage"]["cached"]


def test_the_cache_can_be_turned_off(serve_home: Callable[..., RunningService], filled_home: Path) -> None:
    """With `answer.cache = "off"` every question is generated."""
    engine = ScriptedEngine(SAID)
    running = serve_home(filled_home, engine=engine, flags={"answer.cache": "off"})
    assert not any(running.client.post("/ask", json={"question": ENGLISH}).json()["usage"]["cached"] for _ in range(2))
    assert len(engine.prompts) == 2


def test_unsupported_answers_are_shown_where_that_is_wanted(
    serve_home: Callable[..., RunningService], filled_home: Path
) -> None:
    """With `answer.refuse_unsupported` off what its sources do not bear out is shown, marked; by default refused."""
    engine = ScriptedEngine("The nightly backup starts at 05:45.[1]")
    shown = serve_home(filled_home, engine=engine, flags={"answer.refuse_unsupported": False})
    body = shown.client.post("/ask", json={"question": ENGLISH}).json()
    assert body["status"] == "answered"
    assert [citation["supported"] for citation in body["citations"]] == [False]
    refusing = serve_home(filled_home, engine=engine)
    body = refusing.client.post("/ask", json={"question": ENGLISH}).json()
    assert (body["status"], body["citations"]) == ("refused", [])
    assert body["hits"]
