"""Checking everything that is stored: every hash, every count, every span, and that files and SQLite agree."""

from __future__ import annotations

from pathlib import Path

from indexes.errors import DamagedError
from indexes.rows import VerifyReport
from indexes.storage import ledger
from indexes.storage.database import ReaderPool
from indexes.upkeep.findings import Findings
from indexes.upkeep.verify_files import verify_files
from indexes.upkeep.verify_rows import verify_rows

ATTEMPTS = 5


def verify(root: Path, pool: ReaderPool) -> VerifyReport:
    """Check a knowledge base without holding its lock; an empty list of problems means that all is sound.

    What a killed writer leaves (hidden folders, a folder that was never committed) is not damage. Where a writer
    publishes meanwhile, the check begins anew, so that what it removed is not taken for lost.
    """
    findings = Findings()
    for _ in range(ATTEMPTS):
        before = _versions(pool)
        findings = Findings()
        with findings.noting(), pool.connection() as connection:
            connection.execute("BEGIN")  # one state of the database throughout
            try:
                verify_rows(root, connection, findings)
                with findings.noting():
                    verify_files(root, connection, findings)
            finally:
                connection.execute("ROLLBACK")
        if not findings.problems or _versions(pool) == before:
            break
    return VerifyReport(list(dict.fromkeys(findings.problems)), dict(findings.checked))


def _versions(pool: ReaderPool) -> list[tuple[int, bool]]:
    try:
        with pool.connection() as connection:
            return [(row.version, bool(row.announced)) for row in ledger.committed_versions(connection)]
    except DamagedError:
        return []  # the check itself reports it
