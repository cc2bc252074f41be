"""Comma-separated tables of numbers: what the two CSV layouts share."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import Values
from a2f_batch.errors import ClipError

Row = list[str]

_LARGEST = 10**4  # what has more than four digits before the point is formatted one by one


def fixed_rows(values: Values, prefixes: Sequence[str]) -> bytes:
    """Return one line a frame: its prefix, then each value after a comma, with ten decimals; LF after every line.

    Formatting number after number takes the better part of a batch's time; so all digits are looked up at once, four
    characters to a 32-bit word, and NULs, which stand for no character, are dropped at the end.
    The last decimal may differ by one from that of '%.10f', since the product with 1e10 is rounded.

    Args:
        values: shape (frames, channels).
        prefixes: one ASCII text a frame, all of one length.
    """
    if np.abs(values).max(initial=0) >= _LARGEST - 1:
        row = ",%.10f" * values.shape[1]
        return "".join([f"{prefix}{row % tuple(frame)}\n" for prefix, frame in zip(prefixes, values.tolist(), strict=True)]).encode("ascii")
    units = np.rint(np.abs(values.astype(np.float64)) * 1e10).astype(np.int64)
    # Quotients alone: numpy divides by a constant ten times faster than it takes divmod.
    thousands, upper, whole = units // 10**3, units // 10**7, units // 10**10
    negative = ((values < 0) & (units > 0)).view(np.uint8)
    indices = negative, whole, upper - whole * 10**3, thousands - upper * 10**4, units - thousands * 10**3
    cells = np.empty((*values.shape, 5), dtype=np.uint32)
    for word, (table, index) in enumerate(zip(_words(), indices, strict=True)):
        cells[..., word] = table[index]
    width = -(-len(prefixes[0]) // 4) * 4
    starts, ends = _packed(prefixes, width), _packed(["\n"] * len(prefixes))
    lines = np.concatenate([starts.reshape(len(prefixes), -1), cells.reshape(len(prefixes), -1), ends[:, None]], axis=1)
    text: bytes = lines.tobytes()
    return text.translate(None, delete=b"\0")


def _packed(texts: Sequence[str], width: int = 4) -> npt.NDArray[np.uint32]:
    return np.frombuffer("".join([text.ljust(width, "\0") for text in texts]).encode("ascii"), dtype=np.uint32)


@cache
def _words() -> tuple[npt.NDArray[np.uint32], ...]:
    """Return tables of words: comma and sign; four digits less leading zeros; point and three digits; four digits; three digits."""
    texts = ([",", ",-"], [f"{i}" for i in range(10**4)], [f".{i:03d}" for i in range(10**3)],
             [f"{i:04d}" for i in range(10**4)], [f"{i:03d}" for i in range(10**3)])
    return tuple(_packed(table) for table in texts)


def read_rows(path: Path) -> tuple[Row, list[Row]]:
    """Return a table's header and its rows, all of the header's length. Row i is line i + 2 of the file.

    Raises:
        ClipError: missing or not text (code 'clip-unreadable'), no row (code 'clip-empty'), cut or ragged (code 'clip-cut').
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ClipError(f"Can't read '{path}': {reason}.", "Give the path of a CSV file.", code="clip-unreadable") from None
    # Not splitlines(): it also breaks at characters that a channel name may hold, such as U+2028.
    *lines, rest = text.split("\n")
    if rest:
        # A cut inside the last number would otherwise pass for another number.
        raise ClipError(f"'{path}' line {len(lines) + 1}: the last line has no end.",
                        "The file is cut: export it again. If it is whole, end it with a line feed.", code="clip-cut")
    if len(lines) < 2:
        raise ClipError(f"'{path}' has {len(lines)} lines: no frame.", "Export the clip again.", code="clip-empty")
    header = next(csv.reader(lines[:1]))
    rows = [line.split(",") for line in lines[1:]]
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ClipError(f"'{path}' line {line}: {len(row)} cells where the header has {len(header)}.",
                            "The file is cut or damaged: export it again.", code="clip-cut")
    return header, rows


def numbers(path: Path, header: Row, rows: list[Row], *, first: int) -> Values:
    """Return the numbers from column `first` on, shape (rows, columns), float32.

    Raises:
        ClipError: a cell is not a finite number; names its line and column (code 'clip-cell').
    """
    try:
        values = np.array([list(map(float, row[first:])) for row in rows], dtype=np.float64)
        if (np.abs(values) <= np.finfo(np.float32).max).all():
            return values.astype(np.float32)
    except ValueError:
        pass  # found again below, with its place
    for line, row in enumerate(rows, start=2):
        for column, cell in enumerate(row[first:], start=first):
            if not _is_number(cell):
                raise ClipError(f"'{path}' line {line}, column '{header[column]}': {cell!r} is not a finite number.",
                                "Correct the cell, or export the file again.", code="clip-cell")
    raise AssertionError("a table that converts has no bad cell")


def _is_number(cell: str) -> bool:
    try:
        return bool(abs(float(cell)) <= np.finfo(np.float32).max)
    except ValueError:
        return False
