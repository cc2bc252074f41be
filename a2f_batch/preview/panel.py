"""The right half of a review video: who speaks and what, waveform and curves with flags on them, and where the film is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.batch.lines import LineRow
from a2f_batch.clip import FaceClip
from a2f_batch.preview.extra import need
from a2f_batch.preview.lanes import lanes
from a2f_batch.preview.lettering import (
    FAINT,
    GROUND,
    INK,
    LANES,
    RULE,
    WARN,
    WAVE,
    digits,
    drawing,
    families,
    figure,
    fitting,
    pixels,
    points,
)
from a2f_batch.preview.sound import Sound
from a2f_batch.qc import Flag

Pixels = npt.NDArray[np.uint8]

_WIDTH, _HEIGHT = 480, 540  # what the measures below are in; a larger panel is this one, larger
_LEFT, _RIGHT = 24, 456  # of the time line
_MOST_FLAGS = 3


@dataclass(frozen=True, eq=False)
class Panel:
    """A panel of which only the play head and the clock change.

    Attributes:
        still: what does not change, shape (height, width, 3).
        scale: pixels a pixel of the measures.
        seconds: that the time line is long.
        top, bottom: of the time line, pixels.
    """

    still: Pixels
    scale: float
    seconds: float
    top: int
    bottom: int

    def at(self, frame: int, frames: int, fps: Fraction, start: Fraction) -> Pixels:
        """Return the panel at a frame.

        Args:
            frames: that there are.
            start: time of the first frame, in seconds, as the clip tells; the time line starts there.
        """
        picture = self.still.copy()
        at = float(frame / fps)
        x = round((_LEFT + (_RIGHT - _LEFT) * min(at / self.seconds, 1)) * self.scale)
        half = max(round(self.scale), 1)
        picture[self.top:self.bottom, max(x - half, 0):x + half] = 255
        seconds = float(start) + at
        minutes, rest = divmod(int(seconds * 1000 + 1e-6), 60_000)
        text = f"{minutes:02}:{rest // 1000:02}.{rest % 1000:03}   frame {frame + 1:>{len(str(frames))}} of {frames}"
        clock = need("PIL.Image", "pillow", "A preview").fromarray(picture)
        place = (_LEFT * self.scale, (_HEIGHT - 34) * self.scale)
        need("PIL.ImageDraw", "pillow", "A preview").Draw(clock).text(place, text, font=digits(round(15 * self.scale)), fill=INK)
        return np.asarray(clock)


def draw_panel(line: LineRow, clip: FaceClip, sound: Sound | None, width: int, height: int) -> Panel:
    """Return the panel of a line, its first `width` x `height` pixels.

    Raises:
        ExportError: Matplotlib is missing (code 'preview-missing').
    """
    seconds = max(float(clip.duration), sound.seconds if sound else 0.0)
    scale = min(width / _WIDTH, height / _HEIGHT)
    with drawing:
        made = figure(width, height)
        page = _Page(made, scale)
        page.text(24, 34, fitting(line.identity.id, 34, 1), size=22, weight="bold")
        page.text(24, 62, f"{line.identity.character}   ·   {line.identity.locale}   ·   {float(clip.fps):g} fps", size=13, color=FAINT)
        if line.qc:
            page.text(456, 34, f"{line.qc.score:.2f}", size=22, weight="bold", ha="right", color=WARN if line.qc.flags else INK)
            page.text(456, 62, "look-at score", size=11, ha="right", color=FAINT)
        said = fitting(line.text, 58, 2)
        fonts = families(said)
        if fonts:
            page.text(24, 80, said, size=14, va="top", family=fonts, linespacing=1.35)
        else:
            page.text(24, 88, "(no font on this machine has the letters of this line's text)", size=12, color=FAINT)
        flags = line.qc.flags if line.qc else ()
        _waveform(page, sound, seconds, flags)
        _curves(page, clip, seconds, flags)
        _flags(page, flags)
        return Panel(pixels(made), scale, seconds, round(126 * scale), round(412 * scale))


class _Page:
    """A figure on which places are given in pixels of the measures, from the top left."""

    def __init__(self, made: Any, scale: float) -> None:
        self.figure, self.scale = made, scale
        self.width, self.height = (side * made.dpi / scale for side in made.get_size_inches())

    def text(self, x: float, y: float, text: str, *, size: float, color: str = INK, va: str = "center", **more: Any) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, text, fontsize=points(size * self.scale), color=color, va=va,
                         parse_math=False, **more)

    def axes(self, top: float, bottom: float, seconds: float, low: float, high: float) -> Any:
        axes = self.figure.add_axes((_LEFT / self.width, 1 - bottom / self.height, (_RIGHT - _LEFT) / self.width,
                                     (bottom - top) / self.height))
        axes.set(xlim=(0, seconds), ylim=(low, high), facecolor=GROUND, xticks=[], yticks=[])
        for side in axes.spines.values():
            side.set_visible(False)
        return axes


def _waveform(page: _Page, sound: Sound | None, seconds: float, flags: tuple[Flag, ...]) -> None:
    axes = page.axes(144, 222, seconds, -1, 1)
    _shaded(axes, flags, page)
    if sound is None:
        page.text(24, 183, "no sound", size=13, color=FAINT)
        return
    peaks = sound.peaks(round((_RIGHT - _LEFT) * page.scale))
    loudest = float(np.abs(peaks).max()) or 1.0
    times = (np.arange(len(peaks)) + 0.5) * sound.seconds / len(peaks)
    # Quiet lines are drawn larger, so that their shape is seen; the level is told by the figures.
    axes.fill_between(times, peaks[:, 0] / loudest * 0.96, peaks[:, 1] / loudest * 0.96, color=WAVE, linewidth=0.4 * page.scale)


def _curves(page: _Page, clip: FaceClip, seconds: float, flags: tuple[Flag, ...]) -> None:
    found = lanes(clip)
    times = np.arange(clip.n_frames) / float(clip.fps)
    height = 176 / max(len(found), 1)
    for i, (name, curve) in enumerate(found.items()):
        top = 232 + i * height
        axes = page.axes(top, top + height - 4, seconds, 0, max(1.0, float(curve.max())))
        _shaded(axes, flags, page)
        axes.axhline(0, color=RULE, linewidth=page.scale)
        axes.fill_between(times, 0, curve, color=LANES[i % len(LANES)], alpha=0.30, linewidth=0)
        axes.plot(times, curve, color=LANES[i % len(LANES)], linewidth=points(1.7 * page.scale), solid_joinstyle="round")
        axes.text(0, 0.97, name, transform=axes.transAxes, fontsize=points(11 * page.scale), color=INK, alpha=0.75, va="top",
                  parse_math=False)


def _shaded(axes: Any, flags: tuple[Flag, ...], page: _Page) -> None:
    for flag in flags:
        if flag.begin is not None and flag.end is not None:
            axes.axvspan(flag.begin, flag.end, color=WARN, alpha=0.22, linewidth=0)


def _flags(page: _Page, flags: tuple[Flag, ...]) -> None:
    shown = flags[:_MOST_FLAGS] if len(flags) <= _MOST_FLAGS else flags[:_MOST_FLAGS - 1]
    for i, flag in enumerate(shown):
        where = f"{flag.begin:.2f} s  " if flag.begin is not None else ""
        page.text(24, 432 + 20 * i, "▲", size=11, color=WARN)
        page.text(40, 432 + 20 * i, fitting(f"{where}{flag.text}", 66, 1), size=11, color=INK)
    if len(flags) > len(shown):
        page.text(40, 432 + 20 * len(shown), f"and {len(flags) - len(shown)} more", size=12, color=FAINT)
    # On the time line: what it is, above where it is; labels that would lie on each other go below.
    taken: list[float] = []
    for flag in flags:
        if flag.begin is None or flag.end is None:
            continue
        x = _LEFT + (_RIGHT - _LEFT) * min(flag.begin / max(_seconds(page), 1e-9), 1)
        if all(abs(x - other) > 90 for other in taken):
            taken.append(x)
            page.text(min(x, _RIGHT - 80), 133, flag.code, size=11, color=WARN)


def _seconds(page: _Page) -> float:
    """Return how long the time line is."""
    return float(page.figure.axes[0].get_xlim()[1])
