"""The journal of an output folder: one row a line in SQLite, committed when the line's files are in place; what plans start from."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from a2f_batch.batch.identity import Identity
from a2f_batch.batch.journal_file import connect, told
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.outputs import Output, outputs_from, outputs_text
from a2f_batch.batch.render import OutputFile, Rendered

CHUNK = 500  # rows of one query

QUARANTINE = "worker-lost"  # the code of a line that killed its worker, also alone: not tried again unasked


@dataclass
class Row:
    """What the journal knows of a line.

    Attributes:
        state: 'pending' (planned), 'started', 'done', 'kept' (a file was edited by hand), 'failed', 'quarantined'.
        parts: JSON text of what decided the curves; "" if it was never started.
        recorded: the outputs as they are recorded, JSON.
        problem: why it failed, without the row's place in the manifest; None unless failed.
        manifest, number: where it stood last.
    """

    state: str
    parts: str
    recorded: str
    problem: Problem | None
    manifest: str
    number: int

    @property
    def count(self) -> int:
        """How many outputs are recorded."""
        return self.recorded.count('"sha256": ')

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """Format name -> file; one that is being written, or was when the run died, is not among them."""
        return outputs_from(self.recorded)


@dataclass(frozen=True)
class Noted:
    """Everything that a reader of the folder wants of a line; see `Row` for what is the same.

    Attributes:
        line: its name.
        frames, duration: of the clip; seconds of the sound; None unless rendered.
        parts, outputs, facts, qc: JSON, as it is recorded.
        updated: seconds since the epoch.
    """

    line: str
    locale: str
    character: str
    id: str
    state: str
    frames: int | None
    duration: float | None
    parts: str | None
    outputs: str
    facts: str | None
    qc: str | None
    updated: float
    problem: Problem | None


@dataclass(frozen=True)
class Run:
    """A run, for the record.

    Attributes:
        id: unlike any other's.
        started: seconds since the epoch.
        host, pid, user: who runs it.
        manifest: its path, absolute.
        shard: which part of the manifest, such as '7/40'; None = all.
        to_do: lines that it renders.
        versions, parameters: of the summary.
    """

    id: str
    started: float
    host: str
    pid: int
    user: str
    manifest: str
    shard: str | None
    to_do: int
    versions: Mapping[str, str]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Started:
    """A line about to be rendered.

    Attributes:
        key, parts: see `Row`.
        formats: that will be written.
    """

    identity: Identity
    key: str
    parts: str
    formats: Sequence[str]


@dataclass(frozen=True)
class Done:
    """A line whose files are in place.

    Attributes:
        options: format name -> hash of its options, of the files that were written.
    """

    identity: Identity
    rendered: Rendered
    options: Mapping[str, str]


@dataclass(frozen=True)
class Changed:
    """A line that needs no rendering, and of which the journal is to know better.

    Attributes:
        state: 'done' or 'kept'.
        outputs: as they are now.
        number: where it stands in the manifest now.
    """

    identity: Identity
    state: str
    outputs: Mapping[str, Output]
    number: int


@dataclass
class Journal:
    """An open journal; used as a context manager, which closes it.

    Attributes:
        path: the SQLite file.
    """

    path: Path
    _db: sqlite3.Connection = field(repr=False)
    _writable: bool = False

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open the journal at `path` for writing, and make it if there is none.

        Raises:
            BatchError: see `connect`.
        """
        db = connect(path, writing=True)
        assert db is not None
        return cls(path, db, True)

    @classmethod
    def read(cls, path: Path) -> Journal | None:
        """Open the journal at `path` for reading alone; None if there is none. A run may be writing it.

        Raises:
            BatchError: see `connect`.
        """
        db = connect(path, writing=False)
        return None if db is None else cls(path, db)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(sqlite3.Error):  # all that counts is committed
            if self._writable:
                # At rest it is one file, which opens where nothing can be written; not while somebody still reads it.
                self._db.executescript("PRAGMA busy_timeout = 200; PRAGMA journal_mode = DELETE;")
        with suppress(sqlite3.Error):
            self._db.close()

    def begin(self, run: Run) -> None:
        """Note that a run starts."""
        with self._writing() as db:
            db.execute("INSERT INTO runs (id, started, host, pid, user, manifest, shard, to_do, versions, parameters)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       (run.id, run.started, run.host, run.pid, run.user, run.manifest, run.shard, run.to_do,
                        json.dumps(dict(run.versions)), json.dumps(dict(run.parameters))))

    def end(self, run: str, outcome: str) -> None:
        """Note how a run ended; one without an outcome runs, or was killed."""
        with self._writing() as db:
            db.execute("UPDATE runs SET ended = ?, outcome = ? WHERE id = ?", (time.time(), outcome, run))

    def last_run(self) -> dict[str, Any] | None:
        """Return the columns of the run that started last; None if there was none."""
        cursor = self._query("SELECT id, started, ended, outcome, host, pid, user, manifest, shard, to_do FROM runs"
                             " ORDER BY started DESC LIMIT 1")
        row = cursor.fetchone()
        return dict(zip([column[0] for column in cursor.description], row, strict=True)) if row else None

    def rows(self, names: Sequence[str]) -> dict[str, Row]:
        """Return what is known of lines, by `line_name`."""
        found = self._in("SELECT line, state, parts, outputs, code, message, remedy, detail, manifest, number FROM lines WHERE line IN",
                         names)
        return {line: Row(state, parts or "", outputs, Problem(code, message, remedy, detail) if code else None,
                          manifest or "", number or 0)
                for line, state, parts, outputs, code, message, remedy, detail, manifest, number in found}

    def facts(self, identities: Sequence[Identity]) -> dict[str, str]:
        """Return the recorded figures of rendered lines, by `line_name`, as the JSON that was recorded (see `done`)."""
        return dict(self._in("SELECT line, facts FROM lines WHERE facts NOT NULL AND line IN", [line_name(one) for one in identities]))

    def outputs(self, identity: Identity) -> dict[str, Output]:
        """Return the recorded files of a line."""
        row = self._query("SELECT outputs FROM lines WHERE line = ?", (line_name(identity),)).fetchone()
        return outputs_from(row[0]) if row else {}

    def names(self, manifest: str) -> Iterator[str]:
        """Yield the names of all lines whose last run was of `manifest`."""
        yield from (name for (name,) in self._query("SELECT line FROM lines WHERE manifest = ?", (manifest,)))

    def failed_names(self) -> set[str]:
        """Return the names of the lines that failed, quarantined ones too."""
        return {name for (name,) in self._query("SELECT line FROM lines WHERE state IN ('failed', 'quarantined') OR code NOT NULL")}

    def hashes(self, paths: Sequence[str]) -> dict[str, OutputFile]:
        """Return the recorded hashes of files, by path."""
        return {path: OutputFile(sha256, size, mtime_ns)
                for path, size, mtime_ns, sha256 in self._in("SELECT path, size, mtime_ns, sha256 FROM hashes WHERE path IN", paths)}

    def setting(self, name: str) -> str | None:
        """Return the JSON that a hash of `parts` or of an output's options stands for."""
        row = self._query("SELECT content FROM settings WHERE hash = ?", (name,)).fetchone()
        return row[0] if row else None

    def plan(self, lines: Iterable[tuple[Identity, int]], run: str, manifest: str) -> None:
        """Note lines, each with its number, as to be rendered; what is known of them stays."""
        now = time.time()
        with self._writing() as db:
            db.executemany(
                "INSERT INTO lines (line, locale, character, id, state, outputs, attempts, run, manifest, number, updated)"
                " VALUES (?, ?, ?, ?, 'pending', '{}', 0, ?, ?, ?, ?)"
                " ON CONFLICT (line) DO UPDATE SET state = 'pending', run = excluded.run, manifest = excluded.manifest,"
                " number = excluded.number, updated = excluded.updated",
                ((line_name(one), one.locale, one.character, one.id, run, manifest, number, now) for one, number in lines))

    def change(self, lines: Iterable[Changed], run: str, manifest: str) -> None:
        """Correct lines that need no rendering."""
        now = time.time()
        with self._writing() as db:
            db.executemany(
                "UPDATE lines SET state = ?, outputs = ?, number = ?, manifest = ?, run = ?, updated = ?, code = NULL, message = NULL,"
                " remedy = NULL, detail = NULL WHERE line = ?",
                ((one.state, outputs_text(one.outputs), one.number, manifest, run, now, line_name(one.identity)) for one in lines))

    def start(self, lines: Sequence[Started], run: str) -> None:
        """Note that lines are being rendered: from here on their files may be old, new or missing, so they are forgotten first."""
        now = time.time()
        known = dict(self._in("SELECT line, outputs FROM lines WHERE line IN", [line_name(one.identity) for one in lines]))

        def left(one: Started) -> str:
            outputs = outputs_from(known[line_name(one.identity)])
            return outputs_text({name: output for name, output in outputs.items() if name not in one.formats})

        with self._writing() as db:
            db.executemany("UPDATE lines SET state = 'started', attempts = CASE WHEN key IS ? THEN attempts + 1 ELSE 1 END, key = ?,"
                           " parts = ?, outputs = ?, run = ?, updated = ? WHERE line = ?",
                           [(one.key, one.key, one.parts, left(one), run, now, line_name(one.identity)) for one in lines])

    def done(self, lines: Sequence[Done]) -> None:
        """Note that the lines' files are in place: all of them, or none if this process dies."""
        if not lines:
            return
        now = time.time()
        names = [line_name(one.identity) for one in lines]
        known = {line: (key, outputs) for line, key, outputs in self._in("SELECT line, key, outputs FROM lines WHERE line IN", names)}

        def outputs(one: Done) -> str:
            key, before = known[line_name(one.identity)]
            return outputs_text(outputs_from(before) | {name: Output(file.sha256, file.size, file.mtime_ns, key, one.options[name])
                                                        for name, file in one.rendered.outputs.items()})

        with self._writing() as db:
            db.executemany(
                "UPDATE lines SET state = 'done', outputs = ?, frames = ?, duration = ?, facts = ?, qc = ?, code = NULL, message = NULL,"
                " remedy = NULL, detail = NULL, device = ?, precision = ?, updated = ? WHERE line = ?",
                [(outputs(one), one.rendered.frames, one.rendered.duration, _facts(one.rendered), one.rendered.qc,
                  one.rendered.device, one.rendered.precision, now, name) for one, name in zip(lines, names, strict=True)])

    def failed(self, identity: Identity, problem: Problem, outputs: Mapping[str, Output]) -> None:
        """Note that a line failed.

        Args:
            problem: its message without the row's place, which changes.
            outputs: what is left of its files.
        """
        with self._writing() as db:
            db.execute("UPDATE lines SET state = ?, outputs = ?, frames = NULL, duration = NULL, facts = NULL, qc = NULL,"
                       " code = ?, message = ?, remedy = ?, detail = ?, updated = ? WHERE line = ?",
                       ("quarantined" if problem.code == QUARANTINE else "failed", outputs_text(outputs), *_columns(problem), time.time(),
                        line_name(identity)))

    def refuse(self, rows: Iterable[tuple[Identity, int, Problem]], run: str, manifest: str) -> None:
        """Note rows of the manifest that are no lines; files that an earlier run made of them stand."""
        now = time.time()
        with self._writing() as db:
            db.executemany(
                "INSERT INTO lines (line, locale, character, id, state, outputs, attempts, code, message, remedy, detail, run, manifest,"
                " number, updated) VALUES (?, ?, ?, ?, 'failed', '{}', 0, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (line) DO UPDATE SET state = 'failed', code = excluded.code, message = excluded.message,"
                " remedy = excluded.remedy, detail = excluded.detail, run = excluded.run, manifest = excluded.manifest,"
                " number = excluded.number, updated = excluded.updated",
                ((line_name(one), one.locale, one.character, one.id, *_columns(problem), run, manifest, number, now)
                 for one, number, problem in rows))

    def keep(self, hashes: Mapping[str, OutputFile], settings: Mapping[str, str]) -> None:
        """Note hashes of files, and what the hashes of settings stand for."""
        if not hashes and not settings:
            return
        with self._writing() as db:
            db.executemany("INSERT OR REPLACE INTO hashes (path, size, mtime_ns, sha256) VALUES (?, ?, ?, ?)",
                           [(path, file.size, file.mtime_ns, file.sha256) for path, file in hashes.items()])
            db.executemany("INSERT OR IGNORE INTO settings (hash, content) VALUES (?, ?)", list(settings.items()))

    def takes(self, file: str) -> tuple[str, OutputFile] | None:
        """Return what a character's file was made from, as a hash, and the file as it was written (see `a2f_batch.batch.takes`)."""
        row = self._query("SELECT key, sha256, size, mtime_ns FROM takes WHERE file = ?", (file,)).fetchone()
        return (row[0], OutputFile(*row[1:])) if row else None

    def note_takes(self, file: str, key: str, written: OutputFile) -> None:
        """Note that a character's file is in place."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO takes (file, key, sha256, size, mtime_ns) VALUES (?, ?, ?, ?, ?)",
                       (file, key, written.sha256, written.size, written.mtime_ns))

    def take_in(self, source: Path, *, newer_only: bool = False, only_new: Sequence[str] | None = None) -> None:
        """Take rows of another journal; its runs, settings and hashes too.

        Args:
            newer_only: leave a row that is newer here; otherwise the other's wins.
            only_new: names of lines: take those alone, and none that is here.
        """
        with told(source):
            self._db.execute("ATTACH ? AS other", (f"{source.absolute().as_uri()}?mode=ro",))
        try:
            with self._writing() as db:
                if only_new is None:
                    newer = (" WHERE NOT EXISTS (SELECT 1 FROM main.lines AS mine"
                             " WHERE mine.line = theirs.line AND mine.updated >= theirs.updated)")
                    db.execute(f"INSERT OR REPLACE INTO main.lines SELECT * FROM other.lines AS theirs{newer if newer_only else ''}")
                    db.execute("INSERT OR REPLACE INTO main.hashes SELECT * FROM other.hashes")
                for start in range(0, len(only_new or ()), CHUNK):
                    some = (only_new or ())[start:start + CHUNK]
                    places = ", ".join("?" * len(some))
                    db.execute(f"INSERT OR IGNORE INTO main.lines SELECT * FROM other.lines WHERE line IN ({places})", some)
                db.execute("INSERT OR IGNORE INTO main.runs SELECT * FROM other.runs")
                db.execute("INSERT OR IGNORE INTO main.settings SELECT * FROM other.settings")
        finally:
            with suppress(sqlite3.Error):
                self._db.execute("DETACH other")

    def forget(self, files: Iterable[tuple[Identity, str]]) -> None:
        """Forget files, each of a line and a format, so that the next run makes them."""
        with self._writing() as db:
            for identity, name in files:
                left = {other: output for other, output in self.outputs(identity).items() if other != name}
                db.execute("UPDATE lines SET outputs = ? WHERE line = ?", (outputs_text(left), line_name(identity)))

    def newer_outputs(self, other: Journal) -> Iterator[tuple[str, dict[str, Output]]]:
        """Yield name and recorded files of those lines that are newer here than in `other`, or not there."""
        found = self._query("SELECT line, updated, outputs FROM lines ORDER BY line").fetchall()
        for start in range(0, len(found), CHUNK):
            some = found[start:start + CHUNK]
            theirs = dict(other._in("SELECT line, updated FROM lines WHERE line IN", [line for line, _, _ in some]))
            yield from ((line, outputs_from(outputs)) for line, updated, outputs in some if theirs.get(line, -1.0) < updated)

    def noted(self) -> Iterator[Noted]:
        """Yield every line, in order of names."""
        for *columns, code, message, remedy, detail in self._query(
                "SELECT line, locale, character, id, state, frames, duration, parts, outputs, facts, qc, updated,"
                " code, message, remedy, detail FROM lines ORDER BY line"):
            yield Noted(*[*columns, Problem(code, message or "", remedy or "", detail or "") if code else None])

    def note_qc(self, lines: Iterable[tuple[str, float, str]]) -> None:
        """Note figures that were measured after the run; a row that has changed since then stays.

        Args:
            lines: (name, the row's `updated` when it was read, JSON).
        """
        with self._writing() as db:
            db.executemany("UPDATE lines SET qc = ? WHERE line = ? AND updated = ?",
                           [(text, line, updated) for line, updated, text in lines])

    def count(self, manifest: str | None = None) -> int:
        """Return the number of lines; with `manifest`, of those whose last run was of it."""
        return int(self._query("SELECT count(*) FROM lines WHERE ? IS NULL OR manifest = ?", (manifest, manifest)).fetchone()[0])

    def summary_rows(self) -> Iterator[tuple[str, str, str, float, str]]:
        """Yield (name, locale, state, seconds of sound, code) of every line."""
        yield from self._query("SELECT line, locale, state, coalesce(duration, 0), coalesce(code, '') FROM lines ORDER BY line").fetchall()

    def sounds(self) -> dict[str, list[tuple[str, OutputFile]]]:
        """Return sha256 -> the files, by path, that had these bytes when they were hashed."""
        found: dict[str, list[tuple[str, OutputFile]]] = {}
        for path, size, mtime_ns, sha256 in self._query("SELECT path, size, mtime_ns, sha256 FROM hashes ORDER BY path"):
            found.setdefault(sha256, []).append((path, OutputFile(sha256, size, mtime_ns)))
        return found

    def rendering_runs(self) -> list[dict[str, Any]]:
        """Return the runs that had lines to render, by their start, each with the lines and seconds of sound that it touched last."""
        cursor = self._query("SELECT id, started, ended, outcome, manifest, shard, to_do,"
                             " (SELECT count(*) FROM lines WHERE run = runs.id AND state = 'done') AS lines,"
                             " (SELECT coalesce(sum(duration), 0) FROM lines WHERE run = runs.id AND state = 'done') AS seconds"
                             " FROM runs WHERE to_do > 0 ORDER BY started")
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]

    def state(self) -> str:
        """Return a text that is another once a line has changed."""
        return " ".join(map(str, self._query("SELECT count(*), coalesce(max(updated), 0), total(updated), total(length(qc))"
                                             " FROM lines").fetchone()))

    def ended_in(self, run: str) -> int:
        """Return how many lines a run has rendered, or tried to."""
        return int(self._query("SELECT count(*) FROM lines WHERE run = ? AND attempts > 0 AND state IN ('done', 'failed', 'quarantined')"
                               " AND updated >= (SELECT started FROM runs WHERE id = ?)", (run, run)).fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _query(self, text: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        with told(self.path):
            return self._db.execute(text, values)

    def _in(self, text: str, values: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(values), CHUNK):
            some = values[start:start + CHUNK]
            yield from self._query(f"{text} ({', '.join('?' * len(some))})", some).fetchall()


def line_name(identity: Identity) -> str:
    """Return the line's name in the journal."""
    return identity.name


def _facts(rendered: Rendered) -> str:
    facts = {"frames": rendered.frames, "duration_seconds": rendered.duration, "source": dict(rendered.source),
             "warnings": list(rendered.warnings), "seconds": {step: round(seconds, 4) for step, seconds in rendered.seconds.items()}}
    # Where they are fewer: a key a frame and channel needs no count.
    fewer = {name: {"before": before, "after": after} for name, (before, after) in rendered.keys.items() if after != before}
    return json.dumps({**facts, "keys": fewer} if fewer else facts)


def _columns(problem: Problem) -> tuple[str, str, str, str]:
    return problem.code, problem.message, problem.remedy, problem.detail
