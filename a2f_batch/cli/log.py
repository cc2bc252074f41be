"""What a long command tells while it works: text for people, or JSON Lines for a farm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from a2f_batch.errors import A2FError

if TYPE_CHECKING:
    from a2f_batch.batch.identity import Identity
    from a2f_batch.batch.manifest import Problem
    from a2f_batch.batch.render import Rendered

TEXT, JSON = "text", "json"
EVERY_SECONDS = 10.0

_SLOT = f"{__name__}.current"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class Log(Protocol):
    """One run's account of itself. Use it as a context: what is open (a bar, a thread, a stream) is closed at its end.

    Attributes:
        run: the run's id, 32 hexadecimal digits, another one each time.
    """

    run: str

    def __enter__(self) -> Log:
        """Open the account."""

    def __exit__(self, *error: object) -> None:
        """Close it."""

    def start(self, command: str, *, rows: int, to_do: int, plan: Mapping[str, int] | None = None, **facts: Any) -> None:
        """Tell that the work begins; from here on progress is told by itself.

        Args:
            rows: lines in the manifest, or in this shard of it.
            to_do: how many of them this run will do; the others are done or kept.
            plan: reason -> how many lines, such as {'new': 3, 'skipped': 40}.
            facts: what else a reader of the log wants: manifest, out, shard. JSON values.
        """

    def line(self, number: int, identity: Identity | None, state: str, *, problems: Sequence[Problem] = (),
             rendered: Rendered | None = None, warnings: Sequence[str] = ()) -> None:
        """Tell how one line ended.

        Args:
            number: its line number in the manifest.
            identity: None for a row too broken to have one.
            state: done, failed, unfinished; skipped (done before) or kept (its files were edited by hand), which are not part of `to_do`;
                ready, of a line that was but checked.
            warnings: codes of what deserves a look, beside those that `rendered` has.
        """

    def tell(self, event: str, text: str, **facts: Any) -> None:
        """Tell of what happened in a service.

        Args:
            event: kind, as the schema names it: listening, request, stream.
            text: for people.
            facts: for programs. JSON values.
        """

    def warning(self, message: str, code: str) -> None:
        """Tell of something that deserves a look and stops nothing."""

    def error(self, error: A2FError) -> None:
        """Tell what stopped everything."""

    def fault(self, error: Exception) -> bool:
        """Tell of an exception that nobody foresaw; return whether it was told, or is left to Python's traceback."""

    def interrupted(self) -> None:
        """Tell that somebody stopped the run at once."""

    def say(self, text: str = "", *, err: bool = False) -> None:
        """Print text that is for people alone: what it says is also in the events and in the summary's file."""

    def summary(self, totals: Mapping[str, Any], exit_code: int) -> None:
        """Tell how it all ended; the last event of a run that started."""


def log_options(command: _Command) -> _Command:
    """Add --log-format, --log-every and --color to a command, which finds the log that they choose with `current`."""
    for option in (
        click.option("--color/--no-color", default=None, expose_value=False, callback=_set_color,
                     help="Coloured text; by default at a terminal, unless NO_COLOR is set."),
        click.option("--log-every", type=click.FloatRange(0.01), default=EVERY_SECONDS, show_default=True, metavar="SECONDS",
                     expose_value=False, callback=_keep, help="How often to tell of progress, where there is no bar."),
        click.option("--log-format", type=click.Choice([TEXT, JSON]), default=TEXT, show_default=True, expose_value=False, callback=_keep,
                     help="Progress and messages as text, or as JSON Lines on stderr (and nothing else there)."),
    ):
        command = option(command)
    return command


def current() -> Log:
    """Return the running command's log; text where the command has no such options, or no command runs."""
    context = click.get_current_context(silent=True)
    if context is None:
        return _made({})
    if _SLOT not in context.meta:
        context.meta[_SLOT] = _made(context.meta)
    log: Log = context.meta[_SLOT]
    return log


class LoggedCommand(click.Command):
    """A command with `log_options`: told to log as JSON, it tells of a wrong call in JSON too."""

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        """Read the arguments; see `click.Command.make_context`."""
        as_json = f"--log-format={JSON}" in args or ("--log-format", JSON) in pairwise(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if not as_json:
                raise
            with _made({"log_format": JSON}) as log:
                log.fault(error)
            raise click.exceptions.Exit(error.exit_code) from error


def _made(chosen: Mapping[str, Any]) -> Log:
    every = chosen.get("log_every", EVERY_SECONDS)
    if chosen.get("log_format", TEXT) == JSON:
        from a2f_batch.cli.log_json import JsonLog

        return JsonLog(every)
    from a2f_batch.cli.log_text import TextLog

    return TextLog(every)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta[str(parameter.name)] = value


def _set_color(context: click.Context, parameter: click.Parameter, value: bool | None) -> None:
    if value is not None:
        context.color = value
