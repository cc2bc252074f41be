"""Options that say which lines of a manifest are rendered, and how they are compared with what is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from a2f_batch.batch.plan import Selection
from a2f_batch.batch.review import rejected_lines

_Command = TypeVar("_Command", bound=Callable[..., Any])


def selection_options(command: _Command) -> _Command:
    """Add the options to a command, which gets them as one `selection: Selection`."""

    @wraps(command)
    def with_options(**arguments: Any) -> Any:
        asked = {name: arguments.pop(name) for name in ("only", "retry_failed", "force", "verify", "overwrite_edits")}
        review: Path | None = arguments.pop("retry_rejected")
        return command(**arguments, selection=Selection(**asked, rejected=rejected_lines(review) if review else None))

    for option in (
        click.option("--overwrite-edits", is_flag=True, help="Render files again that were edited by hand; otherwise they stay."),
        click.option("--verify", is_flag=True, help="Hash every file in OUT, not only those whose size or time changed."),
        click.option("--force", is_flag=True, help="Render what is up to date, too."),
        click.option("--retry-rejected", metavar="FILE", type=click.Path(path_type=Path),
                     help="Only the lines that FILE rejects: the review that was downloaded from the report."),
        click.option("--retry-failed", is_flag=True, help="Only the lines that failed before, those that killed their worker too."),
        click.option("--only", multiple=True, metavar="PATTERN",
                     help="Only lines whose LOCALE/CHARACTER/ID fits, such as 'de/*' or '*/guard'; may be given again."),
    ):
        with_options = option(with_options)
    return with_options  # type: ignore[return-value]
