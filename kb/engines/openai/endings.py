"""What the reason that a server gives for the end of its answer says about the answer."""

from __future__ import annotations

from typing import Final

_BROKEN: Final = frozenset({"error", "abort", "aborted", "cancelled", "insufficient_system_resource"})
_TOOLS: Final = frozenset({"tool_calls", "function_call"})
# In the words of the OpenAI form and Ollama, of some gateways, and of TGI.
_BOUND: Final = frozenset({"length", "max_tokens", "max_new_tokens"})


def trouble(finish: str) -> str:
    """Return why an answer that ends for this reason is not whole, "" where it is."""
    if finish == "content_filter":
        return "the server's content filter broke the answer off"
    return f"the server broke the answer off ({finish})" if finish in _BROKEN else ""


def at_bound(finish: str) -> bool:
    """Return whether the answer ends because it may not be longer."""
    return finish in _BOUND


def trouble_of_nothing(finish: str, thought: bool, max_new_tokens: int) -> str:
    """Return why an answer without any text that ends for this reason is none; `thought`: the model did think.

    It must not be taken for an answer: an empty one would be shown as a refusal.
    """
    if finish in _TOOLS:
        return "the model called a tool instead of answering: start the server without tools"
    if thought or at_bound(finish):
        return (
            f"the model {'thought, and ' if thought else ''}came to no answer within its bound of {max_new_tokens} "
            "tokens (engine.max_new_tokens, or what the window leaves): raise that, or name the kind of server in "
            "engine.dialect, so that thinking can be switched off"
        )
    return "the server gave an empty answer"
