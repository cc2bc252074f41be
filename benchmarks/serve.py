"""The service: requests a second and their latency for a sound of three seconds, beside the command line; and what a stream's cuts cost.

    python benchmarks/serve.py [--workers 2] [--requests 60] [--seconds 3]

Clients are threads of this process, over loopback, each with a connection of its own that it keeps. CPU seconds are those of the service
and its workers a request, so that they hold on a busy machine too. The peer is the same work by `a2f-batch bake`, one process a sound.
The stream's table compares its frames (cut at silences) with those of the whole line: `cuts=none`, which is `a2f-batch bake`.
"""

from __future__ import annotations

import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import click
import httpx
import numpy as np
import psutil
import soundfile

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.clip import Values
from a2f_batch.names import is_mouth
from a2f_batch.post import post
from a2f_batch.serve.cuts import Cutter

VOICES = sorted((Path(__file__).parents[1] / "manifests/audio").iterdir())
WORK = {"process-audio": "/process-audio", "csv": "/bake?format=csv", "glb": "/bake?format=glb", "fbx": "/bake?format=fbx",
        "anim": "/bake?format=anim"}


@click.command()
@click.option("--workers", default=2, show_default=True, help="Processes that render.")
@click.option("--requests", default=60, show_default=True, help="Requests of each row.")
@click.option("--seconds", default=3.0, show_default=True, help="Length of the sound.")
def main(workers: int, requests: int, seconds: float) -> None:
    """Print the tables."""
    sound = io.BytesIO()
    soundfile.write(sound, load_audio(VOICES[0]).samples[:round(seconds * 16000)], 16000, format="WAV")
    click.echo(f"{seconds:g} s of sound, {workers} workers, {requests} requests a row, {os.cpu_count()} cores, "
               f"load {os.getloadavg()[0]:.1f}\n")
    click.echo("| request | clients | requests/s | median ms | 95 % ms | CPU ms |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    with serving(workers) as (url, process):
        for name, path in WORK.items():
            for clients in (1, 8):
                before = cpu_seconds(process)
                times, wall = asked(f"{url}{path}", sound.getvalue(), clients, requests)
                click.echo(row(name, clients, times, wall, cpu_seconds(process) - before))
    click.echo(row("a2f-batch bake, csv", 1, *by_command(sound.getvalue())))
    click.echo(f"\n{cut_cost()}")


def row(name: str, clients: int, times: Sequence[float], wall: float, cpu: float) -> str:
    """Return a row of the first table; times in seconds."""
    return (f"| {name} | {clients} | {len(times) / wall:.1f} | {1e3 * statistics.median(times):.0f} "
            f"| {1e3 * sorted(times)[int(0.95 * len(times))]:.0f} | {1e3 * cpu / len(times):.0f} |")


def asked(url: str, sound: bytes, clients: int, requests: int) -> tuple[list[float], float]:
    """Return how long each of `requests` took, and all together, in seconds."""

    def one(client: httpx.Client, count: int) -> list[float]:
        times = []
        for _ in range(count):
            begun = time.perf_counter()
            client.post(url, files={"file": ("line.wav", sound)}).raise_for_status()
            times.append(time.perf_counter() - begun)
        return times

    with ThreadPoolExecutor(clients) as threads:
        connections = [httpx.Client(timeout=120) for _ in range(clients)]
        begun = time.perf_counter()
        times = [one_time for times in threads.map(one, connections, [requests // clients] * clients) for one_time in times]
        return times, time.perf_counter() - begun


def by_command(sound: bytes, repeats: int = 3) -> tuple[list[float], float, float]:
    """Return the same of the command line, and its CPU seconds."""
    times = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as place:
        Path(place, "line.wav").write_bytes(sound)
        for _ in range(repeats):
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-m", "a2f_batch", "bake", f"{place}/line.wav", f"{place}/line.csv"], check=True,
                           capture_output=True)
            times.append(time.perf_counter() - begun)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times, sum(times), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a service and its workers so far."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def cut_cost() -> str:
    """Return the second table: talk of the demo's voices with pauses of 0.8 s, cut and whole."""
    pause = np.zeros(12800, dtype=np.float32)
    samples = np.concatenate([part for path in VOICES for part in (load_audio(path).samples, pause)])
    engine = EngineChoice(device="cpu").loaded()
    cutter = Cutter(16000, Fraction(30))
    pieces = [*cutter.add(samples)]
    last = cutter.finish()
    pieces += [last] if last else []

    def curves(part: Values, seed: int) -> tuple[Values, Values, tuple[str, ...]]:
        wave = Waveform.from_samples(part, 16000)
        (raw,) = engine.infer([wave])
        done = post(raw, wave=wave, seed=seed)
        return raw.values, done.values, done.names

    whole_raw, whole, names = curves(samples, 0)
    cut = [curves(samples[piece.begin:piece.end], piece.first) for piece in pieces]
    cut_raw, joined = np.concatenate([one[0] for one in cut]), np.concatenate([one[1] for one in cut])
    mouth = [k for k, name in enumerate(names) if is_mouth(name)]
    joints = np.array([piece.first for piece in pieces[1:]])
    jumps, usual = np.abs(joined[joints] - joined[joints - 1])[:, mouth], np.abs(np.diff(joined, axis=0))[:, mouth]
    return (f"| {len(samples) / 16000:.0f} s in {len(pieces)} pieces | RMS | most |\n| --- | ---: | ---: |\n"
            f"| raw curves, cut against whole | {rms(cut_raw - whole_raw):.4f} | {np.abs(cut_raw - whole_raw).max():.3f} |\n"
            f"| mouth after post, cut against whole | {rms((joined - whole)[:, mouth]):.4f} "
            f"| {np.abs(joined - whole)[:, mouth].max():.3f} |\n"
            f"| mouth from frame to frame, at the cuts | {rms(jumps):.4f} | {jumps.max():.3f} |\n"
            f"| mouth from frame to frame, everywhere | {rms(usual):.4f} | {usual.max():.3f} |")


def rms(values: Values) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@contextmanager
def serving(workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """Run a service."""
    command = [sys.executable, "-m", "a2f_batch", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        url = process.stderr.readline().split()[1]
        with ThreadPoolExecutor(1) as reader:  # its log, so that it never waits to write
            reader.submit(process.stderr.read)
            yield url, psutil.Process(process.pid)
            process.terminate()


if __name__ == "__main__":
    main()
