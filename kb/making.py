"""Making single parts from their section of the settings. Each part is imported when it is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from indexes.errors import ConfigurationError, EngineUnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexes.embedding import Embedder
    from indexes.models.listening import DownloadListener
    from indexes.rerankers.base import Reranking
    from indexes.rerankers.bge import BgeReranker
    from indexes.search import Searcher
    from ingest.jobs import JobDefinition
    from ingest.prepared import Splitting
    from ingest.targets import Target
    from ingest.workers import LoaderPool
    from kb.engines.base import Engine, GenerationOptions
    from kb.engines.openai.endpoints import ServerAddress
    from kb.engines.qwen.options import RunOptions
    from kb.settings_models import (
        EmbeddingSettings,
        EngineSettings,
        IngestSettings,
        JobSettings,
        ModelSettings,
        RetrievalSettings,
        SourceSettings,
    )

ENGINES = ("extractive", "qwen", "openai")
# Reading is bound by the processor; more processes than this only cost memory.
_MOST_WORKERS = 8
_MEBIBYTE = 1 << 20


def make_embedder(
    embedding: EmbeddingSettings, models: ModelSettings, on_download: DownloadListener | None = None
) -> Embedder:
    """Return the configured embedder; its model is loaded when it is first used, `on_download` told where it comes."""
    if embedding.name == "hash":
        from indexes.embedders.hash import HashEmbedder

        return HashEmbedder()
    if embedding.name == "llama_index":
        from indexes.embedders.llama_index import LlamaIndexEmbedder

        assert embedding.max_tokens is not None  # checked with the settings
        return LlamaIndexEmbedder(
            embedding.embedder,
            embedding.arguments,
            max_tokens=embedding.max_tokens,
            tokenizer=Path(embedding.tokenizer) if embedding.tokenizer else None,
        )
    from indexes.embedders.bge import BgeEmbedder

    return BgeEmbedder(
        embedding.model,
        revision=embedding.revision,
        device=None if embedding.device == "auto" else embedding.device,
        batch_size=embedding.batch_size,
        offline=models.offline,
        models_folder=_folder(models),
        runtime=embedding.runtime,
        on_download=on_download,
    )


def make_reranking(
    retrieval: RetrievalSettings,
    embedding: EmbeddingSettings,
    models: ModelSettings,
    on_download: DownloadListener | None = None,
) -> Reranking | None:
    """Return the configured reranker and how it is used, or None; its model is loaded when it is first used."""
    if retrieval.reranker == "none":
        return None
    from indexes.rerankers.base import Reranking

    reranker = make_bge_reranker(retrieval.reranker, embedding, models, on_download)
    return Reranking(reranker, retrieval.reranker_candidates, retrieval.reranker_weight)


def make_bge_reranker(
    name: str, embedding: EmbeddingSettings, models: ModelSettings, on_download: DownloadListener | None = None
) -> BgeReranker:
    """Return the reranker `name`, run where the embedder runs."""
    from indexes.rerankers.bge import BgeReranker

    return BgeReranker(
        name,
        device=None if embedding.device == "auto" else embedding.device,
        offline=models.offline,
        models_folder=_folder(models),
        on_download=on_download,
    )


def make_searcher(embedder: Embedder, reranking: Reranking | None) -> Searcher:
    """Return what searches; with a reranker it gathers enough for that to choose from."""
    from indexes.search import Searcher, SearchOptions

    if reranking is None:
        return Searcher(embedder)
    usual, wanted = SearchOptions(), reranking.candidates
    options = SearchOptions(
        candidates=max(usual.candidates, wanted), dense_candidates=max(usual.dense_candidates, wanted // 2)
    )
    return Searcher(embedder, options, reranking)


def make_engine(
    name: str, engine: EngineSettings, models: ModelSettings, on_download: DownloadListener | None = None
) -> Engine:
    """Return the engine `name` with the configured model or address; raise UsageError for an unknown name.

    A request may name another engine than the configured one. Where its settings are missing it is unavailable
    (EngineUnavailableError): the configuration itself is sound, so that is no fault of the service.
    """
    if name == "extractive":
        from kb.engines.extractive.engine import ExtractiveEngine

        return ExtractiveEngine()
    if name == "qwen":
        if not engine.model:
            raise EngineUnavailableError("the engine 'qwen' needs engine.model: a name or a directory")
        from kb.engines.qwen.engine import QwenEngine

        return QwenEngine(
            engine.model,
            make_run_options(engine),
            offline=models.offline,
            models_folder=_folder(models),
            on_download=on_download,
        )
    if name == "openai":
        servers = server_addresses(engine)
        if not servers:
            raise EngineUnavailableError("the engine 'openai' needs engine.base_url; `kb doctor` looks for servers")
        from kb.engines.openai.deadlines import Limits
        from kb.engines.openai.engine import OpenAIEngine

        return OpenAIEngine(
            servers,
            window=engine.window or 8192,
            limits=Limits(
                engine.connect_seconds, engine.first_token_seconds, engine.read_seconds, engine.total_seconds
            ),
            ca_file=engine.ca_file,
        )
    raise UsageError(f"there is no engine {name!r}; there are: {', '.join(ENGINES)}")


def make_run_options(engine: EngineSettings) -> RunOptions:
    """Return how a model in this process is run."""
    from kb.engines.qwen.options import RunOptions

    return RunOptions(
        device=engine.device,
        dtype=engine.dtype,
        window=engine.window,
        slots=engine.slots,
        reserve=engine.reserve_mb * _MEBIBYTE,
        waiting=engine.waiting,
        batching=engine.batching,
        cache_dtype=engine.cache_dtype,
        attention=engine.attention,
        yarn_factor=engine.yarn_factor,
        adapter=Path(engine.adapter).expanduser() if engine.adapter else None,
    )


def make_generation_options(engine: EngineSettings) -> GenerationOptions:
    """Return the sampling options."""
    from kb.engines.base import GenerationOptions

    return GenerationOptions(
        max_new_tokens=engine.max_new_tokens,
        temperature=engine.temperature,
        top_p=engine.top_p,
        top_k=engine.top_k,
        repetition_penalty=engine.repetition_penalty,
        seed=engine.seed,
        stop=tuple(engine.stop),
    )


def make_splitter(ingest: IngestSettings, embedder: Embedder) -> Splitting:
    """Return the splitter, counting with the embedder's own tokenizer."""
    limit = embedder.identity.max_tokens
    if ingest.chunk_tokens > limit:
        raise ConfigurationError(
            f"ingest.chunk_tokens is {ingest.chunk_tokens}, but the embedder {embedder.identity.model} reads only "
            f"{limit} tokens of a passage"
        )
    from ingest.splitter import ChineseTextSplitter

    return ChineseTextSplitter(
        chunk_tokens=ingest.chunk_tokens,
        overlap_sentences=ingest.overlap_sentences,
        count_tokens=embedder.count_tokens,
    )


def make_pool(ingest: IngestSettings) -> LoaderPool:
    """Return the child processes that read documents; the caller closes them."""
    from ingest.workers import LoaderPool

    return LoaderPool(
        ingest.workers or min(os.cpu_count() or 1, _MOST_WORKERS),
        memory_bytes=ingest.memory_mb * _MEBIBYTE,
        seconds=ingest.seconds,
        max_bytes=ingest.max_mb * _MEBIBYTE,
        allow_hosts=ingest.allow_hosts,
        passwords=ingest.passwords,
        ocr=ingest.ocr,
    )


def source_targets(source: SourceSettings) -> list[Target]:
    """Return what the pipeline reads for a `[[sources]]` entry."""
    from ingest.targets import Target

    if source.reader:
        return [Target(source=source.name, reader=source.reader, arguments=source.arguments)]
    crawl = None
    if source.crawl is not None:
        from ingest.web.crawl import CrawlLimits

        crawl = CrawlLimits(source.crawl.depth, source.crawl.pages, source.crawl.delay)
    files = [Target(path, source.name) for path in source.paths]
    return files + [Target(url, source.name, crawl=crawl, sitemap=source.sitemap) for url in source.urls]


def make_job(job: JobSettings, sources: Sequence[SourceSettings], max_removed_share: float) -> JobDefinition:
    """Return a `[[jobs]]` entry with its sources resolved to targets."""
    from ingest.jobs import JobDefinition

    by_name = {source.name: source for source in sources}
    targets = tuple(target for name in job.sources for target in source_targets(by_name[name]))
    return JobDefinition(
        job.name, targets, job.cron, job.timezone, job.prune, job.kb, max_removed_share=max_removed_share
    )


def _folder(models: ModelSettings) -> Path | None:
    return Path(models.folder) if models.folder else None


def server_addresses(engine: EngineSettings) -> list[ServerAddress]:
    """Return the configured servers with their keys; empty where none is set.

    Raises ConfigurationError where a variable that should hold a key is not set.
    """
    from kb.engines.openai.endpoints import ServerAddress

    if engine.base_url:
        return [ServerAddress(engine.base_url, engine.model, engine.dialect, _server_key(engine.api_key_env))]
    return [
        ServerAddress(
            endpoint.base_url,
            endpoint.model or engine.model,
            endpoint.dialect or engine.dialect,
            _server_key(endpoint.api_key_env or engine.api_key_env),
        )
        for endpoint in engine.endpoints
    ]


def _server_key(variable: str) -> str | None:
    """Return the key that the variable holds; raise ConfigurationError where it is not set."""
    if not variable:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigurationError(f"engine.api_key_env names the variable {variable}, which is not set")
    return key
