"""Where the files that ship with the package are: in the wheel, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_folder(name: str) -> Path:
    """Return the folder `name` ('weights', 'dcc_plugins', 'manifests'): `a2f_batch/_<name>` in an installed wheel,
    `<name>` at the top of the project in a checkout."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name
