"""A tiny cross-encoder of true architecture, trained on the spot to know which passages answer which questions.

What it learns: a question with 甲 is answered by passages with 丙, one with 乙 by passages with 丁. Neither shares a
character with its answer, so that only a model that reads both together can tell.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

TELLING = {"甲": "丙", "乙": "丁"}
_COMMON = "知识库只根据文档回答问题并且标明出处检索先用关键词再用向量"
_STEPS, _BATCH = 300, 32


def make_tiny_reranker(
    folder: Path, kind: Literal["bert", "xlm-roberta"] = "xlm-roberta", *, steps: int = _STEPS, length: int = 64
) -> Path:
    """Save a two-layer reranker that reads `length` tokens into `folder`, and return it; `steps` 0 does not train."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        PreTrainedTokenizerFast,
        XLMRobertaConfig,
        XLMRobertaForSequenceClassification,
    )

    bert = kind == "bert"
    pad, unknown, begin, end = ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if bert else ("<pad>", "<unk>", "<s>", "</s>")
    # XLM-RoBERTa's padding has the id 1, and positions count from behind it.
    special = [pad, unknown, begin, end] if bert else [begin, pad, end, unknown]
    words = list(dict.fromkeys([*special, *TELLING, *TELLING.values(), *_COMMON, *map(chr, range(0x4E00, 0x4E40))]))
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin}:0 $A:0 {end}:0 $B:1 {end}:1" if bert else f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in (begin, end)],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, cls_token=begin, sep_token=end
    )
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(words), "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 96, "num_labels": 1, "pad_token_id": tokenizer.token_to_id(pad),
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        # Without training, weights large enough for pairs to differ.
        "initializer_range": 0.02 if steps else 0.3,
    }  # fmt: skip
    if bert:
        model = BertForSequenceClassification(BertConfig(**shape, max_position_embeddings=length))
    else:
        model = XLMRobertaForSequenceClassification(
            XLMRobertaConfig(**shape, max_position_embeddings=length + 2, type_vocab_size=1)
        )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step, (questions, passages, labels) in zip(range(steps), _examples(), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 20)
        inputs = fast(questions, passages, padding=True, return_tensors="pt", return_token_type_ids=bert)
        logits = model(**inputs).logits[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def _examples() -> Iterator[tuple[list[str], list[str], list[float]]]:
    draw = random.Random(1)

    def text(mark: str) -> str:
        characters = draw.choices(_COMMON, k=draw.randint(3, 16))
        characters.insert(draw.randint(0, len(characters)), mark)
        return "".join(characters)

    while True:
        asked = [draw.choice(list(TELLING)) for _ in range(_BATCH)]
        told = [draw.choice([*TELLING.values(), *TELLING.values(), ""]) for _ in range(_BATCH)]
        labels = [float(TELLING[question] == passage) for question, passage in zip(asked, told, strict=True)]
        yield [text(mark) for mark in asked], [text(mark) for mark in told], labels
