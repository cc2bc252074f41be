"""How the command line tells of errors: a message and an exit code, never a traceback for what was foreseen."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import click

from a2f_batch.errors import A2FError

DONE, SOME_FAILED, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130

_P = ParamSpec("_P")


def reported(command: Callable[_P, int]) -> Callable[_P, NoReturn]:
    """Make a command's return value its exit code; an `A2FError` that it lets pass means that nothing could start: exit 2."""

    @wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> NoReturn:
        try:
            code = command(*args, **kwargs)
        except A2FError as error:
            show(error)
            code = WRONG_CALL
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            code = INTERRUPTED
        sys.exit(code)

    return wrapper


def show(error: A2FError) -> None:
    """Print `error` to stderr: kind, what went wrong, what to do, reason code."""
    click.echo(f"{type(error).__name__}: {error.problem} [{error.code}]\n{error.remedy}", err=True)
