"""The embedder without a model."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.embedders.hash import HashEmbedder
from indexes.errors import ConfigurationError, UsageError
from indexes.text.token_count import count_simple_tokens

TEXTS = ["知识库只根据文档回答问题。", "The Panthers' defense, 308 points", "", "……", "知识庫隻根據文檔回答問題。" * 10]


def test_vectors_are_unit_length_and_of_the_stated_shape() -> None:
    """Every text has a unit vector of 512 dimensions, the empty one included."""
    vectors = HashEmbedder().embed_documents(TEXTS)
    assert vectors.shape == (5, 512)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert HashEmbedder(64).embed_query("知识").shape == (64,)
    assert HashEmbedder().embed_documents([]).shape == (0, 512)


def test_vectors_are_equal_to_the_last_bit_everywhere() -> None:
    """Another process with another hash seed gives these very bytes, which are fixed by the recorded revision."""
    code = (
        "import hashlib; from indexes.embedders.hash import HashEmbedder;"
        "print(hashlib.sha256(HashEmbedder().embed_documents(['知识库 gpt-4 foo_bar', 'cited']).tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"}
    )
    vectors = HashEmbedder().embed_documents(["知识库 gpt-4 foo_bar", "cited"])
    assert done.stdout.strip() == hashlib.sha256(vectors.tobytes()).hexdigest() == KNOWN_DIGEST
    assert HashEmbedder().identity.revision == "1.1"


KNOWN_DIGEST = "5e9bbebd4d516545098742e71a10a702895da0d0b125280682788d700d478a2b"


def test_a_vector_does_not_depend_on_the_other_texts_of_a_call() -> None:
    """Batching is invisible: each row is the vector that its text has alone."""
    embedder = HashEmbedder()
    texts = [f"第{number}段：{'知识库' * (number % 30)} passage {number}" for number in range(700)]
    together = embedder.embed_documents(texts)
    for number in (0, 1, 350, 699):
        assert np.array_equal(together[number], embedder.embed_documents([texts[number]])[0])


def test_likeness_follows_shared_spelling() -> None:
    """A question is nearer to the passage that shares its words, across scripts, inflections and misspellings."""
    embedder = HashEmbedder()
    passages = embedder.embed_documents(
        ["顯存不足時可以使用量化模型", "检索先用关键词再用向量", "Kubernetes schedules containers on nodes"]
    )
    assert np.argmax(passages @ embedder.embed_query("显存不够怎么办")) == 0
    assert np.argmax(passages @ embedder.embed_query("关键词检索是什么")) == 1
    assert np.argmax(passages @ embedder.embed_query("Kuberntes container schedule")) == 2


def test_more_than_512_tokens_are_refused() -> None:
    """Nothing is cut silently: 512 characters go, 513 end in an error that names the text."""
    embedder = HashEmbedder()
    assert embedder.embed_documents(["知" * 512]).shape == (1, 512)
    with pytest.raises(UsageError, match="text 1 has 513 tokens"):
        embedder.embed_documents(["好", "知" * 513])
    with pytest.raises(ConfigurationError):
        HashEmbedder(4)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("你好，世界", 5),
        ("hello world", 2),
        (" \n\t", 0),
        ("", 0),
        ("a" * 17, 3),
        ("ab12", 2),
        ("😀!", 2),
        ("\u200b\x00", 0),
    ],
)
def test_tokens_are_characters_pieces_of_words_and_marks(text: str, count: int) -> None:
    """One for a CJK character, for each eight letters or digits of a run, and for any other visible character."""
    assert count_simple_tokens([text]) == [count]


@given(st.lists(st.text(), max_size=6))
def test_counting_together_is_counting_alone(texts: list[str]) -> None:
    """A text's count does not depend on its neighbours, and no text has more tokens than characters."""
    counts = count_simple_tokens(texts)
    assert counts == [count_simple_tokens([text])[0] for text in texts]
    assert all(count <= len(text) for count, text in zip(counts, texts, strict=True))


def test_a_thousand_chunks_are_embedded_in_a_second_of_processor_time() -> None:
    """A quiet machine does several thousand."""
    embedder = HashEmbedder()
    texts = [f"{number}。" + "检索先用关键词，再用向量，两者合并。" * 12 for number in range(1000)]
    embedder.embed_documents(texts[:10])
    started = time.process_time()
    embedder.embed_documents(texts)
    assert time.process_time() - started < 1.0
