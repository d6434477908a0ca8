"""`kb ingest --crawl` and `--sitemap`: whole sites from the command line, within the bounds given there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ingest.site_server import Site, site
from tests.kb.cli.conftest import Run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run a small site whose host is allowed."""
    with site() as running:
        monkeypatch.setenv("KB_INGEST__ALLOW_HOSTS", running.host)
        running.page("/", "入口", "/a", "/b")
        running.page("/a", "请假的规定", "/c")
        running.page("/b", "报销的规定")
        running.page("/c", "出差的规定")
        yield running


def _pages(run: Run, served: Site) -> set[str]:
    rows = run("docs", "list", "--json").json["documents"]
    return {row["uri"].removeprefix(served.address) for row in rows}


def test_links_are_followed_as_deep_as_asked(run: Run, served: Site) -> None:
    """`--depth 1` takes what the first page links to and no more; the host is the source that can be filtered by."""
    result = run("ingest", served.url("/"), "--crawl", "--depth", "1", "--delay", "0", "--json")
    assert (result.code, result.json["added"]) == (0, 3), result.err
    assert _pages(run, served) == {"/", "/a", "/b"}
    assert run("search", "报销的规定", "--filter", f"source={served.host}", "--json").json["hits"]
    deeper = run("ingest", served.url("/"), "--crawl", "--delay", "0", "--json")
    assert (deeper.json["added"], deeper.json["unchanged"]) == (1, 3)


def test_the_number_of_pages_is_bounded(run: Run, served: Site) -> None:
    """`--pages` ends the visit with a notice that says so."""
    result = run("ingest", served.url("/"), "--crawl", "--pages", "2", "--delay", "0", "--json")
    assert (result.code, result.json["added"]) == (0, 2)
    assert ": too_large" in result.err


def test_a_sitemap_says_which_pages_go_in_and_prune_removes_those_it_names_no_more(run: Run, served: Site) -> None:
    """`--sitemap` follows no link; a page that the sitemap dropped goes with `--prune`, what lies elsewhere stays."""

    def name(*paths: str) -> None:
        entries = "".join(f"<url><loc>{served.url(path)}</loc></url>" for path in paths)
        served.put("/sitemap.xml", f"<urlset>{entries}</urlset>", media_type="application/xml")

    name("/a", "/b")
    arguments = ("ingest", served.url("/sitemap.xml"), "--sitemap", "--delay", "0", "--json")
    first = run(*arguments)
    assert (first.code, first.json["added"]) == (0, 2), first.err
    name("/b")
    assert run(*arguments).json["removed"] == 0
    assert run(*arguments, "--prune").json["removed"] == 1
    assert _pages(run, served) == {"/b"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://127.0.0.1:9/", "--depth", "2"), "--crawl"),
        (("http://127.0.0.1:9/", "--sitemap", "--depth", "2"), "--crawl"),
        (("http://127.0.0.1:9/", "--pages", "2"), "--crawl"),
        (("--crawl",), "address"),
        (("docs", "--crawl"), "web address"),
        (("http://127.0.0.1:9/", "--crawl", "--pages", "0"), "--pages"),
        (("http://127.0.0.1:9/", "--crawl", "--depth", "-1"), "--depth"),
    ],
)
def test_bounds_that_bound_nothing_are_wrong_usage(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 with what is missing, before anything is fetched or made."""
    result = run("ingest", *arguments)
    assert result.code == 2
    assert said in result.err
    assert run("status").code == 4
