"""The page's tables: all lines in columns, some thousand rows a script; what only some rows show apart, loaded when it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from a2f_batch.batch.keys import line_key
from a2f_batch.batch.lines import LineRow
from a2f_batch.qc import Flag, LineQC
from a2f_batch.report.folder import Folder
from a2f_batch.report.scripts import call, packed

ROWS = 4096  # lines of a script that the first page loads
DETAILS = 2048  # of texts and keys, loaded after it
STRIPS = 256  # of thumbnails, loaded when they come into view
TAKE = 12  # characters of a line's key that name its take in a review
SHOWN = 20  # messages of one kind of failure

STATES = ("done", "kept", "pending", "started", "failed", "quarantined")


def scripts(folder: Folder, page: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the scripts of the tables.

    Args:
        page: what the page's own script has beside.
    """
    lines = folder.lines
    locales, characters = (sorted({getattr(line.identity, name) for line in lines}) for name in ("locale", "character"))
    flags = sorted({flag.code for line in lines for flag in _flags(line)})
    index = {name: i for i, name in enumerate(flags)}
    counts = {"lines": len(lines), "chunks": {"rows": ROWS, "details": DETAILS, "strips": STRIPS}}
    yield "page.js", call("page", {
        **page, **counts, "locales": locales, "characters": characters, "states": list(STATES), "flags": flags,
        "failures": failures(folder), "runs": [_run(run) for run in folder.runs[-8:]],
    })
    at = {name: i for i, name in enumerate(locales)}, {name: i for i, name in enumerate(characters)}

    def rows(some: Sequence[LineRow]) -> dict[str, Any]:
        return {
            "ids": [line.identity.id for line in some],
            "locales": [at[0][line.identity.locale] for line in some], "characters": [at[1][line.identity.character] for line in some],
            "states": [STATES.index(line.state) for line in some],
            "durations": [round(line.seconds or 0.0, 2) for line in some],
            "scores": [None if (qc := qc_of(line)) is None else round(qc.score, 2) for line in some],
            "flags": [list(dict.fromkeys(index[flag.code] for flag in _flags(line))) for line in some],
        }

    def details(some: Sequence[LineRow]) -> dict[str, Any]:
        return {"texts": [line.text for line in some], "takes": [take(line) for line in some]}

    def strips(some: Sequence[LineRow]) -> list[list[str]]:
        return [[packed(qc.strip.wave), packed(qc.strip.mouth)] if (qc := qc_of(line)) else ["", ""] for line in some]

    yield from _chunked("rows", ROWS, rows, lines)
    yield from _chunked("details", DETAILS, details, lines)
    yield from _chunked("strips", STRIPS, strips, lines)


def take(line: LineRow) -> str:
    """Return what names a line's take in a review: another once the line was rendered from something else."""
    return line_key(line.parts)[:TAKE] if line.parts else ""


def qc_of(line: LineRow) -> LineQC | None:
    """Return a line's figures; None of one that failed: those in the journal are of files that are gone."""
    return line.qc if line.state in ("done", "kept") else None


def failures(folder: Folder) -> list[dict[str, Any]]:
    """Return what failed, by reason and remedy, the most frequent first."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    named = [(line.name, line.problem) for line in folder.lines if line.problem and line.state in ("failed", "quarantined")]
    for name, problem in [*named, *(("", one) for one in folder.unnamed)]:
        group = groups.setdefault((problem.code, problem.remedy), {"code": problem.code, "remedy": problem.remedy, "count": 0, "such": []})
        group["count"] += 1
        if len(group["such"]) < SHOWN:
            group["such"].append([name, problem.message])
    return sorted(groups.values(), key=lambda group: (-group["count"], group["code"], group["remedy"]))


def _chunked(name: str, size: int, told: Callable[[Sequence[LineRow]], Any],
             lines: Sequence[LineRow]) -> Iterator[tuple[str, bytes]]:
    for number, start in enumerate(range(0, len(lines), size)):
        yield f"{name}-{number}.js", call(name, number, told(lines[start:start + size]))


def _flags(line: LineRow) -> Sequence[Flag]:
    qc = qc_of(line)
    return qc.flags if qc else ()


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    started, ended = run["started"], run["ended"]
    return {"started": round(started, 1), "wall": round(ended - started, 2) if ended else None, "outcome": run["outcome"],
            "asked": run["to_do"], "shard": run["shard"], "lines": run["lines"], "audio": round(run["seconds"], 2)}
