"""Live Link Face CSV: the take format of Apple's Live Link Face app, which Unreal imports."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export import csv_long, csv_plain
from a2f_batch.export.atomic import replacing
from a2f_batch.export.csv_table import Row, Words, fixed_rows, numbers, packed, read_rows
from a2f_batch.export.timing import assume_fps, infer_fps
from a2f_batch.export.tracks import weights_for
from a2f_batch.names import vocabulary
from a2f_batch.rates import MAX_FPS

# The last two fields of a timecode, FF.mmm, count sixtieths of a second and their thousandths at EVERY frame rate:
# Unreal's importer adds FF.mmm / 60 to the seconds, and so does not care about the take's own rate.
_TICKS = 60_000
_DAY = 24 * 3600
# Frames at a time, so that a long clip takes no more memory than a short one.
_FRAMES = 4096
_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d):(\d\d)\.(\d{1,3})", re.ASCII)
_START = re.compile(r"(\d\d):(\d\d):(\d\d):(\d{2,3})(?:\.(\d{1,3}))?", re.ASCII)


def write(clip: FaceClip, path: Path, *, timecode_start: str | None = None) -> None:
    """Write `clip`, one row a frame at the clip's own rate, values with ten decimals, LF line ends.

    All 61 columns are always there: 52 blend shapes in Live Link's own order, then nine rotations in radians
    (`names.ROTATIONS`); what the clip lacks is 0. Values are written as they are, never clamped.

    Args:
        timecode_start: `HH:MM:SS:FF` of the first frame, FF counting frames of the clip's rate, whole (29.97 as 30, without
            drop-frame counting); or `HH:MM:SS:FF.mmm` as such a file has it, in sixtieths. None takes the clip's own start.

    Raises:
        ExportError: a channel that Live Link has no column for (code 'channel-without-column'), frames before
            00:00:00 or after 24 hours (code 'time-out-of-range'), a start that is no timecode (code 'timecode').
    """
    start = clip.start if timecode_start is None else _parse_start(timecode_start, clip.fps)
    names = vocabulary("livelinkface")
    hub = [names.to_hub.get(column, column) for column in names.channels]
    lacking = [name for name in clip.names if name not in hub]
    if lacking:
        raise ExportError(f"Live Link Face has no column for the channel {', '.join(map(repr, lacking[:8]))}.",
                          "Rename the channels to ARKit's, leave out the others, or write csv-plain.", code="channel-without-column")
    header = f"Timecode,BlendshapeCount,{','.join(names.channels)}\n".encode("ascii")
    if start < 0 or start + clip.duration > _DAY:
        raise ExportError(f"Can't write '{path}': timecodes reach from 0 to 24 hours, the clip is at "
                          f"{float(start):g} to {float(start + clip.duration):g} s.",
                          "Let it start early enough to end within the day.", code="time-out-of-range")
    with replacing(path) as file:
        file.write(header)
        for first in range(0, clip.n_frames, _FRAMES):
            some = clip.slice(first, min(first + _FRAMES, clip.n_frames))
            codes = _timecodes(some, start + first / clip.fps)
            counts = np.broadcast_to(packed([f",{len(hub)}"]), (len(codes), 1))
            file.writelines(fixed_rows(weights_for(some, hub), np.concatenate([codes, counts], axis=1)))


def read(path: Path) -> FaceClip:
    """Read a take: ARKit names for the blend shapes, Live Link's for the rotations, in the file's order; rate and start from the timecodes.

    Column names are compared without case, as Unreal does. A file in the plain or the long layout is handed
    to `csv_plain` or `csv_long`.
    One row alone tells no rate: 30 is assumed, with a warning in the log.

    Raises:
        ClipError: not such a file, cut, ragged, unevenly timed.
    """
    header, rows = read_rows(path)
    if csv_long.is_long(header):
        return csv_long.read(path)
    if csv_plain.is_plain(header):
        return csv_plain.read(path)
    if [cell.strip().lower() for cell in header[:2]] != ["timecode", "blendshapecount"]:
        raise ClipError(f"'{path}' line 1: a Live Link Face take starts with 'Timecode,BlendshapeCount', this file with "
                        f"'{','.join(header[:2])}'.",
                        "Give a Live Link Face take, or a file written as csv or csv-plain.", code="clip-format")
    names = vocabulary("livelinkface")
    known = {column.lower(): names.to_hub.get(column, column) for column in names.channels}
    unknown = [cell for cell in header[2:] if cell.strip().lower() not in known]
    if unknown:
        raise ClipError(f"'{path}' line 1: {', '.join(map(repr, unknown[:8]))} is no column of Live Link Face.",
                        "Rename or remove the column.", code="clip-format")
    ticks = _ticks(path, rows)
    # Two written times differ from their true ones by half a tick each.
    fps = infer_fps(np.array(ticks) / _TICKS, 1.001 / _TICKS, path) if len(rows) > 1 else assume_fps(path)
    return FaceClip(tuple(known[cell.strip().lower()] for cell in header[2:]), numbers(path, header, rows, first=2),
                    fps, Fraction(ticks[0], _TICKS))


def check_timecode(text: str, fps: Fraction = MAX_FPS) -> None:
    """Refuse what is no `timecode_start` of any take, or of one at `fps`.

    Raises:
        ExportError: another shape, or too large a number (code 'timecode').
    """
    match = _START.fullmatch(text)
    per_second = 60 if match and match[5] else round(fps)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3]) > 59:
        raise ExportError(f"'{text}' is no timecode.", "Give HH:MM:SS:FF, such as 01:00:00:00.", code="timecode")
    if int(match[4]) >= per_second:
        raise ExportError(f"'{text}' is no timecode of a take at {fps} frames per second.",
                          f"Give HH:MM:SS:FF with FF below {per_second}.", code="timecode")


def _parse_start(text: str, fps: Fraction) -> Fraction:
    """Return the seconds of a timecode."""
    check_timecode(text, fps)
    match = _START.fullmatch(text)
    assert match
    hours, minutes, seconds, frames = map(int, match.groups()[:4])
    whole = (hours * 60 + minutes) * 60 + seconds
    if match[5]:
        return whole + Fraction(frames * 1000 + int(match[5].ljust(3, "0")), _TICKS)
    # Hours, minutes and seconds are the clock's, as Unreal's importer takes them, at 29.97 too.
    return whole + frames / fps


def _timecodes(clip: FaceClip, start: Fraction) -> Words:
    """Return every frame's `HH:MM:SS:FF.mmm`, each rounded once from its exact time, shape (frames, 4)."""
    # (first + i * step) / unit ticks, in whole numbers, as in rates.frame_times.
    unit = start.denominator * clip.fps.numerator
    first, step = int(start * unit) * _TICKS, int(unit / clip.fps) * _TICKS
    ticks = np.array([(2 * (first + frame * step) + unit) // (2 * unit) for frame in range(clip.n_frames)])
    minutes = ticks // (60 * _TICKS)
    seconds = ticks // _TICKS - 60 * minutes
    thousandths = ticks % _TICKS
    indices = minutes // 10, minutes % 10 * 60 + seconds, thousandths // 1000, thousandths % 1000
    return np.stack([table[index] for table, index in zip(_words(), indices, strict=True)], axis=1)


@cache
def _words() -> tuple[Words, ...]:
    """Return the words of a timecode, four characters each: 'HH:M' by tens of minutes, 'M:SS' by seconds, ':FF.', 'mmm'."""
    texts = ([f"{i // 6:02d}:{i % 6}" for i in range(24 * 6 + 1)], [f"{i // 60}:{i % 60:02d}" for i in range(600)],
             [f":{i:02d}." for i in range(60)], [f"{i:03d}" for i in range(1000)])
    return tuple(packed(table).ravel() for table in texts)


def _ticks(path: Path, rows: list[Row]) -> list[int]:
    """Return every row's time in 1/60000 s."""
    ticks = []
    for line, row in enumerate(rows, start=2):
        match = _TIMECODE.fullmatch(row[0].strip())
        if match is None:
            raise ClipError(f"'{path}' line {line}: '{row[0]}' is no timecode HH:MM:SS:FF.mmm.",
                            "Correct the timecode, or export the file again.", code="clip-cell")
        hours, minutes, seconds, sixtieths = map(int, match.groups()[:4])
        ticks.append(((hours * 60 + minutes) * 60 + seconds) * _TICKS + sixtieths * 1000 + int(match[5].ljust(3, "0")))
    return ticks
