"""What makes the stand-in's commands strict: flags are a function's keyword-only arguments, their types its annotations."""

import functools
import inspect

CALLABLE, STRINGS, RANGE, COLOUR = "callable", "strings", "range", "colour"


class Flags:
    """The commands of an object: every public method, its calls checked."""

    def __init__(self, before):
        for name in dir(type(self)):
            if not name.startswith("_"):
                setattr(self, name, _checked(name, getattr(self, name), before))

    @classmethod
    def _flags(cls):
        """Return command -> its flags."""
        return {name: tuple(one.name for one in inspect.signature(getattr(cls, name)).parameters.values()
                            if one.kind is inspect.Parameter.KEYWORD_ONLY)
                for name in dir(cls) if not name.startswith("_")}


def _checked(name, function, before):
    parameters = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*arguments, **flags):
        before(name)
        check(name, {flag: one.annotation for flag, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}, flags)
        for argument in arguments:
            if not isinstance(argument, (str, list, int, float)):
                raise TypeError("%s: Error: invalid argument %r" % (name, argument))
        return function(*arguments, **flags)

    return call


def check(name, known, flags):
    """Refuse unknown flags, and values of another type; in a query a flag is True alone, unless its type says `ANY`."""
    query = flags.get("query") is True
    for flag, value in flags.items():
        if flag not in known:
            raise TypeError("%s: Invalid flag '%s'" % (name, flag))
        if query and flag != "query" and value is True:
            continue
        if not _fits(known[flag], value):
            raise TypeError("%s: Error: flag '%s' must be passed a %s argument, not %r" % (name, flag, known[flag], value))


def _fits(kind, value):
    if kind == CALLABLE:
        return callable(value)
    if kind == STRINGS:
        return isinstance(value, str) or (isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value))
    if kind == RANGE:
        return isinstance(value, tuple) and len(value) == 2 and all(_fits(float, one) for one in value)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
