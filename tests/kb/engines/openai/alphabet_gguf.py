"""Writes a GGUF of the true Qwen2 architecture that recites the alphabet: run with the interpreter that has `gguf`.

Attention and feed-forward weights are zero, so each token is told by the one before it alone: a line break is followed
by `a`, every letter by the next, and `z` by the end of the turn. What a server answers can thus be checked word by
word, while tokenizer, chat template, cache and sampling are the server's own. Where the template is told not to think
it begins the answer with `m`, which here stands for an empty thought: the model goes on with `n`.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 2, 128, 4096
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant{{ '\n' }}"  # a line break at the very end of a template would be dropped
    "{% if enable_thinking is defined and enable_thinking is false %}m{% endif %}"
)


def byte_characters() -> list[str]:
    """Return the character that GPT-2's byte-level vocabulary writes for each of the 256 bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def write(path: str) -> None:
    characters = byte_characters()
    tokens = [*characters, "ab", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    kinds = [gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * 3
    end = len(tokens) - 1

    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("alphabet")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    # A vocabulary needs a merge; this one never helps, since the answer is made of single letters.
    writer.add_token_merges([f"{characters[ord('a')]} {characters[ord('b')]}"])
    writer.add_eos_token_id(end)
    writer.add_bos_token_id(end - 2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    chain = [ord("\n"), *range(ord("a"), ord("z") + 1), end]
    embedding = np.zeros((len(tokens), WIDTH), dtype=np.float32)
    output = np.zeros((len(tokens), WIDTH), dtype=np.float32)
    for place, (token, following) in enumerate(pairwise(chain)):
        embedding[token, place] = 1
        output[following, place] = 10
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    ones = np.ones(WIDTH, dtype=np.float32)
    writer.add_tensor("output_norm.weight", ones)
    square = np.zeros((WIDTH, WIDTH), dtype=np.float32)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        writer.add_tensor(block + "attn_norm.weight", ones)
        writer.add_tensor(block + "ffn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"{block}{name}.weight", square)
            writer.add_tensor(f"{block}{name}.bias", np.zeros(WIDTH, dtype=np.float32))
        writer.add_tensor(block + "attn_output.weight", square)
        writer.add_tensor(block + "ffn_gate.weight", np.zeros((INNER, WIDTH), dtype=np.float32))
        writer.add_tensor(block + "ffn_up.weight", np.zeros((INNER, WIDTH), dtype=np.float32))
        writer.add_tensor(block + "ffn_down.weight", np.zeros((WIDTH, INNER), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
