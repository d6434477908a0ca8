"""Sites in kb.toml: from the configuration to documents that can be asked for by the name of their source."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.errors import ConfigurationError
from ingest.targets import Target
from ingest.web.crawl import CrawlLimits
from kb.making import source_targets
from kb.settings import load_settings
from kb.wiring import Application
from tests.ingest.site_server import site


def _config(home: Path, text: str) -> Path:
    path = home.parent / "kb.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_crawl_and_sitemap_of_a_source(kb_home: Path) -> None:
    """Each address of a source becomes a target with its limits; `{}` stands for the defaults."""
    config = _config(
        kb_home,
        '[[sources]]\nname = "a"\nurls = ["https://a.test/", "https://b.test/"]\ncrawl = {depth = 1, delay = 0.5}\n'
        '[[sources]]\nname = "b"\nurls = ["https://a.test/map.xml"]\nsitemap = true\n'
        '[[sources]]\nname = "c"\nurls = ["https://a.test/"]\ncrawl = {}\n',
    )
    first, second, third = load_settings(config, {}, {"KB_HOME": str(kb_home)}).sources
    assert source_targets(first) == [
        Target(url, "a", crawl=CrawlLimits(1, 500, 0.5)) for url in ("https://a.test/", "https://b.test/")
    ]
    assert source_targets(second) == [Target("https://a.test/map.xml", "b", sitemap=True)]
    assert source_targets(third) == [Target("https://a.test/", "c", crawl=CrawlLimits())]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('paths = ["."]\ncrawl = {}', "`urls`"),
        ('paths = ["."]\nsitemap = true', "`urls`"),
        ('urls = ["https://a.test/"]\ncrawl = {pages = 0}', "pages"),
        ('urls = ["https://a.test/"]\ncrawl = {delays = 1}', "delays"),
        ('urls = ["https://a.test/"]\ncrawl = true', "crawl"),
    ],
)
def test_wrong_settings_of_sites(kb_home: Path, source: str, words: str) -> None:
    """A crawl without addresses, out of range, misspelt, or of the wrong kind is a clear error."""
    config = _config(kb_home, f'[[sources]]\nname = "a"\n{source}\n')
    with pytest.raises(ConfigurationError, match=words):
        load_settings(config, {}, {"KB_HOME": str(kb_home)})


def test_a_configured_site_comes_in(kb_home: Path) -> None:
    """The pages of a site on the intranet, allowed by name, are in under the name of their source."""
    with site() as served:
        served.page("/", "首页", "a")
        served.page("/a", "甲页")
        config = _config(
            kb_home,
            f'[ingest]\nworkers = 1\nallow_hosts = ["{served.host}"]\n[[sources]]\nname = "intranet"\n'
            f'urls = ["{served.url("/")}"]\ncrawl = {{delay = 0}}\n',
        )
        settings = load_settings(config, {}, {"KB_HOME": str(kb_home)})
        application = Application(settings)
        try:
            report = application.pipeline("default").ingest(source_targets(settings.sources[0]))
            assert (report.added, report.failed) == (2, ())
            rows = application.store("default").documents()
            assert {row.uri for row in rows} == {served.url("/"), served.url("/a")}
            documents = [application.store("default").document(row.document_id).document for row in rows]
            assert {document.source for document in documents} == {"intranet"}
        finally:
            application.close()
