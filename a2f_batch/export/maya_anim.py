"""Maya ASCII animation (.anim), as the animImportExport plug-in reads it: one linear curve a channel, a key on every frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.names import ROTATIONS

TIME_UNITS: dict[Fraction, str] = {
    Fraction(15): "game", Fraction(24000, 1001): "23.976fps", Fraction(24): "film", Fraction(25): "pal",
    Fraction(30000, 1001): "29.97fps", Fraction(30): "ntsc", Fraction(48): "show", Fraction(50): "palf",
    Fraction(60000, 1001): "59.94fps", Fraction(60): "ntscf",
}

# Maya takes ASCII letters, digits and underscores, no digit first; a node may stand in namespaces.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NODE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*:)*[A-Za-z_][A-Za-z0-9_]*")

_COMMENT = re.compile(r"(?://|#).*")
_STATEMENT = re.compile(r"\s*([^;{}]*?)\s*([;{}])")
# Time, value, two tangents, three flags; then an angle and a weight for each tangent that is fixed.
_NUMBER = r"\s+[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_FREE = r"\s+(?:global|linear|flat|spline|step|slow|fast|clamped|plateau|stepnext|auto)"
_FLAGS = r"(?:\s+[01]){3}"
_KEYS = re.compile(rf"(?:{_NUMBER}{_NUMBER}(?:{_FREE}{_FREE}{_FLAGS}|(?:\s+fixed{_FREE}|{_FREE}\s+fixed){_FLAGS}(?:{_NUMBER}){{2}}"
                   rf"|\s+fixed\s+fixed{_FLAGS}(?:{_NUMBER}){{4}})\s*;)+\s*")
_HEADER = frozenset(("animVersion", "mayaVersion", "timeUnit", "linearUnit", "angularUnit", "startTime", "endTime"))
_FIELDS = frozenset(("input", "output", "weighted", "preInfinity", "postInfinity"))

# A float32 of 1/64 or more survives nine decimals unchanged; below, the error is at most 5e-10.
_DECIMALS = 9
_LARGEST = 1e6
_KEY_END = " linear linear 1 1 0;\n"


def write(clip: FaceClip, path: Path, *, node: str = "blendShape1") -> None:
    """Write `clip` as keys on the weights of a blend-shape node: `<node>.<channel>`, times in frames.

    Rotations (`names.ROTATIONS`) are left out: a blend-shape node has no such weight. Weights have nine decimals.

    Args:
        node: the blend-shape node's name in Maya.

    Raises:
        ExportError: a frame rate that Maya has no time unit for (code 'fps-unsupported'), a name that Maya does not take
            (code 'channel-name'), a weight beyond a million (code 'value-out-of-range'), no frames (code 'too-short'),
            a place that can't be written (code 'output-unwritable').

    Source: Autodesk's page "ANIM file format"; not tried in Maya.
    """
    if clip.n_frames == 0:
        raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    if clip.fps not in TIME_UNITS:
        raise ExportError(f"Maya has no time unit for {clip.fps} fps, so '{path}' can't be written.",
                          f"Resample the clip to one of {', '.join(map(str, sorted(TIME_UNITS)))} fps.", code="fps-unsupported")
    names = [name for name in clip.names if name not in ROTATIONS]
    wrong = [name for name in names if not _NAME.fullmatch(name)] + ([] if _NODE.fullmatch(node) else [node])
    if wrong:
        raise ExportError(f"Can't write '{path}': Maya takes no attribute or node called {', '.join(map(repr, wrong[:8]))}.",
                          "Rename it: letters, digits and underscores, no digit first.", code="channel-name")
    values = clip.select(names).values
    if np.abs(values).max(initial=0) > _LARGEST:
        raise ExportError(f"Can't write '{path}': a weight is {np.abs(values).max():g}.",
                          f"Keep weights within {_LARGEST:g}; the full shape is 1.", code="value-out-of-range")
    times = _frame_numbers(clip)
    with replacing(path) as file:
        file.write(f"animVersion 1.1;\nmayaVersion 2026;\ntimeUnit {TIME_UNITS[clip.fps]};\nlinearUnit cm;\nangularUnit deg;\n"
                   f"startTime {times[0]};\nendTime {times[-1]};\n".encode("ascii"))
        for i, (name, keys) in enumerate(zip(names, _key_texts(times, values), strict=True)):
            file.write(f"anim {node}.{name} {name} {node} 0 0 {i};\nanimData {{\n  input time;\n  output unitless;\n  weighted 0;\n"
                       "  preInfinity constant;\n  postInfinity constant;\n  keys {\n".encode("ascii"))
            file.write(keys)
            file.write(b"  }\n}\n")


def read(path: Path) -> FaceClip:
    """Read an .anim file whose curves are unitless weights over time with a key on every frame.

    Raises:
        ClipError: the file is missing or not text (code 'clip-unreadable'), cut (code 'clip-cut'), not of this grammar, or its
            keys are not on every frame of one span (code 'clip-format').
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ClipError(f"Can't read '{path}': {reason}.", "Give the path of a Maya .anim file.", code="clip-unreadable") from None
    statements = _Statements(_COMMENT.sub("", text), path)
    if not statements.text.lstrip().startswith("animVersion"):
        raise statements.wrong("it does not begin with animVersion")
    units = {unit: fps for fps, unit in TIME_UNITS.items()}
    header = statements.settings(_HEADER, until="anim")
    if header.get("animVersion") != "1.1" or header.get("timeUnit") not in units:
        raise statements.wrong(f"animVersion is {header.get('animVersion')}, timeUnit is {header.get('timeUnit')}")
    fps = units[header["timeUnit"]]
    channels: dict[str, npt.NDArray[np.float32]] = {}
    start: str | None = None
    for name, times, values in _curves(statements):
        start = times[0] if start is None else start
        frames = np.array(times, dtype=np.float64)
        # Nine decimals are written; whole steps from the first key are what a clip can hold.
        if np.abs(frames - float(start) - np.arange(len(frames))).max() > 1e-6 or len(frames) != len(next(iter(channels.values()), frames)):
            raise statements.wrong(f"'{name}' has no key on every frame from {start}")
        if name in channels:
            raise statements.wrong(f"'{name}' is there twice")
        channels[name] = np.array(values, dtype=np.float64).astype(np.float32)
    if start is None:
        raise statements.wrong("there is no curve")
    return FaceClip(tuple(channels), np.column_stack(list(channels.values())), fps, Fraction(start) / fps)


def _frame_numbers(clip: FaceClip) -> list[str]:
    first = clip.start * clip.fps
    if first.denominator == 1:
        return [str(first.numerator + i) for i in range(clip.n_frames)]
    return [f"{float(first + i):.9f}".rstrip("0").rstrip(".") for i in range(clip.n_frames)]


def _key_texts(times: list[str], values: Values) -> Iterator[bytes]:
    """Yield the key lines of each column of `values`: one text is laid out for all, and a column's digits set into it."""
    digits = _decimals(values)
    heads = [f"    {time} " for time in times]
    lines = "".join(f"{head}{'0' * digits.shape[2]}{_KEY_END}" for head in heads)
    text = np.frombuffer(lines.encode("ascii"), np.uint8)
    line_lengths = np.array([len(head) for head in heads]) + digits.shape[2] + len(_KEY_END)
    starts = np.cumsum(line_lengths) - digits.shape[2] - len(_KEY_END)
    places = starts[:, None] + np.arange(digits.shape[2])
    for column in range(values.shape[1]):
        keys = text.copy()
        keys[places] = digits[:, column]
        yield keys.tobytes()


def _decimals(values: Values) -> npt.NDArray[np.uint8]:
    """Return `values` as ASCII decimals of one width, without exponent, shape (frames, channels, width)."""
    left = np.rint(np.abs(values.astype(np.float64)) * 10**_DECIMALS).astype(np.int64)
    negative = (values < 0) & (left > 0)
    signed = int(negative.any())
    width = signed + len(str(int(left.max(initial=0)) // 10**_DECIMALS)) + 1 + _DECIMALS
    texts = np.empty((*values.shape, width), np.uint8)
    point = width - 1 - _DECIMALS
    texts[..., point] = ord(".")
    for place in range(width - 1, signed - 1, -1):
        if place != point:
            rest = left // 10
            texts[..., place] = left - rest * 10 + ord("0")
            left = rest
    if signed:
        texts[..., 0] = np.where(negative, ord("-"), ord(" "))
    return texts


class _Statements:
    """The statements of an .anim file: words up to `;`, or up to a brace."""

    def __init__(self, text: str, path: Path) -> None:
        self.text = text
        self.path = path
        self.at = 0

    def next(self) -> tuple[list[str], str]:
        """Return the words of the next statement and what ends it; no words and '' at the end of the file."""
        match = _STATEMENT.match(self.text, self.at)
        if match is None:
            if self.text[self.at:].strip():
                raise self.cut()
            return [], ""
        self.at = match.end()
        return match[1].split(), match[2]

    def settings(self, known: frozenset[str], *, until: str) -> dict[str, str]:
        """Return `word value;` statements up to the one that begins with `until`, which is read next."""
        found: dict[str, str] = {}
        while True:
            before = self.at
            words, end = self.next()
            if not end:
                raise self.cut()
            if words[:1] == [until]:
                self.at = before
                return found
            if len(words) != 2 or end != ";" or words[0] not in known or words[0] in found:
                raise self.wrong(f"'{' '.join(words)}{end}' is not expected there")
            found[words[0]] = words[1]

    def expect(self, *words: str, end: str) -> None:
        """Read the statement that must stand here."""
        found, found_end = self.next()
        if not found_end:
            raise self.cut()
        if found != list(words) or found_end != end:
            raise self.wrong(f"'{' '.join(words)}{end}' is expected, not '{' '.join(found)}{found_end}'")

    def keys(self) -> tuple[list[str], list[str]]:
        """Return the times and the values of all keys up to the closing brace."""
        stop = self.text.find("}", self.at)
        if stop < 0:
            raise self.cut()
        keys = self.text[self.at:stop]
        if not _KEYS.fullmatch(keys):
            raise self.wrong("there are no keys, or one that is none")
        self.at = stop + 1
        rows = [key.split(None, 2) for key in keys.split(";")[:-1]]
        return [row[0] for row in rows], [row[1] for row in rows]

    def wrong(self, cause: str) -> ClipError:
        """Return the error for what is not of the grammar here."""
        line = self.text.count("\n", 0, self.at) + 1
        return ClipError(f"Can't read '{self.path}' near line {line} as a Maya .anim clip: {cause}.",
                         "Export unitless curves with a key on every frame.", code="clip-format")

    def cut(self) -> ClipError:
        """Return the error for a file that ends too soon."""
        return ClipError(f"'{self.path}' ends in the middle of a statement or a curve.",
                         "The file is cut: export it again.", code="clip-cut")


def _curves(statements: _Statements) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (leaf attribute, key times, key values) of every curve."""
    while True:
        words, end = statements.next()
        if not end:
            return
        if len(words) != 7 or words[0] != "anim" or end != ";" or not all(word.isdecimal() for word in words[4:]):
            raise statements.wrong(f"'{' '.join(words)}{end}' is no anim statement of a curve")
        statements.expect("animData", end="{")
        fields = statements.settings(_FIELDS, until="keys")
        if fields.get("input") != "time" or fields.get("output") != "unitless":
            raise statements.wrong(f"'{words[2]}' is {fields.get('output')} over {fields.get('input')}, not unitless over time")
        statements.expect("keys", end="{")
        times, values = statements.keys()
        statements.expect(end="}")
        yield words[2], times, values
