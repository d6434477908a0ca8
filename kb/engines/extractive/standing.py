"""What is not quoted though it matches: repealed documents beside those in force, and orders to whoever reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.text.matching import fold
from kb.engines.extractive.quotable import Sentence

# A title that says of a document that it no longer holds.
_REPEALED: Final = re.compile(r"废止|作废|失效|旧版|\b(?:repealed|superseded|obsolete|withdrawn|expired)\b")
# How good the best sentence in force must be, beside the best of all, for repealed ones to be left out.
_IN_FORCE_SHARE: Final = 0.5
# Text that speaks to a language model instead of to readers.
_ORDERS: Final = re.compile(
    r"(?:忽略|无视|忘记)[^。；\n]{0,8}(?:以上|之前|前面|上述|先前|此前)[^。；\n]{0,6}(?:指令|指示|提示|要求|规则|内容)"
    r"|系统提示(?:词)?\s?:|回答(?:任何|所有)问题时|(?:作为|你是)(?:一[个名位])?(?:ai|人工智能|语言模型)"
    r"|(?:ignore|disregard|forget)\b[^.;\n]{0,30}\b(?:above|previous|prior|earlier|preceding)\b"
    r"|\bsystem prompt\b|\byou are (?:now )?(?:an? )?(?:ai|assistant|language model|chatbot)\b"
)
# Who asks about such orders is shown them.
_ASKED: Final = re.compile(r"(?:提示词?|指令|prompt)\s?(?:注入|injection)|越狱|jailbreak")


def standing(question: str, sentences: Sequence[Sentence], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities (n,) that sentences answer, with 0 for those that are not to be quoted.

    These are sentences that give orders to a language model, unless the question is about such orders, and sentences
    of a document whose title says that it was repealed, where one in force answers at least half as probably.
    """
    if not _ASKED.search(fold(question)):
        orders = np.array([_ORDERS.search(fold(sentence.text)) is not None for sentence in sentences])
        probability = np.where(orders, 0.0, probability)
    repealed = np.array([_REPEALED.search(fold(sentence.passage.hit.title)) is not None for sentence in sentences])
    in_force = float(probability[~repealed].max(initial=0.0))
    return np.where(repealed, 0.0, probability) if in_force >= _IN_FORCE_SHARE * probability.max() else probability
