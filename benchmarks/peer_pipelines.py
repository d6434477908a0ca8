"""The peers of `benchmarks.peers`: each indexes numbered paragraphs and ranks them for a question.

Imported one by one, when asked for. Vectors of all are those of the `hash` embedder, since no trained weights can be
had here: what is compared is the splitting, the search and the ranking around an embedder, not embedders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from indexes.embedders.hash import HashEmbedder
from indexes.text.token_count import count_simple_tokens

Ranker = Callable[[str], Sequence[int]]
Build = Callable[[Sequence[str]], Ranker]

# What bge models read of a text; the embeddings of both frameworks cut the rest off without a word.
WINDOW = 512
# Places looked at: enough for ten paragraphs of which several passages are found.
PASSAGES, SENTENCES = 20, 60
# The sentence ends at which the splitter of the LangChain recipe cuts, with closing quotes, and before opening ones.
_SENTENCE = re.compile(r"(?<=[﹒﹔﹖﹗．。！？])(?![\"’”」』])|(?<=[﹒﹔﹖﹗．。！？][\"’”」』])|(?=[\"‘“「『])")


def cut_to_window(text: str) -> str:
    """Return the longest beginning of `text` of at most 512 tokens."""
    if count_simple_tokens([text])[0] <= WINDOW:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count_simple_tokens([text[:middle]])[0] <= WINDOW else (low, middle - 1)
    return text[:low]


def llama_index_vectors(paragraphs: Sequence[str]) -> Ranker:
    """`VectorStoreIndex` over `SentenceSplitter(chunk_size=1024)`, its own vector store."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import Document

    class Hashed(BaseEmbedding):  # type: ignore[misc]  # llama_index is not followed by mypy
        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = (
                HashEmbedder().embed_documents([cut_to_window(text) for text in texts]).tolist()
            )
            return vectors

        def _get_query_embedding(self, query: str) -> list[float]:
            vector: list[float] = HashEmbedder().embed_query(query).tolist()
            return vector

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    documents = [Document(text=text, id_=str(number)) for number, text in enumerate(paragraphs)]
    index = VectorStoreIndex.from_documents(
        documents, embed_model=Hashed(), transformations=[SentenceSplitter(chunk_size=1024)]
    )
    retriever = index.as_retriever(similarity_top_k=PASSAGES)
    return lambda question: [int(found.node.ref_doc_id) for found in retriever.retrieve(question)]


def llama_index_bm25(paragraphs: Sequence[str]) -> Ranker:
    """`BM25Retriever` as it comes, over the same nodes; needs llama-index-retrievers-bm25."""
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import Document
    from llama_index.retrievers.bm25 import BM25Retriever

    documents = [Document(text=text, id_=str(number)) for number, text in enumerate(paragraphs)]
    nodes = SentenceSplitter(chunk_size=1024).get_nodes_from_documents(documents)
    retriever = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=PASSAGES)
    return lambda question: [int(found.node.ref_doc_id) for found in retriever.retrieve(question) if found.score]


def langchain_vectors(paragraphs: Sequence[str]) -> Ranker:
    """FAISS over single sentences; needs langchain-community."""
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_text_splitters import CharacterTextSplitter

    class Sentences(CharacterTextSplitter):
        def split_text(self, text: str) -> list[str]:
            return [part for part in _SENTENCE.split(text) if part.strip()]

    class Hashed(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = (
                HashEmbedder().embed_documents([cut_to_window(text) for text in texts]).tolist()
            )
            return vectors

        def embed_query(self, text: str) -> list[float]:
            vector: list[float] = HashEmbedder().embed_query(text).tolist()
            return vector

    documents = [Document(text, metadata={"source": number}) for number, text in enumerate(paragraphs)]
    store = FAISS.from_documents(Sentences().split_documents(documents), Hashed())
    retriever = store.as_retriever(search_kwargs={"k": SENTENCES})
    return lambda question: [found.metadata["source"] for found in retriever.invoke(question)]


def bm25s_default(paragraphs: Sequence[str]) -> Ranker:
    """bm25s with its own tokenizer, which cuts at spaces and marks."""
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(paragraphs), show_progress=False), show_progress=False)

    def rank(question: str) -> list[int]:
        asked = bm25s.tokenize([question], show_progress=False)
        found, scores = index.retrieve(asked, k=PASSAGES, show_progress=False, n_threads=0)
        return [int(number) for number, score in zip(found[0], scores[0], strict=True) if score > 0]

    return rank


def bm25s_characters(paragraphs: Sequence[str]) -> Ranker:
    """bm25s with each character as a word: what its pattern of tokens can be set to for Chinese."""
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(paragraphs), token_pattern=r"\w", show_progress=False), show_progress=False)

    def rank(question: str) -> list[int]:
        asked = bm25s.tokenize([question], token_pattern=r"\w", show_progress=False)
        found, scores = index.retrieve(asked, k=PASSAGES, show_progress=False, n_threads=0)
        return [int(number) for number, score in zip(found[0], scores[0], strict=True) if score > 0]

    return rank


def haystack_default(paragraphs: Sequence[str]) -> Ranker:
    """Haystack's `InMemoryBM25Retriever` as it comes."""
    return _haystack(paragraphs, None)


def haystack_characters(paragraphs: Sequence[str]) -> Ranker:
    """The same with each character as a word."""
    return _haystack(paragraphs, r"\w")


def _haystack(paragraphs: Sequence[str], pattern: str | None) -> Ranker:
    from haystack import Document
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    store = InMemoryDocumentStore() if pattern is None else InMemoryDocumentStore(bm25_tokenization_regex=pattern)
    store.write_documents([Document(id=str(number), content=text) for number, text in enumerate(paragraphs)])
    retriever = InMemoryBM25Retriever(store, top_k=PASSAGES)

    def rank(question: str) -> list[int]:
        return [int(found.id) for found in retriever.run(query=question)["documents"] if found.score]

    return rank


# Name in the table, what it is, and the packages whose versions are told.
PEERS: Sequence[tuple[str, Build, tuple[str, ...]]] = (
    ("LlamaIndex, vectors, chunks of 1024", llama_index_vectors, ("llama-index-core",)),
    ("LlamaIndex, BM25Retriever", llama_index_bm25, ("llama-index-retrievers-bm25",)),
    ("LangChain, FAISS, sentences", langchain_vectors, ("langchain-community", "langchain-core")),
    ("bm25s, its own tokens", bm25s_default, ("bm25s",)),
    ("bm25s, characters", bm25s_characters, ("bm25s",)),
    ("Haystack BM25, its own tokens", haystack_default, ("haystack-ai",)),
    ("Haystack BM25, characters", haystack_characters, ("haystack-ai",)),
)
