"""`a2f-batch merge`: the journals of shards into one, with the files of those that had folders of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from a2f_batch.batch.merge import merge
from a2f_batch.cli.errors import DONE, SOME_FAILED, reported
from a2f_batch.cli.render_report import SHOWN


@click.command("merge")
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("shard_outs", nargs=-1, type=click.Path(path_type=Path))
@reported
def command(out: Path, shard_outs: tuple[Path, ...]) -> int:
    """Fold the journals of the shards in OUT, and those of SHARD_OUTS with their files, into OUT/journal.sqlite.

    Run `render` on OUT once more afterwards: it renders what is missing and writes the summary of all lines.

    \b
    Exit codes: 0 all merged; 1 some files are missing, or were edited in OUT and stay; 2 nothing could be merged.
    """
    merged = merge(out, shard_outs)
    _list("missing", "named by a shard's journal, and not there; `render` makes it again", merged.missing)
    _list("kept", "differs from what OUT's journal knows, and from the shard's: yours stays", merged.kept)
    click.echo(f"{len(merged.journals)} journals merged, {merged.copied} files copied; {out} knows {merged.lines} lines.")
    return SOME_FAILED if merged.missing or merged.kept else DONE


def _list(word: str, why: str, names: Sequence[str]) -> None:
    for name in names[:SHOWN]:
        click.echo(f"{word}: {name} ({why})")
    if len(names) > SHOWN:
        click.echo(f"... and {len(names) - SHOWN} more {word}.")
