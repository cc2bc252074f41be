"""Who a line is: (locale, character, id), names that every file system takes, and the line's own seed."""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_NAME_BYTES = 120

# What the batch itself writes into the output folder, where locales are folders: see `places`, and the report's folder.
_RESERVED = re.compile(r"(summary|journal)(-\d+-of-\d+)?\.(json|lock|sqlite(-wal|-shm|-journal)?)|report")

# Device names of Windows, reserved with any extension and in any case; the superscript digits count too.
# Source: Microsoft, "Naming Files, Paths, and Namespaces".
_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}
                     | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789¹²³"})
# Most names, known to be right at a glance: no device's name of five letters or more is without a '$'.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{5,120}")
_FORBIDDEN = re.compile(r'[/\\<>:"|?*]')
# Control characters, line and paragraph separators, halves of surrogate pairs (which JSON can spell).
INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a line: one of its kind in a manifest, and the place of its files.

    Attributes:
        locale: language folder, such as 'de' or 'pt-BR'.
        character: who speaks.
        id: the line's own name. All three are safe names (`name_problem`) in Unicode form NFC.
    """

    locale: str
    character: str
    id: str

    @classmethod
    def nfc(cls, locale: str, character: str, line_id: str) -> Identity:
        """Return the identity with its names in Unicode form NFC."""
        if (locale + character + line_id).isascii():  # most, at a third of the time
            return cls(sys.intern(locale), sys.intern(character), line_id)  # a few texts for all lines
        return cls(*(unicodedata.normalize("NFC", name) for name in (locale, character, line_id)))

    @property
    def name(self) -> str:
        """The identity as one text, 'de/ada/guard_0418'; none of its names can hold a slash."""
        return f"{self.locale}/{self.character}/{self.id}"

    @property
    def key(self) -> tuple[str, str, str]:
        """The identity as compared: without case, as Windows and macOS compare file names."""
        return folded(self.locale), folded(self.character), folded(self.id)

    def file(self, suffix: str) -> PurePosixPath:
        """Return where the line's file with `suffix` is, relative to the output folder."""
        return PurePosixPath(self.locale, self.character, self.id + suffix)

    def seed(self, run_seed: int) -> int:
        """Return the line's seed: a hash of the run's seed and the identity, so that neither order nor neighbours matter.

        48 bits, so that every JSON reader keeps the number exact.
        """
        text = f"{run_seed}\0{self.locale}\0{self.character}\0{self.id}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


def folded(name: str) -> str:
    """Return `name` as it is compared: without case, in Unicode form NFC."""
    if name.isascii():  # most names, at a tenth of the time
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_reserved(locale: str) -> bool:
    """Return whether the batch itself writes a file of this name where the locales' folders are."""
    return _RESERVED.fullmatch(folded(locale)) is not None


def name_problem(name: str) -> str | None:
    """Return why `name` can't be the name of a file or folder on Linux, Windows and macOS alike, or None if it can."""
    if _PLAIN.fullmatch(name):
        return None
    if not name:
        return "it is empty"
    if found := INVISIBLE.search(name):
        return f"it holds a control character or the like (U+{ord(found[0]):04X})"
    if found := _FORBIDDEN.search(name):
        return f"it holds a path separator ('{found[0]}')" if found[0] in "/\\" else f"Windows does not allow '{found[0]}' in a name"
    if name.startswith("."):
        return "it starts with a dot"
    if name != name.strip() or name.endswith("."):
        return "it starts with a space, or ends in a space or a dot"
    if name.split(".")[0].rstrip().casefold() in _DEVICES:
        return "Windows keeps this name for a device"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    return None
