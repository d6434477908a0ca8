"""The characters that end, open and close sentences, and the small expressions over them."""

from __future__ import annotations

import re

FULL_STOPS = "。｡！？；‼⁇⁈⁉؟۔।॥…"
CLOSERS = "”’」』）》〉】〕］｝｠»›〗〙〛﹂﹄"
ASCII_CLOSERS = ")]}"
SPACED_CLOSERS = "\"'"
BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# What cannot begin a sentence: a mark before one of these is in mid-sentence.
CONTINUING = "，、,：:；;·％%‰/～~—–-．"

PAIRS = {
    "“": "”",
    "‘": "’",
    "「": "」",
    "『": "』",
    "（": "）",
    "《": "》",
    "〈": "〉",
    "【": "】",
    "〔": "〕",
    "(": ")",
}
QUOTES = '“‘「『"'
TITLE_BRACKETS = "《〈"
# A quotation or bracket longer than this is not kept whole: its inner sentences are sentences.
LONGEST_ENCLOSURE = 120

ENCLOSURES = {
    opener: re.compile(
        f"{re.escape(opener)}[^{re.escape(opener + closer)}{BREAKS if opener == '(' else ''}]"
        f"{{0,{LONGEST_ENCLOSURE}}}{re.escape(closer)}"
    )
    for opener, closer in PAIRS.items()
}
# A straight quote opens only where it cannot be an inch mark or the end of a word.
ENCLOSURES['"'] = re.compile(rf'(?<![0-9A-Za-z])"[^"{BREAKS}]{{0,{LONGEST_ENCLOSURE}}}"')

CANDIDATE = re.compile(f'[{FULL_STOPS}.!?．"{"".join(PAIRS)}{BREAKS}]')
SPACE = re.compile(r"\s*")
BREAK = re.compile(f"\r\n|[{BREAKS}]")
# Footnote marks such as [1] or ¹ belong to the sentence before them.
FOOTNOTES = re.compile(r"(?: ?\[\d{1,3}\]|[¹²³⁰-⁹])*")
END_RUN = re.compile(f"[{FULL_STOPS}!?{CLOSERS}{re.escape(ASCII_CLOSERS)}]*")
ASCII_RUN = re.compile(r"[.!?]+")
ASCII_CLOSING_RUN = re.compile(f"[{CLOSERS}{re.escape(ASCII_CLOSERS)}{SPACED_CLOSERS}]*")
CLOSING_RUN = re.compile(f"[{CLOSERS}]+[{FULL_STOPS}{CLOSERS}]*")


def is_cjk(character: str) -> bool:
    """Return whether `character` is a CJK letter or CJK punctuation (kana and Hangul included)."""
    return (
        "\u2e80" <= character <= "\ud7ff"
        or "\uf900" <= character <= "\ufaff"
        or "\ufe30" <= character <= "\ufe4f"
        or "\uff00" <= character <= "\uffef"
        or character >= "\U00020000"
        or character in "“‘—…"
    )
