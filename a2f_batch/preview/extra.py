"""The packages of the extra `[preview]`, asked for by what needs them, and a message where they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from a2f_batch.errors import ExportError


def need(name: str, package: str, what: str) -> ModuleType:
    """Return the module `name`.

    Args:
        package: that it comes with.
        what: can't be done without it.

    Raises:
        ExportError: it can't be imported (code 'preview-missing').
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ExportError(f"{what} needs the package {package}, which can't be imported: {error}.",
                          "Install it: pip install 'a2f-batch[preview]'", code="preview-missing") from None
