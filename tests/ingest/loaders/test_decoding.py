"""Decoding by score."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.errors import DocumentError
from ingest.loaders.decoding import decode
from ingest.loaders.plausibility import is_garbled, is_wordless, score

_SIMPLIFIED = "今天天气很好，我们去公园散步。\n这份说明书介绍如何安装软件。"
_TRADITIONAL = "維基百科是一個自由的百科全書，電腦軟體與網路。"
_JAPANESE = "これは日本語のテキストです。漢字とかなが混ざっています。"
_KOREAN = "이것은 한국어 텍스트입니다. 안녕하세요 여러분."
_FRENCH = "Où est passé l'élève? Ça va très bien, déjà vu.\n"
_RUSSIAN = "Это русский текст, написанный для проверки."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *[(_SIMPLIFIED, name) for name in ("utf-8", "gb18030", "gb2312", "utf-16-le", "utf-16-be")],
        *[(_TRADITIONAL, name) for name in ("utf-8", "big5", "gb18030", "utf-16-le", "utf-16-be")],
        *[(_JAPANESE, name) for name in ("cp932", "euc-jp", "utf-16-le")],
        (_KOREAN, "cp949"),
        (_FRENCH, "latin-1"),
        (_RUSSIAN, "cp1251"),
        ("He said “yes” — and left…", "cp1252"),
        ("中文", "gb18030"),
        ("联通", "gb18030"),
        ("電腦", "big5"),
        ("naïve", "latin-1"),
    ],
)
def test_text_is_read_in_the_encoding_that_it_was_written_in(text: str, encoding: str) -> None:
    """No mojibake, whether text is long or two characters short, and nothing on the outside says what it is."""
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert decoded.warnings == ()


def test_all_real_files_are_read_as_their_folder_says(corpus: Path) -> None:
    """Real files in GB18030, Big5, UTF-8 and UTF-16: the right encoding, no replacement character."""
    families = {"big5": {"big5", "cp950", "big5hkscs"}, "gb18030": {"gb18030"}, "utf-8": {"utf-8"}}
    families["utf-16"] = {"utf-16-le", "utf-16-be"}
    files = [file for file in (corpus / "encodings").rglob("*") if file.is_file()]
    assert len(files) > 25
    for file in files:
        decoded = decode(file.read_bytes())
        assert decoded.encoding in families[file.parent.name], file
        assert "\ufffd" not in decoded.text and decoded.warnings == (), file
        assert score(decoded.text) > 0.3 and not is_garbled(decoded.text), file


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks_of_byte_order_decide_and_are_not_text(encoding: str) -> None:
    """A byte order mark is believed and taken off."""
    assert decode(_SIMPLIFIED.encode(encoding)).text == _SIMPLIFIED


def test_broken_bytes_in_the_middle_of_utf8_stay_utf8() -> None:
    """One bad byte costs one character and gives a warning that says where; the rest is not turned to mojibake."""
    data = _SIMPLIFIED.encode() + b"\xff\xc3" + _TRADITIONAL.encode()
    decoded = decode(data)
    assert decoded.encoding == "utf-8"
    assert decoded.text.replace("\ufffd", "") == _SIMPLIFIED + _TRADITIONAL
    assert 1 <= decoded.text.count("\ufffd") <= 2
    assert str(len(_SIMPLIFIED.encode())) in decoded.warnings[0]


def test_a_wrong_label_from_outside_does_not_win() -> None:
    """Servers often say ISO-8859-1, or GBK for Big5; the text itself decides."""
    assert decode(_TRADITIONAL.encode("big5"), "gb2312").text == _TRADITIONAL
    assert decode(_SIMPLIFIED.encode("gb18030"), "iso-8859-1").text == _SIMPLIFIED
    assert decode(_SIMPLIFIED.encode("gb18030"), "no-such-thing").text == _SIMPLIFIED


def test_what_is_no_text_is_undecodable() -> None:
    """Random bytes are refused rather than read as accented letters."""
    with pytest.raises(DocumentError) as caught:
        decode(bytes((n * 97 + n // 7) % 256 for n in range(4000)))
    assert caught.value.reason == "undecodable"


@pytest.mark.parametrize(
    ("text", "garbled"),
    [
        (_SIMPLIFIED, False),
        (_TRADITIONAL, False),
        (_KOREAN, False),
        (_FRENCH * 3, False),
        ("plain English text", False),
        ("∀ \\forall ∃ \\exists ∅ \\emptyset \uf8e8\uf8e9\uf8ea and ∂ \\partial", False),
        (_SIMPLIFIED.encode("gb18030").decode("latin-1"), True),
        (_SIMPLIFIED.encode("gb18030").decode("cp949", "replace"), True),
        ("\ue123\ue124\ue125\ue126\ue127\ue128\ue129\ue12a", True),
        ("齉龘靐齾龖龗麤鱻爩灪籲鸞驫", True),
    ],
)
def test_garbled_pages_are_told_from_unusual_ones(text: str, garbled: bool) -> None:
    """Mojibake, false Hangul, private-use characters and rare ideographs; not Korean, French or formulas."""
    assert is_garbled(text) is garbled


def test_digits_without_letters_are_wordless() -> None:
    """Fonts without a map often leave only the digits."""
    assert is_wordless("12 3/45 6.7")
    assert not is_wordless("表 12")
