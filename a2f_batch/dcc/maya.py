"""The Maya module: put where Maya looks for modules, or taken away."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from a2f_batch import __version__
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.resources import resource_folder

MODULE = "a2f_batch"
CLIENT = "a2f_client.py"
PYTHON_VARIABLE = "A2F_BATCH_PYTHON"
_MOD_FILE = f"{MODULE}.mod"
_VERSION = re.compile(r"20[0-9]{2}")
_OLDEST = 2022  # the first with Python 3 alone


def install(version: str | None, *, link: bool = False) -> list[str]:
    """Put the module where Maya `version` ('2025'; None = every version) looks, and return what was done, in sentences.

    Args:
        link: let Maya read the files of this installation of a2f-batch, instead of copying them.

    Raises:
        ExportError: no such version (code 'host-version'), this installation lacks the module ('add-on-missing'), the place can't be
            written ('output-unwritable').
    """
    modules, source = modules_folder(version), _source()
    place = modules / MODULE
    try:
        modules.mkdir(parents=True, exist_ok=True)
        if link:
            module, lines = source / MODULE, [f"PYTHONPATH+={source.parent / 'shared'}"]
            _remove(modules)
        else:
            with tempfile.TemporaryDirectory(prefix=".a2f_batch-", dir=modules) as whole:
                for name, content in module_files():
                    (Path(whole) / MODULE / name).parent.mkdir(parents=True, exist_ok=True)
                    (Path(whole) / MODULE / name).write_bytes(content)
                _remove(modules)
                (Path(whole) / MODULE).rename(place)
            module, lines = Path(MODULE), []
        with replacing(modules / _MOD_FILE) as file:
            # '=' sets a variable, '+=' adds a folder as it is. Source: Maya's help, "Maya module paths, folders and versions".
            where = str(module) if module.is_absolute() else f"./{module.as_posix()}"
            file.write("\n".join([f"+ {MODULE} {__version__} {where}", *lines, f"{PYTHON_VARIABLE}={sys.executable}", ""]).encode("utf-8"))
    except OSError as error:
        raise ExportError(f"The module can't be put into '{modules}': {error.strerror}.", "Close Maya, and check that you may write there.",
                          code="output-unwritable") from error
    return [f"{'Linked' if link else 'Copied'} the Maya module: {source / MODULE if link else place}.",
            f"{'Every Maya from 2022 on' if version is None else f'Maya {version}'} finds it by {modules / _MOD_FILE}.",
            f"Where its own Python has no a2f-batch, it uses {sys.executable}.",
            "Start Maya, and run once in the Script Editor's Python tab: from a2f_batch_maya import shelf; shelf.add_button()"]


def uninstall(version: str | None) -> list[str]:
    """Take the module away from Maya `version` (None = from wherever it is), and return what was done, in sentences.

    Raises:
        ExportError: no such version (code 'host-version'), it can't be removed (code 'output-unwritable').
    """
    home = app_folder()
    folders = [modules_folder(version)] if version else [
        home / "modules", *sorted(folder / "modules" for folder in home.glob("20[0-9][0-9]") if folder.is_dir())]
    removed = []
    for modules in folders:
        try:
            if _remove(modules):
                removed.append(f"Removed the Maya module from {modules}.")
        except OSError as error:
            raise ExportError(f"The module can't be removed from '{modules}': {error.strerror}.", "Close Maya, and try again.",
                              code="output-unwritable") from error
    return removed or [f"There is no a2f_batch module in {', '.join(map(str, folders))}: nothing to remove."]


def app_folder(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's folder of Maya: MAYA_APP_DIR, or the platform's own.

    Source: Maya's help, "File path variables". Windows' Documents may have been moved, to OneDrive for one: then MAYA_APP_DIR tells.
    """
    if told := environment.get("MAYA_APP_DIR"):
        return Path(told)
    home = Path(environment.get("USERPROFILE" if platform == "win32" else "HOME") or Path.home())
    below = {"win32": "Documents/maya", "darwin": "Library/Preferences/Autodesk/maya"}
    return home / below.get(platform, "maya")


def modules_folder(version: str | None, platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's modules are: of one version, or of all.

    Raises:
        ExportError: no version that has Python 3 (code 'host-version').
    """
    home = app_folder(platform, environment)
    if version is None:
        return home / "modules"
    if not _VERSION.fullmatch(version) or int(version) < _OLDEST:
        raise ExportError(f"There is no Maya '{version}' that the module runs in.", f"Give a year from {_OLDEST} on, such as 2025.",
                          code="host-version")
    return home / version / "modules"


def module_files() -> Iterator[tuple[str, bytes]]:
    """Yield (name in the module, content) of all files, the shared client among its scripts.

    Raises:
        ExportError: this installation lacks them (code 'add-on-missing').
    """
    source = _source()
    for path in sorted((source / MODULE).rglob("*")):
        if path.suffix in (".py", ".png"):
            yield path.relative_to(source / MODULE).as_posix(), path.read_bytes()
    yield f"scripts/{CLIENT}", (source.parent / "shared" / CLIENT).read_bytes()


def _source() -> Path:
    source = resource_folder("dcc_plugins") / "maya"
    if not (source / MODULE).is_dir():
        raise ExportError(f"The Maya module's source is not in '{source}'.", "Install a2f-batch again.", code="add-on-missing")
    return source


def _remove(modules: Path) -> bool:
    there = (modules / _MOD_FILE).is_file() or (modules / MODULE).is_dir()
    (modules / _MOD_FILE).unlink(missing_ok=True)
    if (modules / MODULE).is_symlink():
        (modules / MODULE).unlink()
    elif (modules / MODULE).is_dir():
        shutil.rmtree(modules / MODULE)
    return there
