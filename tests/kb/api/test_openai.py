"""The OpenAI-compatible form."""

from __future__ import annotations

import json

import pytest

from tests.kb.api.serving import ENGLISH, UNANSWERABLE, RunningService, check_error

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
