"""Sentences: the gold set, the rules one by one, and what holds for any string."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.splitting import sentences as sentence_module
from ingest.splitting.sentences import sentence_spans
from tests.ingest.gold import gold_items, score

# Dense in everything that the splitter looks at, so that short examples reach its corners.
TRICKY = st.text(
    st.sampled_from(
        "。！？；…，、：“”‘’「」（）《》()[]\"'.!?．,:;-#|`~*1３aAzZ中文第章一"
        "\n\r\t \u3000\u2028\x00\u0301\u200b\u200d\ud83d\ude00😀"
    )
)
# Words, quotations, brackets and lines of code, which are passed over where they end nothing.
PARTS = [
    '"a"', '"a."', '""', '"b ”"', 'x"', '"', '3"', '"k": "v",\n', "(a)", "(a.)", "()", "a.b", "1.5", "U.S.", "e.g. ",
    "（甲）", "（甲。）", "“乙”", "“乙！”", "《丙》", "「丁\n」", "。", ". ", "\n", "\n\n", ", ", "， ", "A", "中",
    "```\n", "| a |\n", "# h\n",
]  # fmt: skip
ANY_TEXT = st.one_of(TRICKY, st.text(st.characters(exclude_categories=())))


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def test_gold_set() -> None:
    """Of 250 tricky texts, at least 98 % of the sentences are found; no mark is orphaned, no number or address torn."""
    items = gold_items()
    assert len(items) >= 250
    result = score(items, sentences)
    assert result.f1 >= 0.98
    assert result.orphans == 0
    assert result.torn == 0


def test_gold_score_can_fail() -> None:
    """The score sees what a plain cut at every mark does wrong."""
    result = score(gold_items(), lambda text: list(text.replace(".", ".\0").replace("。", "。\0").split("\0")))
    assert result.f1 < 0.8
    assert result.orphans > 10
    assert result.torn > 10


@pytest.mark.parametrize(
    "whole",
    [
        "增长了3.75%，见第3.14版。",
        "请看https://example.com/a?b=c.d&e=1.5谢谢。",
        "Dr. Smith of the U.S. wrote, e.g. to a.b@example.com, about main.py.",
        "3. 打开文件。",
        "他说：“今天下雨。我们不去了。”",
        "「你去哪裡？」他問。",
        "等等……，让我想想。",
        "结论成立。[1][2]",
        "第．!",
    ],
)
def test_stays_whole(whole: str) -> None:
    """A decimal, an address, an abbreviation, a list mark, a quotation, an ellipsis or a footnote mark cuts nothing."""
    assert sentences(whole) == [whole]


@given(st.integers(1, 24))
def test_line_break_inside_chinese_sentence(position: int) -> None:
    """A sentence of prose that is broken over two lines at any place remains one sentence."""
    text = "知识库问答系统会把企业内部的全部文件都保存在本地的机器。"
    broken = text[:position] + "\n" + text[position:]
    assert sentences(broken) == [broken]


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
def test_spans_of_any_text(text: str) -> None:
    """Spans ascend without overlap, are not blank at either end, and leave nothing but white space out."""
    previous = 0
    for start, end in sentence_spans(text):
        assert previous <= start < end <= len(text)
        assert not text[previous:start].strip()
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
        previous = end
    assert not text[previous:].strip()


JUDGED = re.compile(r'[^。｡！？；‼⁇⁈⁉؟۔।॥….!?．"“‘「『（《〈【〔(\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]*+')


def _judged_one_by_one(text: str) -> list[tuple[int, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentence_module, "UNMARKED", JUDGED)
        return sentence_spans(text)


@settings(max_examples=300, deadline=None)
@given(st.one_of(TRICKY, st.lists(st.sampled_from(PARTS), max_size=40).map("".join)))
def test_what_is_passed_over_would_not_have_ended_a_sentence(text: str) -> None:
    """Quotations, brackets and names that are passed over at once change nothing against judging each mark in them."""
    assert sentence_spans(text) == _judged_one_by_one(text)


def test_passing_over_changes_nothing_in_the_gold_set() -> None:
    """The same on real sentences."""
    for item in gold_items():
        assert sentence_spans(item.text) == _judged_one_by_one(item.text)


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u2009", "\u202f", "\u205f"])
def test_special_spaces_cut_where_plain_ones_do(space: str) -> None:
    """Over the whole gold set, text with spaces of another kind has its sentences at the same offsets."""
    for item in gold_items():
        assert sentence_spans(item.text.replace(" ", space)) == sentence_spans(item.text)


@pytest.mark.parametrize(
    "pattern",
    [
        "“",
        "(",
        '"',
        ".",
        "。",
        "”\n",
        " \n",
        "\r",
        "字\r",
        "``` \n",
        "。”",
        '."',
        "a. ",
        "……",
        "|a\n",
        "\u0301",
        "1. ",
        "# \r\n",
    ],
)
def test_time_is_linear(pattern: str) -> None:
    """No repeated mark makes the time grow faster than the text."""

    def seconds(times: int) -> float:
        text = pattern * times
        begin = time.process_time()
        sentence_spans(text)
        return time.process_time() - begin

    small, large = seconds(5_000), seconds(40_000)
    assert large < 0.1 or large < 8 * 6 * small
