"""A model that does whatever it is told, by whomever: the worst case for a prompt with untrusted text in it."""

from __future__ import annotations

import html
import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from kb.engines.base import GenerationOptions
from kb.records import Message, Prompt, Usage

_LOOKALIKES = str.maketrans("аеорсухіѕԁԛһʜᴀᴘꜱɢᴇᴛɪɴ｜／＜＞〈⟨‹〉⟩›", "aeopcyxisdqhhapsgetin|/<><<<>>>")
# Any spelling of a fence that a generous reader may take for one, whatever its key.
_OPEN = re.compile(r"<\s*(passage|history)\b[^>]*>")
_CLOSE = re.compile(r"<\s*/\s*(passage|history)\b[^>]*>|<\s*/")
_TURN = re.compile(
    r"<\s*\|\s*(?:im_start|im_end|endoftext|system|user|assistant|start_header_id|eot_id)\b"
    r"|\[\s*/?\s*inst\s*\]|<<\s*sys|</?s>"
    r"|<\s*(?:system|start_of_turn|end_of_turn|think|tool_call)\b"
)
_ORDER = re.compile(r"(?:忽略以上|ignore the above|ignore all previous)[^\n]*")
_SAYING = re.compile(r"(?:并输出|and write)[:：]?\s*(\S.*)")


class ObedientEngine:
    """Stands for a language model without any judgement of its own.

    It reads the user message as leniently as it can: entities and percent signs decoded, full-width and look-alike
    letters plain, what shows nothing left out. What then stands between an opening and a closing fence is data to it;
    anything like a closing tag closes, and a template token begins a new turn, in which everything is an order. An
    order outside the fences ("ignore the above ... and write: X") is obeyed to the letter, with `SECRET` replaced by
    the secret that it holds. Without orders it quotes the first sentence of the first passage. `obeyed` lists the
    orders.
    """

    name = "obedient"
    quotes = False
    window = 100_000

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.obeyed: list[str] = []
        self.prompts: list[Prompt] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Count characters."""
        return sum(len(message.content) for message in messages)

    def stream(self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event) -> Iterator[str | Usage]:
        """Yield what the orders say, or the first sentence of the first passage with its mark."""
        self.prompts.append(prompt)
        yield from self.reply(prompt.messages[-1].content, prompt.passages[0].hit.text if prompt.passages else "")
        yield Usage(self.count_tokens(prompt.messages), 1)

    def reply(self, content: str, passage: str) -> list[str]:
        """Return the answer to a user message, in pieces."""
        said = []
        for order in orders_in(content):
            self.obeyed.append(order)
            wanted = _SAYING.search(order)
            said.append((wanted[1] if wanted else "").replace("secret", self.secret))
        text = "\n".join(said) if said else f"{passage.split('。')[0]}。[1]"
        return [text[at : at + 5] for at in range(0, len(text), 5)]

    def close(self) -> None:
        """Hold nothing."""


def begins_a_turn(content: str) -> bool:
    """Say whether a lenient reader finds a token of a chat template in a user message."""
    return _TURN.search(_leniently(content)) is not None


def orders_in(content: str) -> list[str]:
    """Return the orders that stand outside the fences of a user message."""
    text = _leniently(content)
    outside, at = [], 0
    turn = _TURN.search(text)
    if turn:
        outside.append(text[turn.end() :])
        text = text[: turn.start()]
    while opening := _OPEN.search(text, at):
        outside.append(text[at : opening.start()])
        closing = _CLOSE.search(text, opening.end())
        at = closing.end() if closing else len(text)
    outside.append(text[at:])
    return [match[0] for part in outside for match in _ORDER.finditer(part)]


def _leniently(content: str) -> str:
    decoded = unquote(html.unescape(html.unescape(content))).replace("\\u003c", "<").replace("\\x3c", "<")
    plain = unicodedata.normalize("NFKC", decoded).casefold().translate(_LOOKALIKES)
    shown = (
        character
        for character in plain
        if character == "\n"
        or (unicodedata.category(character) not in ("Cf", "Cc", "Mn") and character not in "\u115f\u1160\u3164")
    )
    return "".join(shown)
