"""The Blender add-on: as a zip to give away, or put where a Blender on this machine looks for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from a2f_batch.dcc.wheels import PLATFORMS, collect, this_platform
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.resources import resource_folder

MODULE = "a2f_batch_blender"
#: The Blenders whose Python the bundled library runs in: Python 3.11. Source: Blender's release notes, "Python API".
BUNDLED = ((4, 1), (5, 0))
_EXTENSIONS_FROM = (4, 2)
_OLDEST = (3, 4)
_HELPER = "helper_python.txt"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes at any time


def sources() -> Iterator[tuple[str, bytes]]:
    """Yield (name in the add-on, content) of the add-on's own files.

    Raises:
        ExportError: this installation lacks them (code 'add-on-missing').
    """
    plugins = resource_folder("dcc_plugins")
    folder = plugins / "blender" / MODULE
    if not folder.is_dir():
        raise ExportError(f"The add-on's source is not in '{plugins}'.", "Install a2f-batch again.", code="add-on-missing")
    for path in sorted((*folder.glob("*.py"), *folder.glob("*.toml"), plugins / "shared" / "a2f_client.py")):
        yield path.name, path.read_bytes()


def build(path: Path, *, platforms: Sequence[str] = (), legacy: bool = False, constraints: Path | None = None) -> list[str]:
    """Write the add-on's zip, with the library, and return what was done, in sentences.

    Args:
        platforms: some of `PLATFORMS`; none = all, or for a legacy add-on this machine's.
        legacy: the folder that Blender before 4.2 wants, with the library unpacked, for one platform.
        constraints: pip's constraints file, for builds that can be repeated.

    Raises:
        ExportError: see `a2f_batch.dcc.wheels.collect`; a legacy add-on for several platforms (code 'platform-one'); the place can't be
            written (code 'output-unwritable').
    """
    if legacy and len(platforms) > 1:
        raise ExportError("A legacy add-on holds the library for one platform.", "Give one --platform, and build one zip for each.",
                          code="platform-one")
    platforms = tuple(platforms) or ((this_platform(),) if legacy else tuple(PLATFORMS))
    with replacing(path) as file:  # first: that the place can't be written is told before wheels are fetched
        entries = dict(_legacy(platforms[0], constraints) if legacy else _extension(platforms, constraints))
        with zipfile.ZipFile(file, "w") as zipped:
            for name, content in sorted(entries.items()):
                entry = zipfile.ZipInfo(f"{MODULE}/{name}" if legacy else name, _EPOCH)
                entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED  # a wheel is packed already
                zipped.writestr(entry, content)
    kind = "Legacy add-on for Blender 4.1 (or 3.4 on Python 3.11)" if legacy else "Extension for Blender 4.2 to 5.0"
    return [f"{path}: {kind}, {', '.join(platforms)}, {path.stat().st_size / 1e6:.0f} MB."]


def install(version: str | None, *, link: bool) -> list[str]:
    """Put the add-on where Blender `version` looks for it, and return what was done, in sentences.

    Args:
        version: such as '4.5'; None = the newest that has settings on this machine.
        link: let the add-on ask this installation of a2f-batch, through a helper process, instead of bringing the library along.

    Raises:
        ExportError: no such version, or none found (code 'host-version'); the folder is somebody's checkout or link ('add-on-foreign');
            see also `build`.
    """
    wanted = _parsed(version) if version else _newest()
    folder = addon_folder(wanted)
    bundle = not link and BUNDLED[0] <= wanted <= BUNDLED[1]
    if not bundle:
        entries = {**dict(sources()), _HELPER: sys.executable.encode("utf-8")}
    else:
        entries = dict(_extension((this_platform(),), None) if wanted >= _EXTENSIONS_FROM else _legacy(this_platform(), None))
    _replace(folder, entries)
    name = ".".join(map(str, wanted))
    how = "with the library" if bundle else f"which asks {sys.executable}"
    told = [f"Copied the add-on, {how}, to {folder}."]
    if not bundle and not link:
        told.append(f"Blender {name} has another Python than 3.11, so the library can't run inside it; the helper process does the same.")
    return [*told, f"Start Blender {name} (again), and tick a2f_batch in Edit > Preferences > Add-ons.",
            "The panel is in the 3D view's sidebar (N), under a2f_batch."]


def uninstall(version: str | None) -> list[str]:
    """Take the add-on away from Blender `version` (None = from all that have settings here), and return what was done, in sentences.

    Raises:
        ExportError: no such version (code 'host-version'); it can't be removed ('output-unwritable').
    """
    told = []
    for wanted in [_parsed(version)] if version else _found():
        folder = addon_folder(wanted)
        if folder.is_symlink() or folder.is_dir():
            _remove(folder)
            told.append(f"Removed {folder}.")
    return told or [f"There is no a2f_batch add-on for {f'Blender {version}' if version else 'any Blender'} here: nothing to remove."]


def addon_folder(version: tuple[int, int], platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a Blender of the user looks for this add-on.

    Source: Blender's manual, "Blender's Directory Layout" and "Command Line Arguments > Environment Variables".
    """
    resources = (Path(environment["BLENDER_USER_RESOURCES"]) if environment.get("BLENDER_USER_RESOURCES")
                 else settings_folder(platform, environment) / ".".join(map(str, version)))
    if version >= _EXTENSIONS_FROM:
        return Path(environment.get("BLENDER_USER_EXTENSIONS") or resources / "extensions") / "user_default" / MODULE
    return Path(environment.get("BLENDER_USER_SCRIPTS") or resources / "scripts") / "addons" / MODULE


def settings_folder(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which Blender keeps a user's settings, one folder a version."""
    if platform == "win32":
        return Path(environment["APPDATA"]) / "Blender Foundation" / "Blender"
    if platform == "darwin":
        return Path(environment["HOME"]) / "Library/Application Support/Blender"
    return Path(environment.get("XDG_CONFIG_HOME") or Path(environment["HOME"]) / ".config") / "blender"


def _parsed(version: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,2})\.(\d{1,2})(\.\d+)?", version)
    if not found or (parsed := (int(found[1]), int(found[2]))) < _OLDEST:
        raise ExportError(f"There is no Blender '{version}' that the add-on runs in.", "Give a version from 3.4 on, such as 4.5.",
                          code="host-version")
    return parsed


def _found() -> list[tuple[int, int]]:
    """The versions that have settings on this machine, the oldest first."""
    names = (folder.name for folder in settings_folder().glob("*.*") if folder.is_dir())
    versions = (tuple(map(int, name.split("."))) for name in names if re.fullmatch(r"\d+\.\d+", name))
    return sorted((first, second) for first, second in versions if (first, second) >= _OLDEST)


def _newest() -> tuple[int, int]:
    if not (found := _found()):
        raise ExportError(f"No Blender has settings in '{settings_folder()}'.", "Start Blender once, or name its version: --version 4.5.",
                          code="host-version")
    return found[-1]


def _extension(platforms: Sequence[str], constraints: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the extension: the add-on's own, the wheels, and the manifest that lists them."""
    with tempfile.TemporaryDirectory(prefix="a2f-batch-") as folder:
        wheels = collect(Path(folder), platforms, constraints=constraints)
        listed = ",\n".join(f'  "./wheels/{wheel.name}"' for wheel in wheels)
        for name, content in sources():
            if name == "blender_manifest.toml":
                # Keys at the top level end where the first table starts: they go in front of it.
                head, mark, tail = content.decode("utf-8").partition("[permissions]")
                content = f"{head}platforms = {json.dumps(platforms)}\nwheels = [\n{listed},\n]\n\n{mark}{tail}".encode()
            yield name, content
        for wheel in wheels:
            yield f"wheels/{wheel.name}", wheel.read_bytes()


def _legacy(platform: str, constraints: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the legacy add-on: its own, and the library in lib/."""
    yield from ((name, content) for name, content in sources() if not name.endswith(".toml"))
    with tempfile.TemporaryDirectory(prefix="a2f-batch-") as folder:
        for wheel in collect(Path(folder), [platform], constraints=constraints):
            with zipfile.ZipFile(wheel) as packed:
                for name in packed.namelist():
                    if not name.endswith("/"):
                        yield f"lib/{name}", packed.read(name)


def _replace(folder: Path, entries: Mapping[str, bytes]) -> None:
    """Put the files of `entries` into `folder`, which is then theirs alone."""
    if (folder / ".git").exists():
        raise ExportError(f"'{folder}' is a checkout.", "Move it away first.", code="add-on-foreign")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".a2f-batch-") as staged:
            fresh = Path(staged) / MODULE
            for name, content in entries.items():
                place = fresh / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            if folder.is_symlink() or folder.exists():
                _remove(folder)
            os.replace(fresh, folder)
    except OSError as error:
        raise ExportError(f"Can't write '{folder}': {error.strerror or error}.", "Close Blender, and check that you may write there.",
                          code="output-unwritable") from error


def _remove(folder: Path) -> None:
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)
    except OSError as error:
        raise ExportError(f"Can't remove '{folder}': {error.strerror or error}.", "Close Blender, and try again.",
                          code="output-unwritable") from error
