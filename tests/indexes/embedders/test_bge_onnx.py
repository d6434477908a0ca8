"""Running bge by onnxruntime: prepared once, checked against torch, and no other vectors than torch's."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from indexes.embedders import bge_choice
from indexes.embedders.bge import BgeEmbedder
from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_export import export_graph, quantise_graph
from indexes.embedders.bge_prepare import INT8_COSINE, Quantise, prepare_model
from indexes.embedders.bge_prepared import Prepared, graph_file, prepared_folder, read_prepared, write_prepared
from indexes.embedders.bge_runtime import Runtime
from indexes.errors import ConfigurationError, DamagedError, EngineUnavailableError, UsageError
from tests.tiny_bge import make_tiny_bge

pytestmark = pytest.mark.models

NAME = "bge-tiny-zh-v1.5"
TEXTS = [("知识库" * (number % 7 + 1) + "检索向量"[: number % 5] + "来源页码") for number in range(20)]


def as_if(torch: float, fp32: float, int8: float):
    """Stand for the timing: a tiny model is too quick for a real one to come out the same twice."""
    seconds = {"torch": torch, "onnx-fp32": fp32, "onnx-int8": int8}

    def speed(runtimes: Sequence[Runtime], token_ids: list[list[int]]) -> list[float]:
        return [seconds[runtime.name] for runtime in runtimes]

    return speed


INT8_GAINS, INT8_GAINS_NOTHING, TORCH_WINS = as_if(100, 90, 300), as_if(100, 90, 95), as_if(1000, 90, 300)


def prepare(model: Path, cache: Path, speed=INT8_GAINS_NOTHING, quantise: Quantise = quantise_graph) -> Prepared:
    """Prepare the model in `model` under `cache`."""
    directory = BgeDirectory.read(model, model.name)
    tokenizer = BgeEmbedder(str(model))._tokenizer
    return prepare_model(directory, tokenizer, prepared_folder(cache, directory), speed=speed, quantise=quantise)


def folder_of(model: Path, cache: Path) -> Path:
    return prepared_folder(cache, BgeDirectory.read(model, model.name))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bge(tmp_path_factory.mktemp("models") / NAME)


@pytest.fixture(scope="module")
def fp32_cache(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("fp32")
    assert prepare(model, cache, INT8_GAINS_NOTHING).runtime == "onnx-fp32"
    return cache


@pytest.fixture(scope="module")
def int8_cache(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("int8")
    assert prepare(model, cache, INT8_GAINS).runtime == "onnx-int8"
    return cache


@pytest.fixture(scope="module")
def torch_embedder(model: Path) -> BgeEmbedder:
    return BgeEmbedder(str(model), runtime="torch")


@pytest.fixture(scope="module")
def fp32_embedder(model: Path, fp32_cache: Path) -> BgeEmbedder:
    embedder = BgeEmbedder(str(model), runtime="onnx", models_folder=fp32_cache)
    assert embedder.runtime == "onnx-fp32"
    return embedder


@pytest.fixture(scope="module")
def int8_embedder(model: Path, int8_cache: Path) -> BgeEmbedder:
    embedder = BgeEmbedder(str(model), runtime="onnx", models_folder=int8_cache)
    assert embedder.runtime == "onnx-int8"
    return embedder


def test_fp32_gives_the_vectors_of_torch(torch_embedder: BgeEmbedder, fp32_embedder: BgeEmbedder) -> None:
    """Documents and questions of all lengths come out equal to torch's within rounding."""
    texts = [*TEXTS, "", "知" * 62]
    np.testing.assert_allclose(fp32_embedder.embed_documents(texts), torch_embedder.embed_documents(texts), atol=1e-5)
    for question in ("怎样标明出处", "知" * 500):
        np.testing.assert_allclose(fp32_embedder.embed_query(question), torch_embedder.embed_query(question), atol=1e-5)
    assert fp32_embedder.embed_documents([]).shape == (0, 32)


def test_int8_stays_above_the_stated_cosine(torch_embedder: BgeEmbedder, int8_embedder: BgeEmbedder) -> None:
    """8-bit vectors of texts that the check never saw have the cosine to torch's that it asks for, and are not them."""
    exact, small = torch_embedder.embed_documents(TEXTS), int8_embedder.embed_documents(TEXTS)
    assert np.sum(exact * small, axis=1).min() >= INT8_COSINE
    assert np.abs(exact - small).max() > 1e-5
    np.testing.assert_allclose(np.linalg.norm(small, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("which", ["fp32_embedder", "int8_embedder"])
def test_a_vector_does_not_depend_on_its_neighbours(which: str, request: pytest.FixtureRequest) -> None:
    """Any order and any grouping of the texts gives the same vectors to the last bit, with 8-bit weights too."""
    embedder: BgeEmbedder = request.getfixturevalue(which)
    together = embedder.embed_documents(TEXTS)
    np.testing.assert_array_equal(embedder.embed_documents(TEXTS[::-1])[::-1], together)
    alone = np.concatenate([embedder.embed_documents([text]) for text in TEXTS])
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("which", ["fp32_embedder", "int8_embedder"])
def test_a_text_over_the_limit_is_refused(which: str, request: pytest.FixtureRequest) -> None:
    """62 characters fill the model's 64 tokens; 63 are refused with their number, not cut."""
    embedder: BgeEmbedder = request.getfixturevalue(which)
    assert embedder.embed_documents(["知" * 62]).shape == (1, 32)
    with pytest.raises(UsageError, match="text 1 has 65 tokens"):
        embedder.embed_documents(["好", "知" * 63])


def test_paths_share_one_identity_and_one_index(
    torch_embedder: BgeEmbedder, fp32_embedder: BgeEmbedder, int8_embedder: BgeEmbedder
) -> None:
    """What int8 has indexed is found by fp32 and torch: one identity, and scores within the bound of the cosine."""
    assert torch_embedder.identity == fp32_embedder.identity == int8_embedder.identity
    documents = int8_embedder.embed_documents(TEXTS)
    exact = torch_embedder.embed_documents(TEXTS)
    bound = np.sqrt(2 - 2 * INT8_COSINE)
    for other in (fp32_embedder, torch_embedder):
        queries = np.stack([other.embed_query(text) for text in TEXTS])
        moved = np.abs(queries @ documents.T - queries @ exact.T)
        assert 0 < moved.max() <= bound


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "record", "emptied record", "changed record"])
def test_damage_is_noticed(damage: str, model: Path, fp32_cache: Path, tmp_path: Path) -> None:
    """A graph or a record that is not what was written is refused, whatever happened to it."""
    shutil.copytree(fp32_cache, tmp_path, dirs_exist_ok=True)
    folder = folder_of(model, tmp_path)
    graph, record = graph_file(folder), folder / "record.json"
    content = graph.read_bytes()
    if damage == "flipped":
        flip(graph)
    elif damage == "truncated":
        graph.write_bytes(content[: len(content) // 2])
    elif damage == "missing":
        graph.unlink()
    elif damage == "record":
        record.unlink()
    elif damage == "emptied record":
        record.write_bytes(b"")
    else:
        record.write_text(record.read_text().replace("onnx-fp32", "onnx-int8"))
    with pytest.raises(DamagedError):
        read_prepared(folder)


def flip(file: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_damaged_export_is_made_again(
    model: Path, fp32_cache: Path, tmp_path: Path, torch_embedder: BgeEmbedder, caplog
) -> None:
    """With one bit flipped the model is exported anew, which the log says, and the vectors are right."""
    shutil.copytree(fp32_cache, tmp_path, dirs_exist_ok=True)
    folder = folder_of(model, tmp_path)
    flip(graph_file(folder))
    with caplog.at_level(logging.WARNING):
        embedder = BgeEmbedder(str(model), runtime="onnx", models_folder=tmp_path)
        vectors = embedder.embed_documents(TEXTS)
    assert np.sum(vectors * torch_embedder.embed_documents(TEXTS), axis=1).min() >= INT8_COSINE
    assert "prepared again" in caplog.text
    assert read_prepared(folder) is not None


def test_weights_that_lose_meaning_in_8_bits_stay_fp32(model: Path, tmp_path: Path) -> None:
    """A quantised graph whose vectors point elsewhere is refused however fast it is, and the record says why."""
    other = make_tiny_bge(tmp_path / "other" / NAME, seed=1)

    def quantise_another(source: Path, target: Path) -> None:
        from indexes.embedders.bge_torch import TorchRuntime

        export_graph(TorchRuntime(BgeDirectory.read(other, NAME), device="cpu"), target)

    prepared = prepare(model, tmp_path / "cache", INT8_GAINS, quantise_another)
    assert prepared.runtime == "onnx-fp32"
    assert "refused" in prepared.reason
    assert prepared.cosines["onnx-int8"] < INT8_COSINE
    embedder = BgeEmbedder(str(model), runtime="onnx", models_folder=tmp_path / "cache")
    assert embedder.runtime == "onnx-fp32"


def test_a_quantised_graph_that_cannot_be_loaded_leaves_fp32(model: Path, tmp_path: Path) -> None:
    """Rubbish from the quantiser is refused by the check, and nothing of it stays on the disk."""
    prepared = prepare(model, tmp_path, INT8_GAINS, lambda source, target: target.write_bytes(b"rubbish"))
    assert prepared.runtime == "onnx-fp32"
    assert "refused" in prepared.reason
    assert {file.name for file in folder_of(model, tmp_path).iterdir()} == {"model.onnx", "record.json"}


def test_auto_takes_torch_where_it_is_clearly_faster(model: Path, tmp_path: Path, caplog) -> None:
    """The timing decides for `auto`, while `onnx` stays with onnxruntime; each says its path on the log once."""
    prepare(model, tmp_path, TORCH_WINS)
    with caplog.at_level(logging.INFO, logger="indexes.embedders.bge_choice"):
        automatic = BgeEmbedder(str(model), device="cpu", models_folder=tmp_path)
        assert automatic.runtime == "torch"
        automatic.embed_documents(TEXTS)
        automatic.embed_query("出处")
    assert [record.message for record in caplog.records] == [
        f"{NAME} runs by torch on cpu: it is 3.3 times as fast as onnx-int8; "
        + read_prepared(folder_of(model, tmp_path)).reason
    ]
    assert BgeEmbedder(str(model), runtime="onnx", models_folder=tmp_path).runtime == "onnx-int8"


def test_what_will_run_is_said_without_loading_it(model: Path, int8_cache: Path, tmp_path: Path) -> None:
    """The line for `kb doctor` names the recorded path and its reason, that nothing is prepared, or the damage."""
    foreseen = BgeEmbedder(str(model), device="cpu", models_folder=int8_cache).foreseen_runtime
    assert foreseen == f"runs by onnx-int8: {read_prepared(folder_of(model, int8_cache)).reason}"
    assert "not prepared" in BgeEmbedder(str(model), runtime="onnx", models_folder=tmp_path).foreseen_runtime
    assert BgeEmbedder(str(model), runtime="torch").foreseen_runtime == "runs by torch: as configured"
    shutil.copytree(int8_cache, tmp_path, dirs_exist_ok=True)
    flip(graph_file(folder_of(model, tmp_path)))
    assert "checksum" in BgeEmbedder(str(model), runtime="onnx", models_folder=tmp_path).foreseen_runtime


def test_a_gpu_means_torch(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """With a GPU at hand `auto` prepares nothing and runs by torch."""
    monkeypatch.setattr(bge_choice, "has_gpu", lambda: True)
    with caplog.at_level(logging.INFO, logger="indexes.embedders.bge_choice"):
        assert BgeEmbedder(str(model), models_folder=tmp_path).runtime == "torch"
    assert "there is a GPU" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_said(model: Path, tmp_path: Path, caplog) -> None:
    """`auto` goes on by torch with a warning; `onnx` ends in an error that names the folder."""
    file = tmp_path / "file"
    file.write_text("no folder")
    with caplog.at_level(logging.WARNING):
        assert BgeEmbedder(str(model), device="cpu", models_folder=file).runtime == "torch"
    assert "cannot be prepared" in caplog.text
    with pytest.raises(EngineUnavailableError, match="cannot be prepared"):
        BgeEmbedder(str(model), runtime="onnx", models_folder=file).embed_query("好")


def test_onnx_on_a_gpu_is_a_contradiction() -> None:
    """A GPU as the device and onnx as the runtime are refused before anything is read."""
    with pytest.raises(ConfigurationError, match=r"embedding\.device is cuda"):
        BgeEmbedder("nowhere", device="cuda", runtime="onnx")


def test_a_preparation_that_fails_leaves_what_was_there(model: Path, fp32_cache: Path, tmp_path: Path) -> None:
    """An error half-way through neither tears the old preparation nor leaves files behind."""
    shutil.copytree(fp32_cache, tmp_path, dirs_exist_ok=True)
    folder = folder_of(model, tmp_path)
    before = read_prepared(folder)
    others = set(folder.parent.iterdir())

    def fail(filling: Path) -> Prepared:
        graph_file(filling).write_bytes(b"half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_prepared(folder, fail)
    assert read_prepared(folder) == before
    assert set(folder.parent.iterdir()) == others


def test_a_prepared_model_needs_no_torch(model: Path, int8_cache: Path) -> None:
    """A question is embedded without importing torch or transformers, and to the same bits in a new process."""
    code = (
        "import sys; from pathlib import Path; from indexes.embedders.bge import BgeEmbedder;"
        "vector = BgeEmbedder(sys.argv[1], runtime='onnx', models_folder=Path(sys.argv[2])).embed_query('出处');"
        "assert not {'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules);"
        "print(vector.tobytes().hex())"
    )
    command = [sys.executable, "-c", code, str(model), str(int8_cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    again = BgeEmbedder(str(model), runtime="onnx", models_folder=int8_cache).embed_query("出处")
    assert done.stdout.strip() == again.tobytes().hex()
