"""Which lines of an output folder are previewed: those that are named, or those that the quality figures put first."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from a2f_batch.batch.lines import LineRow, rows
from a2f_batch.batch.plan import Selection
from a2f_batch.errors import BatchError
from a2f_batch.qc import LEVELS, Levels

_GLOB = set("*?[")
_DONE = ("done", "kept")


def named(out: Path, patterns: Sequence[str], levels: Levels = LEVELS) -> list[LineRow]:
    """Return the lines that `patterns` name, in order of names.

    A pattern is a whole name (LOCALE/CHARACTER/ID), an ID alone if only one line has it, or has * and ? as in `render --only`.

    Raises:
        BatchError: there is no journal; a pattern fits no line (code 'line-unknown'), an ID fits several ('line-ambiguous'), or a line that
            is named in full was not rendered ('line-not-rendered').
    """
    lines = rows(out, levels)
    chosen: dict[str, LineRow] = {}
    for pattern in patterns:
        for line in _fitting(lines, pattern, out):
            chosen[line.name] = line
    return [chosen[name] for name in sorted(chosen)]


def worst(out: Path, count: int, levels: Levels = LEVELS) -> list[LineRow]:
    """Return the `count` rendered lines with the highest score, the highest first.

    Raises:
        BatchError: there is no journal, or no rendered line has figures (code 'line-unmeasured').
    """
    lines = [line for line in rows(out, levels) if line.state in _DONE]
    measured = [line for line in lines if line.qc]
    if not measured:
        raise BatchError(f"No line in '{out}' has quality figures, so none is the worst.",
                         f"Measure them: a2f-batch qc '{out}'." if lines else "Render some lines first.", code="line-unmeasured")
    return sorted(measured, key=lambda line: (-line.qc.score if line.qc else 0.0, line.name))[:count]


def _fitting(lines: Sequence[LineRow], pattern: str, out: Path) -> list[LineRow]:
    whole = pattern.strip("/").casefold()
    found = [line for line in lines if line.name.casefold() == whole] or [line for line in lines if line.identity.id.casefold() == whole]
    if len(found) > 1:
        some = ", ".join(line.name for line in found[:8]) + (", ..." if len(found) > 8 else "")
        raise BatchError(f"'{pattern}' is the ID of {len(found)} lines: {some}.",
                         f"Name one in full, or all of them as '*/{found[0].identity.id}'.", code="line-ambiguous")
    if found:
        if found[0].state not in _DONE:
            raise _not_rendered(found[0])
        return found
    takes = Selection(only=(pattern,)).takes
    found = [line for line in lines if takes(line.name)]
    if not found:
        raise _unknown(lines, pattern, out)
    done = [line for line in found if line.state in _DONE]
    if not done:
        raise _not_rendered(found[0])
    return done


def _not_rendered(line: LineRow) -> BatchError:
    why = f": {line.problem.message} [{line.problem.code}]" if line.problem else ""
    remedy = line.problem.remedy if line.problem and line.problem.remedy else "Render it first."
    return BatchError(f"The line '{line.name}' is {line.state}, not done{why}", remedy, code="line-not-rendered")


def _unknown(lines: Sequence[LineRow], pattern: str, out: Path) -> BatchError:
    names = {line.name.casefold(): line.name for line in lines}
    ids = {line.identity.id.casefold(): line.name for line in lines}
    near = difflib.get_close_matches(pattern.casefold(), names, 3, 0.6) or difflib.get_close_matches(pattern.casefold(), ids, 3, 0.6)
    said = "Did you mean " + " or ".join(names.get(one) or ids[one] for one in near) + "?" if near and not _GLOB & set(pattern) else \
        f"There {'is' if len(lines) == 1 else 'are'} {len(lines)}" + (f", such as {lines[0].name}." if lines else ".")
    return BatchError(f"No line in '{out}' is called '{pattern}'.", f"{said} a2f-batch qc --all lists them.", code="line-unknown")
