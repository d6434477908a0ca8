"""What passages that say the same have in common, however they are spelt and set."""

from __future__ import annotations

import re

from indexes.text.matching import fold

# Marks, spaces, and the words that carry no meaning of their own: modal and structural particles, articles.
_MEANINGLESS = re.compile(r"\b(?:a|an|the)\b|[\W_]+|[的了呢吗吧啊呀嘛]")


def copy_form(text: str) -> str:
    """Return the same text for copies and near copies of a passage.

    Copies may differ in marks and spacing, script, width, case, the spelling of numbers and particles. A passage that
    differs in a number or in any other word says something else, be it the older edition of a rule, and is no copy.
    """
    folded = fold(text)
    return _MEANINGLESS.sub("", folded) or folded
