"""A contact sheet: every line on a card with four moments of its face, its waveform and its flags; for a wall, a mail, a quick look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.batch.lines import LineRow
from a2f_batch.export.atomic import replacing
from a2f_batch.preview.extra import need
from a2f_batch.preview.lettering import (
    DOTS,
    FAINT,
    GROUND,
    INK,
    LANES,
    RAISED,
    WARN,
    WAVE,
    drawing,
    families,
    figure,
    fitting,
    pixels,
    points,
)
from a2f_batch.preview.moments import Moment, moments
from a2f_batch.preview.show import Stage
from a2f_batch.preview.sound import Sound
from a2f_batch.preview.take import Take

Pixels = npt.NDArray[np.uint8]

COLUMNS, FACES = 2, 4
_CARD_WIDTH, _CARD_HEIGHT = 760, 330
_FACE_WIDTH, _FACE_HEIGHT = 174, 190
_GAP, _HEAD = 16, 72


def draw_card(line: LineRow, take: Take, sound: Sound | None) -> Pixels:
    """Return a line's card, shape (330, 760, 3)."""
    flags = line.qc.flags if line.qc else ()
    shown = moments(take.clip, flags, FACES)
    stage = Stage(_FACE_WIDTH, _FACE_HEIGHT)
    with drawing:
        card = pixels(_card(line, take, sound, shown))
    for i, moment in enumerate(shown):
        x = _GAP + i * (_FACE_WIDTH + 11)
        card[52:52 + _FACE_HEIGHT, x:x + _FACE_WIDTH] = stage.shoot(take, moment.frame)
    return card


def write_sheet(path: Path, cards: Sequence[Pixels], title: str, subtitle: str) -> None:
    """Write cards, left to right and down, as a PNG.

    Raises:
        ExportError: it can't be written.
    """
    columns = min(COLUMNS, len(cards))
    rows = -(-len(cards) // columns)
    width = columns * (_CARD_WIDTH + _GAP) + _GAP
    with drawing:
        head = figure(width, _HEAD)
        head.text(_GAP / width, 0.62, title, fontsize=points(24), weight="bold", color=INK, va="center", parse_math=False)
        head.text(_GAP / width, 0.20, subtitle, fontsize=points(13), color=FAINT, va="center", parse_math=False)
        top = pixels(head)
    sheet = np.empty((_HEAD + rows * (_CARD_HEIGHT + _GAP), width, 3), np.uint8)
    sheet[:] = top[0, 0]
    sheet[:_HEAD] = top
    for i, card in enumerate(cards):
        y, x = _HEAD + i // columns * (_CARD_HEIGHT + _GAP), _GAP + i % columns * (_CARD_WIDTH + _GAP)
        sheet[y:y + _CARD_HEIGHT, x:x + _CARD_WIDTH] = card
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        need("PIL.Image", "pillow", "A contact sheet").fromarray(sheet).save(file, format="PNG", optimize=False, compress_level=6)


def _card(line: LineRow, take: Take, sound: Sound | None, shown: Sequence[Moment]) -> Any:
    """Return the card without the faces."""
    made = figure(_CARD_WIDTH, _CARD_HEIGHT, RAISED)

    def text(x: float, y: float, words: str, size: float, color: str = INK, **more: Any) -> None:
        made.text(x / _CARD_WIDTH, 1 - y / _CARD_HEIGHT, words, fontsize=points(size), color=color, va="center", parse_math=False, **more)

    flags = line.qc.flags if line.qc else ()
    text(_GAP, 18, fitting(line.identity.id, 40, 1), 17, weight="bold")
    text(_GAP, 38, f"{line.identity.locale}  ·  {line.identity.character}", 12, FAINT)
    if line.qc:
        text(_CARD_WIDTH - _GAP, 18, f"{line.qc.score:.2f}", 17, WARN if flags else INK, ha="right", weight="bold")
    told = "   ".join(f"▲ {flag.code}" for flag in flags[:4])
    if told:
        text(_CARD_WIDTH - _GAP, 38, told, 12, WARN, ha="right")
    elif fonts := families(said := fitting(line.text, 62, 1)):
        text(_CARD_WIDTH - _GAP, 38, said, 12, FAINT, ha="right", family=fonts)
    seconds = max(float(take.clip.duration), sound.seconds if sound else 0.0)
    for i, moment in enumerate(shown):
        x, at = _GAP + i * (_FACE_WIDTH + 11), moment.frame / float(take.clip.fps)
        label = f"{'▲ ' if moment.flagged else ''}{moment.label}"
        text(x + 2, 254, f"{at:.2f} s", 12)
        text(x + _FACE_WIDTH - 2, 254, label, 12, WARN if moment.flagged else FAINT, ha="right")
    axes = made.add_axes((_GAP / _CARD_WIDTH, 12 / _CARD_HEIGHT, 1 - 2 * _GAP / _CARD_WIDTH, 50 / _CARD_HEIGHT))
    axes.set(xlim=(0, seconds), ylim=(-1, 1), facecolor=GROUND, xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
    for flag in flags:
        if flag.begin is not None and flag.end is not None:
            axes.axvspan(flag.begin, flag.end, color=WARN, alpha=0.28, linewidth=0)
    if sound:
        peaks = sound.peaks(_CARD_WIDTH - 2 * _GAP)
        loudest = float(np.abs(peaks).max()) or 1.0
        times = (np.arange(len(peaks)) + 0.5) * sound.seconds / len(peaks)
        axes.fill_between(times, *(peaks.T / loudest * 0.92), color=WAVE, alpha=0.75, linewidth=0.4)
    if "jawOpen" in take.clip:
        jaw = take.clip["jawOpen"]
        axes.plot(np.arange(len(jaw)) / float(take.clip.fps), jaw / max(1.0, float(jaw.max())) * 1.9 - 0.95, color=LANES[0],
                  linewidth=1.6 * 72 / DOTS)
    for moment in shown:
        axes.axvline(moment.frame / float(take.clip.fps), color=WARN if moment.flagged else INK, linewidth=1.2 * 72 / DOTS, alpha=0.9)
    return made
