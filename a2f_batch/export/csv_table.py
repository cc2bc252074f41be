"""Comma-separated tables of numbers: what the two CSV layouts share."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import Values
from a2f_batch.errors import ClipError

Row = list[str]

Words: TypeAlias = npt.NDArray[np.uint32]

# Cells at a time: what is worked on stays in the processor's cache, and a long clip takes no more memory than a short one.
_CELLS = 1 << 13
_DECIMALS = 10**10
# From ten on a number has more digits than a cell of four words has room for.
_LARGEST = 9.9999


def fixed_rows(values: Values, prefixes: Words) -> Iterator[bytes]:
    """Yield lines, one a frame: its prefix, then each value after a comma, with ten decimals; LF after every line.

    Formatting number after number takes the better part of a batch's time; so all digits are looked up at once, four
    characters to a 32-bit word, and NULs, which stand for no character, are dropped at the end.
    The last decimal may differ by one from that of '%.10f', since the product with 1e10 is rounded.

    Args:
        values: shape (frames, channels).
        prefixes: text of each frame, see `packed`, shape (frames, words).
    """
    for rows in _blocks(values):
        chunk, starts = values[rows], prefixes[rows]
        if np.abs(chunk).max(initial=0) < _LARGEST:
            yield _lines(starts, _cells(chunk, strip=False)[0])
        else:
            row = ",%.10f" * values.shape[1] + "\n"
            yield b"".join([start.tobytes().replace(b"\0", b"") + (row % tuple(frame)).encode("ascii")
                            for start, frame in zip(starts, chunk.tolist(), strict=True)])


def lossless_rows(values: Values, prefixes: Words) -> Iterator[bytes]:
    """Yield lines as `fixed_rows` does, each value so that its float32 is had back: ten decimals at most, or nine digits."""
    for rows in _blocks(values):
        chunk = values[rows]
        cells, written = _cells(chunk, strip=True)
        # The double nearest to the decimal text, which is what readers make of it before they round it to float32.
        lost = np.flatnonzero(written != np.abs(chunk))
        if len(lost):
            texts = [b",%.9g" % value for value in chunk.ravel()[lost].tolist()]
            cells.reshape(-1, 4).view("S16").ravel()[lost] = texts  # a sign, nine digits, a point and an exponent fit with the comma
        yield _lines(prefixes[rows], cells)


def packed(texts: Sequence[str]) -> Words:
    """Return texts in UTF-8 as words of four bytes, filled up with NULs, shape (texts, words)."""
    encoded = [text.encode("utf-8") for text in texts]
    width = -(-max(map(len, encoded)) // 4) * 4
    return np.frombuffer(b"".join([text.ljust(width, b"\0") for text in encoded]), dtype=np.uint32).reshape(len(texts), -1)


def _blocks(values: Values) -> Iterator[slice]:
    rows = max(1, _CELLS // max(1, values.shape[1]))
    return (slice(first, first + rows) for first in range(0, len(values), rows))


def _lines(prefixes: Words, cells: Words) -> bytes:
    ends = np.full((len(cells), 1), packed(["\n"])[0, 0])
    text: bytes = np.concatenate([prefixes, cells.reshape(len(cells), -1), ends], axis=1).tobytes()
    return text.translate(None, delete=b"\0")


def _cells(values: Values, *, strip: bool) -> tuple[Words, Values]:
    """Return the text of `values` in ten decimals, shape (rows, channels, 4), and the magnitudes that it tells; 0 for those too large.

    Args:
        strip: leave out zeros at the end.
    """
    size = np.abs(values.astype(np.float64))
    units = np.rint(np.where(size < _LARGEST, size, 0) * _DECIMALS).astype(np.int64)
    # Quotients alone: numpy divides by a constant ten times faster than it takes divmod, and 32 bits faster than 64.
    upper = (units // 100).astype(np.uint32)
    last = (units - upper.astype(np.int64) * 100).astype(np.uint32)
    middle = upper // 10**4
    third = upper - middle * 10**4
    whole = middle // 10**4
    second = middle - whole * 10**4
    head = whole + 10 * ((values < 0) & (units > 0))
    tables = _words()
    if strip:
        # Behind each table stand its texts less the zeros at their end.
        no_last = last == 0
        no_third = no_last & (third == 0)
        head += 20 * (no_third & (second == 0))
        second, third, last = second + 10**4 * no_third, third + 10**4 * no_last, last + 100
    cells = np.empty((*values.shape, 4), dtype=np.uint32)
    for word, (table, index) in enumerate(zip(tables, (head, second, third, last), strict=True)):
        cells[..., word] = table[index]
    return cells, (units / _DECIMALS).astype(np.float32)


@cache
def _words() -> tuple[Words, ...]:
    """Return tables of words, each followed by its stripped texts: comma, sign, digit and point; four digits; four digits; two digits."""
    heads = [f",{sign}{digit}." for sign in ("\0", "-") for digit in range(10)]
    four, two = [f"{i:04d}" for i in range(10**4)], [f"{i:02d}" for i in range(100)]
    four, two = four + [text.rstrip("0") for text in four], two + [text.rstrip("0") for text in two]
    return tuple(packed(table).ravel() for table in (heads + [head[:-1] for head in heads], four, four, two))


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
    rows = [line.split(",") if '"' not in line else next(csv.reader([line])) for line in lines[1:]]
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
