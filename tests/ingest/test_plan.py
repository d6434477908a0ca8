"""What an ingest decides to do, from listings and the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from indexes.errors import UsageError
from indexes.records import document_id_of
from indexes.rows import DocumentStatus, KnownDocument
from ingest.plan import UNPROVEN, Plan, RemovalLimitError, Removals, make_plan, proven_time
from ingest.records import Problem, SourceItem
from ingest.sources import file_uri
from ingest.targets import Listing, Target, as_targets, listings
from ingest.web.site_visits import SiteVisits
from ingest.workers import LoaderPool

ROOT = "file:///docs"
SECOND = 1_000_000_000


def item(name: str, size: int = 5, mtime_ns: int = 1) -> SourceItem:
    return SourceItem(f"{ROOT}/{name}", "file", Path("/docs") / name, size, mtime_ns, "", ROOT)


def known(
    name: str, size: int = 5, mtime_ns: int = 1, settings: str = "s", status: DocumentStatus = "ready"
) -> tuple[str, KnownDocument]:
    uri = f"{ROOT}/{name}"
    return uri, KnownDocument(document_id_of(uri), uri, "hash", settings, size, mtime_ns, status)


def problem(name: str, reason: str = "unreadable", kind: str = "failed") -> Problem:
    return Problem(f"{ROOT}/{name}".rstrip("/"), kind, reason, "why", "", ROOT)  # type: ignore[arg-type]  # a literal


def plan_of(
    found: Iterable[SourceItem | Problem], ledger: Iterable[tuple[str, KnownDocument]] = (), **options: bool
) -> Plan:
    return make_plan([Listing(ROOT, iter(found))], dict(ledger), "s", **options)


def test_uploads_are_not_gone_where_their_knowledge_base_is_passed_over() -> None:
    """Pruning a folder with a knowledge base in it keeps what was uploaded there; a plain skip hides nothing."""
    ledger = [known("home/default/uploads/a.txt"), known("pipe")]
    found = [
        problem("home/default", "knowledge_base", "skipped"),
        problem("pipe", "not_a_file", "skipped"),
    ]
    assert [one.uri for one in plan_of(found, ledger, prune=True).gone] == [f"{ROOT}/pipe"]


@pytest.mark.parametrize(
    "before",
    [
        known("a", size=6),
        known("a", mtime_ns=2),
        known("a", mtime_ns=UNPROVEN),
        known("a", settings="others"),
        known("a", settings=""),
        known("a", status="failed"),
    ],
)
def test_what_is_read_again(before: tuple[str, KnownDocument]) -> None:
    """A file is read again where size, time or settings differ, and where it failed."""
    assert plan_of([item("a")], [known("a")]).unchanged == 1
    plan = plan_of([item("a")], [before])
    assert (plan.unchanged, [one.uri for one in plan.read]) == (0, [f"{ROOT}/a"])


def test_force_reads_all() -> None:
    """With `force` nothing counts as unchanged."""
    assert len(plan_of([item("a")], [known("a")], force=True).read) == 1


def test_pages_are_always_fetched() -> None:
    """A page of the web has no size and time to go by."""
    uri = "https://example.org/"
    page = SourceItem(uri, "web", None, 0, 0, "", uri)
    ledger = {uri: KnownDocument(document_id_of(uri), uri, "hash", "s", 0, 0, "ready")}
    assert make_plan([Listing(uri, iter([page]))], ledger, "s").read == [page]


def test_what_is_gone() -> None:
    """Gone is what is known under the roots and was not listed; failures of files that are gone are gone too."""
    ledger = [known("a"), known("b"), known("c", status="failed"), ("file:///docs2/x", known("../docs2/x")[1])]
    ledger[3] = ("file:///docs2/x", KnownDocument("0" * 16, "file:///docs2/x", "hash", "s", 5, 1, "ready"))
    plan = plan_of([item("a")], ledger, prune=True)
    assert [one.uri for one in plan.gone] == [f"{ROOT}/b", f"{ROOT}/c"]
    assert plan.known_under_roots == 3
    assert plan_of([item("a")], ledger).gone == []


def test_what_is_hidden_is_not_gone() -> None:
    """Documents in a folder that cannot be listed are unknown, not gone; what was passed over on purpose is gone."""
    ledger = [known("shut/1"), known("shut/2"), known("shut2"), known("link")]
    plan = plan_of([problem("shut"), problem("link", "not_a_file", "skipped")], ledger, prune=True)
    assert [one.uri for one in plan.gone] == [f"{ROOT}/shut2", f"{ROOT}/link"]
    assert ([one.uri for one in plan.problems], len(plan.skipped)) == ([f"{ROOT}/shut"], 1)


def test_root_that_cannot_be_listed() -> None:
    """A root that cannot be listed is a usage error: it must not look empty."""
    with pytest.raises(UsageError, match="cannot list"):
        plan_of([problem("")], [known("a")], prune=True)


def test_removal_limit() -> None:
    """Exactly the share may go, one document more may not, and no limit is no limit."""
    ledger = [known(str(number)) for number in range(10)]
    three = plan_of([item(str(number)) for number in range(7)], ledger, prune=True)
    Removals(True, 0.3).check(three)
    four = plan_of([item(str(number)) for number in range(6)], ledger, prune=True)
    Removals(True, None).check(four)
    with pytest.raises(RemovalLimitError) as caught:
        Removals(True, 0.3).check(four)
    assert (caught.value.removed, caught.value.total) == (4, 10)
    with pytest.raises(RemovalLimitError):
        Removals(True, 0.3).check(plan_of([], ledger, prune=True))


@pytest.mark.parametrize(
    ("age", "mtime_ns", "proven"),
    [
        (1 * SECOND, 5 * SECOND + 1, True),
        (10_000_000, 5 * SECOND + 1, False),
        (-1 * SECOND, 5 * SECOND + 1, False),
        (1 * SECOND, 5 * SECOND, False),
        (3 * SECOND, 5 * SECOND, True),
    ],
)
def test_times_that_prove_something(age: int, mtime_ns: int, proven: bool) -> None:
    """A time stamp is trusted once the clock that made it has moved on; coarse clocks need longer."""
    found = proven_time(item("a", mtime_ns=mtime_ns), mtime_ns + age)
    assert found == (mtime_ns if proven else UNPROVEN)


def test_targets(tmp_path: Path) -> None:
    """Nothing to ingest, and a reader without a name, are usage errors; roots are known also of empty folders."""
    with pytest.raises(UsageError, match="nothing to ingest"):
        as_targets([])
    with pytest.raises(UsageError, match="needs a name"):
        as_targets([Target(reader="some.Reader")])
    visits = SiteVisits(lambda: LoaderPool(1), threading.Event())
    (only,) = listings(as_targets([str(tmp_path)]), visits)
    assert (only.root, list(only.found)) == (file_uri(tmp_path), [])
    (page,) = listings(as_targets(["HTTP://Example.org:80/a#part"]), visits)
    assert [page.root] == [one.uri for one in page.found] == ["http://example.org/a"]
