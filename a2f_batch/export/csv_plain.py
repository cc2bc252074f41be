"""Plain CSV: `time` in seconds, then one column a channel under the clip's own names; lossless."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.csv_table import Row, numbers, read_rows
from a2f_batch.export.timing import infer_fps
from a2f_batch.export.tracks import check_names
from a2f_batch.rates import fps_text, parse_fps

_RESERVED = ("time", "fps")


def write(clip: FaceClip, path: Path) -> None:
    """Write `clip`: values with the nine digits that give every float32 back, times with all digits of a float64.

    There is no comment line, which most readers trip over: the rate is told by the times. Where it is not (one frame
    alone, a rate of an odd fraction), a second column `fps` repeats it in every row. `meta` is not written.

    Raises:
        ExportError: a channel named 'time' or 'fps', or with a control character (code 'channel-name').
    """
    check_names(clip, reserved=_RESERVED, format="csv-plain")
    times = clip.times()
    prefixes = [repr(time) for time in times.tolist()]
    leading = ["time"]
    if not _tells_rate(times, clip.fps, path):
        leading.append("fps")
        prefixes = [f"{prefix},{fps_text(clip.fps)}" for prefix in prefixes]
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow([*leading, *clip.names])
    row = ",%.9g" * len(clip.names)
    rows = [f"{prefix}{row % tuple(values)}\n" for prefix, values in zip(prefixes, clip.values.tolist(), strict=True)]
    with replacing(path) as file:
        file.write("".join([header.getvalue(), *rows]).encode("utf-8"))


def is_plain(header: Row) -> bool:
    """Say whether a table with this `header` is in the plain layout."""
    return header[:1] == ["time"]


def read(path: Path) -> FaceClip:
    """Read such a file back: names, values and rate exactly, start to a float64.

    Raises:
        ClipError: not such a file, cut, ragged, unevenly timed.
    """
    header, rows = read_rows(path)
    if not is_plain(header):
        raise ClipError(f"'{path}' line 1: a plain CSV clip starts with the column 'time', this one with '{header[0] if header else ''}'.",
                        "Give a file written as csv-plain; name a Live Link Face take .csv.", code="clip-format")
    first = 2 if header[1:2] == ["fps"] else 1
    try:
        times = np.array([float(row[0]) for row in rows])
    except ValueError as error:
        raise ClipError(f"'{path}': column 'time' holds what is no number: {error}.", "Correct it, or export the file again.",
                        code="clip-cell") from None
    if first == 2:
        fps = parse_fps(rows[0][1])
    elif len(rows) > 1:
        fps = infer_fps(times, _resolution(times), path)
    else:
        raise ClipError(f"'{path}': one frame alone tells no frame rate.", "Add a column 'fps' after 'time'.", code="clip-uneven")
    return FaceClip(tuple(header[first:]), numbers(path, header, rows, first=first), fps, _start(rows[0][0], fps))


def _tells_rate(times: np.ndarray[tuple[int], np.dtype[np.float64]], fps: Fraction, path: Path) -> bool:
    try:
        return len(times) > 1 and infer_fps(times, _resolution(times), path) == fps
    except ClipError:
        return False


def _resolution(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Return four units in the last place of the largest time: two rounded times, and the rounding of the comparison."""
    return float(4 * np.spacing(np.abs(times).max()))


def _start(text: str, fps: Fraction) -> Fraction:
    """Return a start on the frame grid exactly, any other as the decimal that was written."""
    start = Fraction(text)
    frame = round(start * fps)
    return frame / fps if float(frame / fps) == float(text) else start
