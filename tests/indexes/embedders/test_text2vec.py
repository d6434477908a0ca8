"""text2vec, which pools by the mean of all tokens, through LlamaIndex: a tiny model of its architecture and files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexes.embedders.llama_index import LlamaIndexEmbedder
from indexes.errors import UsageError
from tests.tiny_bge import make_tiny_bge

pytestmark = pytest.mark.models
TEXTS = ["知识库只根据文档回答问题", "并且标明出处"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT saved as text2vec-base-chinese is: mean pooling, and nothing that scales to length 1."""
    path = make_tiny_bge(tmp_path_factory.mktemp("models") / "text2vec-tiny")
    modules = json.loads((path / "modules.json").read_text(encoding="utf-8"))
    (path / "modules.json").write_text(json.dumps(modules[:2]), encoding="utf-8")
    shutil.rmtree(path / "2_Normalize")
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def embedder(folder: Path) -> LlamaIndexEmbedder:
    pytest.importorskip("llama_index.embeddings.huggingface", reason="it is in the dev extra")
    named = "llama_index.embeddings.huggingface.HuggingFaceEmbedding"
    return LlamaIndexEmbedder(named, {"model_name": str(folder), "device": "cpu"}, max_tokens=64, tokenizer=folder)


def test_vectors_are_the_normalised_mean_of_all_tokens(folder: Path, embedder: LlamaIndexEmbedder) -> None:
    """What comes out is the mean of the plain transformers model's states, not the state of [CLS]; questions alike."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy() for text in TEXTS]
    means, firsts = (
        np.stack([vector / np.linalg.norm(vector) for vector in vectors])
        for vectors in ([state.mean(axis=0) for state in states], [state[0] for state in states])
    )
    vectors = embedder.embed_documents(TEXTS)
    np.testing.assert_allclose(vectors, means, atol=1e-5)
    assert np.abs(vectors - firsts).max() > 0.01
    np.testing.assert_allclose(embedder.embed_query(TEXTS[0]), means[0], atol=1e-5)


def test_nothing_is_cut(embedder: LlamaIndexEmbedder) -> None:
    """Tokens are counted by the model's own tokenizer, and a passage over the limit is an error."""
    assert embedder.count_tokens(["知识库"]) == [5]
    with pytest.raises(UsageError):
        embedder.embed_documents(["知" * 63])
