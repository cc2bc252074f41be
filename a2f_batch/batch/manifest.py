"""Manifests: CSV or JSON Lines rows become checked, frozen `Line`s; rows that can't are listed with every reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from a2f_batch.batch.identity import RESERVED_LOCALES, Identity, folded, name_problem
from a2f_batch.batch.paths import AudioRoot
from a2f_batch.batch.rows import Row, read_rows
from a2f_batch.emotion import Envelope
from a2f_batch.errors import A2FError, ManifestError
from a2f_batch.export import Format
from a2f_batch.post import Profile
from a2f_batch.post import profile as shipped_profile
from a2f_batch.rates import parse_fps

REQUIRED = ("id", "audio", "character", "locale")
OPTIONAL = ("emotion", "profile", "fps", "text", "style", "seed")
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Problem:
    """Why a line has no result.

    Attributes:
        code: stable reason code (kebab case).
        message: what was being done, to what, and what went wrong.
        remedy: what the user can do now.
        detail: where in the program, for errors that nobody foresaw; empty otherwise.
    """

    code: str
    message: str
    remedy: str
    detail: str = ""

    @classmethod
    def of(cls, error: A2FError, where: str) -> Problem:
        """Return `error` as a problem of the row at `where` ('drop12.csv line 418')."""
        return cls(error.code, f"{where}: {error.problem}", error.remedy)


@dataclass(frozen=True)
class Line:
    """One voice line to render: a row that passed every check that needs no look into its audio.

    Attributes:
        number: the row's line number in the manifest, from 1.
        identity: unique in the manifest, compared without case.
        audio: the sound file, absolute.
        audio_text: the same as the manifest has it.
        emotion: over time; None = the run's.
        style: for the engine; None = its default.
        profile: name of a known profile; None = the character's, or the run's.
        fps: None = the run's.
        seed: the line's seed itself; None = a hash of the run's seed and the identity.
        text: what is said; kept for the report.
        extra: unknown columns, kept for the report.
    """

    number: int
    identity: Identity
    audio: Path
    audio_text: str
    emotion: Envelope | None = None
    style: str | None = None
    profile: str | None = None
    fps: Fraction | None = None
    seed: int | None = None
    text: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BadRow:
    """A row that can't become a line.

    Attributes:
        number: the row's line number in the manifest, from 1.
        cells: the row as it was read, as far as it could be.
        problems: every reason found, at least one.
        identity: if it is safe and the row's own; None otherwise.
    """

    number: int
    cells: Mapping[str, Any]
    problems: tuple[Problem, ...]
    identity: Identity | None = None


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read: its good and bad rows, each in the file's order."""

    path: Path
    lines: tuple[Line, ...]
    bad_rows: tuple[BadRow, ...]

    def __len__(self) -> int:
        """Return the number of rows, good and bad."""
        return len(self.lines) + len(self.bad_rows)

    def where(self, number: int) -> str:
        """Return how messages name a row: file and line number."""
        return f"{self.path} line {number}"


def read_manifest(path: str | Path, *, audio_root: str | Path | None = None, formats: tuple[Format, ...] = (),
                  find_profile: Callable[[str], Profile] = shipped_profile) -> Manifest:
    """Read and check a manifest: every row, and every reason why one can't be rendered.

    Args:
        path: .csv, .tsv or .txt (delimiter found from the header) or .jsonl, .ndjson; UTF-8.
        audio_root: the folder that audio paths are relative to; the manifest's own if None.
        formats: what will be written, to find two lines that would write one file.
        find_profile: returns a profile by name or raises ProfileError.

    Raises:
        ManifestError: nothing can start: the file can't be read ('manifest-unreadable'), is no UTF-8 ('manifest-encoding'), of another
            kind ('manifest-kind'), malformed throughout ('manifest-malformed'), lacks a column ('column-missing') or any row
            ('manifest-empty'); the audio root is no folder ('audio-root').
    """
    path = Path(path)
    root = AudioRoot(Path(audio_root) if audio_root is not None else path.parent)
    claims = _Claims(formats)
    lines, bad_rows = [], []
    for row in read_rows(path, REQUIRED):
        reader = _RowReader(row, f"{path} line {row.number}", root, find_profile, claims)
        line = reader.line()
        if line is not None:
            lines.append(line)
        else:
            bad_rows.append(BadRow(row.number, row.cells, tuple(reader.problems), reader.identity))
    manifest = Manifest(path, tuple(lines), tuple(bad_rows))
    if not len(manifest):
        raise ManifestError(f"Manifest '{path}' has no rows.", "Add a row for every line to render.", code="manifest-empty")
    return manifest


class _Claims:
    """Which line took which identity and which files; the first one in the manifest keeps them."""

    def __init__(self, formats: tuple[Format, ...]) -> None:
        self._suffixes = tuple(fmt.suffix for fmt in formats)
        self._identities: dict[tuple[str, str, str], int] = {}
        self._files: dict[tuple[str, str, str], tuple[int, str]] = {}

    def claim(self, identity: Identity, number: int) -> tuple[str, str, str] | None:
        """Take the identity for row `number`; return (code, message, remedy) if an earlier row has it or one of its files."""
        first = self._identities.setdefault(identity.key, number)
        if first != number:
            return ("id-duplicate", f"line {first} has the same locale, character and id (compared without case): "
                                    f"{identity.file('')}.", "Rename one of the two, or remove it.")
        locale, character, _ = identity.key
        for suffix in self._suffixes:
            name = identity.id + suffix
            other, format_suffix = self._files.setdefault((locale, character, folded(name)), (number, suffix))
            if other != number:
                return ("output-duplicate", f"line {other} already writes '{identity.file(suffix)}' (as its {format_suffix} file).",
                        "Rename one of the two lines, or render the formats in two runs.")
        return None


@dataclass
class _RowReader:
    """Turns one row into a line, collecting everything that is wrong with it."""

    row: Row
    where: str
    root: AudioRoot
    find_profile: Callable[[str], Profile]
    claims: _Claims
    problems: list[Problem] = field(default_factory=list)
    identity: Identity | None = None

    def line(self) -> Line | None:
        """Return the row as a line, or None if there are problems."""
        if self.row.problem:
            self._fail("row-malformed", self.row.problem, "Correct the row.")
            return None
        cells = self.row.cells
        required = {name: self._required(name) for name in REQUIRED}
        self._name(required["locale"], required["character"], required["id"])
        audio = self._checked(self.root.find, required["audio"])
        profile = self._optional("profile")
        self._checked(self.find_profile, profile)
        fps = cells.get("fps")
        line_fps = None if fps in (None, "") else self._checked(parse_fps, fps)
        emotion = self._checked(Envelope.parse, self._optional("emotion"))
        style, text, seed = self._optional("style"), self._optional("text"), self._seed()
        if self.problems or self.identity is None or audio is None:
            return None
        extra = {name: value for name, value in cells.items() if name not in REQUIRED + OPTIONAL}
        return Line(self.row.number, self.identity, audio, cells["audio"], emotion, style, profile, line_fps, seed, text or "", extra)

    def _required(self, name: str) -> str | None:
        value = self.row.cells.get(name)
        if value is None or value == "":
            self._fail("field-missing", f"'{name}' is empty.", f"Every row needs: {', '.join(REQUIRED)}.")
        elif not isinstance(value, str):
            self._fail("field-type", f"'{name}' is {value!r}, not text.", "Put it in quotes.")
        else:
            return value
        return None

    def _optional(self, name: str) -> str | None:
        value = self.row.cells.get(name)
        if value is None or isinstance(value, str):
            return value or None
        self._fail("field-type", f"'{name}' is {value!r}, not text.", "Put it in quotes, or leave it out.")
        return None

    def _seed(self) -> int | None:
        value = self.row.cells.get("seed")
        if value is None or value == "":
            return None
        digits = str(value)
        # str.isdecimal alone would take digits of other scripts; the length keeps int() from endless work.
        if isinstance(value, bool) or not (digits.isascii() and digits.isdecimal() and len(digits) <= 16) or int(digits) > MAX_SEED:
            self._fail("seed", f"seed {value!r} is no whole number from 0 to {MAX_SEED}.", "Give one, or leave the cell empty.")
            return None
        return int(digits)

    def _name(self, locale: str | None, character: str | None, line_id: str | None) -> None:
        good = True
        for column, name in (("locale", locale), ("character", character), ("id", line_id)):
            reason = name_problem(name) if name is not None else None
            if column == "locale" and name is not None and folded(name) in RESERVED_LOCALES:
                reason = "the batch writes a file of that name"
            if reason:
                good = False
                self._fail("id-unsafe", f"{column} {name!r} can't be part of a file name: {reason}.", f"Choose another {column}.")
        if not good or locale is None or character is None or line_id is None:
            return
        identity = Identity.nfc(locale, character, line_id)
        taken = self.claims.claim(identity, self.row.number)
        if taken:
            self._fail(*taken)
        else:
            self.identity = identity

    def _checked(self, check: Callable[[Any], _Result], value: Any) -> _Result | None:
        """Return `check(value)`; an error of ours becomes a problem of the row."""
        if value is None:
            return None
        try:
            return check(value)
        except A2FError as error:
            self.problems.append(Problem.of(error, self.where))
            return None

    def _fail(self, code: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(code, f"{self.where}: {message}", remedy))

