"""docs/serve.md: what it shows is run, against a service started as it says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.serve.servers import ROOT, VOICE, serving

PAGE = (ROOT / "docs/serve.md").read_text(encoding="utf-8")


def by_curl(call: str, place: Path) -> None:
    done = subprocess.run(call, shell=True, cwd=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and '"code"' not in done.stdout, f"{call}\n{done.stdout}{done.stderr}"


def by_httpx(call: str, place: Path) -> None:
    """Do what a curl command of the page does."""
    words, files, to, url = iter(shlex.split(call)[1:]), {}, "", ""
    for word in words:
        if word == "-F":
            name, _, file = next(words).partition("=@")
            files[name] = (file, (place / file).read_bytes())
        elif word == "-o":
            to = next(words)
        elif word.startswith("http"):
            url = word
        else:
            assert word in ("-s", "-sf", "-OJ"), word
    answer = httpx.request("POST" if files else "GET", url, files=files or None, timeout=60).raise_for_status()
    if "-OJ" in call:
        (to,) = re.findall(r'filename="([^"/]+)"', answer.headers["content-disposition"])
    if to:
        (place / to).write_bytes(answer.content)


@pytest.mark.parametrize("ask", [by_httpx, *([by_curl] if shutil.which("curl") else [])])  # curl is of no package that CI could install
def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, ask: Callable[[str, Path], None]) -> None:
    commands = [line[2:] for block in re.findall(r"^```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()]
    pip, *commands = commands
    assert pip == "pip install 'a2f-batch[cpu,serve]'"
    place = tmp_path / "place"
    place.mkdir()
    shutil.copy(VOICE, place / "line.wav")
    shutil.copy(ROOT / "a2f_batch/serve/stream.proto", place)
    calls = [command for command in commands if command.startswith("curl ")]
    plain, limited = (shlex.split(command)[2:] for command in commands if command not in calls)
    assert plain == [] and "18083" in limited and len(calls) == 8
    with serving(tmp_path / "home", "--workers", "1") as server:
        address = f"127.0.0.1:{server.port}"
        for call in calls:
            ask(call.replace("127.0.0.1:8000", address), place)
        (program,) = re.findall(r"^```py\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
        told = subprocess.run([sys.executable, "-c", program.replace("127.0.0.1:8000", address)], cwd=place, capture_output=True, text=True,
                              timeout=60, env={**os.environ, "PYTHONPATH": str(place)})
        assert told.returncode == 0, told.stderr
        first, *bodies, last = told.stdout.splitlines()
        assert first.startswith("Audio2FaceV1ResponseChunkStart 58 ") and last.startswith("Audio2FaceV1ResponseChunkEnd ")
        assert sum(int(body.split()[2]) for body in bodies) == 154 * 58 * 2
    names = {"line.json", "joyful.json", "line.glb", "line.fbx", "line.csv", "line.anim"}
    assert names < {path.name for path in place.iterdir()}
    assert (place / "line.glb").read_bytes()[:4] == b"glTF" and (place / "line.fbx").read_bytes()[:7] == b"Kaydara"


def test_the_options_of_the_page_are_the_commands(tmp_path: Path) -> None:
    told = subprocess.run([sys.executable, "-m", "a2f_batch", "serve", "--help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}).stdout
    for option in re.findall(r"`(--[a-z-]+)", PAGE):
        assert option in told or option == "--seed", option  # that one is of bake
