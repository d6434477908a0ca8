"""The engine against the real `transformers serve`, with a tiny Qwen2 that recites the alphabet.

Its attention and feed-forward weights are zero, so each token is told by the one before it alone: what the server
answers can be checked word by word, while tokenizer, chat template and generation are the server's own. The command
needs `transformers[serving]`; what that adds to our own extras is the `openai` package, which is in `dev`.
"""

from __future__ import annotations

import importlib.util
import string
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.openai.deadlines import Limits
from kb.engines.openai.endpoints import ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from kb.engines.openai.inquiry import Inquiry
from kb.engines.openai.recognise import recognise
from kb.records import Message, Prompt, Usage
from tests.kb.engines.openai.server_process import free_port, running

pytestmark = [pytest.mark.long, pytest.mark.models]

# The last line break must be part of the prompt; at the very end of a template it would be dropped.
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant{{ '\n' }}"
)


def make_alphabet_model(folder: Path) -> Path:
    """Write a Qwen2 in which a line break is followed by `a`, each letter by the next, and `z` by the end."""
    import torch
    from transformers import AutoTokenizer, Qwen2ForCausalLM

    from tests.tiny_qwen import make_tiny_qwen

    make_tiny_qwen(folder, template=TEMPLATE)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = Qwen2ForCausalLM.from_pretrained(folder)
    chain = [tokenizer.encode(text, add_special_tokens=False)[-1] for text in ("\n", *string.ascii_lowercase)]
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(1.0 if "norm" in name else 0.0)
        for place, (token, following) in enumerate(pairwise([*chain, tokenizer.eos_token_id])):
            model.model.embed_tokens.weight[token, place] = 1.0
            model.lm_head.weight[following, place] = 10.0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="needs the extra `local`")
    missing = [name for name in ("openai", "fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"`transformers serve` needs {', '.join(missing)}: pip install 'transformers[serving]'")
    return make_alphabet_model(tmp_path_factory.mktemp("alphabet") / "model")


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("serve"), free_port()
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    with running(command, port, folder / "log", "/health", environment) as url:
        yield url


def engine_for(server: str, model: str | Path, dialect: str = "transformers") -> OpenAIEngine:
    return OpenAIEngine([ServerAddress(server + "/v1", str(model), dialect)], limits=Limits(idle=120))


def ask(engine: OpenAIEngine, **options: Any) -> tuple[list[str], list[Usage]]:
    prompt = Prompt((Message("system", "只背字母。"), Message("user", "背一遍字母")), (), "背", "zh", "test")
    items = list(engine.stream(prompt, GenerationOptions(**options), threading.Event()))
    return [item for item in items if isinstance(item, str)], [item for item in items if isinstance(item, Usage)]


def test_answers_stream_with_usage(server: str, model: Path) -> None:
    """The model recites the alphabet piece by piece and ends; the usage comes last."""
    pieces, usages = ask(engine_for(server, model))
    assert "".join(pieces) == string.ascii_lowercase
    assert len(pieces) > 5
    assert len(usages) == 1
    assert usages[0].prompt_tokens > 20
    assert usages[0].completion_tokens >= 26


def test_stop_and_length(server: str, model: Path) -> None:
    """Stop strings and the bound on the answer are kept, greedy or not."""
    assert "".join(ask(engine_for(server, model), stop=("ijk",))[0]) == "abcdefgh"
    assert "".join(ask(engine_for(server, model), max_new_tokens=3, temperature=0.0)[0]) == "abc"


def test_the_automatic_dialect_will_do(server: str, model: Path) -> None:
    """With standard fields alone the server answers too."""
    assert "".join(ask(engine_for(server, model, "auto"))[0]) == string.ascii_lowercase


def test_another_model_is_refused(server: str) -> None:
    """The server is bound to the model it was started with, and says so."""
    with pytest.raises(EngineUnavailableError, match="answered 400"):
        ask(engine_for(server, "another/model"))


def test_fields_of_other_servers_are_refused(server: str, model: Path) -> None:
    """vLLM's fields are 422 here: the dialect matters, and the automatic one gets by with fewer."""
    with pytest.raises(EngineUnavailableError, match="answered 422"):
        ask(engine_for(server, model, "vllm"))


def test_leaving_frees_the_server(server: str, model: Path) -> None:
    """After a reader left in mid-answer the next question is answered."""
    prompt = Prompt((Message("user", "背"),), (), "背", "zh", "test")
    stream = engine_for(server, model).stream(prompt, GenerationOptions(), threading.Event())
    assert next(iter(stream)).startswith("a")
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert "".join(ask(engine_for(server, model))[0]) == string.ascii_lowercase


def test_the_doctor_recognises_it(server: str) -> None:
    """It is told by a route that only it has."""
    seen = recognise(Inquiry(server, None, False, 5, 60))
    assert seen is not None
    assert seen.dialect == "transformers"
