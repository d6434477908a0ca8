"""`kb models`: list, pull from a hub on loopback, check a model by using it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.indexes.models.loopback_hub import NAME, LoopbackHub
from tests.indexes.models.test_files import caches, hub  # noqa: F401 - fixtures
from tests.kb.cli.conftest import Run


@pytest.mark.usefixtures("caches", "hub")
def test_a_pulled_model_is_listed_where_it_is(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the pull the model is not here; afterwards it is in the configured folder, and every file was named."""
    monkeypatch.setenv("KB_MODELS__FOLDER", str(tmp_path / "models"))
    before = {model["name"]: model["path"] for model in run("models", "list", "--json").json["models"]}
    assert before[NAME] is None
    pulled = run("models", "pull", NAME)
    assert pulled.code == 0, pulled.err
    assert "model.safetensors" in pulled.err
    after = {model["name"]: model["path"] for model in run("models", "list", "--json").json["models"]}
    assert after[NAME] == str(tmp_path / "models" / "BAAI" / "bge-small-zh-v1.5")


@pytest.mark.usefixtures("caches")
def test_the_list_states_what_a_model_takes(run: Run) -> None:
    """One line a model with parameters, download, memory and licence; the same as JSON."""
    result = run("models", "list")
    assert result.code == 0
    header, *rows = [line.split("\t") for line in result.out.splitlines()]
    assert header == ["name", "kind", "parameters", "download", "memory", "licence", "here", "note"]
    assert ["Qwen/Qwen3-8B", "engine", "8.2B", "16.4 GB", "18.7 GB", "Apache-2.0", "no", ""] in rows
    assert ["BAAI/bge-small-en-v1.5", "embedding", "33M", "0.13 GB", "0.1 GB", "MIT", "no"] in [row[:7] for row in rows]
    listed = {model["name"]: model for model in run("models", "list", "--json").json["models"]}
    assert len(listed) == len(rows)
    assert listed["Qwen/Qwen1.5-7B-Chat"]["licence"] == "Tongyi Qianwen"
    assert listed["Qwen/Qwen1.5-7B-Chat"]["memory_gigabytes"] == 20.8


@pytest.mark.usefixtures("caches")
def test_a_damaged_download_is_exit_code_6(run: Run, hub: LoopbackHub) -> None:  # noqa: F811 - the fixture
    """A hub that sends other bytes than it announced ends in one line."""
    hub.damaged = True
    result = run("models", "pull", NAME)
    assert (result.code, result.out) == (6, "")
    assert "checksum" in result.err


@pytest.mark.usefixtures("caches")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_that_was_stopped_goes_on(
    run: Run,
    hub: LoopbackHub,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: signal.Signals,
) -> None:
    """Ctrl-C and a kill in the middle of the weights keep what came; the next pull says so and asks for the rest."""
    monkeypatch.setenv("KB_MODELS__FOLDER", str(tmp_path / "models"))
    hub.waits["model.safetensors"] = 3000
    pull = [sys.executable, "-m", "kb", "models", "pull", NAME]
    stopped = subprocess.Popen(pull, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while sum(part.stat().st_size for part in tmp_path.rglob("*.part")) < 3000:
        assert time.monotonic() < deadline
        assert stopped.poll() is None
        time.sleep(0.02)
    stopped.send_signal(sent)
    _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL)
    assert ("goes on from there" in said) == (sent == signal.SIGINT)
    assert not (tmp_path / "models" / NAME).exists()
    hub.go_on.set()
    hub.waits.clear()
    again = run("models", "pull", NAME)
    assert again.code == 0, again.err
    assert f"resuming the download of {NAME} at 3.0 kB of 7.0 kB from ModelScope ({hub.address})" in again.err
    assert "model.safetensors (7.0 kB, from 3.0 kB on)" in again.err
    assert hub.ranges_asked("model.safetensors") == [None, "bytes=3000-"]
    assert (tmp_path / "models" / NAME / "model.safetensors").read_bytes() == hub.files["model.safetensors"]


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "just-a-name", "a/..", "a/.b"])
def test_only_names_of_hubs_are_pulled(run: Run, name: str) -> None:
    """A name that is no organisation/model is wrong usage, and cannot lead out of the folder."""
    assert run("models", "pull", name).code == 2


@pytest.mark.models
def test_check_uses_the_model(run: Run, tmp_path: Path) -> None:
    """A bge directory embeds one sentence, a Qwen directory writes some tokens; a missing one is exit code 6."""
    from tests.tiny_bge import make_tiny_bge
    from tests.tiny_qwen import make_tiny_qwen

    bge = run("models", "check", str(make_tiny_bge(tmp_path / "bge-tiny")))
    assert bge.code == 0, bge.err
    assert "32 dimensions" in bge.out
    qwen = run("models", "check", str(make_tiny_qwen(tmp_path / "qwen-tiny")), "--json")
    assert qwen.code == 0, qwen.err
    assert (qwen.json["kind"], "wrote" in qwen.json["result"]) == ("engine", True)
    assert run("models", "check", str(tmp_path / "nothing")).code == 6


@pytest.mark.models
def test_a_model_that_thinks_works(run: Run, tmp_path: Path) -> None:
    """A check asks for no answer: that a model is still thinking after a few tokens is no fault of it."""
    from tests.tiny_qwen import make_tiny_qwen

    folder = make_tiny_qwen(tmp_path / "thinking-tiny")
    template = folder / "chat_template.jinja"
    asks = template.read_text(encoding="utf-8")
    template.write_text(asks + "{% if add_generation_prompt %}<think>\n{% endif %}", encoding="utf-8")
    checked = run("models", "check", str(folder))
    assert checked.code == 0, checked.err
    assert "and wrote" in checked.out


@pytest.mark.models
@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_check_runs_a_model_as_it_is_set(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What is tried is what would be used: a device that is not there fails the check, for both kinds."""
    from tests.tiny_bge import make_tiny_bge
    from tests.tiny_reranker import make_tiny_reranker

    if kind == "embedder":
        folder = make_tiny_bge(tmp_path / "bge-tiny")
        monkeypatch.setenv("KB_EMBEDDING__RUNTIME", "torch")
    else:
        folder = make_tiny_reranker(tmp_path / "bge-reranker-tiny")
    assert run("models", "check", str(folder)).code == 0
    monkeypatch.setenv("KB_EMBEDDING__DEVICE", "cuda:77")
    checked = run("models", "check", str(folder))
    assert checked.code == 6
    assert "embedding.device" in checked.err


@pytest.mark.models
def test_check_takes_the_revision_of_its_own_model_alone(
    run: Run,
    caches: Path,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The configured revision goes with the configured model; another model has none of that name."""
    from tests.tiny_bge import make_tiny_bge

    make_tiny_bge(caches / "hf_home/hub/models--BAAI--bge-small-zh-v1.5/snapshots/tried")
    monkeypatch.setenv("KB_EMBEDDING__MODEL", NAME)
    for revision, code in (("tried", 0), ("untried", 6)):
        monkeypatch.setenv("KB_EMBEDDING__REVISION", revision)
        assert run("models", "check", NAME).code == code
    monkeypatch.setenv("KB_EMBEDDING__MODEL", "BAAI/another")
    assert run("models", "check", NAME).code == 0
