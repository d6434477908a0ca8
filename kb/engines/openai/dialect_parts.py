"""What one message of a server's stream holds, in each of the shapes that servers use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kb.engines.foreign_json import table

_MOST_READ: Final = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """Answer text and token counts. `thinking`: text that is not to be shown came.

    `finish` is why the answer ends here, in the server's word, "" where it goes on; `tells_finish`: the server has such
    a word in each message, so that an answer without one at its end is not whole. `strange`: this is no message of
    a chat.
    """

    text: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish: str = ""
    thinking: bool = False
    tells_finish: bool = False
    strange: bool = False

    @property
    def done(self) -> bool:
        """Whether the answer ends here."""
        return bool(self.finish)


def openai_part(value: Mapping[str, Any]) -> Part:
    """Read a chunk of a chat completion, or a whole one. Reasoning in a field of its own is not shown.

    Text may be a list of parts. Only the first of several answers counts, whichever chunk the others come in.
    """
    counts = table(value.get("usage"))
    choices = value.get("choices")
    choice = table(choices[0]) if isinstance(choices, list) and choices else {}
    if choice.get("index") not in (None, 0):
        choice = {}
    said = table(choice.get("delta") or choice.get("message"))
    return Part(
        _text(said.get("content")),
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
        _finish(choice.get("finish_reason")),
        bool(_text(said.get("reasoning_content")) or _text(said.get("reasoning"))),
        "finish_reason" in choice,
        "choices" not in value and not counts,
    )


def ollama_part(value: Mapping[str, Any]) -> Part:
    """Read a line of Ollama's `/api/chat`."""
    said = table(value.get("message"))
    return Part(
        _text(said.get("content")),
        _count(value.get("prompt_eval_count")),
        _count(value.get("eval_count")),
        (_finish(value.get("done_reason")) or "stop") if value.get("done") is True else "",
        bool(_text(said.get("thinking"))),
    )


def tgi_part(value: Mapping[str, Any]) -> Part:
    """Read an event of TGI's `/generate_stream`: one token each, the last with the details."""
    token = table(value.get("token"))
    details = value.get("details")
    counts = table(details)
    text = "" if token.get("special") is True else _text(token.get("text"))
    return Part(
        text.partition("<|im_end|>")[0],
        _count(counts.get("input_length")),
        _count(counts.get("generated_tokens")),
        _finish(counts.get("finish_reason"))
        or ("stop" if value.get("generated_text") is not None or isinstance(details, dict) else ""),
    )


def error_text(value: Mapping[str, Any], masked: Callable[[str], str] = str) -> str:
    """Return the message of an error body in any of the shapes that servers use, or "" where there is none.

    `masked` takes secrets out, before the words are cut to length and after their escapes were read.
    """
    error = value.get("error")
    stated = value.get("message") if value.get("object") == "error" else None
    for found in (error.get("message") if isinstance(error, dict) else error, value.get("detail"), stated):
        if found:
            return quotable(masked(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)))
    # FastChat's model workers put their trouble into the place of the answer.
    if value.get("error_code") and isinstance(value.get("text"), str):
        return quotable(masked(value["text"])) or quotable(f"error_code {value['error_code']}")
    return quotable(masked(json.dumps(error))) if error else ""


def quotable(said: str) -> str:
    """Return the beginning of what a server said, fit for an error of one line: without what cannot be printed or sent.

    Left in, half a character would break the JSON of our own response, and a control sequence the terminal.
    """
    return " ".join("".join(letter if letter.isprintable() else " " for letter in said[:_MOST_READ]).split())[:300]


def _text(value: object) -> str:
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _finish(value: object) -> str:
    """Return the reason; some servers write "" or "null" as long as there is none."""
    if isinstance(value, str):
        return "" if value == "null" else value
    return "" if value is None else "stop"


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
