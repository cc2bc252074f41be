"""Long CSV: `time,channel,value`, one row for each frame and channel, as tables are plotted and queried; lossless."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.csv_plain import header_line, rate_and_start, timed
from a2f_batch.export.csv_table import Row, lossless_rows, numbers, packed, read_rows
from a2f_batch.export.tracks import check_names

_COLUMNS = ["channel", "value"]
# Frames at a time, so that a long clip takes no more memory than a short one.
_FRAMES = 256


def write(clip: FaceClip, path: Path) -> None:
    """Write `clip` frame by frame, channels in its order; times, values and a column `fps` as in csv-plain. `meta` is not written.

    Raises:
        ExportError: a channel with a control character (code 'channel-name'), no channel (code 'no-channels').
    """
    check_names(clip, reserved=(), format="csv-long")
    if not clip.names:
        raise ExportError(f"Can't write '{path}': the clip has no channels.", "Write csv-plain, or give a clip with channels.",
                          code="no-channels")
    leading, prefixes = timed(clip, path)
    names = packed([f",{_quoted(name)}" for name in clip.names])
    with replacing(path) as file:
        file.write(header_line([*leading, *_COLUMNS]))
        for first in range(0, clip.n_frames, _FRAMES):
            starts = packed(prefixes[first:first + _FRAMES])
            words = np.concatenate([np.repeat(starts, len(names), axis=0), np.tile(names, (len(starts), 1))], axis=1)
            file.writelines(lossless_rows(clip.values[first:first + _FRAMES].reshape(-1, 1), words))


def is_long(header: Row) -> bool:
    """Say whether a table with this `header` is in the long layout."""
    return header in (["time", *_COLUMNS], ["time", "fps", *_COLUMNS])


def read(path: Path) -> FaceClip:
    """Read such a file back, its rows in any order: channels in the order in which they first come, frames in that of their times.

    Raises:
        ClipError: not such a file, cut, unevenly timed, or a channel that is not there once at every time (code 'clip-format').
    """
    header, rows = read_rows(path)
    if not is_long(header):
        raise ClipError(f"'{path}' line 1: a long CSV clip has the columns time,channel,value, this one {','.join(header[:8])}.",
                        "Give a file written as csv-long.", code="clip-format")
    times = sorted(dict.fromkeys(row[0] for row in rows), key=lambda text: _seconds(text, path))
    channels = list(dict.fromkeys(row[-2] for row in rows))
    frame_of, column_of = ({text: i for i, text in enumerate(texts)} for texts in (times, channels))
    cells = np.array([frame_of[row[0]] * len(channels) + column_of[row[-2]] for row in rows])
    found, counts = np.unique(cells, return_counts=True)
    if (counts > 1).any():
        frame, column = divmod(int(found[np.argmax(counts > 1)]), len(channels))
        raise ClipError(f"'{path}': the channel '{channels[column]}' is there {counts.max()} times at {times[frame]} s.",
                        "Give each channel one value at every time.", code="clip-format")
    if len(found) < len(times) * len(channels):
        rarest = int(np.argmin(np.bincount(found % len(channels), minlength=len(channels))))
        raise ClipError(f"'{path}': the channel '{channels[rarest]}' has no value at some of the {len(times)} times.",
                        "Give each channel one value at every time.", code="clip-format")
    fps, start = rate_and_start(times, rows[0][1] if header[1] == "fps" else None, path)
    values = np.empty(len(rows), np.float32)
    values[cells] = numbers(path, header, rows, first=len(header) - 1)[:, 0]
    return FaceClip(tuple(channels), values.reshape(len(times), len(channels)), fps, start)


def _seconds(text: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise ClipError(f"'{path}': column 'time' holds what is no number: {text!r}.", "Correct it, or export the file again.",
                        code="clip-cell") from None


def _quoted(name: str) -> str:
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow([name])
    return cell.getvalue()
