"""The SQLite file of a journal: its tables, its opening, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from a2f_batch.batch.disks import is_local
from a2f_batch.errors import BatchError

SCHEMA = 1
APPLICATION_ID = 0x41324642  # "A2FB", in the file's header: this is a journal and no other program's database
BUSY_SECONDS = 60  # a reader on a network disk holds a writer up for as long as its query runs

_TABLES = """
CREATE TABLE lines (
    line TEXT PRIMARY KEY,      -- locale/character/id
    locale TEXT NOT NULL, character TEXT NOT NULL, id TEXT NOT NULL,
    state TEXT NOT NULL,        -- pending, started, done, kept, failed, quarantined
    key TEXT,                   -- hash of parts: everything that decides the curves
    parts TEXT,                 -- JSON: name -> text or hash (see settings)
    outputs TEXT NOT NULL,      -- JSON: format -> sha256, size, mtime_ns; key and options that the file was made with
    frames INTEGER, duration REAL,
    facts TEXT,                 -- JSON: frames, duration, source, warnings, wall seconds of each step, keys
    qc TEXT,                    -- JSON: quality figures
    code TEXT, message TEXT, remedy TEXT, detail TEXT,
    attempts INTEGER NOT NULL,  -- with this key
    device TEXT, precision TEXT,
    run TEXT,                   -- the run that touched the row last
    manifest TEXT, number INTEGER,
    updated REAL NOT NULL       -- seconds since the epoch
);
CREATE TABLE runs (
    id TEXT PRIMARY KEY, started REAL NOT NULL, ended REAL, outcome TEXT, host TEXT NOT NULL, pid INTEGER NOT NULL, user TEXT NOT NULL,
    manifest TEXT NOT NULL, shard TEXT, to_do INTEGER NOT NULL, versions TEXT NOT NULL, parameters TEXT NOT NULL
);
CREATE TABLE settings (hash TEXT PRIMARY KEY, content TEXT NOT NULL);   -- what the hashes in parts and outputs stand for, as JSON
CREATE TABLE takes (file TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE hashes (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL);
"""


def connect(path: Path, *, writing: bool) -> sqlite3.Connection | None:
    """Open the journal at `path`; for writing, make it if there is none; for reading, None if there is none.

    Write-ahead logging on a local disk, so that readers never wait; a rollback journal on a network one, where shared memory does not work.
    Source: sqlite.org/wal.html.

    Raises:
        BatchError: it is of a newer version (code 'journal-newer'), damaged or no journal ('journal-corrupt'), or can't be used
            ('journal-unusable').
    """
    if not writing and not path.is_file():
        return None
    with told(path):
        address = path.absolute().as_uri() + ("" if writing else _reading(path))
        db = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            version = _version(path, db)
            if writing:
                _prepare(db, version, is_local(path.parent))
            elif version == 0:
                db.close()
                return None
        except BaseException:
            db.close()
            raise
    return db


def _reading(path: Path) -> str:
    # In a folder that can't be written, write-ahead logging has no place for its shared memory; a journal at rest needs none.
    at_rest = not path.with_name(path.name + "-wal").exists()
    return "?immutable=1" if at_rest and not os.access(path.parent, os.W_OK) else "?mode=ro"


def _prepare(db: sqlite3.Connection, version: int, local: bool) -> None:
    db.execute(f"PRAGMA journal_mode = {'WAL' if local else 'DELETE'}")
    # With WAL, NORMAL survives the death of the process; only a power cut may lose the last rows, whose lines are rendered again.
    db.execute(f"PRAGMA synchronous = {'NORMAL' if local else 'FULL'}")
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA};COMMIT")


def _version(path: Path, db: sqlite3.Connection) -> int:
    """Return the schema's version, 0 of an empty file."""
    (version,), (application,) = db.execute("PRAGMA user_version").fetchone(), db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not version and not tables:
        return 0
    if application != APPLICATION_ID:
        raise BatchError(f"'{path}' is another program's database, not a journal of a2f-batch.", "Move it away, or choose another --out.",
                         code="journal-corrupt")
    if version > SCHEMA:
        raise BatchError(f"The journal '{path}' was written by a newer a2f-batch (its schema is {version}, this one knows {SCHEMA}).",
                         "Update a2f-batch, or choose another --out.", code="journal-newer")
    return int(version)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        BatchError: the file is damaged (code 'journal-corrupt'), the disk is full ('disk-full'), or it can't be used for another reason
            ('journal-unusable').
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = error.sqlite_errorname if hasattr(error, "sqlite_errorname") else ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise BatchError(f"The journal '{path}' is damaged: {error}.",
                             "Move it away; the next run starts a new one and renders every line again, over the files that stand.",
                             code="journal-corrupt") from error
        if name.startswith("SQLITE_FULL"):
            raise BatchError(f"Can't write the journal '{path}': {error}.", "Make room on the disk, then run the same command again.",
                             code="disk-full") from error
        raise BatchError(f"Can't use the journal '{path}': {error}.",
                         "Check that the folder and the file may be written, then run the same command again.",
                         code="journal-unusable") from error
