"""`a2f-batch bridge`: the helper process of an add-on, see `a2f_batch.dcc.bridge`."""

from __future__ import annotations

import io
import sys

import click


@click.command("bridge")
def command() -> None:
    """Answer one request of an add-on: JSON on standard input, JSON Lines on standard output."""
    from a2f_batch.dcc.bridge import serve

    requests = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    answers = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", write_through=True)
    sys.exit(serve(requests, answers))
