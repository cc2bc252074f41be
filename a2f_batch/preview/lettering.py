"""Type and colours of previews: figures drawn by Matplotlib's Agg, without pyplot, and the fonts that a line's own words need."""

from __future__ import annotations

import textwrap
import threading
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.preview.extra import need

GROUND, RAISED, INK, FAINT, RULE = "#15181c", "#1d2126", "#eceff3", "#98a2ae", "#2c323a"
WAVE, WARN, HEAD_LINE = "#6fb6ff", "#ffb23e", "#ffffff"
LANES = ("#ff7d6b", "#f2c14e", "#7bd88f", "#5ec8e5", "#b796ff")

DOTS = 100  # pixels an inch: sizes in points are then 0.72 of pixels
# Fonts that have what DejaVu lacks, by where they come with the system.
_MORE = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR", "Source Han Sans",
         "Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "WenQuanYi Zen Hei",
         "IPAGothic", "Noto Sans Thai", "Noto Sans Devanagari", "Nirmala UI", "Leelawadee UI")

#: Matplotlib's fonts are not for two threads at once.
drawing = threading.Lock()


def figure(width: int, height: int, color: str = GROUND) -> Any:
    """Return an empty figure of this size in pixels.

    Raises:
        ExportError: Matplotlib is missing (code 'preview-missing').
    """
    made = need("matplotlib.figure", "matplotlib", "A preview").Figure(figsize=(width / DOTS, height / DOTS), dpi=DOTS, facecolor=color)
    need("matplotlib.backends.backend_agg", "matplotlib", "A preview").FigureCanvasAgg(made)
    return made


def pixels(made: Any) -> npt.NDArray[np.uint8]:
    """Return the figure's picture, shape (height, width, 3)."""
    made.canvas.draw()
    return np.asarray(made.canvas.buffer_rgba())[:, :, :3].copy()


def points(size: float) -> float:
    """Return a font's size in points, of one in pixels."""
    return size * 72 / DOTS


def fitting(text: str, width: int, lines: int) -> str:
    """Return `text` in at most so many lines of `width` letters."""
    # Chinese and Japanese have no spaces, and letters twice as wide.
    width = width // 2 + 1 if sum(ord(letter) > 0x2E80 for letter in text) > len(text) // 2 else width
    return "\n".join(textwrap.wrap(" ".join(text.split()), width, max_lines=lines, placeholder=" …"))


def families(text: str) -> list[str] | None:
    """Return the fonts that `text` needs, the usual one first; None if no font here has all its letters."""
    left = {ord(letter) for letter in text if not letter.isspace()} - _letters("DejaVu Sans")
    found = ["DejaVu Sans"]
    for name in _MORE:
        if not left:
            break
        if more := left & _letters(name):
            found.append(name)
            left -= more
    return None if left else found


@cache
def _letters(family: str) -> set[int]:
    manager = need("matplotlib.font_manager", "matplotlib", "A preview")
    try:
        return set(manager.get_font(manager.findfont(manager.FontProperties(family=family), fallback_to_default=False)).get_charmap())
    except (ValueError, OSError, RuntimeError):
        return set()


@cache
def digits(size: int) -> Any:
    """Return Pillow's font for what changes from frame to frame; all letters are of one width."""
    from pathlib import Path

    folder = Path(need("matplotlib", "matplotlib", "A preview").get_data_path()) / "fonts/ttf"
    return need("PIL.ImageFont", "pillow", "A preview").truetype(str(folder / "DejaVuSansMono.ttf"), size)
