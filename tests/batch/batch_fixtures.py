"""Drops for the batch's tests: a folder with sounds, a manifest and a tiny network; and the real command line on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.engines import tiny_onnx

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("id", "audio", "character", "locale")


def sound(path: Path, seconds: float = 0.4, seed: int = 0) -> Path:
    """Write noise as a 16 kHz WAV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16000)).astype(np.float32)
    soundfile.write(path, samples, 16000)
    return path


def engine(folder: Path) -> Path:
    """Write a tiny network and its description; return the description's path."""
    tiny_onnx.save(tiny_onnx.network(), folder / "tiny.onnx")
    path = folder / "tiny.json"
    path.write_text(json.dumps({"name": "tiny", "engine": "unitalker", "weights": "tiny.onnx", "channels": "unitalker51"}))
    return path


def manifest(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> Path:
    """Write `rows` as CSV with `columns`; what a row lacks: id 'line<i>', audio 'line.wav', character 'ada', locale 'de'."""
    def cell(value: object) -> str:
        text = str(value)
        return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text

    lines = [",".join(columns)]
    for i, row in enumerate(rows):
        whole = {"id": f"line{i}", "audio": "line.wav", "character": "ada", "locale": "de", **row}
        lines.append(",".join(cell(whole.get(column, "")) for column in columns))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def command(*arguments: str | Path) -> list[str]:
    """Return the command line of `a2f-batch` with `arguments`."""
    return [sys.executable, "-m", "a2f_batch", *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with the project importable from any folder."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | variables


def a2f_batch(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does; a traceback anywhere is a failure."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, encoding="utf-8", env=environment(**variables), timeout=300,
                          check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def summary(out: Path) -> dict[str, Any]:
    """Return OUT/summary.json."""
    content: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return content


def tree(out: Path) -> dict[str, bytes]:
    """Return every file under `out` but the run's own records (journal, lock, summary, report), by relative path."""
    files = (path for path in out.glob("*/**/*") if path.is_file() and path.relative_to(out).parts[0] != "report")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
