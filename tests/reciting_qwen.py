"""A tiny Qwen2 that recites one text, whatever it is asked.

Its attention and feed-forward weights are zero, so that each token is told by the one before it alone: tokenizer, chat
template, generation and everything behind them are real, and what they must give is known to the letter.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tests.tiny_qwen import make_tiny_qwen

# The last line break must be part of the prompt; at the very end of a template it would be dropped.
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant{{ '\n' }}"
)
# Characters of the text in one token; the width of the model bounds how many tokens it can tell apart.
_PIECE = 3


def make_reciting_qwen(folder: Path, text: str, *, window: int = 32768) -> Path:
    """Write a Qwen2 that answers `text`, at most 180 characters, and return its folder.

    The text is cut into tokens of three characters, which the tokenizer learns; ValueError where one comes twice, since
    what follows it would then not be told by it.
    """
    import torch
    from transformers import AutoTokenizer, Qwen2ForCausalLM

    make_tiny_qwen(folder, template=TEMPLATE, window=window)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = Qwen2ForCausalLM.from_pretrained(folder)
    pieces = [text[begin : begin + _PIECE] for begin in range(0, len(text), _PIECE)]
    if len(set(pieces)) < len(pieces) or len(pieces) > model.config.hidden_size - 2:
        raise ValueError(f"a text that repeats none of its pieces, and has few of them, is needed: {pieces}")
    tokenizer.add_tokens(pieces)
    tokenizer.save_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    (line_break,) = tokenizer.encode("\n", add_special_tokens=False)
    chain = [line_break, *tokenizer.convert_tokens_to_ids(pieces), tokenizer.eos_token_id]
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(1.0 if "norm" in name else 0.0)
        for place, (token, following) in enumerate(pairwise(chain)):
            model.model.embed_tokens.weight[token, place] = 1.0
            model.lm_head.weight[following, place] = 10.0
    model.save_pretrained(folder)
    return folder
