"""The page's tables: all lines in columns, in scripts of a few thousand rows; what only some rows show apart, and loaded when it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from a2f_batch.report.lines import Folder, ReportLine
from a2f_batch.report.scripts import call

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
    locales, characters = sorted({line.locale for line in lines}), sorted({line.character for line in lines})
    codes = Counter(flag["code"] for line in lines for flag in _flags(line))
    flags = sorted(codes)
    index = {name: i for i, name in enumerate(flags)}
    counts = {"lines": len(lines), "chunks": {"rows": ROWS, "details": DETAILS, "strips": STRIPS}}
    yield "page.js", call("page", {
        **page, **counts, "locales": locales, "characters": characters, "states": list(STATES), "flags": flags,
        "failures": failures(folder), "runs": [_run(run) for run in folder.runs[-8:]],
        "processing": {step: round(sum(line.facts.get("seconds", {}).get(step, 0.0) for line in lines), 2) for step in
                       ("decode", "infer", "post", "export")},
    })
    at = {name: i for i, name in enumerate(locales)}, {name: i for i, name in enumerate(characters)}

    def rows(some: Sequence[ReportLine]) -> dict[str, Any]:
        return {
            "ids": [line.id for line in some],
            "locales": [at[0][line.locale] for line in some], "characters": [at[1][line.character] for line in some],
            "states": [STATES.index(line.state) for line in some],
            "durations": [round(line.duration, 2) for line in some],
            "scores": [_score(line) for line in some],
            "flags": [list(dict.fromkeys(index[flag["code"]] for flag in _flags(line))) for line in some],
        }

    def details(some: Sequence[ReportLine]) -> dict[str, Any]:
        return {"texts": [line.text for line in some], "takes": [take(line) for line in some]}

    def strips(some: Sequence[ReportLine]) -> list[list[str]]:
        return [[str(strip.get(name, "")) for name in ("peaks", "mouth")] for strip in (line.qc.get("strip") or {} for line in some)]

    yield from _chunked("rows", ROWS, rows, lines)
    yield from _chunked("details", DETAILS, details, lines)
    yield from _chunked("strips", STRIPS, strips, lines)


def take(line: ReportLine) -> str:
    """Return what names a line's take in a review: another once the line was rendered from something else."""
    return line.key[:TAKE]


def failures(folder: Folder) -> list[dict[str, Any]]:
    """Return what failed, by reason and remedy, the most frequent first."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    named = [(line.name, line.problem) for line in folder.lines if line.problem]
    for name, problem in [*named, *(("", one) for one in folder.unnamed)]:
        group = groups.setdefault((problem.code, problem.remedy), {"code": problem.code, "remedy": problem.remedy, "count": 0, "such": []})
        group["count"] += 1
        if len(group["such"]) < SHOWN:
            group["such"].append([name, problem.message])
    return sorted(groups.values(), key=lambda group: (-group["count"], group["code"], group["remedy"]))


def _chunked(name: str, size: int, told: Callable[[Sequence[ReportLine]], Any],
             lines: Sequence[ReportLine]) -> Iterator[tuple[str, bytes]]:
    for number, start in enumerate(range(0, len(lines), size)):
        yield f"{name}-{number}.js", call(name, number, told(lines[start:start + size]))


def _score(line: ReportLine) -> float | None:
    score = line.qc.get("score")
    return round(float(score), 1) if isinstance(score, int | float) else None


def _flags(line: ReportLine) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = line.qc.get("flags") or ()
    return found


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    started, ended = run["started"], run["ended"]
    return {"started": round(started, 1), "wall": round(ended - started, 2) if ended else None, "outcome": run["outcome"], "asked": run["to_do"],
            "shard": run["shard"], "lines": run["lines"], "audio": round(run["seconds"], 2)}
