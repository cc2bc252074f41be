"""`a2f-batch report`: pages of an output folder that open from the disk."""

from __future__ import annotations

from pathlib import Path

import click

from a2f_batch.cli.errors import DONE, reported
from a2f_batch.cli.log import current
from a2f_batch.cli.options import project_option
from a2f_batch.project import load_project


@click.command("report")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--copy-sounds", is_flag=True, help="Copy the sounds into OUT/report too, so that it can be sent to somebody.")
@project_option
@reported
def command(out: Path, copy_sounds: bool, project: Path | None) -> int:
    """Make OUT/report/index.html: all lines of the output folder OUT with their figures, to be heard, watched and judged in a browser.

    It opens from the disk, without a server or the net. Only what has changed since the last report is made again. `render` makes it, too.

    \b
    Exit codes: 0 it is there; 2 there is no journal, or it can't be written.
    """
    from a2f_batch.report.make import make_report

    made = make_report(out, load_project(project).qc, copy_sounds=copy_sounds)
    say = current().say
    if not made.has_viewer:
        say("Without the 3D view: it was not built. In a checkout, `make viewer` builds it.", err=True)
    if made.unmeasured:
        say(f"{made.unmeasured} lines have no figures yet: `a2f-batch qc {out}` measures them, then make the report again.", err=True)
    say(f"{made.lines} lines, {made.written} of them new or changed. Open {made.page}")
    return DONE
