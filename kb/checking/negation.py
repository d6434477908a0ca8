"""What is denied on one side and stated on the other, in both languages. All texts are folded, numbers left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kb.checking.alignment import CLAUSE, tokens
from kb.checking.function_words import is_function

_CHINESE = (
    r"不(?![仅但同断少过论管久得足良]|只是|变|超过|少于|低于|多于|高于)|没有?|(?<!战国)无(?![论线数锡双]|理由)|未(?!来)"
    r"|非(?![常洲得])|勿|别(?=再|让|把)|禁(?=[止用令入带区]|烟)|不得(?!不|了)"
)
_ENGLISH = r"\b(?:not(?! only\b| until\b)|no|never|none|nobody|nothing|cannot|without|neither|nor)\b|n't\b"
NEGATION: Final = re.compile(rf"{_CHINESE}|{_ENGLISH}")
"""A word that denies."""
_PART = re.compile(rf"{CLAUSE.pattern}|\b(?:but|while|whereas)\b|但(?!凡)")
# What may stand between a negation and what it denies.
_MODAL = re.compile(
    r"(?:[\s再曾得]|能(?![力量源])|可(?![靠行见用比逆控])以?|予|要(?!求)|会(?![计议员])|应当|应该|应(?![对付答急用收])|该|宜|准许|允许"
    r"|许(?!可)|止|令|使(?=用))*"
    r"(?:\s*\b(?:longer|be|been|being|to|able|allowed|permitted|have|has|yet|ever|a|an|the|any)\b)*\s*"
)
_WORD = re.compile(r"[\u3400-\u9fff]{2}|[a-z]{3,}")
_DENYING_WORD = re.compile(
    r"除|以外|仅|只|才|禁|拒绝|停止|停用|取消|废止|作废|暂停|停[机工产业]|严禁|杜绝|避免|防止|不"
    r"|\b(?:except\w*|unless|only|until|prohibit\w*|forbid\w*|forbade|ban(?:s|ned)?|refus\w*|reject\w*|exclud\w*|drop\w*"
    r"|remov\w*|discontinu\w*|ceas\w*|stop\w*|fail\w*|lack\w*|instead|rather|avoid\w*|prevent\w*|other than)\b"
)
# A clause with one of these is about other cases than those before it.
_OTHERWISE = re.compile(r"否则|其他|其它|其余|逾期|之外|\b(?:otherwise|other|others|else|after that|then)\b")
# So many Chinese characters, or one Latin word, are more than a mere verb.
_MINIMUM_DENIED: Final = 3
_MODALS = re.compile(r"[但而还也仍可以能予]|\b(?:not|any|longer)\b")
_LIMITING = re.compile(r"除|以外|仅|只|才|\b(?:except\w*|unless|only|until|before|other than)\b")
_ENDING = re.compile(r"(?:ies|ing|ed|es|s|e|y)$")
_STEM: Final = 3
# Before a quotation in the same clause: what makes the whole say the opposite of the part.
_TURNING = re.compile(rf"(?:{_CHINESE}|{_ENGLISH}|\b(?:except|unless)\b)(?:{_MODAL.pattern})\Z")


def turns_round(before: str) -> bool:
    """Say whether a text, in its last clause, denies what follows it."""
    if before[-1:].isspace() and before.rstrip()[-1:] >= "\u3400":
        return False
    return _TURNING.search(CLAUSE.split(before)[-1]) is not None


def negated_otherwise(claim: str, evidence: str) -> bool:
    """Say whether something is denied on one side and stated on the other.

    A claim that denies needs evidence that denies, in whatever words. What the one side denies the other must not state
    in a clause without a denial: a word that is denied wherever it stands, or all that one clause denies.
    """
    claim_denies = NEGATION.search(claim) is not None
    if claim_denies and not NEGATION.search(evidence) and not _DENYING_WORD.search(evidence):
        return True
    ours, theirs = _clauses(claim), _clauses(evidence)
    if _states_what_is_denied(ours, theirs) or _denied_as_a_whole(ours, theirs):
        return True
    if not claim_denies or _LIMITING.search(evidence):
        return False
    return _denies_what_is_stated(ours, theirs) or _denied_as_a_whole(theirs, ours, elided=True)


def _states_what_is_denied(ours: list[str], theirs: list[str]) -> bool:
    for clause in theirs:
        if _OTHERWISE.search(clause):
            continue
        for word in _denied(clause):
            stated = [part for part in ours if _has(part, word)]
            if (
                stated
                and not any(_denies(part, word) for part in stated)
                and all(_denies(part, word) for part in theirs if _has(part, word))
            ):
                return True
    return False


def _denies_what_is_stated(ours: list[str], theirs: list[str]) -> bool:
    for part in ours:
        for word in _denied(part):
            stated = [clause for clause in theirs if _has(clause, word)]
            rest = _content(NEGATION.sub(" ", re.sub(rf"{_pattern(word)}[a-z]*", " ", part)))
            about = [clause for clause in stated if not rest or 2 * len(rest & _content(clause)) >= len(rest)]
            if about and not any(_denies(clause, word) or _denies_in_english(clause, word) for clause in stated):
                return True
    return False


def _denies_in_english(clause: str, word: str) -> bool:
    """Say whether an English clause denies a word: that may stand before the negation, as its subject."""
    return any(re.search(_ENGLISH, part) for part in re.split(r"\band\b", clause) if _has(part, word))


def _denied_as_a_whole(stating: list[str], denying: list[str], *, elided: bool = False) -> bool:
    """Say whether a clause states all that another denies, and that one's side states it nowhere.

    So `系统支持IE浏览器` against `系统支持Edge浏览器，不支持IE浏览器`. A mere verb is not enough.
    What states may leave out its subject where that may be `elided`.
    """
    for clause in denying:
        negation = NEGATION.search(clause)
        if negation is None or _OTHERWISE.search(clause) or len(NEGATION.findall(clause)) > 1:
            continue
        denied = _content(clause[_MODAL.match(clause, negation.end()).end() :])  # type: ignore[union-attr]  # matches ""
        subject = _content(clause[: negation.start()])
        if sum(_MINIMUM_DENIED if word.isascii() else 1 for word in denied) < _MINIMUM_DENIED:
            continue
        if any(denied <= _content(other) for other in denying if other != clause and not NEGATION.search(other)):
            continue
        for part in stating:
            content = _content(part)
            same = subject <= content or (elided and len(content - denied) <= 1)
            if same and denied <= content and not NEGATION.search(part) and not _DENYING_WORD.search(part):
                return True
    return False


def _content(text: str) -> frozenset[str]:
    return frozenset(word for word in tokens(_MODALS.sub(" ", text)) if not is_function(word))


def _denied(text: str) -> Iterator[str]:
    """Yield the word that each negation of a text denies: two Chinese characters, or the stem of a Latin word."""
    for match in NEGATION.finditer(text):
        modal = _MODAL.match(text, match.end())
        word = _WORD.match(text, modal.end() if modal else match.end())
        if word:
            yield _stem(word[0])


def _clauses(text: str) -> list[str]:
    return [part for part in _PART.split(text) if part.strip()]


def _has(part: str, word: str) -> bool:
    return re.search(_pattern(word), part) is not None


def _denies(part: str, word: str) -> bool:
    """Say whether a clause denies a word: a negation, or a word that excludes, stands before it.

    In Chinese a negation in a relative clause, which 的 ends, denies nothing behind it.
    """
    match = re.search(_pattern(word), part)
    if match is None:
        return False
    if word.isascii():
        return bool(NEGATION.search(part[: match.start()]) or _DENYING_WORD.search(part))
    before = _without_relative(part[: match.start()])
    return bool(NEGATION.search(before) or _DENYING_WORD.search(part[match.end() :]) or "禁" in before)


def _without_relative(text: str) -> str:
    """Return a text without the parts of its clauses that end with 的."""
    return "，".join(part.rpartition("的")[2] for part in CLAUSE.split(text))


def _pattern(word: str) -> str:
    return rf"\b{word}" if word.isascii() else word


def _stem(word: str) -> str:
    if not word.isascii():
        return word
    stem = _ENDING.sub("", word)
    return stem if len(stem) >= _STEM else word
