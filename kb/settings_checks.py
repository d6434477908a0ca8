"""Checks that need more than one value: sources and jobs that fit together, addresses, schedules, paths."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from indexes.errors import ConfigurationError, UsageError
from kb import paths
from kb.settings_models import JobSettings, SettingsModel, SourceSettings
from kb.settings_sources import nearest

# A name or an IPv4 address with or without a port, or an IPv6 address, which takes a port only in brackets.
_HOST = re.compile(r"[\w.-]+(:\d{1,5})?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|\[[0-9A-Fa-f:.]+\]:\d{1,5}")


def resolve_paths(model: SettingsModel, config: Path | None, origins: Mapping[str, str]) -> None:
    """Make paths that the configuration file gives relative to itself absolute, in place.

    Paths of sources always are paths; a model is one only where such a folder exists, and a hub's name otherwise.
    """
    if config is None:
        return
    folder = config.absolute().parent
    for source in model.sources:
        source.paths = [str(folder / Path(path).expanduser()) for path in source.paths]
    if model.engine.ca_file and origins["engine.ca_file"] == str(config):
        model.engine.ca_file = str(folder / Path(model.engine.ca_file).expanduser())
    if model.engine.adapter and origins["engine.adapter"] == str(config):
        model.engine.adapter = str(folder / Path(model.engine.adapter).expanduser())
    if model.models.folder and origins["models.folder"] == str(config):
        model.models.folder = str(folder / Path(model.models.folder).expanduser())
    if model.embedding.tokenizer and origins["embedding.tokenizer"] == str(config):
        model.embedding.tokenizer = str(folder / Path(model.embedding.tokenizer).expanduser())
    if origins["retrieval.reranker"] == str(config):
        reranker = folder / Path(model.retrieval.reranker).expanduser()
        if reranker.is_dir():
            model.retrieval.reranker = str(reranker)
    for name, section in (("embedding", model.embedding), ("engine", model.engine)):
        candidate = folder / Path(section.model).expanduser()
        if section.model and origins[f"{name}.model"] == str(config) and candidate.is_dir():
            section.model = str(candidate)


def check(model: SettingsModel, config: Path | None, origins: Mapping[str, str]) -> None:
    """Raise ConfigurationError for values that are valid alone and wrong together."""
    _check_embedding(model, origins)
    _check_engine(model, origins)
    for entry in model.ingest.allow_hosts:
        _check_host(entry, f"{origins['ingest.allow_hosts']}: ingest.allow_hosts")
    names: set[str] = set()
    for source in model.sources:
        _check_source(source, names, f"{config}: sources.{source.name}")
        names.add(source.name)
    jobs: set[str] = set()
    for job in model.jobs:
        _check_job(job, names, jobs, f"{config}: jobs.{job.name}")
        jobs.add(job.name)


def _check_embedding(model: SettingsModel, origins: Mapping[str, str]) -> None:
    embedding, where = model.embedding, origins["embedding.name"]
    if embedding.name != "llama_index":
        # A name that was given may override a file that goes on with another embedder's settings.
        if embedding.embedder and where == "default":
            raise ConfigurationError(
                f"{origins['embedding.embedder']}: embedding.embedder is only read with embedding.name = 'llama_index'"
            )
        return
    if not _is_import_path(embedding.embedder):
        raise ConfigurationError(
            f"{where}: embedding.name is 'llama_index': embedding.embedder must be an import path such as "
            f"package.module.Embedding, not {embedding.embedder!r}"
        )
    if embedding.max_tokens is None:
        raise ConfigurationError(
            f"{where}: embedding.name is 'llama_index' but embedding.max_tokens is not set: how many tokens of a text "
            "the model reads; longer ones would be cut in silence"
        )


def _is_import_path(path: str) -> bool:
    return "." in path and all(part.isidentifier() for part in path.split("."))


def _check_engine(model: SettingsModel, origins: Mapping[str, str]) -> None:
    engine = model.engine
    if engine.base_url:
        _check_address(engine.base_url, f"{origins['engine.base_url']}: engine.base_url")
    for endpoint in engine.endpoints:
        _check_address(endpoint.base_url, f"{origins['engine.endpoints']}: engine.endpoints")
    if engine.base_url and engine.endpoints:
        raise ConfigurationError(
            f"{origins['engine.endpoints']}: engine.endpoints and engine.base_url "
            f"({origins['engine.base_url']}) are both set: leave one out"
        )
    where = origins["engine.name"]
    if engine.name == "openai" and not engine.base_url and not engine.endpoints:
        raise ConfigurationError(
            f"{where}: engine.name is 'openai' but engine.base_url is not set; `kb doctor` looks for servers"
        )
    if engine.name == "qwen" and not engine.model:
        raise ConfigurationError(f"{where}: engine.name is 'qwen' but engine.model is not set: a name or a directory")
    if engine.window is not None and engine.max_new_tokens >= engine.window:
        raise ConfigurationError(
            f"engine.max_new_tokens ({engine.max_new_tokens}) must be smaller than engine.window ({engine.window})"
        )


def _check_host(entry: str, where: str) -> None:
    """Refuse an entry that could never match: it would be passed over in silence when a page is fetched."""
    try:
        valid = bool(ipaddress.ip_network(entry)) if "/" in entry else _HOST.fullmatch(entry) is not None
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            f"{where}: must be a host such as wiki.example or wiki.example:8080, or a network such as 10.0.0.0/8, "
            f"not {entry!r}"
        )


def _check_source(source: SourceSettings, names: set[str], where: str) -> None:
    if source.name in names:
        raise ConfigurationError(f"{where}: the name is used twice")
    if source.reader:
        if source.paths or source.urls:
            raise ConfigurationError(f"{where}: takes either a `reader` with `arguments`, or `paths` and `urls`")
        if not _is_import_path(source.reader):
            raise ConfigurationError(
                f"{where}.reader: must be an import path such as package.module.Reader, not {source.reader!r}"
            )
    elif source.arguments:
        raise ConfigurationError(f"{where}.arguments: are for a `reader`, and none is named")
    elif not source.paths and not source.urls:
        raise ConfigurationError(f"{where}: needs `paths`, `urls` or a `reader`")
    if (source.sitemap or source.crawl is not None) and not source.urls:
        raise ConfigurationError(f"{where}: `sitemap` and `crawl` are for `urls`, and none are named")
    for url in source.urls:
        _check_address(url, f"{where}.urls")


def _check_address(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        # urlsplit drops tabs and line breaks without a word.
        valid = valid and url.isprintable() and " " not in url
        secret = parts.username is not None
    except ValueError:
        valid = secret = False
    if secret:
        raise ConfigurationError(f"{where}: must not hold a user name or password")
    if not valid:
        raise ConfigurationError(f"{where}: must be an http or https address, not {url!r}")


def _check_job(job: JobSettings, sources: set[str], jobs: set[str], where: str) -> None:
    if job.name in jobs:
        raise ConfigurationError(f"{where}: the name is used twice")
    for source in job.sources:
        if source not in sources:
            raise ConfigurationError(f"{where}.sources: there is no source {source!r}.{nearest(source, sources)}")
    try:
        paths.check_name(job.kb)
    except UsageError as error:
        raise ConfigurationError(f"{where}.kb: {error}") from error
    _check_schedule(job, where)


def _check_schedule(job: JobSettings, where: str) -> None:
    from ingest.cron import CronTimes

    try:
        times = CronTimes(job.cron, job.timezone)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    if times.after(datetime.now(UTC)) is None:
        raise ConfigurationError(f"{where}.cron: {job.cron!r} is never due")
