"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from a2f_batch.batch.render import LineResult


@contextmanager
def progress(rows: int) -> Iterator[Callable[[LineResult], None]]:
    """Yield what is to be called with each result; on a terminal (stderr) it moves a bar with the number of failures.

    The bar is plain text without colour; TERM=dumb has none.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda result: None
        return
    failed = 0
    bar: Any
    with click.progressbar(length=rows, label="Rendering", file=sys.stderr, show_pos=True,
                           item_show_func=lambda item: f"{failed} failed" if failed else None) as bar:

        def step(result: LineResult) -> None:
            nonlocal failed
            failed += result.status == "failed"
            bar.update(1, current_item=result)

        bar.render_progress()
        yield step
