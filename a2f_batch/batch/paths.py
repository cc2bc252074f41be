"""Audio paths of a manifest: relative to one folder, and never out of it."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from a2f_batch.batch.identity import INVISIBLE
from a2f_batch.errors import ManifestError

_GLOB = re.compile(r"[*?]|\[.+\]")
_REMEDY = "Give a path relative to the manifest's folder, or name another folder with --audio-root."


class AudioRoot:
    """The folder that a manifest's audio paths start from.

    Raises:
        ManifestError: it is no folder (code 'audio-root').
    """

    def __init__(self, folder: Path) -> None:
        """Take `folder`, with links in its own path followed."""
        # Text and os.path, not Path: a manifest of 100 000 rows is to be checked in seconds.
        self._folder = os.path.realpath(folder)
        if not os.path.isdir(self._folder):
            raise ManifestError(f"The audio folder '{folder}' is not there.", "Name the folder that the audio paths start from.",
                                code="audio-root")
        self._within = os.path.join(self._folder, "")
        self._plain_files = cache(self._listed)

    def find(self, text: str) -> Path:
        """Return `locate(text)` as a path."""
        return Path(self.locate(text))

    def locate(self, text: str) -> str:
        r"""Return the absolute path of the audio file that a manifest calls `text`; both '/' and '\' separate folders.

        Links are followed, but not out of the folder: a manifest from outside can't point a run at files that are none of its business.
        A '*' is never expanded: it is a file of that very name or nothing.

        Raises:
            ManifestError: an absolute path, one that leads out of the folder, or a glob (code 'audio-path'); no such file
                ('audio-missing').
        """
        relative = text.replace("\\", "/")
        head, slash, name = relative.rpartition("/")
        path_of_folder, files = self._plain_files(head + slash)
        if name in files:
            return path_of_folder + name
        return self._looked_up(text, relative)

    def _listed(self, head: str) -> tuple[str, frozenset[str]]:
        """Return the folder `head` ('' or ending in '/'), ending in a separator, and the names in it that are surely the manifest's to use.

        Those are plain files, no links.
        One look for all of them: on a network disk a look a file is minutes for 100 000 rows.
        """
        folder = os.path.normpath(self._within + head)
        within = all(os.path.join(place, "").startswith(self._within) for place in (folder, os.path.realpath(folder)))
        names: frozenset[str] = frozenset()
        if within and not head.startswith("/") and head[1:2] != ":" and not INVISIBLE.search(head):
            try:
                with os.scandir(folder) as entries:
                    names = frozenset(entry.name for entry in entries if entry.is_file(follow_symlinks=False)
                                      and entry.name[1:2] != ":" and not INVISIBLE.search(entry.name))
            except OSError:
                pass  # what can't be listed is looked up name by name
        return os.path.join(folder, ""), names

    def _looked_up(self, text: str, relative: str) -> str:
        # A colon in second place is a Windows drive.
        if relative.startswith("/") or relative[1:2] == ":" or INVISIBLE.search(relative):
            raise ManifestError(f"audio {text!r} is no relative path.", _REMEDY, code="audio-path")
        path = os.path.normpath(self._within + relative)
        if not path.startswith(self._within):
            raise ManifestError(f"audio {text!r} leads out of '{self._folder}'.", _REMEDY, code="audio-path")
        folder, name = os.path.split(path)
        real = os.path.join(os.path.realpath(folder), name)
        if os.path.islink(real):
            real = os.path.realpath(real)
        if not real.startswith(self._within):
            raise ManifestError(f"audio {text!r} is a link out of '{self._folder}'.",
                                "Put the file itself there, or give the link's target folder as --audio-root.", code="audio-path")
        # A pipe or a device is no file: a run never waits on one.
        if os.path.isfile(real):
            return path
        if _GLOB.search(name):
            raise ManifestError(f"audio {text!r} is a pattern: a row names one sound file.",
                                "Write a row for each file, or take a whole folder with --from-folder.", code="audio-path")
        raise ManifestError(f"audio file '{text}' does not exist in '{self._folder}'.",
                            "Put the file there; the other lines are rendered without it.", code="audio-missing")

