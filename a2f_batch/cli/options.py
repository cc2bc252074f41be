"""Options that several commands share, and their reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from a2f_batch.batch.channel import read_channel as read_channel
from a2f_batch.errors import ExportError
from a2f_batch.export import Format, format_named

_Command = TypeVar("_Command", bound=Callable[..., Any])


project_option = click.option("--project", metavar="FILE", type=click.Path(path_type=Path),
                              help="Project file; by default the a2f.toml in the current folder or its nearest parent.")
channel_option = click.option("--channel", default="mix", show_default=True,
                              help="Channel of the sound: mix, left, right or an index from 0.")


def engine_options(command: _Command) -> _Command:
    """Add what chooses the network and where it runs: engine, device, precision."""
    for option in (
        click.option("--precision", default="exact", show_default=True, help="exact (the same bytes again) or fast."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1."),
        click.option("--engine", default="embedded", show_default=True, help="Name of weights, or path of a description (.json)."),
    ):
        command = option(command)
    return command


def rendering_options(command: _Command) -> _Command:
    """Add what decides the curves: fps, profile, project, channel, engine, device, precision."""
    command = engine_options(command)
    for option in (
        channel_option,
        project_option,
        click.option("--profile", default="default", show_default=True, help="Post-processing profile: see `a2f-batch profile list`."),
        click.option("--fps", default="30", show_default=True, help="Frames per second: 30, 29.97, 30000/1001."),
    ):
        command = option(command)
    return command


def read_formats(text: str) -> tuple[Format, ...]:
    """Return the formats of a comma-separated list, each once.

    Raises:
        ExportError: an unknown one, or none (code 'format-unknown').
    """
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ExportError("No format is given.", "Give some, such as --formats glb,csv.", code="format-unknown")
    return tuple(format_named(name) for name in names)
