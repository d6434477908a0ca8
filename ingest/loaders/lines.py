"""Joining the lines of broken text again: which characters want a space between them, and how wide they are."""

from __future__ import annotations

import re

# Ideographs, kana, bopomofo and full-width forms: written without spaces between words.
_WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff"
    "\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\U0001f300-\U0001f64f\U00020000-\U0003fffd"
)
_WIDE_RUN = re.compile(f"[{_WIDE}]+")
_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff]")
_CLOSED = re.compile(f"[{_WIDE}“”‘’…—·]")
_SPACED = re.compile(r"[\u4e00-\u9fff] [A-Za-z0-9]|[A-Za-z0-9] [\u4e00-\u9fff]")
_TIGHT = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")
_LIST_MARK = re.compile(
    r"\s*(?:[•◦▪■□●○◆◇►▶✓✔※·∙‣⁃]|[-–—*+]\s|\(?[0-9]{1,3}[.)、]\s?(?![0-9])|\(?[a-zA-Z][.)]\s|[（(][一二三四五六七八九十0-9]{1,3}[)）]"
    r"|[一二三四五六七八九十]{1,3}[、.]|[①-⑳⑴-⒇]|第[一二三四五六七八九十百千零〇0-9]+[章节節条條款篇部回卷])"
)


def width(text: str) -> int:
    """Return the width of `text` in columns of a fixed-width display: 2 for wide characters, 1 for others."""
    return len(text) + sum(map(len, _WIDE_RUN.findall(text)))


def begins_item(line: str) -> bool:
    """Tell whether a line begins with a bullet, a number or a clause mark, and so begins something new."""
    return _LIST_MARK.match(line) is not None


def spaces_scripts(text: str) -> bool:
    """Tell whether `text` puts spaces between Chinese and Latin words more often than not."""
    return len(_SPACED.findall(text)) > len(_TIGHT.findall(text))


def glue(before: str, after: str, spaced: bool) -> str:
    """Return what belongs between the end of one line and the beginning of the next, when they are joined.

    Nothing between characters that are written without spaces; between those and Latin, as the text does
    elsewhere (`spaced`); a space otherwise.
    """
    if not before or not after:
        return ""
    last, first = before[-1], after[0]
    if _HANGUL.match(last) and _HANGUL.match(first):
        return " "
    closed_before, closed_after = bool(_CLOSED.match(last)), bool(_CLOSED.match(first))
    if closed_before and closed_after:
        return ""
    if closed_before or closed_after:
        other = first if closed_before else last
        wide = last if closed_before else first
        letters = wide.isalpha() and other.isalnum()
        return " " if letters and spaced else ""
    return " "
