"""Words that hold a sentence together and say nothing by themselves."""

from __future__ import annotations

import re
from typing import Final

FUNCTION_CHARACTERS: Final = frozenset(
    "的了在是和与有为被由于及或之其这那个一也都而以到从把让着过等并将会可能此该则便就又还另至自向"
)
_WORDS = (
    "a an the this that these those it its he she they his her their of in on at by for from to with as and or but "
    "is was are were be been has have had do does did can could may might will would should which who there also"
)
FUNCTION_WORDS: Final = frozenset(_WORDS.split())
# Auxiliaries that may stand for one another without changing what is said.
_AUXILIARY: Final = frozenset("要须应需可能会均皆各每内里中用所且")
# Of the characters only those that seldom are part of a word are taken out of a running text.
_LOOSE = re.compile(
    rf"[的了在是和与被及或之其这那也都而着并将此该则便就又还]|\b(?:{'|'.join(sorted(FUNCTION_WORDS))})\b"
)


def without_function_words(folded: str) -> str:
    """Return a folded text with a space in place of each function word."""
    return _LOOSE.sub(" ", folded)


def is_function(token: str) -> bool:
    """Say whether a token holds a sentence together and says nothing by itself."""
    return token in FUNCTION_CHARACTERS or token in FUNCTION_WORDS or token in _AUXILIARY
