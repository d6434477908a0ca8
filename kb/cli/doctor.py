"""`kb doctor`: whether this machine and configuration can do the work, and what to do where they cannot."""

from __future__ import annotations

import typer

from indexes.errors import ConfigurationError
from kb.cli import output, session
from kb.cli.options import KB, Config, Json

_MARKS = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


def doctor(kb: KB = "", config: Config = None, as_json: Json = False) -> None:
    """Check this machine and the configuration.

    Looked at are Python, packages, disk, models and devices, and the ports on which model servers usually listen.
    Exit code 0 where the configured profile can work, 2 where a setting or the disk is wrong, 6 where an engine or
    model is not available.
    """
    from kb.cli import checks, probes

    found = checks.installation()
    try:
        settings = session.settings(config)
    except ConfigurationError as error:
        found.append(checks.Finding("problem", "configuration", str(error), ConfigurationError.exit_code))
    else:
        found += checks.configured(settings)
    servers = probes.find_servers()
    found += [checks.Finding("note", f"port {server.port}", server.advice) for server in servers]
    problems = [finding for finding in found if finding.level == "problem"]
    if as_json:
        output.emit_json(
            {
                "findings": [
                    {"level": finding.level, "subject": finding.subject, "detail": finding.detail} for finding in found
                ],
                "servers": [
                    {
                        "port": server.port,
                        "dialect": server.dialect,
                        "models": list(server.models),
                        "context": server.context,
                        "kb_toml": server.configuration,
                    }
                    for server in servers
                ],
                "ok": not problems,
            }
        )
    else:
        for finding in found:
            output.line(f"{_MARKS[finding.level]}  {finding.subject}: {output.one_line(finding.detail)}")
        for server in servers:
            if server.configuration:
                output.line(f"\nTo use the server on port {server.port}, put into kb.toml:\n")
                for line in server.configuration.splitlines():
                    output.line(f"    {line}")
        if servers:
            output.line()
        output.line("Ready." if not problems else f"{len(problems)} problems.")
    if problems:
        raise typer.Exit(problems[0].exit_code)
