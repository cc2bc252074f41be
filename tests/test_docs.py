"""What the documentation shows is run: every command in a `console` block, every `python` block."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = {"docs/batch.md", "docs/preview.md"}  # many runs; films
PAGES = sorted([ROOT / "README.md", ROOT / "weights/README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "dcc_plugins").rglob("*.md")])


def programs(kind):
    """Each page's blocks of `kind`, joined: a later one builds on the earlier ones."""
    for page in PAGES:
        found = re.findall(rf"^ *```{kind}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        if found:
            name = page.relative_to(ROOT).as_posix()
            yield pytest.param("\n".join(map(textwrap.dedent, found)), id=name, marks=[pytest.mark.slow] if name in SLOW else [])


@pytest.fixture()
def workplace(tmp_path):
    """A folder as a reader of the documentation has it: the demo's manifests, and a sound file called line.wav."""
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copy(ROOT / "manifests/audio/gate_halt.en-US.wav", tmp_path / "line.wav")
    return tmp_path


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("program", list(programs("console")))
def test_the_commands_of_a_page_run(program, workplace):
    commands = [line[2:] for line in program.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        name, *arguments = shlex.split(command, comments=True)
        assert name == "a2f-batch"
        run([sys.executable, "-m", "a2f_batch", *arguments], workplace)


@pytest.mark.parametrize("program", list(programs("python")))
def test_the_python_of_a_page_runs(program, workplace):
    run([sys.executable, "-W", "error", "-c", program], workplace)


def test_every_link_between_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"
