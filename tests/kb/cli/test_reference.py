"""The pages about commands and settings are what the code says."""

from __future__ import annotations

import pytest

from kb.cli import reference
from tests.conftest import ROOT


@pytest.mark.parametrize("name", ["commands", "settings"])
def test_the_page_is_current(name: str) -> None:
    """A change of a command or setting changes its page: `python -m kb.cli.reference docs/guide` writes it."""
    written = (ROOT / "docs" / "guide" / f"{name}.md").read_text(encoding="utf-8")
    assert written == getattr(reference, f"{name}_page")()


def test_every_command_of_the_contract_is_described() -> None:
    """Commands that others rely on are there under their names."""
    page = reference.commands_page()
    contract = "init ingest ask chat search serve status versions rollback verify gc worker config doctor"
    nested = [f"docs {name}" for name in ("list", "show", "remove")]
    nested += [f"jobs {name}" for name in ("list", "run", "history", "pause", "resume")]
    for name in [*contract.split(), *nested]:
        assert f"\n## `kb {name}`\n" in page
