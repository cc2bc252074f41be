"""ufbx's objects, held: the binding frees what Python no longer holds, owners of live objects too."""

_held = []


def hold(value):
    """Return `value`, which lives as long as the process."""
    _held.append(value)
    return value


def items(collection):
    """Return a list of ufbx as one of Python."""
    collection = hold(collection)
    return [hold(collection[i]) for i in range(len(collection))]
