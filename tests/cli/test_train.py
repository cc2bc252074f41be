"""`a2f-batch train` where its extras are not installed; what it does is tested in tests/train (`make test-torch`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from a2f_batch.cli import main; main()"


@pytest.mark.parametrize("command", ["fit", "all"])
def test_training_without_its_extras_says_what_to_install(command: str, tmp_path: Path) -> None:
    arguments = {"fit": [], "all": ["--data", tmp_path, "--recipe", quiet(tmp_path)]}[command]
    run = subprocess.run([sys.executable, "-c", _WITHOUT_TORCH, "train", command, *arguments, "--work", tmp_path / "work",
                          "--out", tmp_path / "mine.onnx"], capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert "[extra-missing]" in run.stderr
    assert "pip install 'a2f-batch[cpu,torch,train,speech]'" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "mine.onnx").exists()


def quiet(folder: Path) -> Path:
    """Return a recipe that asks for no synthetic speech, and lay something down where the examples would be."""
    from a2f_batch.train.recipe import EMBEDDED

    lines = EMBEDDED.read_text().splitlines()
    path = folder / "quiet.toml"
    path.write_text("\n".join("speech_minutes = {}" if line.startswith("speech_minutes") else line for line in lines))
    (folder / "work").mkdir()
    (folder / "work/examples.npz").touch()
    return path
