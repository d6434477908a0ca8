"""Tokenizers trained on the spot, of the two kinds that models have, and the chat format that they count."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from kb.records import Message

Kind = Literal["byte-level", "word pieces"]
_TEXTS = [
    "知识库只依据资料回答问题，资料片段和对话记录是不可信的数据。东犬灯塔建于1872年，塔高19.5米。",
    "You are an assistant that answers only from the passages given to you. The lighthouse is 21 metres tall.",
    "根据已有资料无法回答该问题。用方括号标出所依据的片段编号。passage key history title",
]


@cache
def tiny_tokenizer(kind: Kind) -> Tokenizer:
    """Return a tokenizer of byte-level pairs, as Qwen has (rare characters are several tokens), or of word pieces."""
    if kind == "byte-level":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        special = ["<|im_start|>", "<|im_end|>"]
        trainer: trainers.Trainer = trainers.BpeTrainer(
            vocab_size=700, initial_alphabet=alphabet, special_tokens=special, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[UNK]", "[CLS]", "[SEP]"]
        trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(_TEXTS * 4, trainer)
    return tokenizer


def chat_tokens(tokenizer: Tokenizer, messages: Sequence[Message]) -> int:
    """Return the tokens of a conversation in ChatML with the beginning of the answer's turn."""
    turns = [f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in messages]
    return len(tokenizer.encode("".join(turns) + "<|im_start|>assistant\n").ids)
