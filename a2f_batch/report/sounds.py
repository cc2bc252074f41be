"""Where the page finds a line's sound: the file with the bytes it was rendered from, or a copy beside the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from a2f_batch.batch.render import OutputFile

#: What browsers play as it is; of anything else a copy is made as WAV. Source: chromium.org, "Audio/Video".
PLAYABLE = (".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".webm", ".aac")
COPIES = "sounds"


@dataclass(frozen=True)
class Sound:
    """A line's sound.

    Attributes:
        path: the file.
        url: as seen from the page.
        changed: the file is not what the line was rendered from.
    """

    path: str
    url: str
    changed: bool


class Sounds:
    """The sounds of an output folder.

    Args:
        report: the report's folder.
        known: sha256 -> files that had these bytes.
        copy: put copies beside the page, so that the folder can be sent to somebody.
    """

    def __init__(self, report: Path, known: Mapping[str, Sequence[tuple[str, OutputFile]]], *, copy: bool) -> None:
        self._report, self._known, self._copy = report, known, copy
        self._url_of = cache(self._folder_url)

    def find(self, sha256: str, path_then: Path | None) -> Sound | None:
        """Return the sound with these bytes; None if all files that had them are gone.

        Args:
            sha256: "" if nothing is known of them.
            path_then: where the sound was.
        """
        there = []
        known = self._known.get(sha256, ()) if sha256 else ()
        for path, recorded in known:
            try:
                facts = os.stat(path)
            except OSError:
                continue
            there.append(((facts.st_size, facts.st_mtime_ns) != (recorded.size, recorded.mtime_ns), path))
        if not there and not known and path_then and path_then.is_file():  # it was too new, when it was hashed, to be known by its time
            there = [(bool(sha256) and OutputFile.of(path_then).sha256 != sha256, os.fspath(path_then))]
        if not there:
            return self._copied_before(sha256)
        changed, path = min(there)
        if self._copy and sha256 and not changed:
            return Sound(path, f"{COPIES}/{self._name(sha256, path)}", False)
        folder, name = os.path.split(path)
        return Sound(path, self._url_of(folder) + quote(name), changed)

    def copy(self, sha256: str, sound: Sound) -> None:
        """Put a copy beside the page, unless it is there.

        Raises:
            A2FError: it can't be read or written.
        """
        place = self._report / COPIES / self._name(sha256, sound.path)
        if place.exists():
            return
        from a2f_batch.export.atomic import replacing

        with replacing(place) as file:
            if os.path.splitext(sound.path)[1].lower() in PLAYABLE:
                with open(sound.path, "rb") as source:
                    shutil.copyfileobj(source, file)
                return
            import soundfile

            from a2f_batch.audio import load_audio

            wave = load_audio(Path(sound.path))
            soundfile.write(file, wave.samples, wave.rate, format="WAV", subtype="PCM_16")

    def _copied_before(self, sha256: str) -> Sound | None:
        for suffix in PLAYABLE if sha256 and self._copy else ():
            path = self._report / COPIES / f"{sha256[:20]}{suffix}"
            if path.exists():
                return Sound(os.fspath(path), f"{COPIES}/{path.name}", False)
        return None

    def _name(self, sha256: str, path: str) -> str:
        suffix = os.path.splitext(path)[1].lower()
        return f"{sha256[:20]}{suffix if suffix in PLAYABLE else '.wav'}"

    def _folder_url(self, folder: str) -> str:
        try:
            relative = os.path.relpath(folder, self._report)
        except ValueError:  # another drive of Windows
            return Path(folder).as_uri() + "/"
        return quote(relative.replace(os.sep, "/")) + "/"
