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
from a2f_batch.export.csv_table import Row, lossless_rows, numbers, packed, read_rows
from a2f_batch.export.timing import infer_fps
from a2f_batch.export.tracks import check_names
from a2f_batch.rates import fps_text, parse_fps

_RESERVED = ("time", "fps")


def write(clip: FaceClip, path: Path) -> None:
    """Write `clip`: values so that every float32 is had back, times with all digits of a float64.

    There is no comment line, which most readers trip over: the rate is told by the times. Where it is not (one frame
    alone, a rate of an odd fraction), a second column `fps` repeats it in every row. `meta` is not written.

    Raises:
        ExportError: a channel named 'time' or 'fps', or with a control character (code 'channel-name').
    """
    check_names(clip, reserved=_RESERVED, format="csv-plain")
    leading, prefixes = timed(clip, path)
    with replacing(path) as file:
        file.write(header_line([*leading, *clip.names]))
        file.writelines(lossless_rows(clip.values, packed(prefixes)))


def timed(clip: FaceClip, path: Path) -> tuple[Row, list[str]]:
    """Return the leading columns' names, `time` and where needed `fps`, and their text in each frame."""
    times = clip.times()
    texts = [repr(time) for time in times.tolist()]
    if _tells_rate(times, clip.fps, path):
        return ["time"], texts
    return ["time", "fps"], [f"{text},{fps_text(clip.fps)}" for text in texts]


def header_line(cells: Row) -> bytes:
    """Return a header, quoted where it must be."""
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(cells)
    return header.getvalue().encode("utf-8")


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
    fps, start = rate_and_start([row[0] for row in rows], rows[0][1] if first == 2 else None, path)
    return FaceClip(tuple(header[first:]), numbers(path, header, rows, first=first), fps, start)


def rate_and_start(texts: list[str], fps: str | None, path: Path) -> tuple[Fraction, Fraction]:
    """Return the rate and the start of frames at the times `texts`, of which `fps` tells the rate where they don't.

    Raises:
        ClipError: a time that is no number (code 'clip-cell'), unevenly timed or a rate that nothing tells (code 'clip-uneven').
    """
    try:
        times = np.array([float(text) for text in texts])
    except ValueError as error:
        raise ClipError(f"'{path}': column 'time' holds what is no number: {error}.", "Correct it, or export the file again.",
                        code="clip-cell") from None
    if fps is not None:
        rate = parse_fps(fps)
    elif len(texts) > 1:
        rate = infer_fps(times, _resolution(times), path)
    else:
        raise ClipError(f"'{path}': one frame alone tells no frame rate.", "Add a column 'fps' after 'time'.", code="clip-uneven")
    return rate, _start(texts[0], rate)


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
