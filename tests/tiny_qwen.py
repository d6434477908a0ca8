"""A tiny random Qwen for tests: the real architecture, a tokenizer trained on the spot, a ChatML template."""

from __future__ import annotations

from pathlib import Path

CHATML = (
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor -%}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{ no_thinking }}{% endif %}{% endif %}"
)
NO_THINKING = "<think>\n\n</think>\n\n"
_TEXTS = ["知识库问答系统只依据资料回答问题。", "The answer is in the documents, on page 3.", "你好，世界！"]


def make_tiny_qwen(
    folder: Path,
    *,
    architecture: str = "qwen2",
    window: int = 2048,
    seed: int = 0,
    template: str | None = None,
    layers: int = 2,
) -> Path:
    """Write a loadable model of random weights into `folder` and return it.

    `architecture` is "qwen2" (also the architecture of Qwen1.5 and Qwen2.5) or "qwen3", whose template switches
    thinking off as the real one does. `template` replaces the chat template; "" leaves it out.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = byte_level
    trained.decoder = decoders.ByteLevel()
    trained.train_from_iterator(
        _TEXTS * 4,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    default = CHATML.replace("{{ no_thinking }}", NO_THINKING if architecture == "qwen3" else "")
    tokenizer.chat_template = (default if template is None else template) or None
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": window,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(seed)
    if architecture == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**shape, head_dim=16))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**shape))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
