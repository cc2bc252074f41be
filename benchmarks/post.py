"""How long the default profile's curve stages take on a long clip, beside the same arithmetic in plain loops.

    python benchmarks/post.py [--minutes 10] [--fps 60] [--repeats 9]

One core: the script sets one thread before numpy is imported. Times are the process's CPU time, medians. The array floor is one read
and one write of the clip's values. The plain reference does what `smooth`, `gain`, `silence-gate` and `clamp` do, value by value, on a part
of the clip; its time is scaled to the whole. The analysis of the sound is a row of its own: stages share one.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import math
import platform
import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import click
import numpy as np

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.names import ARKIT_52, ROTATIONS, is_mouth
from a2f_batch.post import Context, pipeline
from a2f_batch.speech import listen

RATE = 16000
REFERENCE_FRAMES = 360


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="Length of the clip.")
@click.option("--fps", default=60, show_default=True, help="Frames per second.")
@click.option("--repeats", default=9, show_default=True, help="Repeats of each measurement; the median is printed.")
def main(minutes: float, fps: int, repeats: int) -> None:
    """Print the table."""
    wave = speech_like(minutes * 60)
    clip = babble(wave, fps)
    context = Context(wave, 1, raw=clip)
    context.features("benchmark")
    stages = pipeline.profile("default").stages
    names = {kind: name for name, kind in pipeline.STAGES.items()}

    def median(work: Callable[[], object]) -> float:
        return statistics.median(timed(work) for _ in range(repeats))

    click.echo(f"{clip.n_frames} frames x {len(clip.names)} channels, one thread, {platform.processor() or platform.machine()}, "
               f"Python {platform.python_version()}, numpy {np.__version__}, median CPU time of {repeats}\n")
    click.echo(f"{'step':<44}{'ms':>9}")
    out = np.empty_like(clip.values)
    floor = median(lambda: np.copyto(out, clip.values))
    click.echo(f"{'array floor: one read and write':<44}{1e3 * floor:9.1f}")
    staged = clip
    for stage in stages:
        click.echo(f"{names[type(stage)]:<44}{1e3 * median(lambda stage=stage, staged=staged: stage.apply(staged, context)):9.1f}")  # type: ignore[misc]
        staged = stage.apply(staged, context)

    def profile() -> FaceClip:
        staged = clip
        for stage in stages:
            staged = stage.apply(staged, context)
        return staged

    whole = median(profile)
    click.echo(f"{'default profile, features given':<44}{1e3 * whole:9.1f}   {whole / floor:.0f} array floors")
    took = timed(lambda: plain_loops(clip, context, REFERENCE_FRAMES)) * clip.n_frames / REFERENCE_FRAMES
    click.echo(f"{'plain loops, four of the stages (scaled)':<44}{1e3 * took:9.0f}   {took / whole:.0f} times the profile")
    heard = median(lambda: listen(wave.samples, wave.rate))
    click.echo(f"\n{'analysis of the sound':<44}{1e3 * heard:9.0f}   {minutes * 60 / heard:.0f} x real time")


def speech_like(seconds: float) -> Waveform:
    """Return a buzz of changing pitch in syllables, with a pause every five seconds, over a little noise."""
    random = np.random.default_rng(1)
    times = np.arange(round(seconds * RATE)) / RATE
    phase = np.cumsum(2 * np.pi * (120 + 25 * np.sin(2 * np.pi * 0.4 * times)) / RATE)
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12))
    envelope = (times % 5 < 4) * (0.55 + 0.45 * np.sin(2 * np.pi * 4.3 * times)) * (0.7 + 0.3 * np.sin(2 * np.pi * 0.9 * times))
    return Waveform.from_samples((0.08 * envelope * buzz + 1e-4 * random.normal(size=len(times))).astype(np.float32), RATE)


def babble(wave: Waveform, fps: int) -> FaceClip:
    """Return a clip in which all channels move: slow noise with jitter on it."""
    random = np.random.default_rng(2)
    names = (*ARKIT_52, *ROTATIONS)
    n_frames = wave.frame_count(Fraction(fps))
    times = np.arange(n_frames)[:, None] / fps
    moving = 0.35 + 0.35 * np.sin(2 * np.pi * random.uniform(1, 6, len(names)) * times + random.uniform(0, 6, len(names)))
    return FaceClip(names, moving + 0.02 * random.normal(size=moving.shape), Fraction(fps))


def plain_loops(clip: FaceClip, context: Context, n_frames: int) -> list[list[float]]:
    """Return smooth, gain's knee, silence-gate and clamp of the first `n_frames` frames, with no array arithmetic."""
    stages = {type(stage).__name__: stage for stage in pipeline.profile("default").stages}
    smooth, knee = stages["Smooth"], stages["Gain"].knee  # type: ignore[attr-defined]
    gate = stages["SilenceGate"].gate(context.features("benchmark").stretches, clip.times()).tolist()  # type: ignore[attr-defined]
    values, fps = clip.values[: n_frames + 32].tolist(), float(clip.fps)
    done = []
    for i in range(n_frames):
        row = []
        for j, name in enumerate(clip.names):
            sigma = (smooth.mouth_seconds if is_mouth(name) else smooth.face_seconds) * fps  # type: ignore[attr-defined]
            reach, total, weight = math.ceil(4 * sigma), 0.0, 0.0
            for k in range(-reach, reach + 1):
                g = math.exp(-0.5 * (k / sigma) ** 2)
                total += g * values[min(max(i + k, 0), len(values) - 1)][j]
                weight += g
            value = total / weight
            if value > knee:
                value = knee + (1 - knee) * (value - knee) / (1 - knee + value - knee)
            if is_mouth(name):
                value *= gate[i]
            row.append(min(max(value, 0.0), 1.0))
        done.append(row)
    return done


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds that `work` takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
