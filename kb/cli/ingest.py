"""`kb ingest`: documents in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from indexes.errors import DocumentError, UsageError
from kb.cli import output, progress, session, signals
from kb.cli.options import KB, Config, Json, Quiet
from kb.cli.sites import SiteOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.report import IngestReport
    from ingest.targets import Target
    from kb.settings import Settings

# Two seconds from a signal to the end of the process are promised.
_PATIENCE = 1.8
_SHOWN_SKIPPED = 10


def ingest(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH|URL]...", help="Files, folders and pages; the configured sources where left out."
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove documents that are gone from the folders named in this call.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", help="Processes that read documents.", show_default="as configured"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Read and embed everything again, also with another embedder than before.")
    ] = False,
    crawl: Annotated[
        bool,
        typer.Option("--crawl", help="Follow the links of the addresses on their own host, as robots.txt allows."),
    ] = False,
    sitemap: Annotated[
        bool, typer.Option("--sitemap", help="The addresses are sitemaps: read the pages that they list.")
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option("--depth", metavar="N", min=0, max=20, help="With --crawl: links in a row.", show_default="3"),
    ] = None,
    pages: Annotated[
        int | None,
        typer.Option(
            "--pages",
            metavar="N",
            min=1,
            max=100_000,
            help="Pages of a site that are fetched at most.",
            show_default="500; with --sitemap alone 5000",
        ),
    ] = None,
    delay: Annotated[
        float | None,
        typer.Option(
            "--delay", metavar="SECONDS", min=0, max=3600, help="Between two requests to a site.", show_default="1"
        ),
    ] = None,
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read documents into a knowledge base.

    A knowledge base that is missing is created. Only what is new or changed is read and embedded. Documents that
    cannot be read are listed with their reason, the rest goes in, and the exit code is 3. With --crawl or --sitemap
    the pages of a site go in, as a source named after its host.
    """
    from ingest.stopping import IngestInterrupted

    sites = SiteOptions(crawl, sitemap, depth, pages, delay)
    interrupted = False
    message = "stopping; what is done is kept, and the next ingest goes on from there"
    with (
        signals.stop_event(message, _PATIENCE) as stop,
        session.application(config, {"ingest.workers": workers}) as application,
    ):
        chosen = _targets(targets or [], sites, application.settings)
        pipeline = application.pipeline(kb, create=not dry_run, force=force)
        with progress.shown(quiet) as listener:
            try:
                report = pipeline.ingest(
                    chosen, prune=prune, dry_run=dry_run, force=force, on_progress=listener, cancel=stop
                )
            except IngestInterrupted as error:
                if error.report is None:
                    raise typer.Exit(signals.INTERRUPTED) from None
                report, interrupted = error.report, True
        name = application.name(kb)
    _print(report, as_json, name)
    if interrupted:
        raise typer.Exit(signals.INTERRUPTED)
    if report.failed:
        raise typer.Exit(DocumentError.exit_code)


def _targets(targets: Sequence[str], sites: SiteOptions, settings: Settings) -> Sequence[str | Target]:
    """Return what was named, or the configured sources; raise UsageError where there is neither."""
    if sites.are_given:
        return sites.targets(targets)
    if targets:
        return targets
    if not settings.sources:
        raise UsageError("name a file, a folder or an address, or configure [[sources]] in kb.toml")
    from kb.making import source_targets

    return [target for source in settings.sources for target in source_targets(source)]


def _print(report: IngestReport, as_json: bool, name: str) -> None:
    """Show failures on standard error, and the result on standard output."""
    for failed in report.failed:
        output.notice(f"failed: {failed.uri}: {failed.error}: {output.one_line(failed.detail, 200)}")
    for skipped in report.skipped[:_SHOWN_SKIPPED]:
        output.notice(f"skipped: {skipped.uri}: {skipped.error}")
    if len(report.skipped) > _SHOWN_SKIPPED:
        output.notice(f"skipped: {len(report.skipped) - _SHOWN_SKIPPED} more that are no documents")
    if as_json:
        from kb.payloads import ingest_payload

        output.emit_json(ingest_payload(report))
        return
    for planned in report.planned:
        output.line(f"{planned.action}\t{planned.uri}")
    counts = [
        f"{report.added} added",
        f"{report.changed} changed",
        f"{report.unchanged} unchanged",
        f"{report.removed} removed",
        f"{len(report.failed)} failed",
    ]
    what = "Would be" if report.dry_run else f"{name}, version {report.version}"
    passages = f"{report.chunks} passages ({report.embedded} embedded, {report.reused} reused)"
    tail = "" if report.dry_run else f"; {passages} in {report.seconds:.1f} s"
    output.line(f"{what}: {', '.join(counts)}{tail}.")
