"""Sentences that state nothing neither bear an answer out nor are borne out."""

from __future__ import annotations

import pytest

from kb.checking.citations import Checked, check
from kb.checking.marks import MarkRewriter
from kb.checking.quoting import SpanNumbers
from kb.checking.substance import headings_of, substance
from kb.records import Passage, Place
from tests.kb.passages import hit_of

TEXT = (
    "# 设备保修\n\n设备保修期为24个月，自验收之日起计算。维修电话 400-800-1234。是否延长由双方商定。\n\n"
    "## Warranty terms\n\nThe equipment warranty period is 24 months."
)
PASSAGES = [
    Passage(1, hit_of(TEXT, title="设备保修", heading="设备保修")),
    Passage(2, hit_of("员工每年享有十二天带薪年假，可以分次使用。", document_id="d2", title="休假规定")),
]
FALSE = "设备保修期为99年。"
TRUE = "设备保修期为24个月。"


def checked(generated: str) -> Checked:
    rewriter = MarkRewriter(len(PASSAGES), SpanNumbers(PASSAGES).number_of)
    text = rewriter.feed(generated) + rewriter.close()
    return check(text, rewriter.marks, PASSAGES, lambda document_id, offset: Place(None, ""))


COMPANIONS = [
    "", "设备。", "设备。[1]", "是。", "保修期。[1]", "\n。", "\n\n1.", "\n\n1. [1]", "😊", "😊[1]", "[1]", "[1]😊",
    "……", "！", "《》。", "[1]\n\n---\n[1]", "\n\n---", "\n\n[1]", "\n🙂🙂\n✅[1]", "\n\n```\n\n```",
    "\n\n### 设备保修\n", "\n\n### 设备保修[1]\n", "\n\n参考：\n- [1] 设备保修", "\n\n参考：\n- 设备保修",
    "\n\n来源：[1]", "（来源：[1]）", "\n参考资料：[1][2]", "\n\n以上内容来自[1]。", "\n\nReferences:\n[1] 设备保修",
    "\n\n资料来源：《设备保修》[1]、《休假规定》[2]",
]  # fmt: skip


@pytest.mark.parametrize("companion", [*COMPANIONS, "是。[1]", "是的。[2]"])
@pytest.mark.parametrize("false", [FALSE, "The warranty is 99 years.", "**设备保修期为99年**。"])
def test_an_invented_sentence_is_not_saved_by_its_company(false: str, companion: str) -> None:
    """Punctuation, list numbers, headings, lists of sources and mere words bear no answer out."""
    assert checked(false + companion).refuted


@pytest.mark.parametrize("companion", COMPANIONS)
@pytest.mark.parametrize("true", [TRUE, "The warranty period is 24 months."])
def test_a_true_sentence_is_not_harmed_by_its_company(true: str, companion: str) -> None:
    """Beside the same a true sentence stays, and what is cited for it is marked as borne out."""
    result = checked(true + companion)
    assert not result.refuted
    assert result.citations[0].supported
    assert "24" in result.citations[0].quote


@pytest.mark.parametrize(
    "answer",
    [
        "是的。[1]",
        "12 天[2]",
        "Yes.[1]",
        "十二天。[2]",
        "24 months[1]",
        "设备保修[1]",
        "可以。[2]",
        "24[1]",
        "1. 24个月[1]",
    ],
)
def test_true_short_answers_stay(answer: str) -> None:
    """A word or two that cite a passage answer, where the answer states nothing else."""
    assert not checked(answer).refuted


@pytest.mark.parametrize(
    "answer",
    [
        "[1]",
        "[1][2]",
        "。[1]",
        "😊[1]",
        "来源：[1]",
        "十三天。[2]",
        "99 years.[1]",
        "36[1]",
        "2[1]",
        "期为2[1]",
        "有十[2]",
    ],
)
def test_false_or_empty_short_answers_go(answer: str) -> None:
    """Marks alone answer nothing, and short answers are checked like others."""
    assert checked(answer).refuted


@pytest.mark.parametrize("answer", ["维修电话。", "十二天。", "24个月"])
def test_short_answers_without_marks_need_their_words(answer: str) -> None:
    """A short answer without a mark is given one where a passage has its very words."""
    result = checked(answer)
    assert not result.refuted
    assert len(result.citations) == 1


def test_numbers_of_a_list_are_no_numbers_of_its_items() -> None:
    """Items of a numbered list are borne out by passages that do not count them."""
    result = checked("1. 设备保修期为24个月。[1]\n2. 员工享有十二天带薪年假。[2]\n\n3) 可以分次使用。[2]")
    assert [citation.supported for citation in result.citations] == [True, True]


@pytest.mark.parametrize("mark", ["(1)", " (1)", "（1）", "[ 1 ]", "【 1 】", "①", "(1)(2)"])
@pytest.mark.parametrize(
    "form", ["设备保修期为24个月{}。", "设备保修期为24个月。{}", "设备保修期为24个月{}，自验收之日起计算。"]
)
def test_what_resembles_a_mark_is_no_number_of_the_claim(form: str, mark: str) -> None:
    """A right answer with marks of another form is not refused for their digits, and is given marks of ours."""
    result = checked(form.format(mark))
    assert not result.refuted
    assert result.citations[0].supported
    assert "24个月" in result.citations[0].quote


@pytest.mark.parametrize(
    "false", ["设备保修期为(3)。", "设备保修期为(3)年。", "设备保修期：（3）", "设备保修期为(99)。", "共(7)次。"]
)
def test_numbers_in_brackets_are_checked(false: str) -> None:
    """What a word before it announces, a unit follows or no passage could have is a number like others."""
    assert checked(false).refuted


def test_a_list_of_sources_stands_for_the_statements_before() -> None:
    """Each source of a list is judged by the statement that it bears out, and quoted for it."""
    result = checked("设备保修期为24个月。员工享有十二天带薪年假。\n\n来源：\n- [1]\n- [2]")
    assert [(citation.quote, citation.supported) for citation in result.citations] == [
        ("设备保修期为24个月，自验收之日起计算。", True),
        ("员工每年享有十二天带薪年假，可以分次使用。", True),
    ]


@pytest.mark.parametrize(
    ("claim", "kind"),
    [
        ("- 😊 ---", "none"),
        ("参考资料：《设备保修》", "none"),
        ("- 设备保修", "label"),
        ("1.", "label"),
        ("是的。", "slight"),
        ("12 天", "full"),
        ("2) 免费上门。", "full"),
        ("根据资料，设备保修期为99年。", "full"),
        ("Warranty", "label"),
    ],
)
def test_kinds(claim: str, kind: str) -> None:
    """What states something is told from what only stands beside it."""
    assert substance(claim, headings_of(PASSAGES)) == kind
