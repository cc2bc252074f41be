"""Curves of a clip, or of two clips over each other with how they differ, as SVG or PNG: Matplotlib without pyplot (extra `[preview]`)."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing

#: What is drawn unless told: what mouths are judged by.
MAIN = ("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "mouthStretchLeft", "mouthLowerDownLeft",
        "mouthUpperUpLeft")
SUFFIXES = (".svg", ".png")

_INK, _FAINT, _RULE, _WAVE = "#1b1f24", "#6b7480", "#e3e6ea", "#8aa4c0"
_ONE, _OTHER, _GAP = "#0b63c5", "#d1480b", "#d1480b"
_WIDTH, _ROW, _TOP, _SOUND = 10.0, 0.95, 0.85, 0.9  # inches


@dataclass(frozen=True)
class Difference:
    """How far one channel of two clips is apart, over the frames that both have.

    Attributes:
        channel: its name.
        rms, largest: root mean square and largest distance of the values.
        at: seconds, where the largest is.
        correlation: Pearson's; None where one of the two does not move.
    """

    channel: str
    rms: float
    largest: float
    at: float
    correlation: float | None


def choose(clips: Sequence[FaceClip], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the channels to draw: of `wanted`, names and patterns such as 'mouth*', in order; else `MAIN`, or what moves most.

    Raises:
        ClipError: a name or a pattern that fits no channel (code 'clip-channel').
    """
    there = tuple(dict.fromkeys(name for clip in clips for name in clip.names))
    if not wanted:
        main = tuple(name for name in MAIN if name in there)
        if main:
            return main
        first = clips[0]
        most = np.argsort(-np.ptp(first.values, axis=0), kind="stable") if first.n_frames else np.arange(len(first.names))
        return tuple(first.names[i] for i in most[:len(MAIN)])
    found: dict[str, None] = {}
    for pattern in wanted:
        some = [name for name in there if fnmatch.fnmatchcase(name.casefold(), pattern.casefold())]
        if not some:
            raise ClipError(f"There is no channel '{pattern}'.", f"Choose from: {', '.join(there)}.", code="clip-channel")
        found |= dict.fromkeys(some)
    return tuple(found)


def differences(one: FaceClip, other: FaceClip, channels: Sequence[str]) -> list[Difference]:
    """Return how far `channels` of two clips are apart; `other` is resampled to the rate of `one`, and compared where both have frames.

    A channel that only one of them has is left out.

    Raises:
        ClipError: the clips have no time in common (code 'clip-mismatch').
    """
    one, other = _aligned(one, other)
    found = []
    for name in channels:
        if name in one and name in other:
            a, b = one[name].astype(np.float64), other[name].astype(np.float64)
            gap = np.abs(a - b)
            at = int(np.argmax(gap))
            moving = a.std() > 1e-6 and b.std() > 1e-6
            found.append(Difference(name, float(np.sqrt((gap ** 2).mean())), float(gap[at]), float(one.start + at / one.fps),
                                    float(np.corrcoef(a, b)[0, 1]) if moving else None))
    return found


def draw(path: Path, clip: FaceClip, *, name: str, other: FaceClip | None = None, other_name: str = "", channels: Sequence[str] = (),
         sound: npt.NDArray[np.float32] | None = None, sound_rate: int = 1) -> None:
    """Draw a clip, or two, to an SVG or PNG; the same input gives the same bytes.

    Args:
        name, other_name: what the legend calls them.
        channels: see `choose`.
        sound: mono waveform that starts at 0 s, drawn on top.

    Raises:
        ClipError: see `choose` and `differences`.
        ExportError: another ending (code 'format-unknown'), Matplotlib is missing (code 'preview-missing'), the file can't be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ExportError(f"No plot can be written as '{path.name}'.", f"End it in one of {', '.join(SUFFIXES)}.", code="format-unknown")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExportError(f"A plot needs the package matplotlib, which can't be imported: {error}.",
                          "Install it: pip install 'a2f-batch[preview]'", code="preview-missing") from None
    chosen = choose([clip, *([other] if other else [])], channels)
    apart = {one.channel: one for one in differences(clip, other, chosen)} if other else {}
    # Text stays text, so that it can be searched and is small; ids by a fixed salt, no date: the same bytes again.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "a2f-batch", "path.simplify": False,
                                "font.family": ["DejaVu Sans"]}):
        height = _TOP + len(chosen) * _ROW + (_SOUND if sound is not None else 0) + 0.55
        figure = Figure(figsize=(_WIDTH, height), dpi=110, facecolor="white")
        FigureCanvasAgg(figure)
        _fill(figure, height, clip, name, other, other_name, chosen, apart, sound, sound_rate)
        with replacing(path) as file:
            metadata: dict[str, Any] = {"Date": None, "Creator": None} if path.suffix.lower() == ".svg" else {"Software": None}
            figure.savefig(file, format=path.suffix.lower()[1:], metadata=metadata)


def _fill(figure: Any, height: float, clip: FaceClip, name: str, other: FaceClip | None, other_name: str, chosen: Sequence[str],
          apart: dict[str, Difference], sound: npt.NDArray[np.float32] | None, sound_rate: int) -> None:
    clips = [one for one in (clip, other) if one]
    begin = min([float(one.start) for one in clips] + ([0.0] if sound is not None else []))
    end = max([float(one.start + one.duration) for one in clips] + ([len(sound) / sound_rate] if sound is not None else []))
    left, width = 0.095, 0.70 if other else 0.885

    def axes(top: float, tall: float) -> Any:
        made = figure.add_axes((left, 1 - (top + tall) / height, width, tall / height))
        made.set_xlim(begin, end)
        made.tick_params(colors=_FAINT, labelsize=8, length=0)
        made.grid(axis="x", color=_RULE, linewidth=0.8)
        made.set_axisbelow(True)
        for side, spine in made.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(_RULE)
        return made

    title = f"{name}   and   {other_name}" if other else name
    figure.text(left, 1 - 0.33 / height, title, fontsize=13, weight="bold", color=_INK, va="center", parse_math=False)
    rates = " and ".join(dict.fromkeys(f"{float(one.fps):g}" for one in clips))
    told = f"{clip.n_frames} frames" + (f" and {other.n_frames}" if other else "") + f" at {rates} fps"
    figure.text(left, 1 - 0.60 / height, told, fontsize=9, color=_FAINT, va="center", parse_math=False)
    top = _TOP
    if other:
        key = figure.add_axes((left + width + 0.012, 1 - 0.72 / height, 0.19, 0.5 / height))
        key.axis("off")
        key.set(xlim=(0, 1), ylim=(0, 1))
        for y, color, said, dashed in ((0.78, _ONE, name, False), (0.25, _OTHER, other_name, True)):
            key.plot([0, 0.14], [y, y], color=color, linewidth=1.8, dashes=(3, 1.2) if dashed else (None, None))
            key.text(0.18, y, said if len(said) < 28 else f"…{said[-26:]}", fontsize=8, color=_INK, va="center", parse_math=False)
    if sound is not None:
        made = axes(top, _SOUND - 0.2)
        peak = max(float(np.abs(sound).max(initial=0)), 1e-9)
        columns = min(len(sound), 1400)
        edges = np.linspace(0, len(sound), columns + 1).astype(np.int64)
        low = np.minimum.reduceat(sound, edges[:-1]) / peak
        high = np.maximum.reduceat(sound, edges[:-1]) / peak
        made.fill_between((edges[:-1] + 0.5 * len(sound) / columns) / sound_rate, low, high, color=_WAVE, linewidth=0.3)
        made.set(ylim=(-1.05, 1.05), yticks=[], xticklabels=[])
        _name(figure, height, top + (_SOUND - 0.2) / 2, left, "sound")
        top += _SOUND
    for i, channel in enumerate(chosen):
        made = axes(top + i * _ROW, _ROW - 0.24)
        here = [one for one in clips if channel in one]
        lowest = min(float(one[channel].min(initial=0.0)) for one in here)
        highest = max(float(one[channel].max(initial=1.0)) for one in here)
        made.set(ylim=(lowest - 0.04, highest + 0.04), yticks=[0, 1])
        if i < len(chosen) - 1:
            made.set_xticklabels([])
        if len(here) == 2:
            a, b = _aligned(clip, here[1])
            made.fill_between(a.times(), a[channel], b[channel], color=_GAP, alpha=0.16, linewidth=0)
        if channel in clip:
            made.plot(clip.times(), clip[channel], color=_ONE, linewidth=1.6, solid_joinstyle="round")
        if other and channel in other:
            made.plot(other.times(), other[channel], color=_OTHER, linewidth=1.4, dashes=(3, 1.2))
        _name(figure, height, top + i * _ROW + (_ROW - 0.24) / 2, left, channel)
        if other:
            _figures(figure, height, top + i * _ROW, left + width + 0.012, apart.get(channel))
    figure.text(left + width / 2, 0.16 / height, "seconds", fontsize=9, color=_FAINT, ha="center", va="center")


def _name(figure: Any, height: float, y: float, left: float, name: str) -> None:
    shown = name if len(name) <= 12 else "\n".join(_halves(name))
    figure.text(left - 0.018, 1 - y / height, shown, fontsize=8, color=_INK, ha="right", va="center", linespacing=1.2, parse_math=False)


def _halves(name: str) -> tuple[str, str]:
    """Return a long name in two lines, cut before a capital if there is one near the middle."""
    capitals = [i for i, letter in enumerate(name) if letter.isupper() and i > 2]
    at = min(capitals, key=lambda i: abs(i - len(name) / 2), default=len(name) // 2)
    return name[:at], name[at:]


def _figures(figure: Any, height: float, top: float, x: float, one: Difference | None) -> None:
    rows = ("only one has it", "", "") if one is None else (
        f"RMS {one.rms:.4f}", f"largest {one.largest:.3f} at {one.at:.2f} s",
        f"correlation {one.correlation:.3f}" if one.correlation is not None else "no correlation: one is still")
    for i, row in enumerate(rows):
        figure.text(x, 1 - (top + 0.13 + 0.19 * i) / height, row, fontsize=8, color=_FAINT if i else _INK, va="center", parse_math=False)


def _aligned(one: FaceClip, other: FaceClip) -> tuple[FaceClip, FaceClip]:
    """Return both clips over the frames of `one` that `other` has too."""
    other = other.resample(one.fps)
    shift = round((other.start - one.start) * one.fps)
    first, stop = max(shift, 0), min(one.n_frames, shift + other.n_frames)
    if stop <= first:
        raise ClipError("The two clips have no time in common.", "Give clips of the same line.", code="clip-mismatch")
    return one.slice(first, stop), other.slice(first - shift, stop - shift)
