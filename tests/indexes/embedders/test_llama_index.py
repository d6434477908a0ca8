"""Any LlamaIndex embedding is an embedder: unit vectors, an identity of its own, nothing cut in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.embedders.llama_index import LlamaIndexEmbedder
from indexes.errors import ConfigurationError, EngineUnavailableError, UsageError

pytest.importorskip("llama_index.core", reason="needs the llama-index extra")

HASHED = "tests.fakes.llama_index_embedding.HashedEmbedding"
MOCK = "llama_index.core.embeddings.mock_embed_model.MockEmbedding"


def made(*, max_tokens: int = 512, tokenizer: Path | None = None, **arguments: object) -> LlamaIndexEmbedder:
    return LlamaIndexEmbedder(HASHED, arguments, max_tokens=max_tokens, tokenizer=tokenizer)


def test_vectors_are_those_of_the_embedding_at_length_one() -> None:
    """Passages and questions go through the embedding's own methods, and come out in order and normalised."""
    embedder, inner = made(), HashEmbedder(128)
    texts = ["年假有十天。", "The port is 8000.", "备份保留九十天。"]
    np.testing.assert_allclose(embedder.embed_documents(texts), inner.embed_documents(texts), atol=1e-6)
    np.testing.assert_allclose(embedder.embed_query("年假有几天？"), inner.embed_query("年假有几天？"), atol=1e-6)
    assert embedder.embed_documents([]).shape == (0, 128)
    assert embedder.identity.dimension == 128


def test_the_identity_tells_embeddings_apart_but_not_keys() -> None:
    """Another model, argument or length is another identity; another key or batch size is not."""
    identity = made(api_key="a").identity
    assert identity == made(api_key="b", embed_batch_size=3).identity
    assert "HashedEmbedding" in identity.model
    others = [
        made(scale=2.0).identity,
        made(dimension=64).identity,
        made(model_name="other").identity,
        made(max_tokens=256).identity,
        LlamaIndexEmbedder(MOCK, {"embed_dim": 128}, max_tokens=512).identity,
    ]
    assert len({identity, *others}) == 6


def test_a_text_over_the_declared_length_is_refused_and_a_question_is_cut() -> None:
    """No passage loses its end in silence; a question keeps its beginning, whole characters only."""
    embedder = made(max_tokens=32)
    assert embedder.count_tokens(["abc", "年假"]) == [5, 8]
    with pytest.raises(UsageError, match="text 1 has 35 tokens"):
        embedder.embed_documents(["年假", "年" * 11])
    np.testing.assert_array_equal(embedder.embed_query("年" * 40), embedder.embed_query("年" * 10))


@pytest.mark.models
def test_a_tokenizer_counts_exactly(tmp_path: Path) -> None:
    """With the model's tokenizer a character is a token, and a question is cut at one."""
    from tests.tiny_bge import make_tiny_bge

    folder = make_tiny_bge(tmp_path / "model")
    for given in (folder, folder / "tokenizer.json"):
        embedder = made(max_tokens=32, tokenizer=given)
        assert embedder.count_tokens(["知识库", "知识 库 a"]) == [5, 6]
        np.testing.assert_array_equal(embedder.embed_query("知" * 60), embedder.embed_query("知" * 30))
    with pytest.raises(ConfigurationError, match="no file"):
        made(tokenizer=tmp_path / "missing.json").count_tokens(["a"])
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="no tokenizer"):
        made(tokenizer=tmp_path / "broken.json").count_tokens(["a"])


@pytest.mark.parametrize(
    ("broken", "said"),
    [("raises", "server is away"), ("zero", "zero or not finite"), ("nan", "zero or not finite"), ("empty", "shape")],
)
def test_a_broken_embedding_is_unavailable(broken: str, said: str) -> None:
    """Whatever a foreign embedding does wrong ends in one typed line, not in a broken index."""
    with pytest.raises(EngineUnavailableError, match=said) as caught:
        made(broken=broken, api_key="sk-hunter2").embed_query("年假")
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "arguments", "error"),
    [
        ("no.such.Embedding", {}, EngineUnavailableError),
        ("tests.fakes.llama_index_embedding.Missing", {}, EngineUnavailableError),
        ("pathlib.Path", {}, ConfigurationError),
        (HASHED, {"dimension": "hunter2"}, ConfigurationError),
    ],
)
def test_what_cannot_be_made_is_said(path: str, arguments: dict[str, object], error: type[Exception]) -> None:
    """A path or an argument that does not work is named; what the arguments hold is not repeated."""
    with pytest.raises(error) as caught:
        _ = LlamaIndexEmbedder(path, arguments, max_tokens=512).identity
    assert path in str(caught.value)
    assert "hunter2" not in str(caught.value)
