"""Marks while an answer streams: found, renumbered, placed, and dropped where they stand for nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kb.checking.marks import MarkRewriter, neutralise_marks

_ANY_MARK = re.compile(r"[\[【［〔]\^?\d{1,4}[\]】］〕]")


def rewrite(text: str, count: int = 3, size: int | None = None) -> tuple[str, list[tuple[int, int]]]:
    rewriter = MarkRewriter(count)
    step = size or max(1, len(text))
    written = "".join(rewriter.feed(text[at : at + step]) for at in range(0, len(text), step)) + rewriter.close()
    for mark in rewriter.marks:
        assert written[mark.start : mark.end] == f"[{mark.n}]"
    return written, [(mark.n, mark.passage) for mark in rewriter.marks]


@pytest.mark.parametrize(
    ("generated", "written", "marks"),
    [
        ("甲。[1]", "甲。[1]", [(1, 1)]),
        ("甲[2]。乙[1]。", "甲。[1]乙。[2]", [(1, 2), (2, 1)]),
        ("甲【1】！乙［２］？丙〔3〕", "甲！[1]乙？[2]丙[3]", [(1, 1), (2, 2), (3, 3)]),
        ("x [1, 2].", "x.[1][2]", [(1, 1), (2, 2)]),
        ("x[1][1][2]", "x[1][2]", [(1, 1), (2, 2)]),
        ("x[1-3]", "x[1][2][3]", [(1, 1), (2, 2), (3, 3)]),
        ("x【2†source】。", "x。[1]", [(1, 2)]),
        ("x [9]. y [0].", "x. y.", []),
        ("甲[[1]]。乙【【2】】。", "甲。[1]乙。[2]", [(1, 1), (2, 2)]),
        ("甲[資料2]。乙【资料 1】。z [Source 3].", "甲。[1]乙。[2]z.[3]", [(1, 2), (2, 1), (3, 3)]),
        ("[资料]，[text1]，[[x]]", "[资料]，[text1]，[[x]]", []),
        ("x [9] y", "x y", []),
        ("“引文[1]”。", "“引文”。[1]", [(1, 1)]),
        ("见 v[1].5 与 a.b[2].txt", "见 v[1].5 与 a.b[2].txt", [(1, 1), (2, 2)]),
    ],
)
def test_marks_are_renumbered_and_moved(generated: str, written: str, marks: list[tuple[int, int]]) -> None:
    """Marks in any form are numbered by first use, put behind the closing punctuation, and dropped where invalid."""
    assert rewrite(generated) == (written, marks)


@pytest.mark.parametrize("code", ["`a[1]`", "``a[7]` b``", "```\na[2] = b[9]\n```", "文字\n```python\nx[1]\n```"])
def test_code_is_left_alone(code: str) -> None:
    """Brackets inside code are neither marks nor changed."""
    assert rewrite(f"{code} 完。[3]") == (f"{code} 完。[1]", [(1, 3)])


def test_an_unclosed_back_tick_is_no_code() -> None:
    """A lone back-tick hides no mark that comes after it."""
    assert rewrite("a ` b。[1]\nc。[9]") == ("a ` b。[1]\nc。", [(1, 1)])


def test_text_is_not_held_back_longer_than_needed() -> None:
    """Plain text is shown at once; only what may still be a mark waits."""
    rewriter = MarkRewriter(2)
    assert rewriter.feed("北京是首都。") == "北京是首都。"
    assert rewriter.feed("[") == ""
    assert rewriter.feed("1") == ""
    assert rewriter.feed("]上") == "[1]上"


_GENERATED = st.text(alphabet=st.sampled_from("[]【】［］1239,， 。.`\na†-^文资料"), max_size=40)


@settings(max_examples=400)
@given(_GENERATED, st.integers(1, 4))
def test_cutting_changes_nothing_and_no_invalid_mark_survives(generated: str, size: int) -> None:
    """However the text is cut into pieces the result is the same, and outside code each mark in it is one of ours."""
    written, marks = rewrite(generated)
    assert rewrite(generated, size=size) == (written, marks)
    if "`" not in generated:
        assert len(_ANY_MARK.findall(written)) == len(marks)
    assert [n for n, _ in dict.fromkeys(marks)] == list(range(1, len(set(marks)) + 1))


@example("[[1]] 【[2]] [资料3]")
@given(_GENERATED)
def test_bracketed_numbers_of_a_source_are_no_marks(text: str) -> None:
    """Text of a document that was neutralised holds nothing that would be read as a mark."""
    neutral = neutralise_marks(text)
    assert rewrite(neutral.replace("`", "'"))[1] == []
    assert neutral.replace(" ", "") == text.replace(" ", "")
