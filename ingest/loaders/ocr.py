"""Reading pages from their image, for scans and for fonts without a usable map: the `ocr` extra."""

from __future__ import annotations

from functools import cache
from typing import Any

from indexes.errors import DocumentError
from ingest.loaders.pdf_lines import Line, readable

RESOLUTION = 200  # dots an inch; small print is lost below, time above
_MAX_PIXELS = 25_000_000  # A3 at 200 dpi has 7.7 million; larger pages are rendered smaller
_LEAST_CONFIDENCE = 0.5


def recognise_page(document: Any, index: int) -> list[Line]:
    """Return the lines recognised on the image of a page (from 0), in points, from top to bottom.

    Raise DocumentError("unsupported") where the extra is not installed.
    """
    page = document[index]
    try:
        width, height = page.get_size()
        scale = RESOLUTION / 72
        if width * height * scale * scale > _MAX_PIXELS:
            scale = (_MAX_PIXELS / (width * height)) ** 0.5
        image = page.render(scale=scale, rev_byteorder=False).to_numpy()
    finally:
        page.close()
    if image.min() == image.max():  # one plain colour: nothing is printed
        return []
    found, _ = _engine()(image[:, :, :3])
    lines: list[Line] = []
    for corners, text, confidence in found or []:
        cleaned = readable(text)
        if not cleaned or float(confidence) < _LEAST_CONFIDENCE:
            continue
        across = [corner[0] / scale for corner in corners]
        down = [corner[1] / scale for corner in corners]
        size = 0.75 * (max(down) - min(down))  # a line's box is higher than its type
        lines.append(Line(cleaned, min(across), max(across), height - max(down), round(size)))
    return lines


@cache
def _engine() -> Any:
    """Return the recogniser; its models come with the package."""
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ModuleNotFoundError as error:
        raise DocumentError("unsupported", "reading scans needs the ocr extra: pip install 'qwen-kb[ocr]'") from error
    except ImportError as error:  # its opencv needs a graphics library, which servers often lack
        detail = f"reading scans cannot start: {error} (on Debian: apt install libgl1)"
        raise DocumentError("unsupported", detail) from error
    return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)
