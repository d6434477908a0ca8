"""The documentation of commands and settings, written from the commands and settings themselves.

`python -m kb.cli.reference FOLDER` writes `commands.md` and `settings.md`; a test holds the files to what this gives.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from kb.cli.main import app

_EXIT_CODES = (
    (0, "done; a refusal to answer is done too"),
    (1, "an unexpected failure"),
    (2, "wrong usage or configuration, or a path that does not exist"),
    (3, "some documents could not be read; the rest are in"),
    (4, "no such knowledge base, version or document"),
    (5, "another writer holds the knowledge base"),
    (6, "the engine or model is not available"),
    (7, "damaged data was found"),
    (130, "interrupted"),
)
_MADE = "<!-- Written by `python -m kb.cli.reference docs/guide`; change the code, not this file. -->"


def commands_page() -> str:
    """Return the page about the commands, as Markdown."""
    root = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        _MADE,
        "",
        "Results go to standard output, progress and notices to standard error. `--kb` and `--config` may also stand "
        "before the command. Tables are aligned on a terminal and separated by tabs elsewhere.",
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in _EXIT_CODES),
        "",
    ]
    for path, command in _commands(root, "kb"):
        lines += _section(path, command)
    return "\n".join(lines).rstrip() + "\n"


def settings_page() -> str:
    """Return the page about the settings, as Markdown."""
    from kb.settings_models import JobSettings, SourceSettings
    from kb.settings_sources import sections

    lines = [
        "# Settings",
        "",
        _MADE,
        "",
        "A setting is looked for in flags, then in environment variables (`KB_SECTION__KEY`), then in `kb.toml` in the "
        "working directory or the file given with `--config`; otherwise the default holds. `KB_HOME` is the folder of "
        "all knowledge bases. `kb config` shows every value and where it came from.",
        "",
    ]
    tables = [(f"[{name}]", model) for name, model in sections().items()]
    tables += [("[[sources]]", SourceSettings), ("[[jobs]]", JobSettings)]
    for title, model in tables:
        lines += [
            f"## `{title}`",
            "",
            (model.__doc__ or "").strip(),
            "",
            "| key | default | meaning |",
            "| --- | --- | --- |",
        ]
        for key, field in model.model_fields.items():
            if field.is_required():
                default = "required"
            else:
                value = field.get_default(call_default_factory=True)
                default = "unset" if value is None or value == "" else f"`{_toml(value)}`"
            lines.append(f"| `{key}` | {default} | {field.description} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, with its full name, in the order of the help."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


def _section(path: str, command: Any) -> list[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join([path, "[OPTIONS]", *(_argument_name(argument) for argument in arguments)])
    lines = [f"## `{path}`", "", f"    {usage}", "", *_paragraphs(command.help or ""), ""]
    rows = [(f"`{_argument_name(argument)}`", argument.help or "") for argument in arguments]
    for option in options:
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        value = f" `{option.metavar}`" if option.metavar and not option.is_flag else ""
        default = f" Default: {option.show_default}." if isinstance(option.show_default, str) else ""
        rows.append((names + value, (option.help or "") + default))
    if rows:
        lines += ["| | |", "| --- | --- |", *(f"| {_cell(left)} | {_cell(right)} |" for left, right in rows), ""]
    return lines


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a docstring, each on one line, empty lines between them."""
    joined = "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return joined.splitlines()


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def main() -> None:
    """Write both pages into the folder named on the command line."""
    folder = Path(sys.argv[1])
    (folder / "commands.md").write_text(commands_page(), encoding="utf-8")
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
