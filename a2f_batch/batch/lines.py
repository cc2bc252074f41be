"""Every line of an output folder as its journals and summaries tell of it: what reports, players and tables are made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from a2f_batch.batch.identity import Identity, folded
from a2f_batch.batch.journal import Journal, Noted, line_name
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.outputs import Output, outputs_from
from a2f_batch.batch.paths import AudioRoot
from a2f_batch.batch.places import Places
from a2f_batch.errors import BatchError, ManifestError
from a2f_batch.export import FORMATS
from a2f_batch.qc import LEVELS, Levels, LineQC, Measured, from_text, judge


@dataclass(frozen=True)
class LineRow:
    """A line of an output folder.

    Attributes:
        identity: locale, character, id.
        state: see `journal.Row`.
        problem: why it failed; None unless failed.
        out: the output folder, absolute.
        audio: its sound, where the summary's manifest has it now, or else where it was rendered from; None if neither is known. It may be
            gone.
        text: what is said; "" if the summary does not tell.
        frames, seconds: of the clip and of the sound; None unless rendered.
        warnings: reason codes, see `batch.warnings`.
        qc: figures with flags and score; None where nothing was measured (yet: see `a2f_batch.batch.qc_again`).
        measured: what `qc` was judged from, likewise.
        recorded: format name -> the file as it was written.
        journal: the file that the line is in.
        updated: when its row changed last, seconds since the epoch.
        parts: what decided its curves, see `batch.keys.Keys.parts`; "" if it was never started.
        source: facts of the sound file, see `render.Rendered`.
    """

    identity: Identity
    state: str
    problem: Problem | None
    out: Path
    audio: Path | None
    text: str = ""
    frames: int | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    qc: LineQC | None = None
    measured: Measured | None = None
    recorded: Mapping[str, Output] = field(default_factory=dict)
    journal: Path | None = None
    updated: float = 0.0
    parts: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The line's name: locale/character/id."""
        return line_name(self.identity)

    @cached_property
    def outputs(self) -> Mapping[str, Path]:
        """Format name -> file, absolute; those of the journal, whether they stand or not."""
        return {name: self.out / self.identity.file(FORMATS[name].suffix) for name in self.recorded if name in FORMATS}

    @cached_property
    def channel(self) -> str | int:
        """Which channel of the sound was rendered."""
        channel = str(json.loads(self.parts or "{}").get("channel", "mix"))
        return int(channel) if channel.isdecimal() else channel

    def to_json(self) -> dict[str, Any]:
        """Return name, state, sound and figures as JSON values."""
        return {"line": self.name, "state": self.state, "audio": str(self.audio) if self.audio else None,
                **(self.qc.to_json() if self.qc else {})}


def worst_first(lines: Iterable[LineRow]) -> list[LineRow]:
    """Return those that have figures, the highest score first."""
    scored = [(-line.qc.score, line.name, line) for line in lines if line.qc]
    return [line for *_, line in sorted(scored, key=lambda one: one[:2])]


def rows(out: Path, levels: Levels = LEVELS, *, texts: bool = True) -> list[LineRow]:
    """Return every line of an output folder, in order of names; of shards with journals of their own, their lines.

    Args:
        levels: where flags begin, such as `load_project().qc`.
        texts: read the summaries too, for what is said, and where the sounds are now.

    Raises:
        BatchError: there is no journal (code 'journal-missing'), or it can't be read; see `journal_file.connect`.
    """
    places = Places(out.absolute())
    found: dict[str, LineRow] = {}
    journals = [one for one in (*places.shards(), places) if one.journal.is_file()]
    if not journals:
        raise BatchError(f"'{out}' holds no journal.", "Name the output folder of a run.", code="journal-missing")
    told = dict(_told(journals)) if texts else {}
    for one in journals:
        journal = Journal.read(one.journal)
        if journal is None:
            continue
        with journal:
            for noted in journal.noted():
                if noted.line not in found:
                    found[noted.line] = _row(places.out, one.journal, noted, told.get(noted.line, ("", None)))
    return judged([found[name] for name in sorted(found)], levels)


def judged(lines: Iterable[LineRow], levels: Levels) -> list[LineRow]:
    """Return the lines with their figures judged by `levels`; lengths are compared with the source language's."""
    lines = list(lines)
    source = folded(levels.source_locale) if levels.source_locale else None
    lengths = {one.identity.key[1:]: one.seconds for one in lines if source and folded(one.identity.locale) == source and one.seconds}
    done = []
    for one in lines:
        against = lengths.get(one.identity.key[1:]) if folded(one.identity.locale) != source else None
        ratio = one.seconds / against if one.seconds and against else None
        done.append(replace(one, qc=judge(one.measured, levels, duration_ratio=ratio) if one.measured else None))
    return done


def _row(out: Path, journal: Path, noted: Noted, told: tuple[str, Path | None]) -> LineRow:
    facts = json.loads(noted.facts or "{}")
    recorded = outputs_from(noted.outputs)
    identity = Identity(noted.locale, noted.character, noted.id)
    measured = from_text(noted.qc)
    text, audio = told
    return LineRow(identity, noted.state, noted.problem, out,
                   audio or (Path(measured.audio) if measured and measured.audio else None), text, noted.frames, noted.duration,
                   tuple(facts.get("warnings", ())), None, measured, recorded, journal, noted.updated,
                   noted.parts or "", facts.get("source", {}))


def _told(journals: Iterable[Places]) -> Iterator[tuple[str, tuple[str, Path | None]]]:
    """Yield, of each line of the summaries, its name, text and sound."""
    for one in journals:
        try:
            content: Any = json.loads(one.summary.read_text(encoding="utf-8"))
            root = _root(Path(content["manifest"]).parent)
            for entry in content["lines"]:
                if isinstance(entry.get("id"), str):
                    yield (f"{entry['locale']}/{entry['character']}/{entry['id']}",
                           (str(entry.get("text") or ""), _sound(root, entry.get("audio"))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # the journal has all that counts; a run that was killed leaves no summary


def _root(folder: Path) -> AudioRoot | None:
    try:
        return AudioRoot(folder)
    except ManifestError:
        return None


def _sound(root: AudioRoot | None, audio: object) -> Path | None:
    try:
        return root.find(audio) if root and isinstance(audio, str) else None
    except ManifestError:
        return None
