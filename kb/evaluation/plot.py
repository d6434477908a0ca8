"""The curve of refusal as a PNG, with the chosen point. Needs the `eval` extra (Pillow)."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from indexes.errors import UsageError
from kb.evaluation.run import Evaluation

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 900, 600
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 60, 80
# The range of false refusals shown; of the unanswerable refused all is.
MOST_FALSE = 0.3
CURVE, CHOSEN, _GRID, _INK = (37, 99, 235), (220, 38, 38), (221, 221, 221), (34, 34, 34)
# Lines of the grid: every 5 % across, every 20 % up.
_ACROSS, _UP = 6, 5
_TEXT, _TITLE = 18, 22


def curve_png(evaluation: Evaluation) -> bytes:
    """Return the PNG; the same evaluation gives the same bytes.

    Raise UsageError where there is no curve, or Pillow is not installed.
    """
    if not evaluation.curve:
        raise UsageError(
            "a PNG shows the curve of refusal, which takes questions with and without an answer: leave documents out "
            "with --holdout 0.5"
        )
    require_pillow()
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    _axes(draw, evaluation)
    draw.line([place(false, right) for false, right, _ in evaluation.curve], fill=CURVE, width=3, joint="curve")
    if evaluation.chosen is not None:
        false, right, threshold = evaluation.chosen
        x, y = place(false, right)
        draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill=CHOSEN)
        said = f"threshold {threshold:g}: {false:.1%} false refusals, {right:.1%} refused rightly"
        _write(draw, (LEFT + 150, HEIGHT - BOTTOM - 60), said, CHOSEN, _TEXT)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()


def require_pillow() -> None:
    """Raise UsageError where Pillow is not installed."""
    if importlib.util.find_spec("PIL") is None:
        raise UsageError("a PNG needs one more package: pip install 'qwen-kb[eval]'")


def place(false: float, right: float) -> tuple[float, float]:
    """Return the pixel (x, y) of a share of false refusals and one of the unanswerable refused."""
    across = min(max(false, 0.0), MOST_FALSE) / MOST_FALSE
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - right * (HEIGHT - TOP - BOTTOM)


def _axes(draw: ImageDraw, evaluation: Evaluation) -> None:
    for step in range(_ACROSS + 1):
        false = step / _ACROSS * MOST_FALSE
        x, _ = place(false, 0.0)
        draw.line((x, TOP, x, HEIGHT - BOTTOM), fill=_GRID)
        _write(draw, (x - 18, HEIGHT - BOTTOM + 8), f"{false:.0%}", _INK, _TEXT)
    for step in range(_UP + 1):
        _, y = place(0.0, step / _UP)
        draw.line((LEFT, y, WIDTH - RIGHT, y), fill=_GRID)
        _write(draw, (LEFT - 62, y - 11), f"{step / _UP:.0%}", _INK, _TEXT)
    fitted = ", fitted on the other half" if evaluation.fitted else ""
    # The font that comes with Pillow has no Chinese: a name is shown as far as it can be.
    name = evaluation.dataset.encode("ascii", "replace").decode()
    _write(draw, (LEFT, 18), f"{name}: {evaluation.questions} questions{fitted}", _INK, _TITLE)
    _write(draw, (LEFT, HEIGHT - 36), "false refusals (across), unanswerable questions refused (up)", _INK, _TEXT)


def _write(draw: ImageDraw, at: tuple[float, float], text: str, colour: tuple[int, int, int], size: int) -> None:
    from PIL import ImageFont

    draw.text(at, text, fill=colour, font=ImageFont.load_default(size))
