"""Citations: which span of which passage bears a sentence of an answer out."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.records import Document, Heading, Page
from ingest.splitting.sentences import sentence_spans
from kb.checking.citations import Checked, check
from kb.checking.marks import MarkRewriter
from kb.checking.quoting import SpanNumbers, locate
from kb.records import Passage, Place
from tests.kb.passages import hit_of, passages_of


def checked(generated: str, passages: list[Passage]) -> Checked:
    rewriter = MarkRewriter(len(passages))
    text = rewriter.feed(generated) + rewriter.close()
    return check(text, rewriter.marks, passages, lambda document_id, offset: Place(None, ""))


def test_the_quote_is_the_sentence_that_bears_the_claim_out() -> None:
    """A citation quotes the supporting sentence, at its offsets in the whole document."""
    text = "建于1872年。灯塔高21米，由花岗石砌成。岛上还有一座村庄。"
    result = checked("灯塔的高度是21米。[1]", [Passage(1, hit_of(text, start=100))])
    (citation,) = result.citations
    assert citation.quote == "灯塔高21米，由花岗石砌成。"
    assert (citation.start, citation.end) == (108, 122)
    assert citation.supported


def test_numbers_follow_first_use() -> None:
    """The passage cited first is 1 in the text and in the citations, whatever its place in the prompt."""
    result = checked("海水是咸的。[3]河水是淡的。[1]", passages_of("河水是淡的。", "无关。", "海水是咸的。"))
    assert result.text == "海水是咸的。[1]河水是淡的。[2]"
    assert [(c.n, c.document_id) for c in result.citations] == [(1, "d3"), (2, "d1")]


def test_a_false_sentence_is_marked_unsupported() -> None:
    """A citation of a sentence with a swapped number is there, and says that it is not supported."""
    result = checked("灯塔高25米。[1]它由花岗石砌成。[2]", passages_of("灯塔高21米。", "它由花岗石砌成。"))
    assert [citation.supported for citation in result.citations] == [False, True]
    assert not result.refuted


def test_nothing_supported_refutes() -> None:
    """An answer whose every cited sentence contradicts its source is refuted."""
    assert checked("灯塔高25米。[1]", passages_of("灯塔高21米。")).refuted


def test_marks_are_attached_where_the_support_is_clear() -> None:
    """An answer without marks is given them after the sentences that a passage bears out, and only there."""
    result = checked("你好！灯塔高21米。", passages_of("村里有一口井。", "岛上的灯塔高21米。"))
    assert result.text == "你好！灯塔高21米。[1]"
    assert [(c.document_id, c.supported) for c in result.citations] == [("d2", True)]


def test_attaching_ends_with_the_question() -> None:
    """Whoever has left waits for no more marks: once cancelled the sentences that are left are given none."""

    class Leaving(threading.Event):
        def is_set(self) -> bool:
            asked.append(super().is_set())
            if len(asked) == 2:
                self.set()
            return asked[-1]

    asked: list[bool] = []
    passages = passages_of("灯塔高21米。村里有一口井。海水是咸的。")
    result = check("灯塔高21米。村里有一口井。海水是咸的。", [], passages, lambda name, at: Place(None, ""), Leaving())
    assert asked == [False, False, True]
    assert result.text.count("[1]") == 2
    assert result.text.endswith("海水是咸的。")


def test_a_passage_is_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sentences an answer has, each passage is cut into its sentences once at most."""
    cut: list[str] = []

    def counted(text: str) -> list[tuple[int, int]]:
        cut.append(text)
        return sentence_spans(text)

    monkeypatch.setattr("kb.checking.quoting.sentence_spans", counted)
    passages = passages_of(*("".join(f"{hall}号厅有{seats}个座位。" for seats in range(30, 40)) for hall in "甲乙丙丁"))
    checked("".join(f"{hall}号厅共有{seats}个座。" for hall in "甲乙丙丁" for seats in range(30, 40)), passages)
    assert all(cut.count(passage.hit.text) <= 1 for passage in passages)


def test_attached_marks_change_nothing_else() -> None:
    """Marks are given behind sentences, never within code, and the text is otherwise to the letter what it was."""
    generated = "灯塔高21米。 见 `a[1] = 灯塔高21米。b`\n```\n灯塔高21米。\n```\n岛上 [ x ] 有村庄。"
    result = checked(generated, passages_of("灯塔高21米。岛上有村庄。"))
    assert result.text.replace("[1]", "") == generated.replace("[1]", "")
    assert result.text.startswith("灯塔高21米。[1] 见 `a[1] = 灯塔高21米。b`\n```\n灯塔高21米。\n```\n")


def test_without_marks_and_support_it_is_refuted() -> None:
    """An answer without marks that no passage bears out is refuted and has no citation."""
    result = checked("熊猫吃竹子。", passages_of("岛上的灯塔高21米。"))
    assert result.refuted
    assert result.citations == ()


def test_two_marks_in_a_sentence_stand_for_its_parts() -> None:
    """Each mark inside a sentence is checked against the part before it."""
    result = checked("甲城有三万人[1]，乙城有五万人[2]。", passages_of("甲城有三万人。", "乙城有五万人。"))
    assert [citation.supported for citation in result.citations] == [True, True]


def test_page_and_heading_are_those_of_the_quote() -> None:
    """Page and heading path of a citation are where its quote begins, not where its passage does."""
    first, second = "第一条 海水\n讲海水的盐度。", "第二条 河水\n讲河水的流速。"
    document = Document(
        "d1", "u", "t", first + second, "",
        pages=(Page(1, 0, len(first)), Page(2, len(first), 40)),
        headings=(Heading(0, 1, "第一条 海水"), Heading(len(first), 1, "第二条 河水"), Heading(38, 2, "后来")),
    )  # fmt: skip
    passages = [Passage(1, hit_of(document.text, heading="第一条 海水"))]
    rewriter = MarkRewriter(1)
    text = rewriter.feed("讲河水的流速。[1]") + rewriter.close()
    (citation,) = check(
        text, rewriter.marks, passages, lambda _, offset: Place(document.page_at(offset), document.heading_at(offset))
    ).citations
    assert (citation.page, citation.heading) == (2, "第二条 河水")


def test_locate_takes_neighbours_only_where_they_add() -> None:
    """A claim drawn from two sentences in a row is borne out by both, one drawn from one by that alone."""
    passage = "张三生于北京。他在清华大学学习物理。后来他去了德国。"
    start, end = locate("张三生于北京，在清华大学学习物理。", passage)
    assert passage[start:end] == "张三生于北京。他在清华大学学习物理。"
    start, end = locate("后来去了德国。", passage)
    assert passage[start:end] == "后来他去了德国。"


def test_distant_places_of_a_passage_have_numbers_of_their_own() -> None:
    """One number stands for one run of text: what is far apart in a passage is quoted apart, neighbours together."""
    passages = passages_of("灯塔建于1872年。灯塔高21米。" + "岛上有许多鸟。" * 10 + "游客很多。")
    rewriter = MarkRewriter(1, SpanNumbers(passages).number_of)
    text = rewriter.feed("灯塔建于1872年。[1]灯塔高21米。[1]游客很多。[1]") + rewriter.close()
    result = check(text, rewriter.marks, passages, lambda document_id, offset: Place(None, ""))
    assert text == "灯塔建于1872年。[1]灯塔高21米。[1]游客很多。[2]"
    assert [citation.quote for citation in result.citations] == ["灯塔建于1872年。灯塔高21米。", "游客很多。"]


_TEXT = st.text(alphabet=st.sampled_from("甲乙丙丁12 ab。！？,.\n「」[]【】`𠮷"), max_size=60)


@settings(max_examples=300)
@given(
    st.lists(_TEXT.filter(str.strip), min_size=1, max_size=3),
    st.lists(st.tuples(_TEXT, st.integers(0, 5)), max_size=4),
    st.booleans(),
)
def test_quotes_are_exact_and_marks_agree(
    documents: list[str], sentences: list[tuple[str, int]], by_span: bool
) -> None:
    """For any documents and any answer each quote is exactly its span, and marks and citations name each other."""
    passages = [
        Passage(n, hit_of(text[len(text) // 4 :], document_id=str(n), start=len(text) // 4))
        for n, text in enumerate(documents, start=1)
    ]
    rewriter = MarkRewriter(len(passages), SpanNumbers(passages).number_of if by_span else None)
    generated = "".join(f"{sentence}[{n}]" for sentence, n in sentences)
    text = rewriter.feed(generated) + rewriter.close()
    had_marks = bool(rewriter.marks)
    result = check(text, rewriter.marks, passages, lambda document_id, offset: Place(None, ""))
    for citation in result.citations:
        assert citation.quote == documents[int(citation.document_id) - 1][citation.start : citation.end]
        assert f"[{citation.n}]" in result.text
    assert [citation.n for citation in result.citations] == list(range(1, len(result.citations) + 1))
    if had_marks:
        assert {mark.n for mark in rewriter.marks} == {citation.n for citation in result.citations}
