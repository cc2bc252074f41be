"""The lines of a folder that the batch rendered: what a host imports as actions, with their sounds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from a2f_batch.batch.identity import Identity, name_problem
from a2f_batch.batch.paths import AudioRoot
from a2f_batch.clip import FaceClip
from a2f_batch.errors import A2FError, BatchError, ManifestError
from a2f_batch.export import FORMATS, read_clip
from a2f_batch.rates import parse_fps

# The formats to read a line back from, the best first: lossless, then by how little they round.
PREFERRED = ("npz", "csv-plain", "glb", "gltf", "csv", "csv-long", "fbx", "anim")


@dataclass(frozen=True)
class BatchLine:
    """A rendered line of a folder.

    Attributes:
        identity: locale, character, id: its name in the host.
        clip: the file to read it from.
        format: that file's format.
        audio: its sound, if it is where the manifest had it; None otherwise.
        fps: frames per second.
        frames: frames of the clip.
        text: what is said.
    """

    identity: Identity
    clip: Path
    format: str
    audio: Path | None
    fps: Fraction
    frames: int
    text: str

    @property
    def name(self) -> str:
        """The line's name: locale/character/id."""
        return str(self.identity.file(""))


@dataclass(frozen=True)
class BatchFolder:
    """What a folder holds.

    Attributes:
        lines: those that can be imported, in the manifest's order.
        missing: for each line that can't be: its name and why.
    """

    lines: tuple[BatchLine, ...]
    missing: tuple[str, ...]


def read_batch_folder(folder: Path, *, audio_root: Path | None = None) -> BatchFolder:
    """List the lines of a folder by its summary.json.

    Args:
        folder: what `a2f-batch render --out` was given.
        audio_root: where the sounds are; None = where the manifest was.

    Raises:
        BatchError: there is no summary, or it can't be read (code 'summary-unreadable').
    """
    path = folder / "summary.json"
    try:
        summary = json.loads(path.read_text("utf-8"))
        entries, manifest = list(summary["lines"]), Path(summary["manifest"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BatchError(f"Can't read '{path}' ({type(error).__name__}): the folder is no result of `a2f-batch render`.",
                         "Choose the folder that was given to --out.", code="summary-unreadable") from error
    lines, missing = [], []
    sounds = _sounds(audio_root or manifest.parent)
    for entry in entries:
        found = _line(folder, sounds, entry)
        if isinstance(found, BatchLine):
            lines.append(found)
        else:
            missing.append(found)
    return BatchFolder(tuple(lines), tuple(missing))


def read_line(line: BatchLine) -> FaceClip:
    """Return the clip of `line`, under ARKit's names.

    Raises:
        ClipError: its file is missing, cut or not of its format.
    """
    return read_clip(line.clip, format=line.format)


def _line(folder: Path, sounds: AudioRoot | None, entry: object) -> BatchLine | str:
    """Return the line of a summary's entry, or why there is none to import."""
    if not isinstance(entry, dict):
        return "an entry in summary.json is not understood"
    where = f"line {entry.get('line', '?')} of the manifest"
    try:
        identity = Identity(entry["locale"], entry["character"], entry["id"])
        # A summary comes from another machine: its words choose no path out of the folder.
        if any(name_problem(name) for name in (identity.locale, identity.character, identity.id)):
            return f"{where}: its name can't be a file's"
        written = entry.get("outputs")
        if not written:
            return f"{identity.file('')}: {entry.get('status', 'not rendered')} ({entry.get('code', 'no file')})"
        fps, frames = parse_fps(entry["fps"]), int(entry["frames"])
        outputs = {name: folder / identity.file(FORMATS[name].suffix) for name in PREFERRED if name in list(written)}
        there = next((name for name, file in outputs.items() if file.is_file()), None)
        if there is None:
            return f"{identity.file('')}: none of its files ({', '.join(written)}) is there or can be read back"
        return BatchLine(identity, outputs[there], there, _sound(sounds, entry.get("audio")), fps, frames, str(entry.get("text") or ""))
    except (KeyError, TypeError, ValueError, A2FError):
        return f"{where}: its entry in summary.json is not understood"


def _sounds(folder: Path) -> AudioRoot | None:
    try:
        return AudioRoot(folder)
    except ManifestError:
        return None


def _sound(sounds: AudioRoot | None, audio: object) -> Path | None:
    if sounds is None or not isinstance(audio, str):
        return None
    try:
        return sounds.find(audio)
    except ManifestError:
        return None
