"""Options of `render` that another command passes on: checked as `render` would check them, with absolute paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from a2f_batch.cli.options import read_channel, read_formats
from a2f_batch.cli.render import command as render
from a2f_batch.errors import BatchError
from a2f_batch.export.options import ExportOptions
from a2f_batch.farm.job import RenderOption
from a2f_batch.project import find_project
from a2f_batch.rates import parse_fps

_OWN = ("manifest", "from_folder", "out", "shard")


def render_options(words: Sequence[str], call: Sequence[str]) -> tuple[RenderOption, ...]:
    """Return the options written as `words`, and the project file that `render` would find from the current folder.

    Args:
        call: what the caller says itself: manifest, --out, --shard.

    Raises:
        BatchError: `render` would refuse them, or they say what the caller says (code 'render-option').
        A2FError: formats, fps or channel are none (codes 'format-unknown', 'fps', 'fps-unsupported', 'channel').
    """
    try:
        # Not `render.make_context`: that would tell of a wrong call by itself.
        context = click.Command.make_context(render, "render", [*call, *words])
    except click.UsageError as error:
        raise _refused(error.format_message()) from error
    ExportOptions().check_fps(read_formats(context.params["formats"]), parse_fps(context.params["fps"]))
    read_channel(context.params["channel"])
    options = tuple(_options(words))
    project = find_project(Path.cwd())
    if project and "--project" not in {option.flag for option in options}:
        options = (*options, RenderOption("--project", str(project), path=True))
    return options


def _options(words: Sequence[str]) -> Iterator[RenderOption]:
    values, _, order = render.make_parser(click.Context(render)).parse_args(list(words))
    for parameter in dict.fromkeys(order):
        value = values[str(parameter.name)]
        if parameter.name in _OWN and isinstance(value, str):  # an argument is listed also where there was none
            raise _refused(f"{parameter.opts[0]} is given twice.")
        if not isinstance(parameter, click.Option):
            continue
        if parameter.is_flag:
            yield RenderOption((parameter.opts if value else parameter.secondary_opts)[0])
            continue
        for text in value if parameter.multiple else [value]:
            path = _is_path(parameter, text)
            yield RenderOption(parameter.opts[0], str(Path(text).absolute()) if path else text, path)


def _is_path(parameter: click.Option, text: str) -> bool:
    if parameter.name == "engine":  # a name of weights, or the path of a description; told apart as the loader does
        return text.endswith(".json") or bool(os.path.dirname(text))
    return isinstance(parameter.type, click.Path)


def _refused(reason: str) -> BatchError:
    return BatchError(f"`render` can't be called with what stands behind '--': {reason}",
                      "Give only options of `a2f-batch render` there, without --from-folder, --out and --shard.", code="render-option")
