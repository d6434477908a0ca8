"""The command `kb`: its subcommands, and how errors become one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from indexes.errors import KBError
from kb import __version__
from kb.cli import (
    ask,
    chat,
    config,
    doctor,
    documents,
    ingest,
    init,
    jobs,
    maintenance,
    models,
    output,
    search,
    serve,
    transfer,
    versions,
    worker,
)
from kb.cli import eval as eval_command
from kb.cli import status as status_command

INTERRUPTED = 130

app = typer.Typer(
    name="kb",
    help="Answers questions from your own documents, with citations, or says that they hold no answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        output.line(f"kb {__version__}")
        raise typer.Exit


@app.callback()
def root(
    kb: Annotated[str | None, typer.Option("--kb", metavar="NAME", help="The knowledge base.")] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The configuration file.")] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Hold the options that may also stand before a command."""


app.command("init")(init.init)
app.command("ingest")(ingest.ingest)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("search")(search.search)
app.command("serve")(serve.serve)
app.command("status")(status_command.status)
app.add_typer(documents.app, name="docs")
app.command("versions")(versions.versions)
app.command("rollback")(versions.rollback)
app.command("verify")(maintenance.verify)
app.command("gc")(maintenance.gc)
app.command("export")(transfer.export)
app.command("import")(transfer.import_)
app.add_typer(eval_command.app, name="eval")
app.add_typer(models.app, name="models")
app.add_typer(jobs.app, name="jobs")
app.command("worker")(worker.worker)
app.command("config")(config.config)
app.command("doctor")(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Every error ends in one line on standard error."""
    try:
        result = typer.main.get_command(app).main(args=arguments, prog_name="kb", standalone_mode=False)
        sys.stdout.flush()
    except KBError as error:
        return _fail(str(error), error.exit_code, error)
    except TyperException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as error:
        # Typer itself turns a broken pipe into an exit.
        if isinstance(error.__context__, BrokenPipeError):
            return _reader_left()
        raise
    except OSError as error:
        if error.filename is None or error.strerror is None:
            return _fail(f"unexpected {type(error).__name__}: {error} (KB_DEBUG=1 shows where)", 1, error)
        return _fail(f"{error.filename}: {error.strerror} (KB_DEBUG=1 shows where)", 1, error)
    except Exception as error:
        detail = " ".join(str(error).split())
        return _fail(f"unexpected {type(error).__name__}: {detail} (KB_DEBUG=1 shows where)", 1, error)
    code = result if isinstance(result, int) else 0
    return _fail("interrupted", code) if code == INTERRUPTED else code


def run() -> None:
    """Run `kb` with the arguments of the process, and exit."""
    output.prepare_streams()
    sys.exit(main())


def _fail(message: str, code: int, error: BaseException | None = None) -> int:
    if error is not None and os.environ.get("KB_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    output.notice(f"kb: {output.one_line(message)}")
    return code


def _usage(error: TyperException) -> int:
    """Show a wrong command line: help where nothing was asked for, otherwise one line and where help is."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        output.notice(message)
        return error.exit_code
    path = context.command_path if context is not None else "kb"
    said = output.one_line(message)
    stop = "" if said.endswith((".", "?", "!")) else "."
    output.notice(f"kb: {said}{stop} Try '{path} --help'.")
    return error.exit_code


def _reader_left() -> int:
    """End quietly when the reader of a pipe has gone; what is still buffered must not raise again at exit."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.close(silent)
    return 0
