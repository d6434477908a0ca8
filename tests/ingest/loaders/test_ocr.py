"""Reading scans, for real: pages rendered as pictures and recognised by the `ocr` extra."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.loaders.dispatch import load
from ingest.records import SourceItem
from ingest.sources import walk
from ingest.workers import LoaderPool
from tests.ingest import bad_inputs

pytest.importorskip("rapidocr_onnxruntime", reason="needs the ocr extra, and libgl1", exc_type=ImportError)
_CHINESE = ["第一章 安装说明", "本系统支持离线安装和在线安装两种方式，", "请在安装之前备份重要的数据。"]
_ENGLISH = "The server restarts every night at two."


def _scan(lines: list[str]) -> bytes:
    """Return a PDF of one page that is a picture of the given lines."""
    from PIL import Image, ImageDraw, ImageFont

    fonts = [*Path("/usr/share/fonts").rglob("NotoSansCJK-Regular.ttc"), *Path("/usr/share/fonts").rglob("wqy-*.ttc")]
    if not fonts:
        pytest.skip("no Chinese font is installed (fonts-noto-cjk or fonts-wqy-microhei)")
    picture = Image.new("L", (1240, 1754), 255)  # A4 at 150 dots an inch
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(fonts[0]), 34)
    for row, line in enumerate(lines):
        draw.text((120, 150 + 70 * row), line, fill=0, font=font)
    return bad_inputs.image_only_pdf(picture)


def test_scanned_pages_are_read_in_both_languages() -> None:
    """Chinese and English on a picture become text with its page, and the extractor is named."""
    loaded = load(_scan([*_CHINESE, _ENGLISH]), "scan.pdf", ocr=True)
    squeezed = "".join(loaded.text.split()).replace(",", "，")
    assert "本系统支持离线安装和在线安装两种方式" in squeezed and "请在安装之前备份重要的数据" in squeezed
    assert "Theserverrestartseverynightattwo" in squeezed
    assert loaded.extractor == "ocr" and loaded.warnings == ("read by ocr: pages 1",)
    assert (loaded.pages[0].start, loaded.pages[0].end) == (0, len(loaded.text))


def test_reading_scans_fits_the_limits_of_a_reading_process(tmp_path: Path) -> None:
    """The recogniser works within the memory, files and threads that a reading process has."""
    (tmp_path / "scan.pdf").write_bytes(_scan(_CHINESE))
    items = [item for item in walk(tmp_path) if isinstance(item, SourceItem)]
    with LoaderPool(1, ocr=True) as pool:
        (outcome,) = pool.load_all(items)
    assert outcome.error is None, outcome.error
    assert outcome.loaded is not None and "备份重要的数据" in outcome.loaded.text
