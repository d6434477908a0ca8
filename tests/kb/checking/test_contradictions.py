from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.splitting.sentences import sentence_spans
from kb.checking.quoting import locate
from kb.checking.support import judge, torn

# A claim that its evidence goes against, and one that the same evidence bears out.
PAIRS = [
    (
        "The update requires a restart.",
        "No restart is needed after the update.",
        "The update does not require a restart and takes about a minute.",
    ),
    ("值班时间为每周三。", "值班时间为每周四上午。", "技术支持的值班时间为每周四上午九点至十一点。"),
    ("气温上升时产量增加。", "气温上升时产量减少。", "研究显示，气温上升时产量下降，降水的影响较小。"),
    ("系统支持IE浏览器。", "系统支持Chrome浏览器。", "系统支持Chrome和Edge浏览器，不支持IE浏览器。"),
    ("Members can export data.", "Only owners can export data.", "Only owners can export data. Members can read."),
    ("所有员工都须值班。", "孕妇以外的员工须值班。", "除孕妇外，所有员工都须值班。"),
    (
        "Interns receive a bonus.",
        "The staff except interns receive a bonus.",
        "All staff except interns receive a bonus.",
    ),
    ("磁盘最多100 GB。", "磁盘不少于100 GB。", "内存不少于16 GB，磁盘不少于100 GB。"),
    ("Reply after 1 May.", "Reply by 1 May.", "Please reply before 1 May."),
    ("乙仓库面积为300平方米。", "乙仓库面积为200平方米。", "甲仓库面积为300平方米，乙仓库面积为200平方米。"),
    ("电池保修三年。", "主机保修三年。", "主机保修期为36个月，电池保修期为12个月。"),
    ("海运从汉堡到深圳约需32天。", "从深圳海运到汉堡约需32天。", "海运从深圳到汉堡约需32天。"),
    ("吴晓东任总经理。", "周晓东任总经理。", "会议任命周晓东为总经理，任期三年。"),
    ("库存由采购部盘点。", "库存由仓储部盘点。", "仓储部盘点库存，差异须在三日内上报。"),
    ("甲公司向乙公司供货。", "乙公司向甲公司供货。", "乙公司向甲公司供货，按月结算。"),
    ("Bob manages sales.", "Alice manages sales.", "Alice manages sales, and Bob manages support."),
    ("500欧元以下的退款须批准。", "500欧元以上的退款须批准。", "Refunds above 500 euros must be approved."),
]


@pytest.mark.parametrize(("untrue", "true", "evidence"), PAIRS)
def test_what_goes_against_its_evidence_is_found_out(untrue: str, true: str, evidence: str) -> None:
    """A denial, an opposite, another bound, subject, agent or owner of a number is caught; what is true is let pass."""
    against, borne_out = judge(untrue, evidence), judge(true, evidence)
    assert (against.verdict, borne_out.verdict) == ("unsupported", "supported"), (against, borne_out)


@pytest.mark.parametrize("having", ["享有", "具有", "拥有"])
def test_having_is_one_verb_however_it_is_said(having: str) -> None:
    """What stands before 有 has not taken the place of the other half of 享有; who has it may yet be another."""
    assert judge("年假有十五天。", f"员工每年{having}十五天带薪年假。").verdict == "supported"
    assert judge(f"年假{having}十五天。", "员工每年都有十五天带薪年假。").verdict == "supported"
    assert judge("客户拥有十五天年假。", f"员工{having}十五天年假，客户没有。").verdict == "unsupported"


def test_words_torn_from_a_denial_are_no_quotation() -> None:
    """What stands in a passage word for word, but behind what denies it, does not bear the words out."""
    passage = "Open the valve slowly. Do not shake the bottle after opening."
    assert torn("shake the bottle after opening.", "Do not ") == "negation"
    start, end = locate("shake the bottle after opening.", passage)
    assert judge("shake the bottle after opening.", passage[start:end]).verdict == "unsupported"
    assert judge("Do not shake the bottle after opening.", passage).reason == "verbatim"
    elsewhere = passage + " Then shake the bottle after opening."
    start, end = locate("shake the bottle after opening.", elsewhere)
    assert judge("shake the bottle after opening.", elsewhere[start:end]).reason == "verbatim"
    assert torn("所有部门均须提交预算。", "除财务部外，") == "scope"
    assert torn("所有部门均须提交预算。", "预算已经批准。") == ""


def test_whole_sentences_of_real_texts_are_quotations(corpus: Path) -> None:
    """An answer that quotes a sentence of a real text is always supported."""
    documents = json.loads((corpus / "qa" / "cmrc2018_dev.json").read_text(encoding="utf-8"))
    paragraphs = [paragraph["context"] for entry in documents["data"] for paragraph in entry["paragraphs"]]
    quoted = 0
    for context in paragraphs:
        for first, last in sentence_spans(context):
            sentence = context[first:last]
            if any(character.isalnum() for character in sentence):
                start, end = locate(sentence, context)
                support = judge(sentence, context[start:end])
                assert support.verdict == "supported", (sentence, support)
                quoted += 1
    assert quoted > 500
