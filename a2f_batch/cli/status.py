"""`a2f-batch status`: where an output folder stands, also while a run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from a2f_batch.batch.lines import LineRow, rows, worst_first
from a2f_batch.batch.status import STATES, Status, read_status
from a2f_batch.cli.errors import DONE, reported
from a2f_batch.cli.options import project_option
from a2f_batch.project import load_project


@click.command("status")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--worst", type=click.IntRange(0), default=5, show_default=True, metavar="N",
              help="Name so many of the lines that deserve a look, the worst first.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@project_option
@reported
def command(out: Path, worst: int, as_json: bool, project: Path | None) -> int:
    """Show how many lines of the output folder OUT are done, pending or failed, what runs there, and which lines deserve a look.

    \b
    Exit codes: 0, whatever the state; 2 there is no journal.
    """
    status = read_status(out)
    flagged = [line for line in worst_first(rows(out, load_project(project).qc, texts=False)) if line.qc and line.qc.flags] if worst else []
    if as_json:
        content = status.as_json()
        if worst:
            content |= {"flagged": len(flagged), "worst": [line.to_json() for line in flagged[:worst]]}
        click.echo(json.dumps(content, indent=1))
    else:
        click.echo("\n".join([_table(status), *_worst(flagged, worst, out)]))
    return DONE


def _worst(flagged: list[LineRow], worst: int, out: Path) -> list[str]:
    if not flagged:
        return []
    texts = [f"{len(flagged)} lines deserve a look, first of all (more: a2f-batch qc {out}):"]
    for line in flagged[:worst]:
        flags = line.qc.flags if line.qc else ()
        texts.append(f"  {line.name}: {flags[0].text}" + (f" And {len(flags) - 1} more." if len(flags) > 1 else ""))
    return texts


def _table(status: Status) -> str:
    total = status.total()
    states = [state for state in STATES if total[state] or state == "done"]
    rows = [("locale", *states), *((locale, *(str(found[state]) for state in states)) for locale, found in status.lines.items()),
            ("all", *(str(total[state]) for state in states))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join((row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))))
             for row in rows]
    frequent = sorted(status.problems.items(), key=lambda pair: -pair[1][0])
    lines += [f"{number} x {code}, such as {name}" for code, (number, name) in frequent]
    return "\n".join([*lines, *map(_run, status.runs)])


def _run(run: Mapping[str, Any]) -> str:
    started = datetime.fromtimestamp(run["started"]).astimezone().isoformat(sep=" ", timespec="seconds")
    who = f"{run['user']} on {run['host']}, process {run['pid']}, since {started}"
    which = f"shard {run['shard']}" if run["shard"] else "run"
    if run["running"]:
        pace = f", {run['lines_per_second']:.1f} lines/s" if run["lines_per_second"] else ""
        return f"{which} going on: {run['finished']} of {run['to_do']} lines{pace} ({who})"
    ended = run["outcome"] or "killed before its end: the same command finishes it"
    return f"last {which}: {ended}; {run['finished']} of {run['to_do']} lines ({who})"
