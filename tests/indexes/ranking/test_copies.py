"""Copies and near copies of a passage are shown once; what differs in a word or a number is no copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.ranking.copies import copy_form
from indexes.search import Searcher
from tests.indexes.test_search import chunks_of, document, indexed

RULE = "员工入职满一年后，享有带薪年休假十五天，占全年的百分之四。年休假须在次年三月底之前休完。"
COPIES = (
    "员工入职满一年后,享有带薪年休假十五天,占全年的4%。年休假须在次年三月底之前休完.",
    "員工入職滿一年後，享有帶薪年休假十五天，佔全年的百分之四。年休假須在次年三月底之前休完。",
    "员工入职满一年后　享有带薪年休假十五天\n占全年４％\n年休假须在次年三月底之前休完了",
    "【员工】入职满一年后，享有带薪年休假十五天（占全年的4 %）；年休假须在次年三月底之前休完呢。",
)
OTHERS = (
    RULE.replace("十五天", "十二天"),
    RULE.replace("百分之四", "百分之五"),
    RULE.replace("须", "不须"),
    RULE.replace("员工", "经理"),
    RULE.replace("三月底之前", "四月底之前"),
)


@pytest.mark.parametrize("copy", COPIES)
def test_copies_have_one_form(copy: str) -> None:
    """Marks, spacing, script, width, spelling of numbers and particles make no difference."""
    assert copy_form(copy) == copy_form(RULE)


def test_other_statements_have_their_own_form() -> None:
    """One number, one negation or one word makes it another statement; so do English words, but no article."""
    assert len({copy_form(text) for text in (RULE, *OTHERS)}) == 1 + len(OTHERS)
    assert copy_form("The port is 8000.") == copy_form("Port is 8000")
    assert copy_form("The port is 8000.") != copy_form("The port is 8001.")
    assert copy_form("？！") != copy_form("……")


def test_near_copies_leave_room_for_other_passages(tmp_path: Path) -> None:
    """Where five spellings of one rule would fill the hits, one is shown and every other statement has its place."""
    texts = [*COPIES, RULE, *OTHERS]
    batch = [(item, chunks_of(item)) for item in (document(f"d{n}", text) for n, text in enumerate(texts))]
    with indexed(tmp_path / "kb", HashEmbedder(), [batch]) as (_, snapshot):
        hits = Searcher(HashEmbedder()).search(snapshot, "员工每年享有几天带薪年休假？", 6).hits
    forms = [copy_form(hit.text) for hit in hits]
    assert len(set(forms)) == len(forms) == 6
    assert set(forms) == {copy_form(text) for text in (RULE, *OTHERS)}
