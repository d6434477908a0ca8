"""The table of error codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes import errors
from kb.api.app import error_table
from kb.api.errors import KINDS, ServiceError, error_of

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "http.md"
TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.KBError)]


@pytest.mark.parametrize("kind", TREE)
def test_errors_of_the_tree_are_answered_by_their_code_without_their_text(kind: type[errors.KBError]) -> None:
    """Each error has its code and status in the table; its message, which may hold names and paths, is not sent."""
    assert KINDS[kind.code].status == kind.http_status
    error = errors.DocumentError("damaged", "CANARY") if kind is errors.DocumentError else kind("CANARY")
    known = error_of(error, "id")
    assert known.code == kind.code and "CANARY" not in known.message


def test_other_failures_are_internal() -> None:
    """What the service raises keeps its words; what nobody foresaw gets none."""
    assert error_of(ServiceError("busy", "own words"), "id").message == "own words"
    assert error_of(ZeroDivisionError("CANARY"), "id").message == KINDS["internal"].message


def test_the_guide_lists_the_codes() -> None:
    """The table in the guide is the one that the service shows."""
    assert error_table() in GUIDE.read_text(encoding="utf-8")
