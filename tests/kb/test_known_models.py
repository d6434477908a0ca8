"""The table of models is right by arithmetic where arithmetic can tell, and names what the product runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from kb.known_models import KNOWN_MODELS, KnownModel, kind_of

ENGINES = [model for model in KNOWN_MODELS if model.kind == "engine"]
PROFILES = sorted((Path(__file__).resolve().parent.parent.parent / "configs").glob("*.toml"))
# Layers, heads of keys and values, and their width, from the config.json of each shape.
SHAPES = {
    "Qwen3-0.6B": (28, 8, 128),
    "Qwen3-4B": (36, 8, 128),
    "Qwen3-14B": (40, 8, 128),
    "Qwen3-32B": (64, 8, 128),
    "Qwen2.5-0.5B-Instruct": (24, 2, 64),
    "Qwen2.5-3B-Instruct": (36, 2, 128),
    "Qwen2.5-7B-Instruct": (28, 4, 128),
    "Qwen2.5-14B-Instruct": (48, 8, 128),
    "Qwen2.5-72B-Instruct": (80, 8, 128),
    "Qwen1.5-0.5B-Chat": (24, 16, 64),
    "Qwen1.5-4B-Chat": (40, 20, 128),
    "Qwen1.5-7B-Chat": (32, 32, 128),
    "Qwen1.5-72B-Chat": (80, 64, 128),
}


def named(name: str) -> KnownModel:
    (found,) = (model for model in KNOWN_MODELS if model.name.endswith("/" + name))
    return found


def test_every_model_is_there_once_with_its_facts() -> None:
    """Names are unique and those of a hub; parameters, sizes and licences are stated."""
    assert len({model.name for model in KNOWN_MODELS}) == len(KNOWN_MODELS)
    for model in KNOWN_MODELS:
        assert model.name.count("/") == 1
        assert model.billions > 0
        assert model.licence
        assert kind_of(model.name) == model.kind
        # 4 bytes a parameter as float32, 2 as BF16; small Qwens may hold their embedding twice.
        low, high = (1.9, 2.6) if model.kind == "engine" else (3.9, 4.2)
        assert low <= model.gigabytes / model.billions <= high, model.name


def test_every_generation_that_the_engine_runs_is_there() -> None:
    """Qwen1.5, Qwen2, Qwen2.5 and Qwen3 are listed; only the last two are offered where another does not fit."""
    for generation in ("Qwen1.5-", "Qwen2-", "Qwen2.5-", "Qwen3-"):
        models = [model for model in ENGINES if model.name.startswith(f"Qwen/{generation}")]
        assert len(models) >= 4
        assert {model.suggested for model in models} == {generation in ("Qwen2.5-", "Qwen3-")}


@pytest.mark.parametrize(("name", "shape"), SHAPES.items())
def test_the_cache_follows_from_the_shape(name: str, shape: tuple[int, int, int]) -> None:
    """Keys and values of every layer, 2 bytes each."""
    layers, heads, width = shape
    assert named(name).cache_kibibytes * 1024 == 2 * 2 * layers * heads * width


def test_memory_is_weights_cache_and_reserve() -> None:
    """Qwen2.5-7B with 8,192 tokens: 15.2 GB, 0.47 GB and 1.07 GB; an embedder takes its weights."""
    assert named("Qwen2.5-7B-Instruct").memory == pytest.approx(15.2 + 56 * 1024 * 8192 / 1e9 + 1.0737, abs=0.001)
    assert named("bge-large-zh-v1.5").memory == 1.3


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_models_of_the_profiles_are_known(profile: Path) -> None:
    """What a profile names can be looked up."""
    sections = tomllib.loads(profile.read_text(encoding="utf-8"))
    for section in ("embedding", "engine"):
        if model := sections.get(section, {}).get("model"):
            assert model in {known.name for known in KNOWN_MODELS}
