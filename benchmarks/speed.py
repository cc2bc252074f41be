"""How fast the embedded engine is, from audio to clips and to files, on one process and on the batch's workers.

    python benchmarks/speed.py [--lines 40] [--repeats 5]

Lines are the demo's, repeated and shifted so that no two are the same; each row is the median of the repeats. The plain reference, in
the same run, is the network alone: one onnxruntime call a line on sound already decoded, no post-processing, no files.
"""

from __future__ import annotations

import csv
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np
import soundfile

import a2f_batch as a2f
from a2f_batch.resources import resource_folder

FPS = 30


@click.command()
@click.option("--lines", default=40, show_default=True, help="Lines in the corpus.")
@click.option("--repeats", default=5, show_default=True, help="Repeats of each measurement; the median is printed.")
def main(lines: int, repeats: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        manifest, seconds = make_corpus(Path(folder), lines)
        click.echo(f"{lines} lines, {seconds:.0f} s of audio, {os.cpu_count()} cores, {platform.processor() or platform.machine()}, "
                   f"Python {platform.python_version()}, median of {repeats}\n")
        click.echo(f"{'step':<44}{'seconds':>9}{'x real time':>13}")

        def row(name: str, work: Callable[[], object]) -> None:
            took = statistics.median(timed(work) for _ in range(repeats))
            click.echo(f"{name:<44}{took:9.3f}{seconds / took:13.0f}")

        engine = a2f.load_engine("embedded", device="cpu")
        paths = sorted((Path(folder) / "audio").iterdir())
        waves = [a2f.load_audio(path) for path in paths]
        raw = engine.infer(waves, fps=FPS)
        clips = [a2f.post(clip, wave=wave) for clip, wave in zip(raw, waves, strict=True)]
        row("decode to 16 kHz", lambda: [a2f.load_audio(path) for path in paths])
        row("network, one call a line", lambda: engine.infer(waves, fps=FPS))
        row("post-processing", lambda: [a2f.post(clip, wave=wave) for clip, wave in zip(raw, waves, strict=True)])
        for fmt in ("glb", "fbx", "csv", "anim", "npz"):
            row(f"write {fmt}", partial(write, clips, Path(folder) / "line", fmt))
        row("audio to clips, one process",
            lambda: [a2f.post(engine.infer([wave], fps=FPS)[0], wave=wave) for wave in map(a2f.load_audio, paths)])
        for workers in (1, 2):
            row(f"whole command, four formats, {workers} worker{'s'[:workers > 1]}", partial(render, manifest, workers))
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
        click.echo(f"\nlargest process: {peak:.0f} MiB")


def make_corpus(folder: Path, lines: int) -> tuple[Path, float]:
    """Write `lines` sound files and their manifest; return the manifest's path and the audio's length in seconds."""
    demo = resource_folder("manifests")
    with open(demo / "demo.csv", encoding="utf-8", newline="") as file:
        sources = [a2f.load_audio(demo / row["audio"]) for row in csv.DictReader(file)]
    (folder / "audio").mkdir()
    rows, seconds = ["id,audio,character,locale"], 0.0
    for i in range(lines):
        wave = sources[i % len(sources)]
        soundfile.write(folder / "audio" / f"{i:05}.wav", np.roll(wave.samples, i * 160), wave.rate, subtype="PCM_16")
        rows.append(f"line{i:05},audio/{i:05}.wav,guard,en")
        seconds += len(wave.samples) / wave.rate
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "manifest.csv", seconds


def write(clips: Sequence[a2f.FaceClip], path: Path, fmt: str) -> None:
    """Write every clip in one format."""
    for clip in clips:
        a2f.export(clip, path, format=fmt)


def render(manifest: Path, workers: int) -> None:
    """Run the command as a user would, into a new folder."""
    out = manifest.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "a2f_batch", "render", str(manifest), "--out", str(out), "--formats", "glb,fbx,csv,anim",
                    "--workers", str(workers)], check=True, capture_output=True)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
