"""From bytes to text: the encoding is chosen by how plausible the decoded text is, not by the order of trial.

Any Big5 text also decodes as GB18030 without an error, and any bytes at all decode as Latin-1, so success proves
nothing. Only valid UTF-8 with characters outside ASCII is as good as certain.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from indexes.errors import DocumentError
from ingest.loaders.plausibility import score

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)

# In order of preference at equal scores. GB18030 holds GBK and GB 2312; cp1252 holds Latin-1.
_BYTE_ENCODINGS = ("gb18030", "big5", "big5hkscs", "cp950", "cp932", "euc-jp", "cp949", "cp1252", "cp1251")
_WIDE_ENCODINGS = ("utf-16-le", "utf-16-be")

# What a label on the outside means in practice: the wider superset of what it names.
_HINTS = {
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "gb_2312-80": "gb18030", "hz": "gb18030",
    "big5-hkscs": "big5hkscs", "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252",
    "us-ascii": "cp1252", "ascii": "cp1252", "windows-1252": "cp1252", "utf8": "utf-8", "utf-16": "utf-16-le",
    "unicode": "utf-16-le", "eucjp": "euc-jp", "windows-1251": "cp1251",
}  # fmt: skip
_HINT_BONUS = 0.15
# Chinese in UTF-16 without a mark may hold no NUL, but hardly ever does: there would be no space and no line end.
_WIDE_HANDICAP = 0.4

_LEAST_SCORE = -0.5  # below this the best decoding is still rubbish
_LEAST_WIDE_SCORE = 0.2  # any binary data decodes as UTF-16
_WORST_REPLACED_SHARE = 0.02
_SAMPLE_BYTES = 128 * 1024
_NON_ASCII = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the Python codec that it was read with, and what had to be repaired."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(data: bytes, hint: str | None = None) -> Decoded:
    """Decode `data`. `hint` is a label from outside (HTTP, HTML), believed only where the text bears it out.

    A mark of byte order decides; then valid UTF-8; then UTF-8 with a few broken places, which become U+FFFD with
    a warning; then the best score. Raise DocumentError("undecodable") where nothing gives plausible text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _finish(data[len(mark) :], encoding)
    nuls = data.count(0)
    if nuls == 0 and data.isascii():
        return Decoded(data.decode("ascii"), "ascii")
    few_nuls = nuls <= len(data) // 1000  # a stray NUL is no sign of another encoding
    if few_nuls:
        utf8 = _as_utf8(data)
        if utf8 is not None:
            return utf8
    named = _codec(hint)
    candidates: list[str] = list(_WIDE_ENCODINGS) if nuls or len(data) % 2 == 0 else []
    if few_nuls:
        candidates += _BYTE_ENCODINGS
    if named is not None and named not in candidates and named != "utf-8":
        candidates.append(named)
    sample = _sample(data)
    scores = {
        name: _trial(data[:_SAMPLE_BYTES] if name in _WIDE_ENCODINGS else sample, name, len(data) <= _SAMPLE_BYTES)
        + (_HINT_BONUS if name == named else 0.0)
        - (_WIDE_HANDICAP if name in _WIDE_ENCODINGS and not nuls else 0.0)
        for name in candidates
    }
    best = max(scores, key=lambda name: scores[name]) if scores else ""
    if not best or scores[best] < (_LEAST_WIDE_SCORE if best in _WIDE_ENCODINGS else _LEAST_SCORE):
        raise DocumentError("undecodable", "the bytes are text in no encoding that is known here")
    return _finish(data, best)


def _as_utf8(data: bytes) -> Decoded | None:
    """Return `data` as UTF-8 where it is that, or is that but for a few broken places; None otherwise."""
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        first = error.start
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    whole = sum(map(len, re.findall("[^\x00-\x7f\ufffd]+", text)))
    if whole < 3 * broken:
        return None
    return Decoded(text, "utf-8", (f"{broken} places are not valid UTF-8, the first at byte {first}",))


def _finish(data: bytes, encoding: str) -> Decoded:
    """Decode all of `data`; a few undecodable places are replaced and told, more are an error."""
    try:
        return Decoded(data.decode(encoding), encoding)
    except UnicodeDecodeError as error:
        first = error.start
    text = data.decode(encoding, "replace")
    broken = text.count("\ufffd")
    if broken > max(2.0, _WORST_REPLACED_SHARE * len(text)):
        raise DocumentError("undecodable", f"{broken} places cannot be read as {encoding}, the first at byte {first}")
    return Decoded(text, encoding, (f"{broken} places are not valid {encoding}, the first at byte {first}",))


def _codec(hint: str | None) -> str | None:
    """Return the Python codec for an outside label, or None where there is none."""
    if not hint:
        return None
    label = hint.strip().strip("\"'").lower()
    label = _HINTS.get(label, label)
    try:
        info = codecs.lookup(label)
    except (LookupError, ValueError):
        return None
    return label if getattr(info, "_is_text_encoding", True) else None


def _sample(data: bytes) -> bytes:
    """Return the part of `data` to judge byte encodings by: from the first line with a byte outside ASCII on."""
    found = _NON_ASCII.search(data)
    start = found.start() if found else 0
    start = max(data.rfind(b"\n", 0, start) + 1, start - 1024)
    return data[start : start + _SAMPLE_BYTES]


def _trial(sample: bytes, encoding: str, whole: bool) -> float:
    """Return the score of `sample` read as `encoding`; where it is not the whole, its cut-off end does not count."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return score(decoder.decode(sample, whole))
