"""A line's sound in glTF: the file itself in the buffer, or its address, told by an animation's extras."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from a2f_batch.errors import ExportError

AudioMode: TypeAlias = Literal["embed", "link", "none"]

# What Python's table lacks on some systems.
_TYPES = {".flac": "audio/flac", ".wav": "audio/wav", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4", ".mp3": "audio/mpeg"}


def linked(audio: Path, target: Path) -> dict[str, Any]:
    """Return the extras that name `audio` as seen from the folder of `target`: name, offset (seconds into the animation), uri."""
    try:
        relative = Path(os.path.relpath(audio.absolute(), target.absolute().parent)).as_posix()
    except ValueError:  # on another drive
        return {**described(audio), "uri": audio.absolute().as_uri()}
    return {**described(audio), "uri": quote(relative)}


def embedded(audio: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the sound file's bytes and the extras that describe them, but for `bufferView`.

    Raises:
        ExportError: it can't be read (code 'audio-unreadable').
    """
    try:
        content = audio.read_bytes()
    except OSError as error:
        raise ExportError(f"Can't embed the sound '{audio}': {error.strerror or error}.", "Check the file, or link it.",
                          code="audio-unreadable") from error
    return content, described(audio)


def described(audio: Path) -> dict[str, Any]:
    """Return the extras that name a sound, wherever it is: name, mimeType, offset."""
    kind = _TYPES.get(audio.suffix.lower()) or mimetypes.guess_type(audio.name)[0] or "application/octet-stream"
    # Frame times are seconds of the sound: it starts where the animation's time does.
    return {"name": audio.name, "mimeType": kind, "offset": 0}
