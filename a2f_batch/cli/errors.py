"""How the command line tells of errors: a message and an exit code, never a traceback for what was foreseen."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import click

from a2f_batch.cli.log import current
from a2f_batch.errors import A2FError

DONE, SOME_FAILED, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130

_P = ParamSpec("_P")


def reported(command: Callable[_P, int]) -> Callable[_P, NoReturn]:
    """Make a command's return value its exit code; an `A2FError` that it lets pass means that nothing could start: exit 2.

    The command runs within its log (`log.current`), which is closed before the exit.
    """

    @wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> NoReturn:
        with current() as log:
            try:
                code = command(*args, **kwargs)
            except A2FError as error:
                log.error(error)
                code = WRONG_CALL
            except KeyboardInterrupt:
                log.interrupted()
                code = INTERRUPTED
            except click.exceptions.Exit:
                raise
            except Exception as error:
                if not log.fault(error):
                    raise
                code = WRONG_CALL
        sys.exit(code)

    return wrapper


def show(error: A2FError) -> None:
    """Tell of `error`: kind, what went wrong, what to do, reason code."""
    current().error(error)
