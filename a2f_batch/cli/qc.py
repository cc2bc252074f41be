"""`a2f-batch qc`: the figures of a folder's lines, the worst first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from a2f_batch.batch.lines import LineRow, worst_first
from a2f_batch.batch.qc_again import Checked, check
from a2f_batch.cli.errors import DONE, SOME_FAILED, reported
from a2f_batch.cli.options import project_option
from a2f_batch.project import load_project
from a2f_batch.qc import FIGURES
from a2f_batch.qc.checks import shown


@click.command("qc")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="Every line with its figures, not only those with a flag.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: every line with all figures.")
@click.option("--again", is_flag=True, help="Measure every line again, from its files and sounds.")
@click.option("--worst", type=click.IntRange(1), metavar="N", help="Only the N lines with the highest score.")
@project_option
@reported
def command(out: Path, every: bool, as_json: bool, again: bool, worst: int | None, project: Path | None) -> int:
    """Show which lines of the output folder OUT deserve a look, the worst first, and why.

    Lines without figures, and lines whose files were changed since they were rendered, are measured now. Levels stand in the section [qc]
    of the project file; a changed level applies at once.

    \b
    Exit codes: 0, whatever was found; 1 a line could not be measured; 2 there is no journal.
    """
    checked = check(out, load_project(project).qc, again=again)
    lines = worst_first(checked.lines)
    if not every and not as_json:
        lines = [line for line in lines if line.qc and line.qc.flags]
    lines = lines[:worst]
    click.echo(json.dumps(_json(lines, checked), indent=1, allow_nan=False) if as_json else _table(lines, checked, every))
    return SOME_FAILED if checked.problems else DONE


def _json(lines: list[LineRow], checked: Checked) -> dict[str, Any]:
    return {"schema": 1, "measured": checked.measured, "lines": [line.to_json() for line in lines],
            "problems": {name: {"code": one.code, "message": one.message, "remedy": one.remedy} for name, one in checked.problems.items()}}


def _table(lines: list[LineRow], checked: Checked, every: bool) -> str:
    texts = []
    for line in lines:
        assert line.qc
        texts.append(f"{line.qc.score:7.2f}  {line.name}")
        for flag in line.qc.flags:
            where = f" at {flag.begin:.2f}-{flag.end:.2f} s" if flag.begin is not None and flag.end is not None else ""
            texts.append(f"         {flag.text} [{flag.code}]{where}")
        if every:
            texts.append("         " + ", ".join(f"{name} {shown(name, value)}" for name in FIGURES
                                                 if (value := line.qc.figures.get(name)) is not None))
    known = [line for line in checked.lines if line.qc]
    flagged = sum(bool(line.qc and line.qc.flags) for line in known)
    texts.append(f"{flagged} of {len(known)} lines deserve a look; {checked.measured} measured now.")
    for problem in checked.problems.values():
        texts.append(f"{problem.message} [{problem.code}]\n    {problem.remedy}")
    if checked.unkept:
        texts.append(f"The figures could not be kept: {checked.unkept.problem}")
    return "\n".join(texts)
