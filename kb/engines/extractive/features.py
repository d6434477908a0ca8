"""What tells a sentence that answers from one that does not: one row of features for each sentence of the passages."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.text.matching import fold, folded_query
from indexes.text.pieces import IDEOGRAPH, cut
from indexes.text.term_ids import Ids
from kb.engines.extractive.asked_units import asked_units, holds_unit
from kb.engines.extractive.quotable import Sentence

# Kinds of question, tried in this order on the folded question.
_KINDS: Final[Mapping[str, re.Pattern[str]]] = {
    "count": re.compile(
        r"多少|第?几[个位次年岁天名种部首座人所场条届章]|多[大长高久远重]"
        r"|how (?:many|much|long|old|far|often|tall|large)"
    ),
    "time": re.compile(
        r"什么时候|什么时间|何时|哪一?[年天月]|几[月日号点]|年份|日期|哪个世纪"
        r"|\bwhen\b|\b(?:what|which) (?:year|date|day|century|month|decade)"
    ),
    "reason": re.compile(r"为什么|为何|原因|缘故|因何|\bwhy\b|\breason|what (?:caused|led)"),
    "person": re.compile(r"谁|何人|哪位|什么人|哪个人|\bwho(?:m|se)?\b"),
    "place": re.compile(
        r"哪里|哪儿|何处|什么地方|哪个?(?:国家|城市|省|地区|地方|地|县|市)"
        r"|\bwhere\b|what (?:country|city|place|region)"
    ),
    "manner": re.compile(r"怎么|怎样|如何|\bhow\b"),
    "definition": re.compile(r"什么是|是什么|什么叫|指什么|定义|what (?:is|are|was|were)|\bdefin"),
}
# What a sentence that answers a question of a kind tends to hold.
_CUES: Final[Mapping[str, re.Pattern[str]]] = {
    "count": re.compile(
        r"\d|[一二三四五六七八九十百千万亿两]+[个位次年岁天名种部首座人所场条米公里]"
        r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|thousand|million)\b"
    ),
    "time": re.compile(
        r"\d{3,4}|\d+[年月日点]|\d:\d\d|[一二三四五六七八九十两]点|世纪|[年月日]|\b(?:january|february|march|april|may|june|july|august)\b"
        r"|\b(?:september|october|november|december|century)\b"
    ),
    "reason": re.compile(
        r"因为|由于|因此|所以|因而|为了|原因|导致|缘于|因"
        r"|\b(?:because|due to|since|therefore|as a result|in order to|caused?)\b"
    ),
    "person": re.compile(r"·|[的由被][\u4e00-\u9fff]{2,3}|先生|教授|导演|[皇国]|王|\bby\b"),
    "place": re.compile(r"位于|在[\u4e00-\u9fff]{2,}|[省市县区国州镇村路洲]|\b(?:in|at|near|located)\b"),
    "manner": re.compile(r"通过|使用|利用|方法|方式|可以|\b(?:by|using|through|with|must|should|can)\b"),
    "definition": re.compile(r"是|指|称为|叫|即|\b(?:is|are|was|were|called|known as|refers?|means?)\b"),
}
# To these a number, a date or a cause is indispensable; for the other kinds a cue only helps.
_DEMANDING: Final = frozenset({"count", "time", "reason"})
# What is asked for, next to the question word: 哪家*剧院*, which *city*.
_FOCUS = re.compile(
    r"(?:什么|哪[一个些位种]?|多少|几|\b(?:which|what|how many|how much)\b)\s*([\u3400-\u9fff]{1,2}|[a-z]{2,})"
)
# A single CJK character says less than a word or a bigram.
_SINGLE_CHARACTER_WEIGHT: Final = 0.5

FEATURES: Final = (
    "cover", "bigram_cover", "window_cover", "relative_cover", "is_best", "is_best_of_passage", "previous_cover",
    "next_cover", "first_passage", "relative_score", "log_length", "cue", "missing_cue", "definition_cue", "focus",
    "unit", "missing_unit",
)  # fmt: skip

Terms = frozenset[int]


@dataclass(frozen=True, slots=True)
class _Weighted:
    """The terms of a question with their weights; `pairs` are those that are words or CJK bigrams."""

    weights: Mapping[int, float]
    pairs: Terms

    def cover(self, held: Terms) -> float:
        """Return the share of the question's weight that these terms hold, in [0, 1]."""
        total = sum(self.weights.values())
        return sum(self.weights[term] for term in self.weights.keys() & held) / total if total else 0.0


def kind_of(question: str) -> str:
    """Return the kind of a question: count, time, reason, person, place, manner, definition, or other."""
    folded = fold(question)
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(folded)), "other")


def feature_rows(question: str, sentences: Sequence[Sentence]) -> NDArray[np.float64]:
    """Return features of shape (len(sentences), len(FEATURES)). Covers are shares of the question's weight, in [0, 1].

    Term weights are inverse frequencies among these sentences. A sentence's window is itself, its neighbours in the
    passage, and the heading that it stands under.
    """
    folded = [fold(sentence.text) for sentence in sentences]
    asked, held = _weigh(question, folded)
    covers = [asked.cover(terms) for terms in held]
    best = max(covers, default=0.0)
    best_of: dict[int, float] = {}
    for sentence, value in zip(sentences, covers, strict=True):
        best_of[sentence.passage.n] = max(best_of.get(sentence.passage.n, 0.0), value)
    paths = _terms_by_text({s.passage.hit.heading for s in sentences})
    headings = _terms_by_text({s.heading for s in sentences})
    kind = kind_of(question)
    cue, focus, units = _CUES.get(kind), _FOCUS.search(fold(question)), asked_units(question)
    top_score = max((sentence.passage.hit.score for sentence in sentences), default=0.0) or 1.0
    rows = np.zeros((len(sentences), len(FEATURES)))
    for index, sentence in enumerate(sentences):
        hit, n = sentence.passage.hit, sentence.passage.n
        before = index > 0 and sentences[index - 1].passage.n == n
        after = index + 1 < len(sentences) and sentences[index + 1].passage.n == n
        # Past a heading of its own text a passage is no longer about what its path says.
        window = held[index] | headings[sentence.heading] | (frozenset() if sentence.section else paths[hit.heading])
        window |= held[index - 1] if before else frozenset()
        window |= held[index + 1] if after else frozenset()
        has_cue = cue is not None and cue.search(folded[index]) is not None
        has_unit = bool(units) and holds_unit(folded[index], units)
        rows[index] = (
            covers[index],
            len(asked.pairs & held[index]) / max(1, len(asked.pairs)),
            asked.cover(window),
            covers[index] / best if best else 0.0,
            covers[index] == best,
            covers[index] == best_of[n],
            covers[index - 1] if before else 0.0,
            covers[index + 1] if after else 0.0,
            n == 1,
            hit.score / top_score,
            math.log(sentence.end - sentence.start),
            has_cue,
            kind in _DEMANDING and not has_cue,
            kind == "definition" and has_cue,
            focus is not None and focus[1] in folded[index],
            has_unit,
            bool(units) and not has_unit,
        )
    return rows


def heading_covers(question: str, sentences: Sequence[Sentence]) -> NDArray[np.float64]:
    """Return of shape (len(sentences),), in [0, 1], how far the heading over each sentence asks the same.

    That is the smaller of two shares: of the question that the heading holds, and of the heading that the question
    holds.
    """
    headings = _terms_by_text({sentence.heading for sentence in sentences})
    asked, _ = _weigh(question, [fold(sentence.text) for sentence in sentences])
    words = frozenset(cut(fold(question)).terms()[0].tolist())
    shares = {
        text: min(asked.cover(held), len(held & words) / len(held)) if held else 0.0 for text, held in headings.items()
    }
    return np.array([shares[sentence.heading] for sentence in sentences])


def _terms_by_text(texts: Collection[str]) -> dict[str, Terms]:
    return dict(zip(texts, _terms([fold(text) for text in texts]), strict=True))


def _terms(folded: Sequence[str], wanted: Ids | None = None) -> list[Terms]:
    """Return the terms of each text, or the `wanted` ones. One cut serves all: no term reaches over a line end."""
    ids, starts = cut("\n".join(folded)).terms()
    if wanted is not None:
        chosen = np.isin(ids, wanted)
        ids, starts = ids[chosen], starts[chosen]
    lengths = np.array([len(text) + 1 for text in folded])
    owners = np.searchsorted(np.cumsum(lengths), starts, side="right")
    found: list[set[int]] = [set() for _ in folded]
    for owner, term in zip(owners.tolist(), ids.tolist(), strict=True):
        found[owner].add(term)
    return [frozenset(terms) for terms in found]


def _weigh(question: str, folded: Sequence[str]) -> tuple[_Weighted, list[Terms]]:
    """Return the weights of the question's terms among these texts, and which of them each text holds."""
    pieces = cut(folded_query(question))
    singles = set(pieces.ids[pieces.kinds == IDEOGRAPH].tolist())
    asked = np.unique(pieces.terms()[0])
    held = _terms(folded, asked)
    weights = {}
    for term in asked.tolist():
        holding = sum(term in terms for terms in held)
        frequency = math.log1p((len(held) - holding + 0.5) / (holding + 0.5))
        weights[term] = frequency * (_SINGLE_CHARACTER_WEIGHT if term in singles else 1.0)
    return _Weighted(weights, frozenset(weights.keys() - singles)), held
