"""Chinese names of persons that the evidence does not have. All texts are folded."""

from __future__ import annotations

import re

from kb.checking.differences import FAMILY_NAMES

# 是, 为 or 叫 before a family name makes what follows, at the end, a person's name.
_VALUE = re.compile(rf"(?:是|为|叫)([{FAMILY_NAMES}][\u3400-\u9fff]{{1,2}})$")
_FULL_NAME = re.compile(rf"(?=([{FAMILY_NAMES}])([\u3400-\u9fff]{{2}}))")


def another_person(claim: str, evidence: str) -> str:
    """Return a name of the claim that the evidence does not have, or "".

    It is what the claim says that something is, or has a given name that in the evidence follows other family names.
    """
    value = _VALUE.search(claim.rstrip("。.!！ "))
    if value and not _held(value[1], evidence):
        return value[1]
    for match in _FULL_NAME.finditer(claim):
        name, given = match[1] + match[2], match[2]
        before = [evidence[found.start() - 1] for found in re.finditer(re.escape(given), evidence) if found.start()]
        if before and name not in evidence and all(one in FAMILY_NAMES for one in before):
            return name
    return ""


def _held(word: str, evidence: str) -> bool:
    """Say whether every two neighbouring characters of a word stand together in the evidence."""
    return all(word[at : at + 2] in evidence for at in range(len(word) - 1))
