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

# A quotation or bracket that closes within the line and whose last word has no end mark is passed over whole.
_NO_END = rf"(?<![{FULL_STOPS}.!?{CLOSERS}\s])"
_PASSED = "|".join(
    f"{re.escape(opener)}[^{re.escape(opener + closer)}{BREAKS}]{{0,{LONGEST_ENCLOSURE}}}+{_NO_END}{re.escape(closer)}"
    for opener, closer in PAIRS.items()
)
# What stands before the next place to be judged: text without any mark, such quotations and brackets, and stops
# inside of names and numbers. Code and data are full of these.
UNMARKED = re.compile(
    f'(?:[^{FULL_STOPS}.!?．"{"".join(PAIRS)}{BREAKS}]++|[.!?．](?=[0-9A-Za-z])'
    f'|(?<![0-9A-Za-z])"[^"{BREAKS}]{{0,{LONGEST_ENCLOSURE}}}+{_NO_END}"|{_PASSED})*+'
)
SPACE = re.compile(r"\s*")
BREAK = re.compile(f"\r\n|[{BREAKS}]")
# A line from its first character that is no blank, and the blanks up to the next one.
LINE = re.compile(rf"(?P<line>[^{BREAKS}]++)\s*+")
# A line break with the blanks after it, and whether a further break comes before anything else does.
LINE_BREAK = re.compile(rf"(?>\r\n|[{BREAKS}])[^\S{BREAKS}]*+(?P<blank>[{BREAKS}]\s*+)?")
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


# Spaces of fixed width and those that do not break, one code point each; the ideographic one means an indent.
_SPECIAL_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
_SPECIAL_SPACE = re.compile(f"[{_SPECIAL_SPACES}]")


def with_plain_spaces(text: str) -> str:
    """Return `text` with all such spaces as plain ones, at the same offsets: what expressions look at."""
    if text.isascii() or not any(space in text for space in _SPECIAL_SPACES):
        return text
    return _SPECIAL_SPACE.sub(" ", text)
