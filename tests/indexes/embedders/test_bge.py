"""The bge embedder on a tiny random model, saved and loaded by the real path."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexes.embedders.bge import BgeEmbedder
from indexes.embedders.bge_directory import CHINESE_PREFIX, ENGLISH_PREFIX
from indexes.errors import EngineUnavailableError, UsageError
from tests.tiny_bge import make_tiny_bge

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bge(tmp_path_factory.mktemp("models") / "bge-tiny-zh-v1.5")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> BgeEmbedder:
    return BgeEmbedder(str(folder), runtime="torch")


def test_vectors_are_the_normalised_first_token_of_the_model(folder: Path, embedder: BgeEmbedder) -> None:
    """What comes out equals the CLS state of the plain transformers model, scaled to length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["知识库只根据文档回答问题", "documents"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0].numpy() for text in texts]
    expected = np.stack([state / np.linalg.norm(state) for state in states])
    np.testing.assert_allclose(embedder.embed_documents(texts), expected, atol=1e-5)


def test_only_a_question_gets_the_prefix_of_its_language(folder: Path, embedder: BgeEmbedder, tmp_path: Path) -> None:
    """A Chinese model's question is embedded as prefix + question, a passage as it is; an English one has its own."""
    question = "怎样标明出处"
    with_prefix, without = embedder.embed_documents([CHINESE_PREFIX + question, question])
    np.testing.assert_allclose(embedder.embed_query(question), with_prefix, atol=1e-5)
    assert np.abs(with_prefix - without).max() > 1e-3
    assert embedder.identity.query_prefix == CHINESE_PREFIX
    english = shutil.copytree(folder, tmp_path / "bge-tiny-en-v1.5")
    assert BgeEmbedder(str(english)).identity.query_prefix == ENGLISH_PREFIX


def test_order_and_batches_do_not_change_a_vector(embedder: BgeEmbedder) -> None:
    """Each of 20 texts of different lengths has the vector that it has alone."""
    texts = ["知识库" * (number % 7 + 1) for number in range(20)]
    together = embedder.embed_documents(texts)
    for number in (0, 6, 13, 19):
        np.testing.assert_allclose(together[number], embedder.embed_documents([texts[number]])[0], atol=1e-5)
    assert together.shape == (20, 32)


def test_a_text_over_the_limit_is_refused_and_a_question_is_cut(embedder: BgeEmbedder) -> None:
    """64 tokens are the model's limit, [CLS] and [SEP] included: 62 characters fit, 63 do not, and nothing is cut."""
    assert embedder.identity.max_tokens == 64
    assert embedder.count_tokens(["知" * 62, "知" * 63, ""]) == [64, 65, 2]
    assert embedder.embed_documents(["知" * 62]).shape == (1, 32)
    with pytest.raises(UsageError, match="65 tokens"):
        embedder.embed_documents(["好", "知" * 63])
    room = 62 - (embedder.count_tokens([CHINESE_PREFIX])[0] - 2)
    np.testing.assert_allclose(embedder.embed_query("知" * 500), embedder.embed_query("知" * room), atol=1e-6)


def test_identity_needs_no_weights_and_follows_them(folder: Path, tmp_path: Path) -> None:
    """Reading the identity imports neither torch nor transformers; it is the same elsewhere and differs by weights."""
    code = (
        "import sys; from indexes.embedders.bge import BgeEmbedder; print(BgeEmbedder(sys.argv[1]).identity.revision);"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    identity = BgeEmbedder(str(folder)).identity
    assert done.stdout.strip() == identity.revision
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)
    assert BgeEmbedder(str(copy)).identity == identity
    other = make_tiny_bge(tmp_path / folder.name, seed=1)
    assert BgeEmbedder(str(other)).identity.revision != identity.revision


def test_a_directory_that_is_no_bge_model_is_refused(folder: Path, tmp_path: Path) -> None:
    """Mean pooling, missing weights and pickled weights each end in an error that says so."""
    mean = shutil.copytree(folder, tmp_path / "mean")
    (mean / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}), encoding="utf-8")
    with pytest.raises(EngineUnavailableError, match="CLS"):
        BgeEmbedder(str(mean)).identity  # noqa: B018 - reading it is what fails
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(EngineUnavailableError, match="safetensors"):
        BgeEmbedder(str(pickled)).identity  # noqa: B018 - as above
    torn = shutil.copytree(folder, tmp_path / "torn")
    weights = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(EngineUnavailableError, match="cannot be loaded"):
        BgeEmbedder(str(torn), runtime="torch").embed_documents(["好"])


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    """Layers that the configuration names and the files lack are not made up."""
    folder = make_tiny_bge(tmp_path / "bge-tiny-zh-v1.5")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}), encoding="utf-8")
    with pytest.raises(EngineUnavailableError, match=r"are missing, encoder\.layer\.2"):
        BgeEmbedder(str(folder), runtime="torch").embed_query("检索")
