"""Filters over many documents, and one quantity in all its spellings: search finds exactly what matches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.records import Document
from indexes.search import Searcher
from indexes.storage.snapshot import Snapshot
from tests.indexes.test_search import chunks_of, document, indexed

TAGS, SOURCES = ("人事", "财务", "安全", "研发", "后勤"), ("handbook", "wiki", "mail")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Snapshot, dict[str, Document]]]:
    """Give a snapshot in three versions of 300 documents that all speak of reimbursement, and the documents."""
    draw = random.Random(9)
    documents = {}
    for number in range(300):
        # The later ones match the question better: a filter for the others must look past them.
        praise = "报销流程" * (1 + number // 60)
        made = document(
            f"n{number}", f"第{number}号通知：{praise}由{draw.choice('甲乙丙丁戊己庚辛')}组第{number}人负责。"
        )
        metadata = {"tag": draw.choice(TAGS), "date": f"202{draw.randrange(5)}-{draw.randrange(1, 13):02}-15"}
        documents[made.title] = replace(made, metadata=metadata, source=draw.choice(SOURCES))
    items = [(item, chunks_of(item)) for item in documents.values()]
    folder = tmp_path_factory.mktemp("library") / "kb"
    with indexed(folder, HashEmbedder(), [items[:100], items[100:200], items[200:]]) as (_, snapshot):
        yield snapshot, documents


FILTERS: list[tuple[dict[str, object], str]] = [
    ({"tag": "财务"}, "d.metadata['tag'] == '财务'"),
    ({"tag": ["财务", "安全"], "source": "wiki"}, "d.metadata['tag'] in ('财务', '安全') and d.source == 'wiki'"),
    ({"date": {"from": "2021-06", "to": "2022"}}, "'2021-06' <= d.metadata['date'] <= '2022-99'"),
    (
        {"date": {"to": "2020-03"}, "source": ["mail", "wiki"]},
        "d.metadata['date'] < '2020-04' and d.source != 'handbook'",
    ),
    ({"title": [f"n{number}" for number in range(0, 50, 7)]}, "d.title in {f'n{n}' for n in range(0, 50, 7)}"),
    ({"uri": "file:///n3.txt"}, "d.title == 'n3'"),
    ({"tag": "财务", "title": "none"}, "False"),
]


@pytest.mark.parametrize(("filters", "rule"), FILTERS)
def test_every_match_is_found_and_nothing_else(
    library: tuple[Snapshot, dict[str, Document]], filters: dict[str, object], rule: str
) -> None:
    """With room for all, the hits are exactly the documents that match, in any segment, however weak they are."""
    snapshot, documents = library
    expected = {title for title, d in documents.items() if eval(rule, {"d": d})}
    hits = Searcher(HashEmbedder()).search(snapshot, "报销流程由谁负责？", 300, filters).hits
    assert {hit.title for hit in hits} == expected
    # The best of a few is the best of all: the filter is no afterthought on a shortened list.
    few = Searcher(HashEmbedder()).search(snapshot, "报销流程由谁负责？", 2, filters).hits
    assert [hit.title for hit in few] == [hit.title for hit in hits[:2]]


SPELLINGS = ("３０％", "30%", "百分之三十", "百分之30", "百分之３０")


@pytest.mark.parametrize("written", SPELLINGS)
def test_a_share_is_found_in_every_spelling(tmp_path: Path, written: str) -> None:
    """However it is written and asked for, the share leads to its passage, with the same scores each time."""
    others = ("20%", "13%", "300%", "三十万元", "30人", "0.30元")
    texts = [f"补贴比例为{share}，按季度结算。" for share in (*others, written)]
    batch = [(item, chunks_of(item)) for item in (document(f"d{n}", text) for n, text in enumerate(texts))]
    searcher, found = Searcher(HashEmbedder()), set()
    with indexed(tmp_path / "kb", HashEmbedder(), [batch]) as (_, snapshot):
        for asked in SPELLINGS:
            hits = searcher.search(snapshot, f"补贴比例为{asked}的如何结算？", 7).hits
            assert hits[0].text == texts[-1]
            assert hits[0].score > hits[1].score
            found.add(tuple((hit.title, hit.score) for hit in hits))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("二〇〇八年八月投产", "2008年8月投产的是什么？"),
        ("臺灣的資訊設備", "台湾的资讯设备有哪些？"),
        ("预算为1,000,000元", "预算1000000元的项目"),
        ("型号ＧＰＴ－４", "gpt-4 型号"),
        ("Straße der Einheit", "STRASSE DER EINHEIT"),
    ],
)
def test_other_spellings_meet_as_well(tmp_path: Path, written: str, asked: str) -> None:
    """Years, scripts, digit groups, width and case do not keep question and passage apart."""
    texts = ["公司每年八月检查全部设备的型号和预算。", "二〇〇九年九月的设备预算为2,000,000元。", f"记录：{written}。"]
    batch = [(item, chunks_of(item)) for item in (document(f"d{n}", text) for n, text in enumerate(texts))]
    with indexed(tmp_path / "kb", HashEmbedder(), [batch]) as (_, snapshot):
        hits = Searcher(HashEmbedder()).search(snapshot, asked, 3).hits
    assert hits[0].text == texts[-1]
