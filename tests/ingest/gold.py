"""The gold set of sentences in tests/data/sentences, and the scores that the tests and the benchmark share."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "data" / "sentences"
CLOSING_MARKS = "”’」』）》〉】〕。！？；，、…"
# What must stay in one piece: numbers with a stop or comma inside, versions, addresses, e-mail, file names.
UNBREAKABLE = re.compile(
    r"https?://[!-~]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|v?\d+(?:[.,:]\d+)+%?|[A-Za-z_][\w-]*(?:\.[A-Za-z_]\w*)+", re.ASCII
)


@dataclass(frozen=True)
class GoldItem:
    """A text and the sentences that it consists of, in order."""

    kind: str
    text: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """F1 of whole sentences; pieces that begin with a closing mark; cuts inside numbers, addresses and names."""

    f1: float
    orphans: int
    torn: int


def gold_items() -> list[GoldItem]:
    """Return the whole gold set."""
    return [
        GoldItem(path.stem, row["text"], tuple(row["sentences"]))
        for path in sorted(FOLDER.glob("*.jsonl"))
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    ]


def score(items: Iterable[GoldItem], split: Callable[[str], Sequence[str]]) -> Score:
    """Return how well `split` finds the sentences of `items`."""
    right = found = wanted = orphans = torn = 0
    for item in items:
        pieces = [piece.strip() for piece in split(item.text) if piece.strip()]
        right += sum((Counter(pieces) & Counter(item.sentences)).values())
        found += len(pieces)
        wanted += len(item.sentences)
        orphans += orphan_marks(pieces)
        torn += torn_names(item.text, pieces)
    return Score(2 * right / (found + wanted), orphans, torn)


def orphan_marks(pieces: Sequence[str]) -> int:
    """Return how many pieces after the first begin with a mark that can only close; a run of dots may open a line."""
    return sum(piece[0] in CLOSING_MARKS and not piece.startswith("……") for piece in pieces[1:])


def torn_names(text: str, pieces: Sequence[str]) -> int:
    """Return how many numbers, addresses and names of `text` are in no piece whole."""
    whole = Counter(name for piece in pieces for name in UNBREAKABLE.findall(piece))
    return sum((Counter(UNBREAKABLE.findall(text)) - whole).values())
