"""The engine that quotes: which sentences it chooses, and that they are exact."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.engines.base import GenerationOptions
from kb.engines.extractive.engine import ExtractiveEngine
from kb.prompt import build_prompt
from kb.records import Prompt, Usage
from tests.kb.passages import hit_of

OPTIONS = GenerationOptions()


def prompt_of(question: str, *texts: str, heading: str = "") -> Prompt:
    engine = ExtractiveEngine()
    hits = [hit_of(text, document_id=f"d{n}", score=0.9 - 0.2 * n, heading=heading) for n, text in enumerate(texts)]
    return build_prompt(
        question,
        hits,
        (),
        count_tokens=engine.count_tokens,
        window=engine.window,
        max_new_tokens=OPTIONS.max_new_tokens,
    )


def answered(prompt: Prompt, engine: ExtractiveEngine | None = None) -> str:
    pieces = list((engine or ExtractiveEngine()).stream(prompt, OPTIONS, threading.Event()))
    assert not any(isinstance(piece, Usage) for piece in pieces)
    return "".join(str(piece) for piece in pieces)


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("赵鹏是什么时候入选国家队的？", "他在2009年入选国家队。"),
        ("赵鹏为什么没有出场？", "2014年下半赛季因为伤病困扰没有出场。"),
        ("赵鹏的身高是多少？", "他身高1.85米，体重78公斤。"),
        ("赵鹏是谁？", "赵鹏是一名中国足球运动员，司职后卫。"),
    ],
)
def test_the_sentence_that_answers_is_quoted(question: str, wanted: str) -> None:
    """Of a passage the sentence that holds the kind of thing asked for is chosen, with its mark after it."""
    text = (
        "赵鹏是一名中国足球运动员，司职后卫。他身高1.85米，体重78公斤。"
        "他在2009年入选国家队。2014年下半赛季因为伤病困扰没有出场。他喜欢安静。"
    )
    assert f"{wanted}[1]" in answered(prompt_of(question, text))


def test_the_unit_asked_for_beats_what_stands_around_it() -> None:
    """Of what stands under the heading asked for, the sentence with the days is quoted, and none of other headings."""
    text = (
        "1.2 年休假\n员工入职满一年后享有带薪年休假。工龄满一年不满十年的，年休假为 7 天；满十年的，年休假为 12 天。"
        "未休完的年休假可以顺延至次年 3 月 31 日。\n1.4 婚假\n员工依法登记结婚的，享有 13 天婚假。"
    )
    answer = answered(prompt_of("年休假有几天？", text, heading="1.2 年休假"))
    assert "年休假为 7 天；满十年的，年休假为 12 天。" in answer
    assert "婚假" not in answer


def test_what_is_in_force_is_quoted_before_what_is_repealed() -> None:
    """Of two editions that answer alike the one whose title says that it no longer holds is left out."""
    engine = ExtractiveEngine()
    hits = [
        hit_of("婚假为 3 天，须一次休完。", document_id="d1", title="考勤制度（2021 年版，已废止）", score=0.9),
        hit_of("婚假为 10 天，可以分两次休完。", document_id="d2", title="考勤制度（2025 年版）", score=0.8),
    ]
    tokens, window = engine.count_tokens, engine.window
    prompt = build_prompt("婚假几天？", hits, (), count_tokens=tokens, window=window, max_new_tokens=100)
    assert answered(prompt) == "婚假为 10 天，可以分两次休完。[2]"


def test_nothing_is_quoted_of_another_product() -> None:
    """Where no passage speaks of the product asked for, there is nothing to quote."""
    assert answered(prompt_of("MX-500 的重量是多少？", "MX-300 的重量为 210 克。")) == ""


def test_a_question_of_a_list_is_no_answer() -> None:
    """A list of questions and answers is quoted by its answers."""
    text = (
        "**Q：VPN 连不上怎么办？**\nA：先确认客户端版本不低于 5.4.2。\n\n**Q：密码忘了怎么办？**\nA：打开自助页面重置。"
    )
    answer = answered(prompt_of("vpn连不上", text))
    assert answer.startswith("A：先确认客户端版本不低于 5.4.2。[1]")
    assert "Q：" not in answer


def test_a_row_is_quoted_and_not_the_names_of_the_columns() -> None:
    """Of a Markdown table the row that answers is quoted; its columns only help to find it."""
    rows = ("| 线路 | 起点 | 发车时间 |", "|---|---|---|", "| 1 号线 | 凤起路 | 7:40 |", "| 2 号线 | 星光大道 | 7:30 |")
    text = "\n".join(("班车时刻", "", *rows))
    answer = answered(prompt_of("2号线几点发车？", text))
    assert "| 2 号线 | 星光大道 | 7:30 |[1]" in answer
    assert "线路" not in answer


def test_every_piece_is_an_exact_sentence_with_its_passage() -> None:
    """The answer is sentences of the passages and marks, and nothing else."""
    texts = ("海水的平均盐度约为3.5%。海水呈弱碱性。", "河水的盐度低于0.05%。河水流入海洋。")
    answer = answered(prompt_of("海水的盐度是多少？", *texts))
    for sentence, n in re.findall(r"(.+?)\[(\d+)\]", answer):
        assert sentence.strip() in texts[int(n) - 1]
    assert re.sub(r".+?\[\d+\]", "", answer) == ""


def test_a_long_sentence_is_cut_at_clauses() -> None:
    """Of a sentence over the limit an exact run of clauses around the answer is quoted."""
    filler = "，".join(f"第{n}个无关紧要的说明放在这里" for n in range(30))
    text = f"{filler}，东犬灯塔的高度是十九点五米，{filler}。"
    answer = answered(prompt_of("东犬灯塔的高度是多少？", text))
    quoted = answer.removesuffix("[1]")
    assert "东犬灯塔的高度是十九点五米" in quoted
    assert quoted in text
    assert len(quoted) <= 200


def test_foot_notes_of_a_source_are_no_marks() -> None:
    """A bracketed number in a document does not become a citation."""
    answer = answered(prompt_of("灯塔建于哪一年？", "灯塔建于1872年[3]。"))
    assert re.findall(r"\[\d+\]", answer) == ["[1]"]


def test_longer_answers_can_be_asked_for() -> None:
    """A lower price gives at least as much text, a maximum of one sentence gives one."""
    prompt = prompt_of("灯塔建于哪一年，有多高？", "灯塔建于1872年。灯塔高19.5米。灯塔是白色的。")
    short = answered(prompt, ExtractiveEngine(maximum_sentences=1))
    longer = answered(prompt, ExtractiveEngine(price=0.0, share=0.0))
    assert short.count("[1]") == 1
    assert longer.count("[1]") == 3


def test_cancelling_ends_it() -> None:
    """Nothing is said after cancelling."""
    cancel = threading.Event()
    cancel.set()
    assert list(ExtractiveEngine().stream(prompt_of("灯塔多高？", "灯塔高19.5米。"), OPTIONS, cancel)) == []


@settings(max_examples=100)
@given(st.text(max_size=60).filter(str.strip), st.lists(st.text(max_size=120), max_size=3))
def test_any_text_is_survived(question: str, texts: list[str]) -> None:
    """Whatever is asked and whatever the passages hold, what is quoted stands in them."""
    prompt = prompt_of(question, *texts)
    engine = ExtractiveEngine()
    for sentence in engine.choose(prompt):
        assert sentence.text in sentence.passage.hit.text
    answered(prompt, engine)
