"""Messages to the text of a prompt, by the chat template that the model brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indexes.errors import EngineUnavailableError
from kb.records import Message


class ChatTemplate:
    """Renders and encodes prompts with a tokenizer of transformers."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        """Take the tokenizer's own template; raise EngineUnavailableError where it has none."""
        if not tokenizer.chat_template:
            raise EngineUnavailableError(
                f"{name} has no chat template: it is a base model. Use its -Instruct or -Chat sibling"
            )
        self._tokenizer = tokenizer
        self._name = name
        special = {str(token) for token in tokenizer.all_special_tokens} | {
            added.content for added in tokenizer.added_tokens_decoder.values() if added.special
        }
        self._special = sorted((token for token in special if len(token) > 1), key=len, reverse=True)

    def render(self, messages: Sequence[Message]) -> str:
        """Return the text of the prompt up to where the assistant's turn begins.

        Control tokens inside the messages are broken up, so that no document can end its turn and begin another's.
        Thinking is switched off where the template knows how; other templates ignore the variable.
        """
        turns = [{"role": message.role, "content": self._disarmed(message.content)} for message in messages]
        try:
            text = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except Exception as error:  # templates are programs of the model's maker and raise what they like
            raise EngineUnavailableError(f"the chat template of {self._name} failed: {first_line(error)}") from error
        return str(text)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a rendered prompt; the template has put the special tokens in already."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _disarmed(self, content: str) -> str:
        content = content.encode("utf-8", "replace").decode("utf-8")
        for token in self._special:
            if token in content:
                content = content.replace(token, token[0] + " " + token[1:])
        return content


def first_line(error: BaseException) -> str:
    """Return the kind and the first line of an error's message, short enough for one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
