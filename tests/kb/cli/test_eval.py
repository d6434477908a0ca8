"""`kb eval` from a question set to figures, reports, exit codes and a fitted confidence."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.kb.cli.conftest import Run

_PLACES = "北上天重广深成杭武西南长沈青大厦昆福合济"
_GOODS = ["茶叶", "瓷器", "丝绸", "木材", "钢铁", "水泥", "粮食", "药材", "纸张", "玻璃"]


def _dataset(path: Path) -> Path:
    """Write 200 paragraphs, each with one question that it alone answers."""
    paragraphs = []
    for place, name in enumerate(_PLACES):
        city = f"{name}州"
        for kind, goods in enumerate(_GOODS):
            amount = f"{137 + 29 * place + 7 * kind}吨"
            text = f"{city}的仓库存放{goods}。每年{kind + 1}月由{city}运出的{goods}共有{amount}，由铁路运送。"
            question = f"每年从{city}运出的{goods}有多少吨？"
            paragraphs.append({"context": text, "qas": [{"question": question, "answers": [{"text": amount}]}]})
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_set_is_asked_of_a_knowledge_base_that_is_gone_afterwards(run: Run, kb_home: Path) -> None:
    """Without --kb the figures come from a knowledge base of the set, and nothing stays in KB_HOME."""
    result = run("eval", "retrieval", str(_dataset(Path("set.json"))), "--quiet", "--json")
    assert result.code == 0
    assert result.json["questions"] == result.json["answerable"] == 200
    assert result.json["figures"]["R@1"] > 0.9
    assert set(result.json["figures"]) == {
        "R@1", "R@5", "R@10", "MRR@10", "nDCG@10", "answer_in_context", "false_refusals", "p50_ms", "p95_ms",
    }  # fmt: skip
    assert os.listdir(kb_home) == []


def test_answers_with_documents_left_out_measure_refusal(run: Run) -> None:
    """With --holdout about half the questions cannot be answered, and the share refused is told."""
    result = run("eval", "answers", str(_dataset(Path("set.json"))), "--holdout", "0.5", "--quiet", "--json")
    assert result.code == 0
    assert 60 < result.json["answerable"] < 140
    figures = result.json["figures"]
    assert figures["contains_answer_answered"] > 0.9
    assert figures["citation_precision"] > 0.3
    assert {"unanswerable_refused", "false_refusals", "auc", "refused_at_5_percent", "character_f1"} <= set(figures)


def test_lines_ask_a_named_knowledge_base(run: Run, filled: Path) -> None:
    """Documents are told by their file's name; one that is not there makes a question without an answer."""
    lines = [
        {"question": "年休假要提前多久申请？", "answers": ["两周"], "document": "员工手册.txt"},
        {"question": "How long are copies of the database kept?", "answers": ["ninety days"], "document": "backup.txt"},
        {"question": "食堂几点开门？", "answers": ["七点"], "document": "食堂.txt"},
    ]
    Path("set.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    result = run("--kb", "default", "eval", "retrieval", "set.jsonl", "--json")
    assert result.code == 0
    assert (result.json["questions"], result.json["answerable"], result.json["kb"]) == (3, 2, "default")
    assert result.json["figures"]["R@1"] == 1.0
    assert "1 documents of the question set are not there" in result.err


def test_a_fall_under_the_baseline_is_exit_1(run: Run) -> None:
    """The same figures pass, a figure that was higher by more than 0.005 before does not."""
    dataset = str(_dataset(Path("set.json")))
    assert run("eval", "retrieval", dataset, "--quiet", "--report", "first.json").code == 0
    assert run("eval", "retrieval", dataset, "--quiet", "--baseline", "first.json").code == 0
    body = json.loads(Path("first.json").read_text(encoding="utf-8"))
    body["figures"]["R@1"] = round(body["figures"]["R@1"] + 0.004, 4)
    body["figures"]["p95_ms"] = 0.0
    Path("near.json").write_text(json.dumps(body))
    assert run("eval", "retrieval", dataset, "--quiet", "--baseline", "near.json").code == 0
    body["figures"]["R@1"] += 0.01
    Path("higher.json").write_text(json.dumps(body))
    result = run("eval", "retrieval", dataset, "--quiet", "--baseline", "higher.json")
    assert result.code == 1
    assert "R@1 fell from" in result.err
    assert run("eval", "answers", dataset, "--quiet", "--baseline", "first.json").code == 2


def test_the_page_stands_alone(run: Run) -> None:
    """The HTML report is well formed, shows every figure and its plots, and refers to nothing outside itself."""
    Path("set.json").write_text(
        json.dumps(
            [{"context": "甲有<b>三</b>本书。", "qas": [{"question": "乙<script>?", "answers": [{"text": "零"}]}]}]
        )
    )
    dataset = str(_dataset(Path("big.json")))
    assert run("eval", "answers", dataset, "--holdout", "0.5", "--quiet", "--report", "page.html").code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == page.count("</svg>") == 3
    assert "refused_at_5_percent" in page
    seen: list[tuple[str, str | None]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, None))
            seen.extend(attrs)

    Reader().feed(page)
    assert not {"script", "link", "img", "iframe", "src", "href"} & {name for name, _ in seen}
    assert run("eval", "retrieval", "set.json", "--quiet", "--report", "small.html").code == 0
    assert "<script>" not in Path("small.html").read_text(encoding="utf-8")


def test_one_command_gives_the_fit_its_curve_and_the_chosen_point(run: Run, kb_home: Path) -> None:
    """Fit, PNG and numbers come of one command, agree, and are the same when it is run again."""
    pytest.importorskip("PIL", reason="needs the eval extra")
    dataset = _dataset(Path("set.json"))
    folder = Path("docs")
    folder.mkdir()
    for number, paragraph in enumerate(json.loads(dataset.read_text(encoding="utf-8"))["data"][0]["paragraphs"]):
        (folder / f"{number}.txt").write_text(paragraph["context"], encoding="utf-8")
    assert run("ingest", str(folder), "--quiet").code == 0
    command = ("eval", "retrieval", str(dataset), "--kb", "default", "--holdout", "0.5", "--fit", "--quiet")
    assert run(*command, "--report", "a.json", "--report", "a.png", "--report", "a.html").code == 0
    first_fit = json.loads((kb_home / "default" / "confidence.json").read_text(encoding="utf-8"))
    assert run(*command, "--report", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    second_fit = json.loads((kb_home / "default" / "confidence.json").read_text(encoding="utf-8"))
    assert (first_fit["weights"], first_fit["bias"]) == (second_fit["weights"], second_fit["bias"])

    body = json.loads(Path("a.json").read_text(encoding="utf-8"))
    chosen = body["chosen_point"]
    assert chosen["threshold"] == 0.5
    assert chosen["false_refusals"] == body["figures"]["false_refusals"]
    assert chosen["unanswerable_refused"] == body["figures"]["unanswerable_refused"]
    assert [list(point.values()) for point in body["refusal_curve"]] == [
        [round(value, 4) for value in point] for point in first_fit["report"]["refusal_curve"]
    ]
    assert Path("a.html").read_text(encoding="utf-8").count("<circle") == 1


def test_a_png_needs_questions_of_both_kinds(run: Run) -> None:
    """Without unanswerable questions there is no curve: said in one line, the other reports written all the same."""
    pytest.importorskip("PIL", reason="needs the eval extra")
    result = run(
        "eval", "retrieval", str(_dataset(Path("set.json"))), "--quiet", "--report", "x.png", "--report", "x.json"
    )
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--holdout" in result.err
    assert Path("x.json").is_file() and not Path("x.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing.json",),
        ("set.json", "--holdout", "1"),
        ("set.json", "--holdout", "nan"),
        ("set.json", "--fit"),
        ("set.json", "--report", "page.pdf"),
        ("set.json", "--baseline", "set.json"),
        ("lone.jsonl",),
        ("named.jsonl",),
    ],
)
def test_wrong_usage_is_exit_2(run: Run, arguments: tuple[str, ...]) -> None:
    """A missing file, options that make no sense and questions about nothing end in one line and exit 2."""
    _dataset(Path("set.json"))
    Path("lone.jsonl").write_text('{"question": "a", "answers": ["b"]}')
    Path("named.jsonl").write_text('{"question": "a", "answers": ["b"], "document": "nowhere.txt"}')
    result = run("eval", "retrieval", *arguments)
    assert result.code == 2
    assert result.err.count("\n") == 1


def test_a_missing_knowledge_base_is_exit_4(run: Run) -> None:
    """A name that is not there is no reason to make one."""
    assert run("eval", "retrieval", str(_dataset(Path("set.json"))), "--kb", "none").code == 4


def test_a_fit_is_kept_and_used(run: Run, kb_home: Path) -> None:
    """--fit changes the confidence of the next answers, leaves the documents alone, and damage to it is exit 7."""
    dataset = _dataset(Path("set.json"))
    folder = Path("docs")
    folder.mkdir()
    for number, paragraph in enumerate(json.loads(dataset.read_text(encoding="utf-8"))["data"][0]["paragraphs"]):
        (folder / f"{number}.txt").write_text(paragraph["context"], encoding="utf-8")
    assert run("ingest", str(folder), "--quiet").code == 0
    ask = ("ask", "每年从北州运出的茶叶有多少吨？", "--json")
    before = run(*ask).json
    result = run("eval", "retrieval", str(dataset), "--kb", "default", "--holdout", "0.5", "--fit", "--quiet", "--json")
    assert result.code == 0, result.err
    assert result.json["fitted"]["weights"]
    assert 60 < result.json["questions"] < 140
    # 5 % on the other half; here on some 50 questions.
    assert result.json["figures"]["false_refusals"] < 0.2
    assert result.json["figures"]["unanswerable_refused"] > 0.5
    after = run(*ask).json
    assert after["confidence"] != before["confidence"]
    assert (after["version"], after["hits"]) == (before["version"], before["hits"])
    assert run("verify").code == 0
    kept = kb_home / "default" / "confidence.json"
    kept.write_text("{")
    assert run(*ask).code == 7
    kept.unlink()
    assert run(*ask).json["confidence"] == before["confidence"]


def test_a_fit_needs_questions_without_an_answer(run: Run, filled: Path) -> None:
    """Too few questions of either kind are wrong usage, and nothing is kept."""
    Path("set.jsonl").write_text(
        json.dumps({"question": "年假几天？", "answers": ["十天"], "document": "员工手册.txt"})
    )
    assert run("eval", "retrieval", "set.jsonl", "--kb", "default", "--fit").code == 2


def test_files_beside_the_set_are_read(run: Run, documents: Path) -> None:
    """Documents named by their file are loaded as an ingest would, beside texts given as context."""
    lines = [
        {"question": "年休假要提前多久申请？", "answers": ["两周"], "document": "docs/员工手册.txt"},
        {"question": "食堂几点开门？", "answers": ["七点"], "context": "食堂每天早上七点开门。"},
    ]
    Path("set.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    result = run("eval", "answers", "set.jsonl", "--json", "--quiet")
    assert result.code == 0, result.err
    assert (result.json["answerable"], result.json["figures"]["contains_answer_answered"]) == (2, 1.0)
