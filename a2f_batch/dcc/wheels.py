"""The wheels that a host's Python needs to run the library in process: collected with pip, for any platform, and checked."""

from __future__ import annotations

import platform as machine
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from a2f_batch import __version__
from a2f_batch.errors import ExportError
from a2f_batch.resources import resource_folder

#: What `a2f_batch.dcc` imports, with what that imports. No numpy: a second one would shadow the host's. No Dask: a host renders one line.
REQUIREMENTS = ("onnxruntime", "flatbuffers", "protobuf", "packaging", "soundfile", "cffi", "pycparser", "soxr", "pydub", "pygltflib",
                "dataclasses-json", "marshmallow", "typing-inspect", "mypy-extensions", "typing-extensions", "deprecated", "wrapt")

#: Blender's names of platforms -> pip's, the first that a package has. Source: docs.blender.org, "Python Wheels"; onnxruntime's own list.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_14_0_arm64", "macosx_14_0_universal2", "macosx_11_0_arm64"),
}
PYTHON = "3.11"
FORBIDDEN = ("numpy",)


def this_platform() -> str:
    """Return which of `PLATFORMS` this machine is.

    Raises:
        ExportError: none (code 'platform-unknown').
    """
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    name = f"{system}-{ {'x86_64': 'x64', 'amd64': 'x64', 'aarch64': 'arm64'}.get(machine.machine().lower(), machine.machine().lower())}"
    if name not in PLATFORMS:
        raise ExportError(f"The library's wheels are not collected for {name}.",
                          "Use --link: the add-on then asks this installation through a helper process.", code="platform-unknown")
    return name


def collect(folder: Path, platforms: Iterable[str], *, constraints: Path | None = None) -> list[Path]:
    """Fill `folder` with the wheels for `platforms` and return their paths, sorted.

    Args:
        platforms: some of `PLATFORMS`.
        constraints: pip's constraints file, for builds that can be repeated.

    Raises:
        ExportError: an unknown platform (code 'platform-unknown'), a wheel that can't be had ('wheel-missing') or that would harm the
            host ('wheel-forbidden').
    """
    platforms = tuple(platforms)
    for platform in platforms:
        if platform not in PLATFORMS:
            raise ExportError(f"There is no platform '{platform}'.", f"Choose from: {', '.join(PLATFORMS)}.", code="platform-unknown")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="a2f-batch-wheels-") as staged:
        own = _own(Path(staged) / "own")
        for platform in platforms:
            there = Path(staged) / platform
            tags = [part for tag in PLATFORMS[platform] for part in ("--platform", tag)]
            _pip("download", "--dest", str(there), "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON,
                 *tags, *(("--constraint", str(constraints)) if constraints else ()), *REQUIREMENTS)
            wheels = [own, *there.glob("*.whl")]
            check(wheels)
            for wheel in wheels:
                shutil.copyfile(wheel, folder / wheel.name)
    return sorted(folder.glob("*.whl"))


def check(wheels: Sequence[Path]) -> None:
    """Refuse the wheels of one platform if they would harm the host, or are not all of them.

    Raises:
        ExportError: numpy is among them (code 'wheel-forbidden'), or one of `REQUIREMENTS` is not (code 'wheel-missing').
    """
    there = {re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower() for wheel in wheels}
    if bad := there.intersection(FORBIDDEN):
        raise ExportError(f"The bundle holds {', '.join(bad)}, which would shadow the host's own.", "Remove it.", code="wheel-forbidden")
    if missing := {*REQUIREMENTS, "a2f-batch"} - there:
        raise ExportError(f"The bundle lacks {', '.join(sorted(missing))}.", "Build it again where pip reaches a package index.",
                          code="wheel-missing")


def _own(folder: Path) -> Path:
    """Put a2f_batch's own wheel into `folder`: built from the checkout, or the published one of this version."""
    checkout = resource_folder("dcc_plugins").parent
    if (checkout / "pyproject.toml").is_file():
        _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(checkout))
    else:
        _pip("download", "--dest", str(folder), "--no-deps", f"a2f-batch=={__version__}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()
        raise ExportError(f"pip can't get the wheels: {said[0].removeprefix('ERROR: ') if said else 'no word why'}.",
                          "Check that this machine reaches a package index.", code="wheel-missing")
