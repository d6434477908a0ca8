"""A tiny bge model with random weights, saved as a real sentence-transformers directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXTS = (
    "知识库只根据文档回答问题，并且标明出处。检索先用关键词，再用向量。显存不够时可以使用量化模型。",
    "The knowledge base answers from its documents alone and cites page and passage for every sentence.",
)


def make_tiny_bge(folder: Path, *, seed: int = 0, hidden: int = 32, length: int = 64) -> Path:
    """Save a two-layer BERT with CLS pooling and normalisation into `folder`, and return it.

    True architecture and files, a WordPiece vocabulary of its own, random weights: good for lengths, batches, pooling
    and prefixes, not for meaning.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [str(digit) for digit in range(10)]
    characters = sorted(set("".join(TEXTS)) - {" "}) + [chr(code) for code in range(0x4E00, 0x4E00 + 200)]
    words = list(dict.fromkeys([*special, *characters, *letters, *(f"##{letter}" for letter in letters)]))
    tokenizer = Tokenizer(models.WordPiece({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return save_bge(folder, tokenizer, seed=seed, hidden=hidden, layers=2, heads=2, length=length)


def save_bge(
    folder: Path, tokenizer: Tokenizer, *, seed: int, hidden: int, layers: int, heads: int, length: int, wide: int = 2
) -> Path:
    """Save a BERT of this shape with random weights as a sentence-transformers directory, and return it.

    `tokenizer` has [PAD], [UNK], [CLS], [SEP] and [MASK]; `length` is in tokens; the feed-forward layers are `wide`
    times as wide as `hidden`.
    """
    import torch
    from tokenizers import processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=wide * hidden,
        max_position_embeddings=length,
        pad_token_id=tokenizer.token_to_id("[PAD]"),
    )
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    _write(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": True})
    (folder / "1_Pooling").mkdir(exist_ok=True)
    _write(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": hidden,
            "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": False,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    (folder / "2_Normalize").mkdir(exist_ok=True)
    return folder


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")
