"""The one place where objects are put together from settings. Everything below takes plain arguments.

Parts are made when first asked for and imported then, so that a command pays only for what it uses.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from indexes.errors import NotFoundError
from kb import paths
from kb.making import (
    make_embedder,
    make_engine,
    make_generation_options,
    make_job,
    make_pool,
    make_reranking,
    make_searcher,
    make_splitter,
)

if TYPE_CHECKING:
    from indexes.embedding import Embedder
    from indexes.models.listening import DownloadListener
    from indexes.records import EmbeddingIdentity, SplitterIdentity
    from indexes.rerankers.base import Reranking
    from indexes.search import Searcher
    from indexes.store import Store
    from ingest.jobs import JobRunner
    from ingest.pipeline import Pipeline
    from ingest.prepared import Splitting
    from ingest.schedule import Worker
    from kb.answer import Answerer
    from kb.answer_cache import AnswerCache
    from kb.confidence.estimate import Confidence
    from kb.confidence.kept import KeptConfidence
    from kb.engines.base import Engine
    from kb.retriever import Retriever
    from kb.settings import Settings

_DATABASE = "kb.sqlite"


class Application:
    """All parts of one process, shared between its threads. Close it when done.

    `on_download` is told of models that are downloaded, where the settings allow it; without one the log is.
    """

    def __init__(self, settings: Settings, on_download: DownloadListener | None = None) -> None:
        self.settings = settings
        self._on_download = on_download
        self._lock = threading.RLock()
        self._stores: dict[tuple[str, str], Store] = {}
        # Kept, because a searcher keeps what it has read of the index.
        self._retrievers: dict[str, Retriever] = {}
        self._answers: AnswerCache | None = None
        self._engines: dict[str, Engine] = {}
        self._embedder: Embedder | None = None
        self._reranking: Reranking | None = None
        self._splitter: Splitting | None = None
        self._job_runner: JobRunner | None = None

    def name(self, kb: str) -> str:
        """Return the name of a knowledge base as it is stored; raise UsageError where it cannot be one."""
        return paths.check_name(kb)

    def folder(self, kb: str) -> Path:
        """Return the folder of a knowledge base, which need not exist."""
        return paths.knowledge_base_path(self.settings.home, kb)

    def knowledge_bases(self) -> list[str]:
        """Return the names of the knowledge bases under the home, sorted."""
        home = self.settings.home
        if not home.is_dir():
            return []
        # What begins with a dot is an import on its way.
        return sorted(entry.name for entry in home.iterdir() if entry.name[0] != "." and (entry / _DATABASE).is_file())

    def store(self, kb: str) -> Store:
        """Return the store of a knowledge base, whatever embedder made it; raise NotFoundError where there is none."""
        return self._open("manage", self.name(kb))

    def create(self, kb: str) -> bool:
        """Create an empty knowledge base, for whatever embedder fills it; return False where it was there already."""
        name = self.name(kb)
        exists = name in self.knowledge_bases()
        self._open("manage", name, create=True)
        return not exists

    def pipeline(self, kb: str, *, create: bool = True, force: bool = False) -> Pipeline:
        """Return what brings documents into a knowledge base; with `create` its first ingest makes a missing one.

        Its `ingest` raises EmbeddingMismatchError for a knowledge base of another embedder, unless `force` is given
        here as well as there: then the configured embedder takes over.
        """
        from ingest.pipeline import Pipeline

        name, ingest = self.name(kb), self.settings.ingest
        return Pipeline(
            lambda: self._store_to_write(name, create=create, force=force),
            self.embedder(),
            self.splitter(),
            lambda: make_pool(ingest),
            keep_originals=ingest.keep_originals,
        )

    def retriever(self, kb: str) -> Retriever:
        """Return what finds passages. Raise NotFoundError, or EmbeddingMismatchError where another embedder made it."""
        from kb.confidence.kept import KeptConfidence

        name = self.name(kb)
        with self._lock:
            if name not in self._retrievers:
                self._store_to_ask(name)
                kept = KeptConfidence(self.folder(name), self.embedder().identity, reranker=self.reranker_identity())
                self._retrievers[name] = self.retriever_with(name, kept)
            return self._retrievers[name]

    def retriever_with(self, kb: str, confidence: Confidence | KeptConfidence | None) -> Retriever:
        """Return a new retriever that judges by `confidence`, None for what ships with the embedder."""
        from kb.retriever import Retriever

        retrieval = self.settings.retrieval
        return Retriever(
            self._store_to_ask(self.name(kb)),
            self.searcher(),
            top_k=retrieval.top_k,
            score_threshold=retrieval.score_threshold,
            confidence=confidence,
        )

    def answerer(self, kb: str, retriever: Retriever | None = None) -> Answerer:
        """Return what answers questions, from what `retriever` finds where one is given: then no answer is kept.

        Raise NotFoundError, or EmbeddingMismatchError as `retriever`.
        """
        from kb.answer import Answerer

        retrieval, answer = self.settings.retrieval, self.settings.answer
        return Answerer(
            retriever or self.retriever(kb),
            self.engine,
            kb=self.name(kb),
            options=make_generation_options(self.settings.engine),
            threshold=retrieval.confidence_threshold,
            passage_characters=retrieval.passage_characters,
            refuse_unsupported=answer.refuse_unsupported,
            cache=self._answer_cache() if retriever is None else None,
            cache_history=answer.cache == "all",
        )

    def _answer_cache(self) -> AnswerCache | None:
        """Return the answers that all answerers share, or None where none are to be kept."""
        from kb.answer_cache import AnswerCache

        answer = self.settings.answer
        with self._lock:
            if self._answers is None and answer.cache != "off":
                self._answers = AnswerCache(answer.cache_entries, answer.cache_mb << 20)
            return self._answers

    def searcher(self) -> Searcher:
        """Return a new searcher with the configured embedder and reranker, both of which all searchers share."""
        return make_searcher(self.embedder(), self._rerank())

    def reranker_identity(self) -> str:
        """Return which reranker is at work, "" for none. Raise EngineUnavailableError where its model is not here."""
        reranking = self._rerank()
        return "" if reranking is None else reranking.reranker.identity

    def engine(self, name: str | None = None) -> Engine:
        """Return the engine of a name, or the configured one; raise UsageError for an unknown name."""
        chosen = name or self.settings.engine.name
        with self._lock:
            if chosen not in self._engines:
                self._engines[chosen] = make_engine(
                    chosen, self.settings.engine, self.settings.models, self._on_download
                )
            return self._engines[chosen]

    def embedder(self) -> Embedder:
        """Return the configured embedder."""
        with self._lock:
            if self._embedder is None:
                self._embedder = make_embedder(self.settings.embedding, self.settings.models, self._on_download)
            return self._embedder

    def splitter(self) -> Splitting:
        """Return the configured splitter."""
        with self._lock:
            if self._splitter is None:
                self._splitter = make_splitter(self.settings.ingest, self.embedder())
            return self._splitter

    def job_runner(self) -> JobRunner:
        """Return what runs the configured jobs, of which there may be none, and keeps their history."""
        from ingest.jobs import JobLedger, JobRunner

        with self._lock:
            if self._job_runner is None:
                settings = self.settings
                share = settings.ingest.max_removed_share
                definitions = [make_job(job, settings.sources, share) for job in settings.jobs]
                self._job_runner = JobRunner(definitions, JobLedger(settings.home / paths.LEDGER_NAME), self.pipeline)
            return self._job_runner

    def worker(self) -> Worker:
        """Return what runs the configured jobs at their times."""
        from ingest.cron import CronTimes
        from ingest.schedule import Worker

        runner = self.job_runner()
        return Worker(runner, {job.name: CronTimes(job.cron, job.timezone) for job in runner.jobs})

    def close(self) -> None:
        """Release models, connections and files. The application may be used again afterwards."""
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            for store in self._stores.values():
                store.close()
            self._engines.clear()
            self._retrievers.clear()
            self._answers = None
            self._stores.clear()

    def _rerank(self) -> Reranking | None:
        with self._lock:
            if self._reranking is None:
                settings = self.settings
                self._reranking = make_reranking(
                    settings.retrieval, settings.embedding, settings.models, self._on_download
                )
            return self._reranking

    def _store_to_ask(self, name: str) -> Store:
        """Return the store to search. Raise EmbeddingMismatchError where another embedder made it."""
        return self._open("ask", name, embedding=self.embedder().identity)

    def _store_to_write(self, name: str, *, create: bool, force: bool) -> Store:
        """Return the store to write to; with `force` that of another embedder too, which the pipeline then replaces."""
        if force:
            try:
                return self.store(name)
            except NotFoundError:
                if not create:
                    raise
        embedding, splitter = self.embedder().identity, self.splitter().identity
        return self._open("write", name, create=create, embedding=embedding, splitter=splitter)

    def _open(
        self,
        purpose: str,
        name: str,
        *,
        create: bool = False,
        embedding: EmbeddingIdentity | None = None,
        splitter: SplitterIdentity | None = None,
    ) -> Store:
        """Return the store that is open for a purpose. They differ in what must have made it."""
        from indexes.store import Store

        with self._lock:
            if (purpose, name) not in self._stores:
                self._stores[purpose, name] = Store.open(
                    self.folder(name),
                    create=create,
                    embedding=embedding,
                    splitter=splitter,
                    keep_versions=self.settings.ingest.keep_versions,
                )
            return self._stores[purpose, name]
