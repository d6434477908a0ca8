"""Vector segments, against exact search in NumPy."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from indexes.errors import DamagedError, UsageError
from indexes.vectors.flat import VectorSegment, read_at, read_halves, write_vectors


def unit_vectors(count: int, dimension: int = 32, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(count, dimension))
    vectors: NDArray[np.float32] = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return vectors


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    return unit_vectors(500)


@pytest.fixture
def segment(vectors: NDArray[np.float32], tmp_path: Path) -> VectorSegment:
    write_vectors(tmp_path / "vectors", 32, np.array_split(vectors, 3))
    return VectorSegment.open(tmp_path / "vectors")


def test_search_finds_what_exact_search_finds(segment: VectorSegment, vectors: NDArray[np.float32]) -> None:
    """The ten best of 500 for 20 questions are those of a full scan, with the same cosines to half precision."""
    assert (segment.count, segment.dimension) == (500, 32)
    for query in unit_vectors(20, seed=1):
        exact = vectors @ query
        positions, scores = segment.search(query, 10)
        assert np.all(np.diff(scores) <= 0)
        np.testing.assert_allclose(scores, np.sort(exact)[::-1][:10], atol=1e-3)
        np.testing.assert_allclose(scores, exact[positions], atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.004, 0.5, 1.0])
def test_only_live_positions_are_found(segment: VectorSegment, vectors: NDArray[np.float32], share: float) -> None:
    """With a mask, the best of the live positions come back, and no more than there are."""
    live = np.random.default_rng(2).random(500) < share
    query = unit_vectors(1, seed=3)[0]
    positions, scores = segment.search(query, 10, live)
    expected = np.sort((vectors @ query)[live])[::-1][:10]
    assert live[positions].all()
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_scores_of_chosen_positions(segment: VectorSegment, vectors: NDArray[np.float32]) -> None:
    """Cosines can be had for positions that search did not choose, in the order asked for."""
    query = unit_vectors(1, seed=4)[0]
    positions = np.array([7, 3, 499], dtype=np.int64)
    np.testing.assert_allclose(segment.scores(query, positions), vectors[positions] @ query, atol=1e-3)
    assert segment.scores(query, positions[:0]).shape == (0,)


def test_an_empty_segment_finds_nothing(tmp_path: Path) -> None:
    """No vectors is a valid segment of a known dimension."""
    write_vectors(tmp_path / "none", 8, [])
    segment = VectorSegment.open(tmp_path / "none")
    positions, scores = segment.search(np.ones(8, dtype=np.float32), 5, np.empty(0, dtype=np.bool_))
    assert (segment.count, segment.dimension, positions.size, scores.size) == (0, 8, 0, 0)


def test_the_file_is_the_one_that_faiss_writes(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    """Vectors streamed in batches make the very bytes of FAISS's own flat half-precision index."""
    own = faiss.IndexScalarQuantizer(32, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    own.add(vectors.astype(np.float16).astype(np.float32))
    faiss.write_index(own, str(tmp_path / "own"))
    assert write_vectors(tmp_path / "streamed", 32, [vectors[:1], vectors[1:400], vectors[400:]]) == 500
    assert (tmp_path / "streamed").read_bytes() == (tmp_path / "own").read_bytes()
    read = np.concatenate(list(read_halves(tmp_path / "streamed", 32, 500)))
    np.testing.assert_array_equal(read, vectors.astype(np.float16))
    chosen = np.array([499, 0, 7])
    np.testing.assert_array_equal(read_at(tmp_path / "streamed", 32, 500, chosen), read[chosen])


def test_wrong_vectors_and_files_are_refused(segment: VectorSegment, tmp_path: Path) -> None:
    """NaN, a wrong shape, a query of another dimension, a missing and a foreign file each end in a typed error."""
    with pytest.raises(UsageError, match="NaN"):
        write_vectors(tmp_path / "nan", 8, [np.full((1, 8), np.nan, dtype=np.float32)])
    with pytest.raises(UsageError, match="shape"):
        write_vectors(tmp_path / "flat", 8, [np.ones((1, 7), dtype=np.float32)])
    with pytest.raises(UsageError, match="dimensions"):
        segment.search(np.ones(8, dtype=np.float32), 1)
    with pytest.raises(DamagedError):
        VectorSegment.open(tmp_path / "missing")
    (tmp_path / "foreign").write_bytes(b"not an index at all")
    with pytest.raises(DamagedError):
        VectorSegment.open(tmp_path / "foreign")


def test_opening_reads_nothing(tmp_path: Path) -> None:
    """A mapped segment of 20 MB costs less than 5 MB of memory to open."""
    write_vectors(tmp_path / "large", 512, [unit_vectors(20_000, 512)])
    assert (tmp_path / "large").stat().st_size > 20_000_000
    before = resident()
    segment = VectorSegment.open(tmp_path / "large")
    assert resident() - before < 5_000
    assert segment.count == 20_000


def resident() -> int:
    """Return the resident memory of this process in KiB, files mapped and read included."""
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("needs /proc")
    return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmRSS")))
