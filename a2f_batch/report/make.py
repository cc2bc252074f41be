"""Makes the report of an output folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from a2f_batch.batch.lines import LineRow
from a2f_batch.batch.manifest import not_collecting
from a2f_batch.errors import ClipError
from a2f_batch.qc import FIGURES, LEVELS, Levels
from a2f_batch.qc.checks import shown
from a2f_batch.report import assets, tables
from a2f_batch.report.curves import CurveFile, curve_file
from a2f_batch.report.folder import Folder, folder_state, read_folder
from a2f_batch.report.heads import exported_head, write_default_head, write_head
from a2f_batch.report.line_scripts import SCHEMA, LineScript, problem_json, writing_line_scripts
from a2f_batch.report.scripts import make_folder, packed, spelled, unflushed, write_changed
from a2f_batch.report.sounds import COPIES, Sounds

FOLDER = "report"
_TRIED = 5  # files of one kind that are looked at for a head


@dataclass(frozen=True)
class Made:
    """A report.

    Attributes:
        page: the file to open.
        lines: that are in it.
        written: lines whose scripts are new.
        unmeasured: finished lines without figures.
        has_viewer: whether heads talk in it.
    """

    page: Path
    lines: int
    written: int
    unmeasured: int
    has_viewer: bool


def page_of(out: Path) -> Path:
    """Return where the report's page is."""
    return out.absolute() / FOLDER / "index.html"


def is_current(out: Path, levels: Levels = LEVELS) -> bool:
    """Return whether the report is there, and no line has changed since it was made.

    Raises:
        BatchError: there is no journal, or it can't be read.
    """
    with suppress(OSError), open(page_of(out), "rb") as file:
        return _mark(folder_state(out, levels)).encode() in file.read(1024)
    return False


def make_report(out: Path, levels: Levels = LEVELS, *, copy_sounds: bool = False) -> Made:
    """Make the report of an output folder in `OUT/report`; of one that is there, what has changed.

    Args:
        levels: where flags begin, such as `load_project().qc`.
        copy_sounds: copy the sounds into it, so that it can be sent to somebody; where that was done before, it is done again.

    Raises:
        BatchError: `out` holds no journal (code 'journal-missing'), or it can't be read.
        ExportError: the report can't be written (codes 'output-unwritable', 'disk-full').
    """
    with not_collecting():  # hundreds of thousands of small objects, none of them in a circle
        return _made(read_folder(out, levels), copy_sounds)


def _made(folder: Folder, copy_sounds: bool) -> Made:
    place = folder.out / FOLDER
    copies = copy_sounds or (place / COPIES).is_dir()
    for one in ("data", "lines", "heads", *([COPIES] if copies else ())):
        make_folder(place / one)
    files = {line.name: curve_file(folder.out, line.name, line.recorded) for line in folder.lines}
    scripts = {name: os.path.join(place, "lines", *f"{name}.js".split("/")) for name in files}
    heads = _heads(folder, place / "heads", files)
    sounds = Sounds(place, folder.sounds, copy=copies)
    with writing_line_scripts(_line_scripts(folder, scripts, files, heads, sounds, copies=copies)) as written:
        loaded, has_viewer = _write_tables(folder, place)
    # Last: a page that is there is whole.
    write_changed(place / "index.html", assets.page(folder.out.name, _mark(folder.state), loaded))
    _remove_others(place / "lines", set(scripts.values()))
    _remove_others(place / "heads", {os.path.join(place, "heads", f"{head}.js") for head in heads.values()})
    unmeasured = sum(line.qc is None for line in folder.lines if line.state in ("done", "kept"))
    return Made(place / "index.html", len(folder.lines), written, unmeasured, has_viewer)


def _line_scripts(folder: Folder, scripts: Mapping[str, str], files: Mapping[str, CurveFile | None], heads: Mapping[str, str],
                  sounds: Sounds, *, copies: bool) -> Iterator[LineScript]:
    for line in folder.lines:
        parts = json.loads(line.parts) if line.parts else {}
        name, sha256, qc = line.name, parts.get("audio", ""), tables.qc_of(line)
        file = files[name]
        told = {
            "problem": problem_json(line.problem) if line.problem else None,
            "files": {fmt: output.size for fmt, output in sorted(line.recorded.items())},
            "facts": {"source": dict(line.source), "warnings": list(line.warnings)},
            "made": {part: parts[part] for part in ("emotion", "style", "device", "precision") if parts.get(part)},
            "qc": {"score": qc.score, "figures": [[figure, shown(figure, value)] for figure, value in qc.figures.items()
                                                  if value is not None],
                   "flags": [flag.to_json() for flag in qc.flags]} if qc else {},
        }
        sound = sounds.find(sha256, line.audio)
        # What the journal keeps is of the bytes that were rendered: of others it would be another sound's.
        wave = packed(line.measured.outline) if qc and line.measured and sound and sha256 and not sound.changed else ""
        yield LineScript(name, scripts[name], file, heads[_kind(file, line)], sound, spelled(told), wave, sounds if copies else None,
                         sha256)


def _kind(file: CurveFile | None, line: LineRow) -> str:
    """Return what files with the same head have in common: the format and a hash of its options; "" stands for the default head."""
    return f"{file.format} {line.recorded[file.format].options}" if file and file.has_head else ""


def _heads(folder: Folder, place: Path, files: Mapping[str, CurveFile | None]) -> dict[str, str]:
    """Write the heads of all lines; return the names of their scripts by `_kind`."""
    kinds: dict[str, list[CurveFile]] = {}
    for line in folder.lines:
        file = files[line.name]
        some = kinds.setdefault(_kind(file, line), [])
        if file and len(some) < _TRIED:
            some.append(file)
    return {kind: _head(place, some if kind else []) for kind, some in kinds.items()}


def _head(place: Path, files: Sequence[CurveFile]) -> str:
    for file in files:
        with suppress(ClipError):
            return write_head(place, exported_head(file))
    return write_default_head(place)


def _write_tables(folder: Folder, place: Path) -> tuple[list[str], bool]:
    """Write what all lines share, but for the page itself; return the scripts that it loads, and whether heads talk in it."""
    data = place / "data"
    viewer = assets.viewer()
    page = {"title": folder.out.name, "id": _identity(folder), "viewer": viewer is not None,
            "meanings": {name: figure.meaning for name, figure in FIGURES.items()}}
    written = []
    with unflushed():
        for name, content in tables.scripts(folder, page):
            written.append(name)
            write_changed(data / name, content)
        for name, content in (("report.js", assets.joined("report")), ("report.css", assets.style())):
            write_changed(place / name, content)
        if viewer is not None:
            write_changed(place / "viewer.js", viewer)
    _remove_others(data, {os.path.join(data, name) for name in written})
    rows = sorted((name for name in written if name.startswith("rows-")), key=lambda name: int(name[5:-3]))
    return ["report.js", "data/page.js", *(f"data/{name}" for name in rows)], viewer is not None


def _identity(folder: Folder) -> str:
    """Return what names the folder in a browser's memory, wherever it is moved."""
    first = str(folder.runs[0]["id"]) if folder.runs else folder.out.name
    return hashlib.sha256(first.encode()).hexdigest()[:16]


def _mark(state: str) -> str:
    """Return what the page says of the journal that it was made from."""
    made_with = assets.joined("report") + assets.style() + (assets.viewer() or b"")
    return hashlib.sha256(f"{SCHEMA} {state}".encode() + made_with).hexdigest()[:20]


def _remove_others(folder: Path, wanted: set[str]) -> None:
    """Remove the scripts of an earlier report that this one does not have."""
    for at, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".js") and (path := os.path.join(at, name)) not in wanted:
                with suppress(OSError):
                    os.unlink(path)
