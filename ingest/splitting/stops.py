"""Whether an ASCII `.`, `!` or `?` ends a sentence: abbreviations, initials, list marks, ellipses, addresses."""

from __future__ import annotations

import re

from ingest.splitting.marks import (
    ASCII_CLOSING_RUN,
    ASCII_RUN,
    BREAK,
    CONTINUING,
    FOOTNOTES,
    PAIRS,
    SPACE,
    SPACED_CLOSERS,
    is_cjk,
)


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Never the last word of a sentence, unless a word that usually begins one follows.
ABBREVIATIONS = _words(
    "dr mr mrs ms mx prof rev hon gov sen rep gen col maj capt cmdr lt sgt cpl pres supt st mt ft messrs vs cf "
    "viz approx resp ca al eds etc inc ltd co corp jr sr bros dept est esp incl excl ave blvd rd ph ed trans "
    "repr vgl bzw i.e e.g a.k.a ph.d"
)
# Abbreviations only before a number or a bracket.
NUMBERED = _words(
    "no nos fig figs eq eqs sec secs ch chap vol vols pp p art pt tab ref refs app ver jan feb mar apr jun jul "
    "aug sep sept oct nov dec line ll n fl"
)
STARTERS = _words(
    "the a an this that these those there he she it they we you i in on at as if so but and or however when "
    "while after before since because although then for from with what who why how where his her its their our "
    "my your no not yes please see"
)
# Words that with their number begin a caption: 表 3.2. 标题
CAPTIONS = _words("表 图 圖 例 附录 table figure fig example listing chapter section appendix part step")
_WORD_END = re.compile(r"[A-Za-z][A-Za-z.\-]{0,30}$")
_NUMBER_END = re.compile(r"(?:\d{1,3}|[0-9０-９]{1,3}(?:[.．][0-9０-９]{1,3})*|[ivxIVX]{1,5}|[A-Za-z])$")
_WORD = re.compile(r"[A-Za-z]+")
_ADDRESS_END = re.compile(r"(?:https?|ftp|file)://\S*$|www\.\S*$", re.IGNORECASE)
_PARAMETER = re.compile(r"[\w\-]+=")
_LIST_MARK_BEFORE = "：:；;。，,、（(！？!?"


def ascii_stop(text: str, position: int, sentence_start: int) -> tuple[int, bool]:
    """Judge the ASCII mark at `position`: return (where its run and closing marks end, whether a sentence ends there).

    `sentence_start` is where the current sentence began; it tells list marks (`3.`) from numbers at a sentence's end.
    """
    after = text[position + 1 : position + 2]
    if after.isalnum() and after.isascii():
        return position + 1, False
    run_end = _end(ASCII_RUN, text, position + 1)
    end = _closing_end(text, position, run_end, sentence_start)
    length = len(text)
    if end == length:
        return end, True
    following = text[end]
    if not (following.isspace() or is_cjk(following) or following in PAIRS):
        return run_end, False
    if following in CONTINUING and not following.isspace():
        return end, False
    next_start = end + 1 if following == " " else end
    if next_start < length and text[next_start].isspace():
        next_start = _end(SPACE, text, next_start)
    if next_start == length:
        return end, True
    upcoming = text[next_start]
    single = run_end == position + 1
    mark = text[position]
    if upcoming in CONTINUING and upcoming not in "—–-·~～/":
        return end, False
    if upcoming == "." and next_start + 1 < length and (text[next_start + 1].isspace() or text[next_start + 1] == "."):
        return end, False
    lower = "a" <= upcoming <= "z"
    broken = lower and BREAK.search(text, end, next_start) is not None
    if mark in "!?":
        return end, not (
            (lower and end > run_end)
            or (position > 0 and text[position - 1] == " " and single and (lower or upcoming.isdigit()))
            or (mark == "?" and next_start == end and _inside_address(text, position, end))
        )
    if not single:
        return end, not (lower and not broken)
    if lower and (not broken or end > run_end):
        return end, False
    return end, not _is_abbreviation(text, position, next_start, sentence_start, end > run_end)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _closing_end(text: str, position: int, run_end: int, sentence_start: int) -> int:
    """Return the end of the closing marks after the run; a straight quote counts only where it can be a closing one."""
    if run_end >= len(text) or text[run_end].isspace():
        return _end(FOOTNOTES, text, run_end) if text.startswith(" [", run_end) else run_end
    end = _end(ASCII_CLOSING_RUN, text, run_end)
    for index in range(run_end, end):
        if text[index] in SPACED_CLOSERS:
            after = text[index + 1] if index + 1 < len(text) else " "
            opened = text.count(text[index], max(sentence_start, position - 400), position) % 2 == 1
            if not opened and not after.isspace():
                end = index
                break
    return _end(FOOTNOTES, text, end)


def _inside_address(text: str, position: int, end: int) -> bool:
    return (
        _PARAMETER.match(text, end) is not None
        and _ADDRESS_END.search(text[max(0, position - 300) : position]) is not None
    )


def _is_abbreviation(text: str, position: int, next_start: int, sentence_start: int, closed: bool) -> bool:
    before = text[max(sentence_start, position - 32) : position]
    if not before:
        return True
    last = before.rsplit(None, 1)[-1]
    if len(last) > 5 and last.isascii() and last.isalpha() and len(last) < len(before):
        return last.lower() in ABBREVIATIONS and not _starts_sentence(text, next_start)
    number = _NUMBER_END.search(last) if before[-1:] == last[-1:] else None
    if number and _is_list_mark(text, position - len(number.group()), sentence_start, next_start == position + 1):
        return True
    if number and text[next_start].isdigit() and is_cjk(before[-len(number.group()) - 1]):
        return True  # a decimal that a line break tore apart: 第3.⏎2节
    word = None if closed else _WORD_END.search(last)
    if word is None:
        return False
    abbreviation = word.group().lower()
    parts = abbreviation.split(".")
    if all(len(part) == 1 for part in parts) or abbreviation in ABBREVIATIONS:
        return not _starts_sentence(text, next_start)
    if abbreviation in NUMBERED:
        return text[next_start].isdigit() or text[next_start] in "([#"
    return False


def _starts_sentence(text: str, position: int) -> bool:
    """Return whether the word at `position` is one that usually begins a sentence."""
    word = _WORD.match(text, position)
    return word is not None and word.group().lower() in STARTERS


def _is_list_mark(text: str, number_start: int, sentence_start: int, tight: bool) -> bool:
    """Return whether a number or letter that begins at `number_start` begins a list item rather than ends a sentence.

    `tight` says that no white space follows its stop, as in `如下 1.打开 2.关闭`.
    """
    if number_start <= sentence_start:
        return True
    previous = text[number_start - 1]
    if previous in _LIST_MARK_BEFORE:
        return True
    if not previous.isspace():
        return False
    if text[sentence_start:number_start].strip().lower() in CAPTIONS:
        return True
    return tight or text[sentence_start:number_start].rstrip()[-1:] in _LIST_MARK_BEFORE
