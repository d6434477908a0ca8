"""Visits to sites: what is followed and what not, politeness, traps, and what comes in through the whole road."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from indexes.errors import UsageError
from indexes.store import Store
from ingest.pipeline import Pipeline
from ingest.plan import RemovalLimitError
from ingest.report import IngestReport
from ingest.stopping import IngestInterrupted
from ingest.targets import Target
from ingest.web.crawl import CrawlLimits
from ingest.web.site_visits import SiteVisits
from ingest.workers import LoaderPool
from tests.ingest.library import Library
from tests.ingest.site_server import Site, site

QUICK = CrawlLimits(depth=5, pages=100, delay=0.0)


@pytest.fixture
def served() -> Iterator[Site]:
    with site() as running:
        yield running


class KeptPool(LoaderPool):
    """Reading processes that outlive one ingest, so that not every visit of every test starts its own."""

    def close(self) -> None:
        pass

    def end(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def pool() -> Iterator[KeptPool]:
    kept = KeptPool(1, allow_hosts=["127.0.0.0/8"])
    yield kept
    kept.end()


class SiteLibrary(Library):
    """A knowledge base that is filled from a site on loopback."""

    pool: KeptPool
    limits = QUICK
    sitemap = False

    def visit(
        self,
        served: Site,
        *starts: str,
        prune: bool = False,
        dry_run: bool = False,
        force: bool = False,
        cancel: threading.Event | None = None,
        max_removed_share: float | None = None,
    ) -> IngestReport:
        limits = None if self.sitemap and self.limits is QUICK else self.limits
        return self.bring(
            [Target(served.url(start), "site", crawl=limits, sitemap=self.sitemap) for start in starts],
            prune=prune, dry_run=dry_run, force=force, cancel=cancel, max_removed_share=max_removed_share,
        )  # fmt: skip

    def bring(
        self,
        targets: list[Target | str],
        *,
        prune: bool = False,
        dry_run: bool = False,
        force: bool = False,
        cancel: threading.Event | None = None,
        max_removed_share: float | None = None,
    ) -> IngestReport:
        stores: list[Store] = []

        def open_store() -> Store:
            stores.append(self.open_store(create=not dry_run, force=force))
            return stores[-1]

        pipeline = Pipeline(open_store, self.embedder, self.splitter, lambda: self.pool)
        try:
            return pipeline.ingest(
                targets, prune=prune, dry_run=dry_run, force=force, cancel=cancel, max_removed_share=max_removed_share
            )
        finally:
            for store in stores:
                store.close()

    def pages(self, served: Site) -> set[str]:
        """Return the paths of the pages that are in."""
        return {uri.removeprefix(served.address) for uri in self.documents()}


@pytest.fixture
def library(tmp_path: Path, pool: KeptPool, monkeypatch: pytest.MonkeyPatch) -> SiteLibrary:
    monkeypatch.setattr(SiteLibrary, "pool", pool, raising=False)
    return SiteLibrary(tmp_path)


def _failures(report: IngestReport) -> dict[str, str]:
    return {one.uri.partition("/")[2].partition("/")[2].partition("/")[2]: one.error for one in report.failed}


def test_pages_are_found_by_their_links_and_come_in_once(served: Site, library: SiteLibrary) -> None:
    """Cycles, several links to one page, and links to other hosts: each page of the host is fetched exactly once."""
    with site() as elsewhere:
        elsewhere.page("/x", "别处")
        served.page("/", "首页", "a", "/b?x=1", "./b?x=1#part", elsewhere.url("/x"), "mailto:x@y.z")
        served.page("/a", "甲页", "/", "b?x=1")
        served.page("/b?x=1", "乙页", "/a", "/c/")
        served.page("/c/", "丙页", "../a")
        report = library.visit(served, "/")
        assert (report.added, report.failed) == (4, ())
        assert library.pages(served) == {"/", "/a", "/b?x=1", "/c/"}
        assert sorted(served.fetched()) == ["/", "/a", "/b?x=1", "/c/", "/robots.txt"]
        assert elsewhere.seen == []
    assert {stored.document.source for stored in library.documents().values()} == {"site"}


def test_second_visit_fetches_only_what_changed(served: Site, library: SiteLibrary) -> None:
    """Unchanged pages are answered with 304, their links of last time are followed, and nothing is parsed again."""
    served.page("/", "首页", "a", "b")
    served.page("/a", "甲页", "c")
    served.page("/b", "乙页")
    served.page("/c", "丙页")
    library.visit(served, "/")
    del served.seen[:]
    embedded = len(library.embedder.texts)
    second = library.visit(served, "/", prune=True)
    assert (second.version, second.unchanged, second.added, second.changed, second.removed) == (1, 4, 0, 0, 0)
    assert sorted(served.fetched(304)) == ["/", "/a", "/b", "/c"] and served.fetched(200) == []
    assert len(library.embedder.texts) == embedded
    served.page("/a", "甲页改写了", "d")
    served.page("/d", "丁页")
    del served.seen[:]
    third = library.visit(served, "/", prune=True)
    assert (third.version, third.unchanged, third.added, third.changed, third.removed) == (2, 2, 1, 1, 1)
    assert sorted(served.fetched(200)) == ["/a", "/d"] and sorted(served.fetched(304)) == ["/", "/b"]
    assert library.pages(served) == {"/", "/a", "/b", "/d"}
    assert library.visit(served, "/", force=True).changed == 4


def test_a_single_page_is_fetched_only_if_it_changed(served: Site, library: SiteLibrary) -> None:
    """A page named outright is asked for with the mark of last time; its bytes and text stay."""
    served.page("/", "首页")
    served.page("/a", "甲页")
    targets: list[Target | str] = [served.url("/"), served.url("/a")]
    library.bring(targets)
    before = library.documents()[served.url("/")]
    served.page("/a", "甲页改写了")
    del served.seen[:]
    report = library.bring(targets)
    assert (report.unchanged, report.changed) == (1, 1)
    assert (served.fetched(304), served.fetched(200)) == (["/"], ["/a"])
    assert library.documents()[served.url("/")].document == before.document
    assert library.bring(targets, force=True).changed == 2


def test_a_page_with_other_settings_is_fetched_whole(served: Site, library: SiteLibrary) -> None:
    """A page that was cut by another splitter is not asked for conditionally: its bytes are needed."""
    served.page("/", "首页", "a")
    served.page("/a", "甲页")
    library.visit(served, "/")
    del served.seen[:]
    changed = SiteLibrary(library.home.parent, library.embedder, chunk_tokens=96)
    assert changed.visit(served, "/").changed == 2
    assert served.fetched(304) == []


def test_a_page_is_no_folder(served: Site, library: SiteLibrary) -> None:
    """Reading the front page again with --prune removes no other page of the host."""
    served.page("/", "首页")
    served.page("/a", "甲页")
    library.bring([served.url("/"), served.url("/a")])
    assert library.bring([served.url("/")], prune=True).removed == 0
    assert library.pages(served) == {"/", "/a"}


def test_pages_of_another_source_on_the_same_host_stay(served: Site, library: SiteLibrary) -> None:
    """--prune removes what this source brought in and no longer finds, and nothing of its neighbours."""
    for path in ("/docs/", "/docs/a", "/blog/", "/blog/b"):
        served.page(path, path)
    served.page("/docs/", "文档", "a")
    served.page("/blog/", "博客", "b")
    library.visit(served, "/docs/")
    library.bring([Target(served.url("/blog/"), "blog", crawl=QUICK)])
    served.page("/docs/", "文档")
    assert library.visit(served, "/docs/", prune=True).removed == 1
    assert library.pages(served) == {"/docs/", "/blog/", "/blog/b"}


def test_depth_and_pages_are_bounded(served: Site, library: SiteLibrary) -> None:
    """Links are followed so far and no further; reaching the limit of pages is said, and nothing is removed then."""
    for number in range(6):
        served.page(f"/{number}", f"第{number}页", str(number + 1))
    library.limits = CrawlLimits(depth=2, pages=100, delay=0)
    library.visit(served, "/0")
    assert library.pages(served) == {"/0", "/1", "/2"}
    library.limits = CrawlLimits(depth=9, pages=2, delay=0)
    report = library.visit(served, "/0", prune=True)
    assert (report.removed, [one.error for one in report.skipped]) == (0, ["too_large"])
    assert library.pages(served) == {"/0", "/1", "/2"}


def test_traps_are_bounded(served: Site, library: SiteLibrary) -> None:
    """A page that links below itself for ever, with equal or with ever new content, and an endless calendar."""
    served.page("/", "首页", "same/", "/deep/x/", "/calendar?day=0")
    for depth in range(1, 12):
        served.page("/" + "same/" * depth, "同样的页", "same/")
        served.page("/deep/" + "x/" * depth, f"第{depth}层", "x/")
    for day in range(200):
        served.page(f"/calendar?day={day}", f"第{day}天", f"/calendar?day={day + 1}")
    library.limits = CrawlLimits(depth=8, pages=20, delay=0)
    report = library.visit(served, "/")
    found = library.pages(served)
    assert {page for page in found if "same" in page} == {"/same/"}
    assert {page for page in found if "deep" in page} == {"/deep/x/", "/deep/x/x/", "/deep/x/x/x/"}
    assert sum("calendar" in page for page in found) == 8  # one for each link in a row
    assert "duplicate_name" in {one.error for one in report.skipped}


def test_robots_txt_is_obeyed(served: Site, library: SiteLibrary) -> None:
    """What it disallows is not fetched, and goes where it was in; without an answer for it, nothing is fetched."""
    served.page("/", "首页", "a", "private/b")
    served.page("/a", "甲页")
    served.page("/private/b", "乙页")
    library.visit(served, "/")
    served.put("/robots.txt", "User-agent: *\nDisallow: /private/\n", media_type="text/plain")
    del served.seen[:]
    report = library.visit(served, "/", prune=True)
    assert report.removed == 1 and library.pages(served) == {"/", "/a"}
    assert "/private/b" not in served.fetched()
    served.put("/robots.txt", "busy", status=503)
    del served.seen[:]
    report = library.visit(served, "/", prune=True)
    assert (_failures(report), report.removed) == ({"": "fetch_failed"}, 0)
    assert set(served.fetched()) == {"/robots.txt"}
    served.put("/robots.txt", "no", status=403)
    assert library.visit(served, "/").failed == ()


def test_requests_keep_their_distance(served: Site, library: SiteLibrary) -> None:
    """Between two requests lies the delay, or that of robots.txt where it asks for more."""
    served.page("/", "首页", "a", "b")
    served.page("/a", "甲页")
    served.page("/b", "乙页")
    served.put("/robots.txt", "User-agent: *\nCrawl-delay: 0.3", media_type="text/plain")
    library.limits = CrawlLimits(depth=1, pages=10, delay=0.05)
    library.visit(served, "/")
    times = [at for _, at, _ in served.seen]
    assert len(times) == 4
    assert all(later - earlier >= 0.28 for earlier, later in pairwise(times))


def test_redirects_are_followed_on_the_host_only(served: Site, library: SiteLibrary) -> None:
    """A page is known by where it is in the end; redirects to other hosts, rounds and refused pages bring nothing."""
    with site() as elsewhere:
        elsewhere.page("/x", "别处")
        served.put("/", status=301, location="/home")
        served.page("/home", "首页", "old", "away", "round", "inside")
        served.put("/old", status=302, location="/new#part")
        served.page("/new", "新页", "old")
        served.put("/away", status=302, location=elsewhere.url("/x"))
        served.put("/round", status=302, location="/round")
        served.put("/inside", status=302, location="http://169.254.169.254/latest/")
        report = library.visit(served, "/")
        assert library.pages(served) == {"/home", "/new"} and report.failed == ()
        assert elsewhere.seen == []
        del served.seen[:]
        assert library.visit(served, "/", prune=True).unchanged == 2
        assert sorted(served.fetched(304)) == ["/home", "/new"]


@pytest.mark.parametrize("by_way_of", ["/", "/login"])
def test_a_circle_of_redirects_removes_nothing(served: Site, library: SiteLibrary, by_way_of: str) -> None:
    """A site whose first page, or one inside, goes in a circle for once is not taken for an empty one."""
    served.page("/", "首页", "a")
    served.page("/a", "甲页", "b")
    served.page("/b", "乙页")
    assert library.visit(served, "/").added == 3
    served.put("/", status=302, location=by_way_of)
    served.put("/login", status=302, location="/")
    report = library.visit(served, "/", prune=True)
    assert report.removed == 0 and set(_failures(report).values()) == {"fetch_failed"}
    assert library.pages(served) >= {"/", "/a", "/b"}
    served.page("/", "首页", "a")
    served.put("/a", status=302, location="/a")
    report = library.visit(served, "/", prune=True)
    assert (_failures(report), report.removed) == ({"a": "fetch_failed"}, 0)
    assert library.pages(served) >= {"/", "/a", "/b"}


def test_failures_of_pages(served: Site, library: SiteLibrary) -> None:
    """Dead links are notices; a page that fails keeps its earlier state and does not hide what it led to."""
    served.page("/", "首页", "dead", "image", "sick")
    served.page("/sick", "病页", "child")
    served.page("/child", "下一页")
    served.put("/image", b"\x89PNG", media_type="image/png")
    first = library.visit(served, "/")
    assert first.failed == () and {one.error for one in first.skipped} == {"vanished", "unsupported"}
    served.put("/sick", "trouble", status=500)
    second = library.visit(served, "/", prune=True)
    assert (_failures(second), second.removed) == ({"sick": "fetch_failed"}, 0)
    assert library.pages(served) == {"/", "/sick", "/child"}
    served.put("/", "trouble", status=500)
    assert library.visit(served, "/", prune=True).removed == 0
    served.pages.clear()
    gone = library.visit(served, "/", prune=True)
    assert (_failures(gone), gone.removed) == ({"": "fetch_failed"}, 0)
    assert library.pages(served) == {"/", "/sick", "/child"}


def test_a_page_that_is_gone_is_removed_where_asked(served: Site, library: SiteLibrary) -> None:
    """404 and 410 of a page named outright: a failure that names --prune without it, a removal with it."""
    for path in ("/", "/a", "/b"):
        served.page(path, path)
    targets: list[Target | str] = [served.url(path) for path in ("/", "/a", "/b")]
    library.bring(targets)
    served.put("/a", "gone", status=410)
    del served.pages["/b"]
    kept = library.bring(targets)
    assert _failures(kept) == {"a": "vanished", "b": "vanished"} and kept.removed == 0
    assert all("--prune" in one.detail for one in kept.failed)
    assert library.pages(served) == {"/", "/a", "/b"}
    with pytest.raises(RemovalLimitError, match="2 of 3 documents are gone"):
        library.bring(targets, prune=True, max_removed_share=0.3)
    pruned = library.bring(targets, prune=True)
    assert (pruned.failed, pruned.removed) == ((), 2)
    assert library.pages(served) == {"/"}
    again = library.bring(targets, prune=True)
    assert _failures(again) == {"a": "vanished", "b": "vanished"} and again.removed == 0


@pytest.mark.parametrize("crawled", [False, True])
def test_a_new_mark_of_the_same_page_is_remembered(served: Site, library: SiteLibrary, crawled: bool) -> None:
    """A page that is the same under a new ETag is fetched once more and no oftener; the version stays."""

    def bring() -> IngestReport:
        return library.visit(served, "/") if crawled else library.bring([served.url("/")])

    served.page("/", "首页")
    bring()
    served.put("/", served.pages["/"].body, etag='"second"')
    for status, repeats in ((200, 1), (304, 2)):
        for _ in range(repeats):
            del served.seen[:]
            report = bring()
            assert (report.unchanged, report.changed, report.version) == (1, 0, 1)
            assert served.fetched(status) == ["/"]
    served.page("/", "首页改写了")
    assert bring().changed == 1
    del served.seen[:]
    assert bring().unchanged == 1
    assert served.fetched(304) == ["/"]


def test_a_rolled_back_page_is_not_taken_for_the_newer_one(served: Site, library: SiteLibrary) -> None:
    """The mark of content that is not in any more does not keep the page from being fetched."""
    served.page("/", "首页")
    library.bring([served.url("/")])
    served.page("/", "首页改写了")
    library.bring([served.url("/")])
    served.put("/", served.pages["/"].body, etag='"second"')
    library.bring([served.url("/")])
    store = library.open_store()
    try:
        store.rollback(1)
    finally:
        store.close()
    assert library.bring([served.url("/")]).changed == 1
    assert "首页改写了" in library.documents()[served.url("/")].document.text


def test_wishes_of_pages_are_honoured(served: Site, library: SiteLibrary) -> None:
    """`noindex` keeps a page out but not what it leads to, `nofollow` the other way round; headers count as well."""
    noindex, nofollow = "<meta name='robots' content='noindex'>", "<meta name='robots' content='nofollow'>"
    served.page("/", "首页", "a", "b", "c", "d")
    pages = {"/a": (noindex, ""), "/b": (nofollow, ""), "/c": ("", "noindex"), "/d": ("", "nofollow")}
    for path, (element, header) in pages.items():
        served.page(path, f"第{path}页", f"below{path}")
        body = served.pages[path].body.replace(b"<head>", f"<head>{element}".encode())
        served.put(path, body, robots=header)
        served.page(f"/below{path}", f"第{path}页之下")
    report = library.visit(served, "/")
    assert library.pages(served) == {"/", "/b", "/d", "/below/a", "/below/c"}
    assert report.failed == ()
    assert {one.error for one in report.skipped} == {"forbidden_link"}


def test_a_page_that_came_to_ask_not_to_be_taken_in_goes(served: Site, library: SiteLibrary) -> None:
    """A page at the last depth whose head says `noindex` now is removed with the next pruning; one named outright
    is what the user asked for, and stays."""
    library.limits = CrawlLimits(depth=1, pages=10, delay=0.0)
    served.page("/", "首页", "a")
    served.page("/a", "甲页")
    library.visit(served, "/")
    body = served.pages["/a"].body.replace(b"<head>", b"<head><meta name='robots' content='none'>")
    served.put("/a", body)
    assert library.visit(served, "/").removed == 0
    assert library.visit(served, "/", prune=True).removed == 1
    assert library.pages(served) == {"/"}
    assert library.bring([served.url("/a")]).added == 1


def test_removals_are_limited_for_sites_too(served: Site, library: SiteLibrary) -> None:
    """A site that suddenly has one page left is not emptied by a job."""
    served.page("/", "首页", "a", "b", "c")
    for path in ("/a", "/b", "/c"):
        served.page(path, path)
    library.visit(served, "/")
    served.page("/", "维护中")
    with pytest.raises(Exception, match="3 of 4 documents are gone"):
        library.visit(served, "/", prune=True, max_removed_share=0.3)
    assert len(library.pages(served)) == 4


def test_dry_run_changes_nothing(served: Site, library: SiteLibrary) -> None:
    """A dry run visits the site and says what it found; no knowledge base is made and no page is kept."""
    served.page("/", "首页", "a")
    served.page("/a", "甲页")
    library.visit(served, "/")
    served.page("/", "首页", "a", "b")
    served.page("/b", "乙页")
    report = library.visit(served, "/", dry_run=True)
    assert {(one.action, one.uri.removeprefix(served.address)) for one in report.planned} == {
        ("check", "/"), ("check", "/a"), ("add", "/b"),
    }  # fmt: skip
    assert library.pages(served) == {"/", "/a"}


def test_stopping_does_not_wait_for_the_delay(served: Site, library: SiteLibrary, tmp_path: Path) -> None:
    """A visit that waits before its next request ends at once, and leaves no pages behind."""
    served.page("/", "首页", "a")
    library.limits = CrawlLimits(depth=1, pages=10, delay=30)
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    begun = time.monotonic()
    with pytest.raises(IngestInterrupted):
        library.visit(served, "/", cancel=cancel)
    assert time.monotonic() - begun < 2


def test_pages_on_the_way_are_removed_from_the_disk(
    served: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of fetched pages is gone after the run."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    served.page("/", "首页")
    with SiteVisits(lambda: LoaderPool(1, allow_hosts=["127.0.0.1"]), threading.Event()) as visits:
        found = list(visits.visit([served.url("/")], QUICK, "site", sitemap=False))
        assert len(found) == 1 and list(tmp_path.glob("kb-site-*/*"))
    assert not list(tmp_path.glob("kb-site-*"))


def _sitemap(served: Site, path: str, *pages: str) -> None:
    entries = "".join(f"<url><loc>{page if '://' in page else served.url(page)}</loc></url>" for page in pages)
    served.put(path, f"<?xml version='1.0'?><urlset>{entries}</urlset>", media_type="application/xml")


def test_sitemaps(served: Site, library: SiteLibrary) -> None:
    """The pages of a list of sitemaps come in, but none of other hosts, disallowed ones, or what they link to."""
    library.sitemap = True
    _sitemap(served, "/1.xml", "/a", "/b", "https://other.test/x", "/private", "/b")
    _sitemap(served, "/2.xml", "/c", "nonsense://")
    index = "".join(f"<sitemap><loc>{served.url(path)}</loc></sitemap>" for path in ("/1.xml", "/2.xml", "/index.xml"))
    served.put("/index.xml", f"<sitemapindex>{index}</sitemapindex>", media_type="text/xml")
    served.put("/robots.txt", "User-agent: *\nDisallow: /private", media_type="text/plain")
    for path in ("/a", "/b", "/c", "/private", "/linked"):
        served.page(path, path, "/linked")
    library.limits = CrawlLimits(depth=0, pages=50, delay=0)
    report = library.visit(served, "/index.xml")
    assert (report.failed, library.pages(served)) == ((), {"/a", "/b", "/c"})
    assert {one.error for one in report.skipped} == {"forbidden_link"}
    _sitemap(served, "/2.xml")
    del served.seen[:]
    again = library.visit(served, "/index.xml", prune=True)
    assert (again.removed, again.unchanged) == (1, 2)
    assert served.fetched(304).count("/a") == 1 and "/index.xml" in served.fetched(200)
    library.limits = CrawlLimits(depth=1, pages=50, delay=0)
    library.visit(served, "/index.xml")
    assert library.pages(served) == {"/a", "/b", "/linked"}


def test_bad_sitemaps_are_failures_and_remove_nothing(served: Site, library: SiteLibrary) -> None:
    """A sitemap that is missing, is a page, or is empty: told, and what is in stays."""
    library.sitemap = True
    library.limits = CrawlLimits(depth=0, pages=50, delay=0)
    _sitemap(served, "/map.xml", "/a")
    served.page("/a", "甲页")
    library.visit(served, "/map.xml")
    for body in ("<html><body>moved</body></html>", "<urlset></urlset>", "<urlset><url>"):
        served.put("/map.xml", body)
        report = library.visit(served, "/map.xml", prune=True)
        assert report.removed == 0 and bool(report.failed) is (body != "<urlset></urlset>")
    del served.pages["/map.xml"]
    assert _failures(library.visit(served, "/map.xml", prune=True)) == {"map.xml": "fetch_failed"}
    assert library.documents()[served.url("/a")].status == "ready"


def test_a_visit_needs_the_name_of_a_source() -> None:
    """Pages found by following links are told from others by the name of their source."""
    with pytest.raises(UsageError, match="needs a name"):
        Library(Path("/nonexistent")).pipeline(lambda: pytest.fail("opened")).ingest(
            [Target("https://site.test/", crawl=QUICK)]
        )


def test_the_debian_faq_as_a_site(served: Site, library: SiteLibrary, corpus: Path) -> None:
    """All pages of a real site are in, none twice, and nothing outside of it was asked for."""
    folder = corpus / "web" / "debian-faq"
    names = {path.name for path in folder.glob("*.html")}
    assert len(names) == 17
    for name in names:
        served.put(f"/doc/{name}", (folder / name).read_bytes(), media_type="text/html")
    served.put("/robots.txt", "User-agent: *\nDisallow: /doc/kernel", media_type="text/plain")
    refused = "kernel.zh-cn.html"
    assert refused in names
    report = library.visit(served, "/doc/index.zh-cn.html")
    assert library.pages(served) == {f"/doc/{name}" for name in names - {refused}}
    assert (report.added, report.failed) == (16, ())
    del served.pages["/robots.txt"]
    again = library.visit(served, "/doc/index.zh-cn.html")
    assert (again.added, again.unchanged, again.failed) == (1, 16, ())
    asked = [path for path in served.fetched(200) if path.endswith(".html")]
    assert sorted(asked) == sorted(f"/doc/{name}" for name in names)
    assert len({stored.document.text for stored in library.documents().values()}) == 17
