"""`kb status`: what a knowledge base holds, and what answers from it."""

from __future__ import annotations

from pathlib import Path

from kb.cli import output, session
from kb.cli.options import KB, Config, Json


def status(kb: KB = "", config: Config = None, as_json: Json = False) -> None:
    """Show what a knowledge base holds, and what answers from it."""
    from kb.payloads import moment

    with session.application(config) as application:
        store = application.store(kb)
        counts = store.counts()
        current = next((row for row in store.versions() if row.current), None)
        embedding, engine = application.settings.embedding, application.settings.engine
        made_by = store.made_by()
        served = ", ".join([engine.base_url] if engine.base_url else [one.base_url for one in engine.endpoints])
        name, path, size = application.name(kb), store.path, _folder_bytes(store.path)
    # What the vectors were made by, which may be another embedder than the one configured now.
    embedder = embedding.name if made_by is None else made_by.name
    model = "" if embedder == "hash" else embedding.model if made_by is None else made_by.model
    published = None if current is None else moment(current.published_at)
    if as_json:
        output.emit_json(
            {
                "kb": name,
                "path": str(path),
                "version": counts.version,
                "documents": counts.documents,
                "chunks": counts.chunks,
                "failed": counts.failed,
                "pending": counts.pending,
                "bytes": size,
                "embedding": {"name": embedder, "model": model or None},
                "engine": {"name": engine.name, "model": engine.model or None, "base_url": served or None},
                "last_published": published,
            }
        )
        return
    output.pairs(
        (
            ("knowledge base", name),
            ("folder", path),
            ("version", counts.version or "nothing published yet"),
            ("documents", counts.documents),
            ("passages", counts.chunks),
            ("failed", f"{counts.failed}  (kb docs list --failed)" if counts.failed else 0),
            ("not published", f"{counts.pending} documents: run kb ingest again" if counts.pending else None),
            ("size", output.size(size)),
            ("embedder", f"{embedder} {model}"),
            ("engine", f"{engine.name} {engine.model} {served}"),
            ("last published", published or "never"),
        )
    )


def _folder_bytes(path: Path) -> int:
    """Return the bytes of all files under `path`; files that a running writer removes meanwhile count nothing."""
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total
