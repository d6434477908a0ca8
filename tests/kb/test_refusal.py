"""Refusal sentences, and the refusals of models that are recognised."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from kb.refusal import is_refusal, may_become_refusal, refusal_text

REFUSALS = [
    refusal_text("zh"),
    refusal_text("en"),
    "The question cannot be answered with the given information",
    "Not enough relevant information has been provided",
    "根据已知信息无法回答该问题",
    "没有提供足够的相关信息",
    "抱歉，根据已知信息无法回答该问题。",
    "對不起，根據已有資料，無法回答這個問題。",
    "没有提供足够的相关信息，无法回答。",
    "根据提供的资料，无法确定该公司的成立时间。",
    "资料中没有提到该公司的成立时间。",
    "提供的文档中未提及相关内容。",
    "抱歉。根据已有资料无法回答该问题。[1]",
    "根据已有资料无法回答该问题。资料主要介绍了系统的安装。",
    "I'm sorry, but the question cannot be answered with the given information.",
    "The provided documents do not contain an answer to this question.",
    "Based on the provided context, I cannot answer this question.",
    "Sorry, there is not enough information in the documents to answer this question.",
    "I don't know.",
]
ANSWERS = [
    "当分数过低时系统回答“根据已知信息无法回答该问题”。[1]",
    "无法安装软件包时请运行 apt -f install。[1]",
    "资料不全者不能报名。[1]",
    "文件不包含在安装包中。[1]",
    "文件没有扩展名时用 file 命令查看。[1]",
    "没有人知道原因。[1]",
    "资料中没有提到他的年龄。不过他生于1990年。[1]",
    "The document does not need to be signed.[1]",
    "Not all information is public.[1]",
    "The file does not contain headers.[1]",
    "No answer was received from Berlin.[1]",
    "北京是中国的首都。[1]",
]


# Further refusals as Qwen models word them, and answers that look like them; the rules were chosen with these in view.
SAID = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "refusals.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_paraphrased_refusals_are_recognised() -> None:
    """Of refusals in all sorts of words at least nine in ten are found, and no answer is taken for one."""
    found = [case for case in SAID if is_refusal(case["text"])]
    refusals = [case for case in SAID if case["refusal"]]
    assert len(SAID) >= 100
    assert [case["text"] for case in found if not case["refusal"]] == []
    assert len(found) / len(refusals) >= 0.9


def test_paraphrased_refusals_are_held_back_while_they_stream() -> None:
    """Of a refusal that is recognised no beginning is shown before it is known to be one."""
    for case in SAID:
        text = case["text"]
        if is_refusal(text):
            assert all(may_become_refusal(text[:length]) for length in range(1, len(text) + 1)), text


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_recognised(text: str) -> None:
    """Our refusals, those of common prompts and small variations of them are refusals."""
    assert is_refusal(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_are_not_taken_for_refusals(text: str) -> None:
    """An answer that denies something, mentions a refusal or answers in part is not a refusal."""
    assert not is_refusal(text)


@pytest.mark.parametrize("text", REFUSALS)
def test_every_beginning_of_a_refusal_is_held_back(text: str) -> None:
    """While a refusal streams no beginning of it is let through."""
    assert all(may_become_refusal(text[:length]) for length in range(1, len(text) + 1))


def test_an_ordinary_answer_is_let_through_early() -> None:
    """A text without any word of a refusal near its beginning is shown after a few characters."""
    assert not may_become_refusal("北京是中国的首都，位于华北平原的北部边缘")


@pytest.mark.parametrize(
    "unit",
    [
        "sorry but ",
        "我我们暂时暂",
        "the given context ",
        "没有与的足够",
        "资料的中",
        "from the given context ",
        "作为一个助",
        "这个问题没有",
        "none of the ",
        "信息没",
        "not find ",
    ],
)
def test_repetition_costs_little(unit: str) -> None:
    """A model that repeats itself cannot make the recognition slow."""
    started = time.perf_counter()
    is_refusal(unit * 200)
    is_refusal((unit * 200)[:199])
    assert time.perf_counter() - started < 1.0
