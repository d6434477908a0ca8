"""The OpenAI-compatible form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kb.engines.base import Cut
from kb.refusal import refusal_text
from tests.fakes.engines import ScriptedEngine
from tests.fakes.slow_engine import SlowEngine
from tests.kb.api.serving import CHINESE, ENGLISH, UNANSWERABLE, RunningService, check_error

PATH = "/v1/chat/completions"


def chat(question: str, **more: object) -> dict[str, object]:
    return {"model": "default", "messages": [{"role": "user", "content": question}], **more}


def test_models_are_knowledge_bases(served: RunningService) -> None:
    """Each knowledge base with a published version is a model."""
    body = served.client.get("/v1/models").json()
    assert body["object"] == "list" and [(one["id"], one["object"]) for one in body["data"]] == [("default", "model")]


def test_completion_has_citations_in_its_message(served: RunningService) -> None:
    """The plain form is a chat completion whose message carries the citations; unknown parameters have no effect."""
    body = chat(ENGLISH, temperature=0.1, max_tokens=5, user="someone")
    response = served.client.post(PATH, json=body).json()
    choice = response["choices"][0]
    assert response["object"] == "chat.completion" and response["model"] == "default"
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] == "stop"
    assert "02:30" in choice["message"]["content"]
    plain = served.client.post("/ask", json={"question": ENGLISH}).json()
    assert choice["message"]["citations"] == plain["citations"] != []
    assert choice["message"]["content"] == plain["answer"]


def test_refusal_is_an_ordinary_completion(served: RunningService) -> None:
    """A refusal has no citations and says so in `status`."""
    message = served.client.post(PATH, json=chat(UNANSWERABLE)).json()["choices"][0]["message"]
    assert message["status"] == "refused" and message["citations"] == []


def test_earlier_messages_are_history_and_parts_are_text(served: RunningService) -> None:
    """The last user message is the question, as text or as text parts; system messages change nothing."""
    messages = [
        {"role": "system", "content": "Answer like a pirate and without sources."},
        {"role": "user", "content": "Tell me of the archive room."},
        {"role": "assistant", "content": "It is on the third floor. [1]"},
        {"role": "user", "content": [{"type": "text", "text": ENGLISH}]},
    ]
    message = served.client.post(PATH, json={"model": "default", "messages": messages}).json()["choices"][0]["message"]
    assert "02:30" in message["content"] and message["citations"]


def test_stream_is_chunks_ending_in_done(served: RunningService) -> None:
    """Chunks join to the plain answer; the last one carries the citations; usage comes when asked; [DONE] ends it."""
    body = chat(ENGLISH, stream=True, stream_options={"include_usage": True})
    with served.client.stream("POST", PATH, json=body) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    plain = served.client.post("/ask", json={"question": ENGLISH}).json()
    assert "".join(delta.get("content", "") for delta in deltas) == plain["answer"]
    assert deltas[0]["role"] == "assistant" and deltas[-1]["citations"] == plain["citations"]
    assert chunks[-1]["choices"] == [] and "usage" in chunks[-1]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]][-1] == "stop"


def streamed(running: RunningService, question: str) -> tuple[str, dict[str, Any], list[str]]:
    """Return the text of all chunks, the last choice, and the comments."""
    with running.client.stream("POST", PATH, json=chat(question, stream=True)) as response:
        lines = [line for line in response.iter_lines() if line]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    choices = [chunk["choices"][0] for chunk in chunks]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    return text, choices[-1], [line for line in lines if line.startswith(":")]


def test_a_stream_shows_nothing_that_the_check_withdraws(
    serve_home: Callable[..., RunningService], filled_home: Path
) -> None:
    """An invented sentence is refused in a stream as it is without one, and is never sent."""
    engine = ScriptedEngine("带薪年假为九十九天，由公司安排。[1]")
    running = serve_home(filled_home, engine=engine)
    plain = running.client.post(PATH, json=chat(CHINESE)).json()["choices"][0]["message"]
    text, last, _ = streamed(running, CHINESE)
    assert plain["status"] == last["delta"]["status"] == "refused"
    assert text == plain["content"] == refusal_text("zh")
    assert last["finish_reason"] == "stop"


def test_a_stream_has_the_marks_that_the_check_adds(
    serve_home: Callable[..., RunningService], filled_home: Path
) -> None:
    """An answer that the model wrote without marks is streamed with those that it was given."""
    running = serve_home(filled_home, engine=ScriptedEngine("员工每年享有十五天带薪年假。"))
    text, last, _ = streamed(running, CHINESE)
    assert text == "员工每年享有十五天带薪年假。[1]"
    assert [citation["n"] for citation in last["delta"]["citations"]] == [1]


def test_openai_clients_are_told(serve_home: Callable[..., RunningService], filled_home: Path) -> None:
    """`finish_reason` is "length" in both forms, and the unfinished sentence is not sent."""
    whole = "员工每年享有十五天带薪年假。[1]"
    running = serve_home(filled_home, engine=ScriptedEngine([whole, "未使用的年假可以结转到次年三月三", Cut()]))
    choice = running.client.post(PATH, json=chat(CHINESE)).json()["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", whole)
    text, last, _ = streamed(running, CHINESE)
    assert (last["finish_reason"], text) == ("length", whole)


def test_a_stream_that_waits_for_its_check_is_kept_open(
    serve_home: Callable[..., RunningService], filled_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the answer is made comments go out, and of the answer nothing."""
    monkeypatch.setattr("kb.api.streaming._ALIVE_SECONDS", 0.05)
    running = serve_home(filled_home, engine=SlowEngine(seconds=0.5, pieces=2))
    text, _, comments = streamed(running, CHINESE)
    assert text and comments


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "default"},
        {"model": "default", "messages": []},
        {"model": "default", "messages": [{"role": "assistant", "content": "CANARY"}]},
        {"model": "default", "messages": [{"role": "user", "content": "  "}]},
        {"model": "default", "messages": [{"role": "user", "content": None}]},
        {"model": "default", "messages": [{"role": "user", "content": "CANARY" * 700}]},
        {"model": "default", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "CANARY"}]}]},
        {"model": "default", "messages": [{"role": "CANARY", "content": "a"}]},
        {"model": "default", "messages": "CANARY"},
        {"model": 5, "messages": [{"role": "user", "content": "a"}]},
        {"model": "../CANARY", "messages": [{"role": "user", "content": "a"}]},
        {"model": "default", "messages": [{"role": "user", "content": "a"}], "n": 2},
    ],
)
def test_bad_requests_are_refused(served: RunningService, body: dict[str, object]) -> None:
    """What cannot be answered is 422 in the short form."""
    check_error(served.client.post(PATH, json=body), 422, "invalid_request", "CANARY")


def test_unknown_model_is_404(served: RunningService) -> None:
    """A model that is no knowledge base is 404, also for a stream."""
    for stream in (False, True):
        body = chat(ENGLISH, stream=stream) | {"model": "CANARY"}
        check_error(served.client.post(PATH, json=body), 404, "not_found", "CANARY")
