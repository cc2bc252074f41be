"""Maya ASCII animation (.anim), as the animImportExport plug-in reads it: one curve a channel, linear or with fixed tangents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.reduce import MAX_FRAMES, Interpolation, KeyCount, Tolerance, allowed, evaluate, reduce_keys, slopes
from a2f_batch.export.tracks import check_range
from a2f_batch.names import ROTATIONS

TIME_UNITS: dict[Fraction, str] = {
    Fraction(15): "game", Fraction(24000, 1001): "23.976fps", Fraction(24): "film", Fraction(25): "pal",
    Fraction(30000, 1001): "29.97fps", Fraction(30): "ntsc", Fraction(48): "show", Fraction(50): "palf",
    Fraction(60000, 1001): "59.94fps", Fraction(60): "ntscf", Fraction(48000, 1001): "47.952fps",
    **{Fraction(rate): f"{rate}fps" for rate in (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 40, 75, 80, 100, 120, 125, 150, 200, 240)},
}

# Maya takes ASCII letters, digits and underscores, no digit first; a node may stand in namespaces, an attribute be one of an array.
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[0-9]+\])?")
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
_KEY_END = " linear linear 1 1 0;\n"


def write(clip: FaceClip, path: Path, *, node: str = "blendShape1", attribute_map: Mapping[str, str] | None = None,
          tolerance: Tolerance = None, interpolation: Interpolation = "linear") -> KeyCount:
    """Write `clip` as keys on the weights of a blend-shape node: `<node>.<channel>`, times in frames.

    Rotations (`names.ROTATIONS`) are left out: a blend-shape node has no such weight. Weights have nine decimals.

    Args:
        node: the blend-shape node's name in Maya.
        attribute_map: channel -> attribute, on `node` (`jawOpen`, `weight[3]`) or on another (`teeth:blendShape2.jawOpen`); a channel
            that it lacks keeps its name, a channel that the clip lacks has no meaning.
        tolerance: key only the frames that keep every weight within this, one for all or one a channel; None keys every frame.
        interpolation: between keys; 'cubic' writes fixed tangents, their angle that of the weight over seconds.

    Raises:
        ExportError: a frame rate that Maya has no time unit for (code 'fps-unsupported'), a name that Maya does not take, or two
            channels on one attribute (code 'channel-name'), a weight beyond a million (code 'value-out-of-range'), no frames (code
            'too-short'), a place that can't be written (code 'output-unwritable').

    Source: Autodesk's pages "ANIM file format" and, for the names of time units, "currentUnit command". That a tangent's angle is
    over seconds, whatever the time unit, is how exporters that call MFnAnimCurve::getTangent take it. Not tried in Maya.
    """
    if clip.n_frames == 0:
        raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    check_fps(clip.fps)
    check_range(clip)
    names = [name for name in clip.names if name not in ROTATIONS]
    plugs = _plugs(names, node, attribute_map or {}, path)
    values = clip.select(names).values
    times = _frame_numbers(clip)
    every_frame = tolerance is None and interpolation == "linear"
    curves = (_key_texts(times, values) if every_frame
              else _reduced_texts(times, names, values, clip.fps, tolerance, interpolation))
    keys = 0
    with replacing(path) as file:
        file.write(f"animVersion 1.1;\nmayaVersion 2026;\ntimeUnit {TIME_UNITS[clip.fps]};\nlinearUnit cm;\nangularUnit deg;\n"
                   f"startTime {times[0]};\nendTime {times[-1]};\n".encode("ascii"))
        for i, ((owner, attribute), (count, text)) in enumerate(zip(plugs, curves, strict=True)):
            file.write(f"anim {owner}.{attribute} {attribute} {owner} 0 0 {i};\nanimData {{\n  input time;\n  output unitless;\n"
                       "  weighted 0;\n  preInfinity constant;\n  postInfinity constant;\n  keys {\n".encode("ascii"))
            file.write(text)
            file.write(b"  }\n}\n")
            keys += count
    return KeyCount(values.size, keys)


def check_fps(fps: Fraction) -> None:
    """Refuse a frame rate that Maya has no time unit for.

    Raises:
        ExportError: it has none (code 'fps-unsupported').
    """
    if fps not in TIME_UNITS:
        raise ExportError(f"Maya has no time unit for {fps} fps, so no .anim can be written.",
                          f"Take another rate (--fps): {', '.join(map(str, sorted(TIME_UNITS)))} fps.", code="fps-unsupported")


def read(path: Path) -> FaceClip:
    """Read an .anim file whose curves are unitless weights over time, keyed from the same first frame to the same last one.

    A channel is called as its leaf attribute. A curve without a key on every frame is evaluated on every frame; its tangents must then
    be linear, or fixed on an unweighted curve.

    Raises:
        ClipError: the file is missing or not text (code 'clip-unreadable'), cut (code 'clip-cut'), not of this grammar, with keys
            between frames or over different spans, or with tangents that only Maya knows (code 'clip-format').
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
    channels: dict[str, Values] = {}
    start: str | None = None
    for name, weighted, keys in _curves(statements):
        start = keys[0][0] if start is None else start
        frames = np.array([key[0] for key in keys], dtype=np.float64) - float(start)
        whole = np.rint(frames)
        # Nine decimals are written; whole steps from the first key are what a clip can hold.
        if np.abs(frames - whole).max() > 1e-6 or whole[0] != 0 or (np.diff(whole) < 1).any() or not whole[-1] < MAX_FRAMES:
            raise statements.wrong(f"'{name}' has keys that are not on frames from {start}")
        if name in channels:
            raise statements.wrong(f"'{name}' is there twice")
        values = np.array([key[1] for key in keys], dtype=np.float64)[:, None]
        if len(keys) <= whole[-1]:
            values = evaluate(whole, values, int(whole[-1]) + 1, _tangents(statements, name, weighted, keys, fps))
        channels[name] = values[:, 0].astype(np.float32)
        if len(values) != len(next(iter(channels.values()))):
            raise statements.wrong(f"'{name}' does not end with the curves before it")
    if start is None:
        raise statements.wrong("there is no curve")
    return FaceClip(tuple(channels), np.column_stack(list(channels.values())), fps, Fraction(start) / fps)


def _plugs(names: list[str], node: str, attribute_map: Mapping[str, str], path: Path) -> list[tuple[str, str]]:
    """Return (node, attribute) of each channel."""
    plugs = []
    for name in names:
        owner, dot, attribute = attribute_map.get(name, name).rpartition(".")
        plugs.append((owner if dot else node, attribute))  # '.A' names no node, and is refused below
    wrong = [attribute for _, attribute in plugs if not _ATTRIBUTE.fullmatch(attribute)]
    wrong += [owner for owner in dict.fromkeys(owner for owner, _ in plugs) if not _NODE.fullmatch(owner)]
    if wrong:
        raise ExportError(f"Can't write '{path}': Maya takes no attribute or node called {', '.join(map(repr, wrong[:8]))}.",
                          "Rename it: letters, digits and underscores, no digit first.", code="channel-name")
    twice = sorted({".".join(plug) for plug in plugs if plugs.count(plug) > 1}) if len(set(plugs)) < len(plugs) else []
    if twice:
        raise ExportError(f"Can't write '{path}': two channels are put on {', '.join(map(repr, twice[:8]))}.",
                          "Give every channel an attribute of its own.", code="channel-name")
    return plugs


def _frame_numbers(clip: FaceClip) -> list[str]:
    first = clip.start * clip.fps
    if first.denominator == 1:
        return [str(first.numerator + i) for i in range(clip.n_frames)]
    return [f"{float(first + i):.9f}".rstrip("0").rstrip(".") for i in range(clip.n_frames)]


def _reduced_texts(times: list[str], names: list[str], values: Values, fps: Fraction, tolerance: Tolerance,
                   interpolation: Interpolation) -> Iterator[tuple[int, bytes]]:
    """Yield the number of keys and the key lines of each column of `values`."""
    angles = np.degrees(np.arctan(slopes(values).astype(np.float64) * float(fps)))
    for column, name in enumerate(names):
        kept = reduce_keys(values[:, column:column + 1], allowed(tolerance, (name,)), interpolation).tolist()
        lines = []
        for frame, value, angle in zip(kept, values[kept, column].tolist(), angles[kept, column].tolist(), strict=True):
            tangents = f" fixed fixed 1 1 0 {angle:.9f} 1 {angle:.9f} 1;\n" if interpolation == "cubic" else _KEY_END
            lines.append(f"    {times[frame]} {value:.{_DECIMALS}f}{tangents}")
        yield len(kept), "".join(lines).encode("ascii")


def _key_texts(times: list[str], values: Values) -> Iterator[tuple[int, bytes]]:
    """Yield the number of keys and the key lines of each column of `values`, a key a frame.

    One text is laid out for all, its lines of one length, and a column's digits set into it.
    """
    largest = int(np.rint(np.abs(values).max(initial=0).astype(np.float64) * 10**_DECIMALS))
    signed = bool((values < 0).any())
    width = signed + len(str(largest // 10**_DECIMALS)) + 1 + _DECIMALS
    longest = max(map(len, times))
    lines = "".join([f"    {time.ljust(longest)} {'0' * width}{_KEY_END}" for time in times])
    text = np.frombuffer(lines.encode("ascii"), np.uint8).reshape(len(times), -1).copy()
    place = 4 + longest + 1
    for column in range(values.shape[1]):
        _set_decimals(text[:, place:place + width], values[:, column], signed)
        yield len(times), text.tobytes()


def _set_decimals(texts: npt.NDArray[np.uint8], values: Values, signed: bool) -> None:
    """Set `values` as ASCII decimals without exponent into `texts`, shape (values, width), whose first place is a sign's if `signed`."""
    left = np.rint(np.abs(values.astype(np.float64)) * 10**_DECIMALS).astype(np.int64)
    width = texts.shape[1]
    point = width - 1 - _DECIMALS
    texts[:, point] = ord(".")
    if signed:
        texts[:, 0] = np.where((values < 0) & (left > 0), ord("-"), ord(" "))
    for place in range(width - 1, signed - 1, -1):
        if place != point:
            rest = left // 10
            texts[:, place] = left - rest * 10 + ord("0")
            left = rest


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

    def keys(self) -> list[list[str]]:
        """Return the words of each key up to the closing brace: time, value, two tangents, three flags, angles and weights."""
        stop = self.text.find("}", self.at)
        if stop < 0:
            raise self.cut()
        keys = self.text[self.at:stop]
        if not _KEYS.fullmatch(keys):
            raise self.wrong("there are no keys, or one that is none")
        self.at = stop + 1
        return [key.split() for key in keys.split(";")[:-1]]

    def wrong(self, cause: str) -> ClipError:
        """Return the error for what is not of the grammar here."""
        line = self.text.count("\n", 0, self.at) + 1
        return ClipError(f"Can't read '{self.path}' near line {line} as a Maya .anim clip: {cause}.",
                         "Export unitless curves with a key on every frame, all over one span.", code="clip-format")

    def cut(self) -> ClipError:
        """Return the error for a file that ends too soon."""
        return ClipError(f"'{self.path}' ends in the middle of a statement or a curve.",
                         "The file is cut: export it again.", code="clip-cut")


def _curves(statements: _Statements) -> Iterator[tuple[str, bool, list[list[str]]]]:
    """Yield (leaf attribute, whether it is weighted, keys) of every curve."""
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
        keys = statements.keys()
        statements.expect(end="}")
        yield words[2], fields.get("weighted") == "1", keys


def _tangents(statements: _Statements, name: str, weighted: bool, keys: list[list[str]],
              fps: Fraction) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Return the slopes per frame at which a curve comes to and leaves each key, each of shape (keys, 1); None if it is straight."""
    kinds = {kind for key, following in pairwise(keys) for kind in (key[3], following[2])}
    if kinds == {"linear"}:
        return None
    if kinds != {"fixed"} or weighted:
        raise statements.wrong(f"'{name}' has no key on every frame, and tangents that are neither linear nor fixed and unweighted")
    # Angle and weight stand for each tangent that is fixed, the arriving one first; the outermost two may be of another kind.
    arriving = [float(key[7]) if key[2] == "fixed" else 0.0 for key in keys]
    leaving = [float(key[-2]) if key[3] == "fixed" else 0.0 for key in keys]
    first, last = (np.tan(np.radians(np.array([side]).T)) / float(fps) for side in (arriving, leaving))
    return first, last
