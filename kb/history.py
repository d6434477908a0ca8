"""What a conversation adds to a question before retrieval: the subject that a follow-up leaves out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from indexes.text.matching import fold
from indexes.text.question_words import without_question_words
from kb.identifiers import identifiers
from kb.records import Message

_SHORT_CHINESE: Final = 8
_SHORT_WORDS: Final = 5
_MAXIMUM_ADDED: Final = 60
_MAXIMUM_TURNS: Final = 3
_POINTING = re.compile(
    r"^(?:那么?|这|此|该|其|他|她|它|前者|后者|上述|刚才|还有|另外|以及|再|然后|继续|为什么呢|怎么说|第[一二三四五0-9]+[个点条步项])"
    r"|(?:这个|那个|这些|那些|它们?|他们?|她们?|该)|呢[?？]?$"
    r"|^(?:and|but|so|then|also|what about|how about|why not|the (?:former|latter|first|second|third|same|other))\b"
    r"|\b(?:it|its|they|their|them|he|his|him|she|her|this|that|these|those)\b"
)
# 病假呢? after 年休假有几天? puts one thing of a kind in the place of another.
_INSTEAD = re.compile(r"^(?:那么?|而)?([\u3400-\u9fff]{2,12})呢[?!。]?$")
_PRONOUNS: Final = frozenset(["它们", "他们", "她们", "这个", "那个", "这些", "那些"])
_SUBJECT = re.compile(r"[\u3400-\u9fff]+|[a-z0-9][a-z0-9._+#-]*")
_EMPTY_SUBJECTS_TEXT = "的 了 吗 呢 是 有 我 你 想 知道 请 帮 说 i me my you your tell about know want"
_EMPTY_SUBJECTS: Final = frozenset(["", *_EMPTY_SUBJECTS_TEXT.split()])


def retrieval_query(question: str, history: Sequence[Message]) -> str:
    """Return what to search for: the question, and where it leans on the conversation, the subjects before it.

    A question leans on it where it is short, points back (它, 那, it, those) or leaves its subject out. Only what the
    user said is used: an answer may hold anything. The question itself is put to the engine unchanged. Where a question
    puts one thing of a kind in the place of another (病假呢? after 年休假有几天?, MX-500 after MX-300), the other is
    left out.
    """
    asked = [message.content for message in history if message.role == "user" and message.content.strip()]
    if not asked or not leans_on_history(question):
        return question
    present = fold(question)
    replaced = bool(identifiers(present))
    added: list[str] = []
    length = 0
    kinds = _kind(question)
    for earlier in reversed(asked[-_MAXIMUM_TURNS:]):
        for found in _subjects(earlier):
            if replaced and identifiers(found):
                continue
            subject = _without(found, kinds)
            if (
                subject not in _EMPTY_SUBJECTS
                and subject not in present
                and subject not in added
                and length + len(subject) <= _MAXIMUM_ADDED
            ):
                added.append(subject)
                length += len(subject)
        if added and not leans_on_history(earlier):
            break
        kinds += _kind(earlier)
    return " ".join([question, *added])


def _kind(question: str) -> str:
    """Return the last character of what a question puts in another's place: in Chinese it says what kind of thing."""
    instead = _INSTEAD.match(fold(question).strip())
    return instead[1][-1] if instead and instead[1] not in _PRONOUNS else ""


def _without(subject: str, kinds: str) -> str:
    """Return what a subject says beside a thing of one of these kinds: 年休假有 without 假 leaves 有."""
    place = max((subject.rfind(kind) for kind in kinds), default=-1)
    return subject[place + 1 :]


def leans_on_history(question: str) -> bool:
    """Say whether a question is short, points back, or names no subject of its own."""
    folded = fold(question).strip()
    if _POINTING.search(folded):
        return True
    subjects = _subjects(question)
    size = sum(len(subject) if subject >= "\u3400" else _SHORT_CHINESE / _SHORT_WORDS for subject in subjects)
    return size < _SHORT_CHINESE / 2


def _subjects(question: str) -> list[str]:
    """Return the runs of letters of a question that its question words leave."""
    found = _SUBJECT.findall(without_question_words(fold(question)))
    return [subject for subject in found if subject not in _EMPTY_SUBJECTS]
