"""Manifests: rows of any kind become checked, frozen `Line`s; rows that can't are listed with every reason."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from a2f_batch.batch.identity import Identity, folded, is_reserved, name_problem
from a2f_batch.batch.manifests import Layout, read_rows
from a2f_batch.batch.manifests.columns import KNOWN, REQUIRED
from a2f_batch.batch.manifests.row import Row
from a2f_batch.batch.paths import AudioRoot
from a2f_batch.emotion import Envelope
from a2f_batch.errors import A2FError, ManifestError
from a2f_batch.export import Format
from a2f_batch.post import Profile
from a2f_batch.post import profile as shipped_profile
from a2f_batch.rates import parse_fps

MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact

_KNOWN = frozenset(KNOWN)
_NO_EXTRA: Mapping[str, Any] = {}  # one for all
_TEXTS = ("profile", "emotion", "style", "text")

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


@dataclass(frozen=True, slots=True)  # there may be a hundred thousand, so they are small
class Line:
    """One voice line to render: a row that passed every check that needs no look into its audio.

    Attributes:
        number: one of its kind in the manifest, rising: the row's line number in a text file, and else see `Manifest.where`.
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
    audio: str
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
        number: as a `Line`'s.
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
    """A manifest that was read: its good and bad rows, each in the manifest's order.

    Attributes:
        path: the file, or the folder.
        ignored: files of a folder that are no sounds and so no lines, relative to it.
    """

    path: Path
    lines: tuple[Line, ...]
    bad_rows: tuple[BadRow, ...]
    ignored: tuple[str, ...] = ()
    _places: Mapping[int, str] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Return the number of rows, good and bad."""
        return len(self.lines) + len(self.bad_rows)

    def where(self, number: int) -> str:
        """Return how messages name a row: the file and the line number, the sheet and row, or the sound file."""
        return _where(self.path, number, self._places)


def read_manifest(path: str | Path, *, audio_root: str | Path | None = None, formats: tuple[Format, ...] = (),
                  check_fps: Callable[[Fraction], None] | None = None, find_profile: Callable[[str], Profile] = shipped_profile,
                  layout: Layout | None = None, is_folder: bool = False) -> Manifest:
    """Read and check a manifest: every row, and every reason why one can't be rendered.

    Args:
        path: .csv, .tsv, .txt, .jsonl, .ndjson, .xlsx or .wsources; see docs/manifest.md.
        audio_root: the folder that audio paths are relative to; the manifest's own if None.
        formats: what will be written, to find two lines that would write one file.
        check_fps: raises an A2FError for a row's frame rate that can't be written.
        find_profile: returns a profile by name or raises ProfileError.
        layout: what the file does not tell of itself: names of columns, delimiter, sheets ...; None for nothing.
        is_folder: take the sound files below the folder `path` as the lines.

    Raises:
        ManifestError: nothing can start: the file can't be read ('manifest-unreadable'), is in another encoding ('manifest-encoding'), of
            another kind ('manifest-kind'), malformed throughout ('manifest-malformed', 'manifest-too-large'), lacks a column
            ('column-missing') or has it twice ('column-duplicate'), or has no rows ('manifest-empty'); the audio root is no folder
            ('audio-root'); `layout` does not fit ('manifest-option', 'delimiter', 'pattern', 'sheet-unknown'); a workbook is given and
            openpyxl not installed ('extra-missing').
    """
    with not_collecting():
        return _read(Path(path), audio_root, formats, check_fps, find_profile, layout or Layout(), is_folder)


def _read(path: Path, audio_root: str | Path | None, formats: tuple[Format, ...], check_fps: Callable[[Fraction], None] | None,
          find_profile: Callable[[str], Profile], layout: Layout, is_folder: bool) -> Manifest:
    reading = read_rows(path, layout, is_folder=is_folder, own_root=audio_root is not None)
    root = AudioRoot(Path(audio_root) if audio_root is not None else path if is_folder else path.parent)
    places: dict[int, str] = {}
    reader = _RowReader(path, places, root, find_profile, check_fps, _Claims(formats))
    lines, bad_rows = [], []
    for row in reading.rows:
        if row.place:
            places[row.number] = row.place
        line = reader.line(row)
        if line is not None:
            lines.append(line)
        else:
            bad_rows.append(BadRow(row.number, row.cells, tuple(reader.problems), reader.identity))
    if not lines and not bad_rows:
        kind, remedy = ("Folder", "Give the folder that holds the sound files.") if is_folder else \
            ("Manifest", "Add a row for every line to render.")
        raise ManifestError(f"{kind} '{path}' has no {'sound files' if is_folder else 'rows'}.", remedy, code="manifest-empty")
    return Manifest(path, tuple(lines), tuple(bad_rows), reading.ignored, places)


@contextmanager
def not_collecting() -> Iterator[None]:
    """Keep Python's garbage collector from walking all lines again and again while much is made: half the time of reading 100 000 rows."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _where(path: Path, number: int, places: Mapping[int, str]) -> str:
    return f"{path} {places.get(number) or f'line {number}'}"


def _locale_problem(name: str) -> str | None:
    return "the batch writes a file of that name" if is_reserved(name) else name_problem(name)


class _Claims:
    """Which line took which identity and which files; the first one in the manifest keeps them."""

    def __init__(self, formats: tuple[Format, ...]) -> None:
        suffixes = {fmt.suffix for fmt in formats}
        # Other ids write other files, unless one suffix is the end of another: 'a.plain' + '.csv', 'a' + '.plain.csv'.
        self._suffixes = [suffix for suffix in sorted(suffixes)
                          if any(suffix != other and (suffix.endswith(other) or other.endswith(suffix)) for other in suffixes)]
        self._identities: dict[str, int] = {}
        self._files: dict[tuple[str, str, str], tuple[int, str]] = {}

    def identity(self, identity: Identity, number: int) -> int:
        """Take the identity for row `number`; return the row that has it."""
        # As one text, which tells them apart as `identity.key` does in a third of the time: no name holds a slash.
        return self._identities.setdefault(folded(identity.name), number)

    def files(self, identity: Identity, number: int) -> tuple[int, str, str] | None:
        """Take the line's files for row `number`; return (row, its suffix, the suffix here) of one that another row writes."""
        for suffix in self._suffixes:
            locale, character, _ = identity.key
            other, its_suffix = self._files.setdefault((locale, character, folded(identity.id + suffix)), (number, suffix))
            if other != number:
                return other, its_suffix, suffix
        return None


class _RowReader:
    """Turns rows into lines, collecting everything that is wrong with one.

    Attributes:
        problems: what is wrong with the last row.
        identity: the last row's, if it is safe and its own.
    """

    def __init__(self, path: Path, places: Mapping[int, str], root: AudioRoot, find_profile: Callable[[str], Profile],
                 check_fps: Callable[[Fraction], None] | None, claims: _Claims) -> None:
        self.problems: list[Problem] = []
        self.identity: Identity | None = None
        self._path = path
        self._places = places
        self._root = root
        self._claims = claims
        self._row = Row(0, {})
        # A manifest says the same few things over and over.
        self._find_profile = cache(find_profile)
        self._envelope = cache(Envelope.parse)
        self._check_fps = check_fps
        self._cached_fps = cache(self._fps)
        self._name_problem = cache(name_problem)
        self._locale_problem = cache(_locale_problem)

    def line(self, row: Row) -> Line | None:
        """Return `row` as a line, or None if there are problems."""
        self._start(row)
        if row.problem:
            self._fail(row.code, row.problem, row.remedy)
            return None
        cells = row.cells
        line_id, sound, character, locale = [self._required(name) for name in REQUIRED]
        self._name(locale, character, line_id)
        audio = self._checked(self._root.locate, sound) if sound else None
        profile, emotion_text, style, text = [self._optional(name) if name in cells else None for name in _TEXTS]
        if profile:
            self._checked(self._find_profile, profile)
        fps = cells.get("fps")
        line_fps = None if fps in (None, "") else self._checked(self._fps if isinstance(fps, bool | list | dict) else self._cached_fps, fps)
        emotion = self._checked(self._envelope, emotion_text) if emotion_text else None
        seed = self._seed()
        if self.problems or self.identity is None or audio is None:
            return None
        extra = _NO_EXTRA if cells.keys() <= _KNOWN else {name: value for name, value in cells.items() if name not in _KNOWN}
        return Line(row.number, self.identity, audio, cells["audio"], emotion, style, profile, line_fps, seed, text or "", extra)

    def _start(self, row: Row) -> None:
        self._row, self.problems, self.identity = row, [], None

    def _required(self, name: str) -> str | None:
        value = self._row.cells.get(name)
        if value and isinstance(value, str):
            return value
        if value is None or value == "":
            self._fail("field-missing", f"'{name}' is empty.", f"Every row needs: {', '.join(REQUIRED)}.")
        else:
            self._fail("field-type", f"'{name}' is {value!r}, not text.", "Put it in quotes.")
        return None

    def _optional(self, name: str) -> str | None:
        value = self._row.cells.get(name)
        if value is None or isinstance(value, str):
            return value or None
        self._fail("field-type", f"'{name}' is {value!r}, not text.", "Put it in quotes, or leave it out.")
        return None

    def _fps(self, value: Any) -> Fraction:
        fps = parse_fps(value)
        if self._check_fps:
            self._check_fps(fps)
        return fps

    def _seed(self) -> int | None:
        value = self._row.cells.get("seed")
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
        for column, name, check in (("locale", locale, self._locale_problem), ("character", character, self._name_problem),
                                    ("id", line_id, name_problem)):
            if name is not None and (reason := check(name)):
                good = False
                self._fail("id-unsafe", f"{column} {name!r} can't be part of a file name: {reason}.", f"Choose another {column}.")
        if not good or locale is None or character is None or line_id is None:
            return
        identity = Identity.nfc(locale, character, line_id)
        number = self._row.number
        first = self._claims.identity(identity, number)
        if first != number:
            self._fail("id-duplicate", f"{self._place(first)} has the same locale, character and id (compared without case): "
                                       f"{identity.file('')}.", "Rename one of the two, or remove it.")
        elif taken := self._claims.files(identity, number):
            other, its_suffix, suffix = taken
            self._fail("output-duplicate", f"{self._place(other)} already writes '{identity.file(suffix)}' (as its {its_suffix} file).",
                       "Rename one of the two lines, or render the formats in two runs.")
        else:
            self.identity = identity

    def _checked(self, check: Callable[[Any], _Result], value: Any) -> _Result | None:
        """Return `check(value)`; an error of ours becomes a problem of the row."""
        try:
            return check(value)
        except A2FError as error:
            self.problems.append(Problem.of(error, _where(self._path, self._row.number, self._places)))
            return None

    def _fail(self, code: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(code, f"{_where(self._path, self._row.number, self._places)}: {message}", remedy))

    def _place(self, number: int) -> str:
        return self._places.get(number) or f"line {number}"
