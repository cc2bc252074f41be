"""What `render` says to a person: the plan, and how it ended."""

from __future__ import annotations

from collections import Counter

import click

from a2f_batch.batch.journal import line_name
from a2f_batch.batch.manifest import Manifest
from a2f_batch.batch.plan import Plan, part_of
from a2f_batch.batch.run import Settings
from a2f_batch.batch.summary import Report
from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.cli.errors import DONE, SOME_FAILED
from a2f_batch.cli.log import current

SHOWN = 20


def show_plan(manifest: Manifest, settings: Settings, plan: Plan) -> int:
    """Print every line that would be rendered or kept, with the reason; return the exit code: 1 if some lines can't be rendered."""
    say = click.echo  # the plan is what was asked for, whatever the log's format
    if settings.shard:
        manifest = part_of(manifest, settings.shard.takes)
    for line, decision in zip(manifest.lines, plan.decisions, strict=True):
        name, because = line_name(line.identity), ", ".join(decision.reasons)
        if decision.action == "render":
            say(f"render {name} ({', '.join(decision.formats)}): {because}")
        if decision.action == "quarantined":
            say(f"leave {name}: it killed its worker before; --retry-failed tries it again")
        if decision.kept:
            say(f"keep {name} ({', '.join(decision.kept)}): edited by hand; --overwrite-edits renders it again")
    for row in manifest.bad_rows:
        for problem in row.problems:
            say(f"can't render: {problem.message} [{problem.code}]\n    {problem.remedy}")
    for name in plan.removed:
        say(f"no longer in the manifest: {name} (its files stay)")
    counts = Counter(decision.action for decision in plan.decisions)
    parts = [f"{counts['render']} of {len(manifest)} lines to render", f"{counts['skip']} up to date"]
    parts += [f"{number} {what}" for number, what in ((counts["keep"], "kept"), (counts["quarantined"], "quarantined"),
                                                      (counts["not-selected"], "not selected"), (len(manifest.bad_rows), "wrong rows"))
              if number]
    say(", ".join(parts) + ". Nothing was written.")
    return SOME_FAILED if manifest.bad_rows or plan.quarantined else DONE


def show_report(report: Report) -> None:
    """Print failures, warnings, what stands and what the run did."""
    say = current().say
    totals, failures, plan = report.totals(), report.failures(), report.plan
    for result in failures[:SHOWN]:
        for problem in result.problems:
            say(f"{click.style(result.status, fg='red')}: {problem.message} [{problem.code}]\n    {problem.remedy}")
    if len(failures) > SHOWN:
        say(f"... and {len(failures) - SHOWN} more in {report.settings.places.summary.name}.")
    for one in report.takes:
        for problem in one.problems:
            say(f"{one.file}: {problem.message} [{problem.code}]\n    {problem.remedy}")
    if report.takes:
        there = [one for one in report.takes if one.status in ("done", "skipped", "kept")]
        say(f"{sum(len(one.lines) for one in there)} lines in {len(there)} of {len(report.takes)} characters' files.")
    for code, count in sorted(report.warnings.items()):
        say(f"{click.style('warning', fg='yellow')}: {_lines(count)}: {WARNINGS[code]} [{code}]")
    if totals["kept_files"]:
        say(f"{_files(totals['kept_files'])} edited by hand: kept, also where the line changed ('kept' in the summary);"
            " --overwrite-edits renders them again.")
    if totals["older_files"]:
        say(f"{_files(totals['older_files'])} of an earlier run that this one was not asked for: 'older_files' in the summary.")
    if plan.removed:
        say(f"{_lines(len(plan.removed))} no longer in the manifest, such as {plan.removed[0]}: the files stay ('removed' in the summary).")
    say(_ended(report, totals))
    if report.unwritten:
        say(f"{click.style('failed', fg='red')}: {report.unwritten.message} [{report.unwritten.code}]\n    {report.unwritten.remedy}")
    else:
        say(f"Files and {report.settings.places.summary.name} are in {report.settings.out}.")


def _ended(report: Report, totals: dict[str, int]) -> str:
    if totals["skipped"] == totals["rows"]:
        return "Nothing to do: every line is up to date."
    ended = f"{totals['done']} of {totals['rows']} lines done, {totals['failed']} failed"
    for status, what in (("unfinished", "unfinished"), ("skipped", "up to date"), ("kept", "kept"), ("not_selected", "not selected")):
        ended += f", {totals[status]} {what}" if totals[status] else ""
    if not totals["done"]:
        return f"{ended}."
    return (f"{ended}. {totals['audio_seconds'] / 60:.1f} min of audio in {totals['wall_seconds']:.1f} s"
            f" ({totals['times_real_time'] or 0:.0f}x real time).")


def _lines(count: int) -> str:
    return f"{count} line{'s' * (count != 1)}"


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"
