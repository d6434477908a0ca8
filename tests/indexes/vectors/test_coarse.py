"""The coarse index of large segments, against exact search over the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic_text import passages, questions
from indexes.embedders.hash import HashEmbedder
from indexes.errors import DamagedError
from indexes.storage import segments
from indexes.storage.versions import SEGMENTS_NAME
from indexes.vectors import flat as vectors_module
from indexes.vectors.coarse import CoarseVectors, sampled_positions, suits, write_coarse
from indexes.vectors.flat import COARSE_FROM, VectorSegment, read_halves, write_vectors
from tests.indexes.storage_samples import id_of, make_store, put, text_of

COUNT = COARSE_FROM + 10_000
DIMENSION = 256


def model_shaped(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    """Return unit vectors as trained models give them: around a common mean, in clusters, a few directions strong."""
    fixed, drawn = np.random.default_rng(0), np.random.default_rng(seed)
    spectrum = np.arange(1, dimension + 1) ** -0.5
    mean, centres = fixed.normal(size=dimension), fixed.normal(size=(500, dimension))
    points = mean + centres[drawn.integers(0, 500, count)] + 0.7 * drawn.normal(size=(count, dimension))
    rotation = np.linalg.qr(fixed.normal(size=(dimension, dimension)))[0]
    turned = (points * spectrum) @ rotation
    vectors: NDArray[np.float32] = (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def build(folder: Path, vectors: NDArray[np.float32]) -> VectorSegment:
    count, dimension = vectors.shape
    exact, coarse = folder / "exact", folder / "coarse"
    write_vectors(exact, dimension, [vectors])
    sample = VectorSegment.open(exact).vectors(sampled_positions(count))
    write_coarse(coarse, count, read_halves(exact, dimension, count), sample)
    return VectorSegment.open(exact, coarse)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return model_shaped(COUNT, DIMENSION, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coarse")


@pytest.fixture(scope="module")
def segment(folder: Path, vectors: NDArray[np.float32]) -> VectorSegment:
    return build(folder, vectors)


def recall(segment: VectorSegment, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> float:
    """Return the share of the exact ten best that search finds; one as good as the tenth counts."""
    found = 0
    for query in queries:
        tenth = np.partition(vectors @ query, -10)[-10]
        positions, scores = segment.search(query, 10)
        assert np.unique(positions).size == 10 and (np.diff(scores) <= 0).all()
        np.testing.assert_allclose(scores, vectors[positions] @ query, atol=1e-3)
        found += int(np.count_nonzero(scores >= tenth - 1e-3))
    return found / (10 * len(queries))


def test_nearly_all_of_the_best_are_found_among_model_shaped_vectors(
    segment: VectorSegment, vectors: NDArray[np.float32]
) -> None:
    """Of the exact ten best of 60,000 clustered vectors at least 98 % are found, with exact scores."""
    assert recall(segment, vectors, model_shaped(50, DIMENSION, seed=2)) >= 0.98


def test_nearly_all_of_the_best_are_found_among_hashed_texts(tmp_path: Path) -> None:
    """The same for the embedded profile's vectors of Chinese text, whose cosines lie close together."""
    embedder = HashEmbedder(DIMENSION)
    texts = [text[:60] for text in passages(COARSE_FROM)]
    vectors = np.concatenate([embedder.embed_documents(texts[i : i + 5_000]) for i in range(0, len(texts), 5_000)])
    queries = np.stack([embedder.embed_query(question) for question in questions(50)])
    assert recall(build(tmp_path, vectors), vectors, queries) >= 0.97


@pytest.mark.parametrize("share", [0.95, 0.3])
def test_only_live_positions_are_found(segment: VectorSegment, vectors: NDArray[np.float32], share: float) -> None:
    """With a wide mask the coarse index, with a narrow one a scan finds the best of what is admitted."""
    live = np.random.default_rng(3).random(COUNT) < share
    for query in model_shaped(5, DIMENSION, seed=4):
        positions, scores = segment.search(query, 10, live)
        assert live[positions].all()
        exact = np.sort((vectors @ query)[live])[::-1][:10]
        assert np.count_nonzero(scores >= exact[9] - 1e-3) >= 9


def test_more_can_be_asked_for_than_are_looked_at(segment: VectorSegment) -> None:
    """As many vectors as there are come back, each once, when so many are asked for."""
    positions, _ = segment.search(model_shaped(1, DIMENSION, seed=5)[0], COUNT)
    assert np.array_equal(np.sort(positions), np.arange(COUNT))


def test_the_same_vectors_make_the_same_file(
    segment: VectorSegment, folder: Path, vectors: NDArray[np.float32], tmp_path: Path
) -> None:
    """Training is seeded: a rebuilt segment gets the name it had."""
    build(tmp_path, vectors)
    assert (tmp_path / "coarse").read_bytes() == (folder / "coarse").read_bytes()


def test_a_damaged_file_is_told_at_the_first_question(segment: VectorSegment, folder: Path, tmp_path: Path) -> None:
    """A file that is missing, foreign or of other vectors is damage, and the name may go once it is open."""
    assert suits(DIMENSION) and not suits(DIMENSION + 1)
    query = model_shaped(1, DIMENSION, seed=6)[0]
    with pytest.raises(DamagedError, match="cannot be opened"):
        CoarseVectors.open(tmp_path / "missing", COUNT)
    (tmp_path / "foreign").write_bytes(b"not an index at all")
    with pytest.raises(DamagedError, match="is damaged"):
        CoarseVectors.open(tmp_path / "foreign", COUNT).nearest(query, 1)
    with pytest.raises(DamagedError, match="of 7 rows"):
        CoarseVectors.open(folder / "coarse", 7).nearest(query, 1)
    copy = tmp_path / "copy"
    copy.write_bytes((folder / "coarse").read_bytes())
    opened = CoarseVectors.open(copy, COUNT)
    copy.unlink()
    assert opened.nearest(query, 3).size == 3


def test_a_large_segment_of_a_store_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a size on a published segment carries a coarse index, checked like its other files, and finds the same."""
    for module in (segments, vectors_module):
        monkeypatch.setattr(module, "COARSE_FROM", 200)
    store = make_store(tmp_path / "kb")
    with store.writer() as writer:
        for number in range(100):
            put(writer, f"{number:03}", text_of(f"{number:03}", "一"))
        writer.publish()
    with store.writer() as writer:
        writer.remove([id_of("007")])
        writer.publish()
    base = store.snapshot().segments[0]
    folder = tmp_path / "kb" / SEGMENTS_NAME / base.segment_id
    assert base.row_ids.size >= 200 and (folder / segments.COARSE_NAME).is_file()
    query = base.vectors.vectors(np.array([42]))[0]
    positions, scores = base.vectors.search(query, 5, base.live)
    assert positions[0] == 42 and scores[0] == pytest.approx(1, abs=1e-3) and base.live[positions].all()
    assert not store.verify().problems
    content = bytearray((folder / segments.COARSE_NAME).read_bytes())
    content[-1] ^= 1
    (folder / segments.COARSE_NAME).write_bytes(content)
    assert any(segments.COARSE_NAME in problem for problem in store.verify().problems)
