"""How the batch fares on real prompts, on twenty thousand lines, when nothing changed, when it is killed, and beside Rhubarb.

    python benchmarks/batch.py [--part prompts] [--part kills] ...

Needs about 10 GB in --cache, and the prompts: `apt-get install asterisk-core-sounds-{en,es,fr,it,ru}-g722`; Rhubarb comes by npm. Times are
wall times of the whole command as a user runs it, Python's start included, except where CPU seconds are named.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import click
import drops
import rhubarb
from cluster_memory import peaks
from command_run import CommandRun, render
from drops import Drop
from kills import survive
from links import run_with_links

FORMATS = ("--formats", "glb,fbx,csv,anim")
ALONE = 200  # prompts whose steps are also timed in one process
FEW, PLANNED = 200, 100_000


@dataclass(frozen=True)
class Row:
    """A line of the table; `good` tells whether the figure meets the bar, None where there is none."""

    what: str
    figure: str
    bar: str = ""
    good: bool | None = None


@dataclass
class Benchmark:
    """The parts; each yields its rows as they come. What several need is made by the one that comes first.

    Attributes:
        sounds: folder of the prompts.
        cache: for what is downloaded, decoded and cut; stays.
        work: for what is rendered; emptied at the start.
        mesh: of glb and fbx, for the prompts.
        seed: of all that is random.
        cores: of this machine that are used.
        repeats: of what takes seconds; the median counts.
        whole: run Rhubarb on all prompts, not on a sample.
        lines, kills: of the run that is killed.
        many: lines of the made drop.
    """

    sounds: Path
    cache: Path
    work: Path
    mesh: str
    seed: int
    cores: int
    repeats: int
    whole: bool
    lines: int
    kills: int
    many: int

    @cached_property
    def all_prompts(self) -> Drop:
        """All prompts."""
        return drops.prompts(self.sounds, self.cache)

    @cached_property
    def prompts_run(self) -> CommandRun:
        """Our run on all prompts."""
        return self._render(self.all_prompts, "prompts", self.mesh)

    @cached_property
    def few_run(self) -> CommandRun:
        """Our run on a few lines of the made drop, rendered into 'few'."""
        return self._render(drops.cuts(self.all_prompts, FEW, self.seed), "few", "proxy")

    def prompts(self) -> Iterator[Row]:
        """The prompts to four formats: how much of the cores' time went into the steps themselves."""
        drop, run = self.all_prompts, self.prompts_run
        yield Row(f"{len(drop.lines)} prompts, {drop.seconds / 60:.0f} min, four formats, mesh {self.mesh}",
                  f"{run.seconds:.1f} s, {drop.seconds / run.seconds:.0f}x real time")
        for phase, seconds in run.phases.items():
            yield Row(f"  {phase}", f"{seconds:.1f} s")
        efficiency = run.cpu_seconds / (self.cores * run.seconds)
        steps = ", ".join(f"{step} {seconds:.0f}" for step, seconds in run.totals["step_cpu_seconds"].items())
        yield Row(f"  CPU seconds of the steps: {steps}", f"{run.cpu_seconds:.0f} s")
        yield Row("  CPU seconds of all processes", f"{run.all_cpu_seconds:.0f} s")
        yield Row(f"  steps' CPU seconds / ({self.cores} x wall)", f"{efficiency:.2f}", ">= 0.8", efficiency >= 0.8)
        sample = drop.sample(ALONE, self.seed)
        alone = self._render(sample, "alone", self.mesh, "--workers", "0").cpu_seconds * drop.seconds / sample.seconds
        yield Row(f"  the same with the CPU seconds of {len(sample.lines)} of them in one process, scaled",
                  f"{alone / (self.cores * run.seconds):.2f}")
        yield Row("  peak memory of client, scheduler and workers", mebibytes(run.peak_bytes))
        again = self._again(drop, "prompts", self.mesh)
        yield Row("  again, nothing changed", f"{again:.2f} s")

    def peer(self) -> Iterator[Row]:
        """Rhubarb on the same prompts and cores."""
        drop = self.all_prompts if self.whole else self.all_prompts.sample(ALONE, self.seed)
        took = rhubarb.recognise(rhubarb.install(self.cache), drop, self.cores)
        scaled = took * self.all_prompts.seconds / drop.seconds
        yield Row(f"Rhubarb 1.13, {self.cores} at a time, on {len(drop.lines)} of the prompts",
                  f"{took:.0f} s, {drop.seconds / took:.0f}x real time")
        ratio = scaled / self.prompts_run.seconds
        yield Row(f"  on all{'' if self.whole else ', scaled by seconds of sound'}: {scaled:.0f} s; our whole run is faster",
                  f"{ratio:.1f}x", ">= 5x", ratio >= 5)

    def made(self) -> Iterator[Row]:
        """Twenty thousand lines, and again with nothing changed."""
        few = self.few_run
        drop = drops.cuts(self.all_prompts, self.many, self.seed)
        first = self._render(drop, "many", "proxy")
        size = sum(path.stat().st_size for path in (self.work / "many").rglob("*") if path.is_file())
        yield Row(f"{self.many} lines, {drop.seconds / 60:.0f} min, four formats, mesh proxy",
                  f"{first.seconds:.0f} s, {drop.seconds / first.seconds:.0f}x real time")
        efficiency = first.cpu_seconds / (self.cores * first.seconds)
        yield Row(f"  steps' CPU seconds / ({self.cores} x wall)", f"{efficiency:.2f}")
        yield Row("  output", f"{size / 1e9:.2f} GB", "< 10 GB", size < 10e9)
        yield Row(f"  peak memory of client, scheduler and workers, {FEW} lines", mebibytes(few.peak_bytes))
        yield Row(f"  the same, {self.many} lines", f"{mebibytes(first.peak_bytes)}, {first.peak_bytes / few.peak_bytes:.2f}x")
        again = self._again(drop, "many", "proxy")
        yield Row(f"  again, nothing changed, median of {self.repeats}", f"{again:.2f} s", "< 5 s", again < 5)
        report = self._report("many"), self._report("many")
        yield Row("  the report of all lines; again, nothing changed", f"{report[0]:.1f} s; {report[1]:.1f} s", "< 30 s", report[0] < 30)
        yield Row("  of the first run's time", f"{100 * again / first.seconds:.2f} %", "< 1 %", again < 0.01 * first.seconds)

    def memory(self) -> Iterator[Row]:
        """Scheduler, workers and client as processes of their own, over few lines and over many; csv alone, for the sake of time."""
        few, many = (peaks([str(drops.cuts(self.all_prompts, count, self.seed).manifest), "--out", str(self.work / f"memory-{count}"),
                            "--formats", "csv"], self.cores) for count in (FEW, self.many))
        growth = many.cluster / few.cluster
        yield Row(f"peak memory of a scheduler and {self.cores} workers, {FEW} lines to csv", mebibytes(few.cluster))
        yield Row(f"  the same, {self.many} lines", f"{mebibytes(many.cluster)}, {growth:.2f}x", "<= 1.1x", growth <= 1.1)
        yield Row("  of the client, which holds manifest and plan", f"{mebibytes(few.client)}, {mebibytes(many.client)}")
        yield Row("  of all together", f"{mebibytes(few.together)}, {mebibytes(many.together)}, {many.together / few.together:.2f}x")

    def plan(self) -> Iterator[Row]:
        """The plan of a hundred thousand lines that are all done and unchanged: the most that a plan has to look at."""
        assert self.few_run
        few = drops.cuts(self.all_prompts, FEW, self.seed)
        drop = run_with_links(few, self.work / "few", self.work / "planned", PLANNED, [*FORMATS, "--mesh", "proxy", "--no-report"])
        took = self._again(drop, "planned/out", "proxy", "--dry-run")
        yield Row(f"plan of {PLANNED} lines with cached hashes, {4 * PLANNED} files, median of {self.repeats}", f"{took:.2f} s", "< 10 s",
                  took < 10)

    def killed(self) -> Iterator[Row]:
        """Random kills in one run, then its end."""
        drop = self.all_prompts.sample(self.lines, self.seed)
        self._render(drop, "undisturbed", "proxy")
        scratch = self.work / "scratch"
        scratch.mkdir()
        command = ["-m", "a2f_batch", *self._arguments(drop, "killed", "proxy")]
        seen = survive(command, self.work / "killed", self.work / "undisturbed", scratch, kills=self.kills, seed=self.seed)
        kills = ", ".join(f"{count} {victim}" for victim, count in sorted(seen.kills.items()))
        yield Row(f"{len(drop.lines)} prompts, {sum(seen.kills.values())} kills ({kills}), seed {self.seed}",
                  f"{seen.seconds:.0f} s, {seen.starts} starts")
        attempts = ", ".join(f"{lines} in {tries}" for tries, lines in sorted(seen.attempts.items()))
        yield Row(f"  lines by number of attempts: {attempts}", "")
        yield Row("  missing, half written, rendered again once committed, different, left behind", str(len(seen.wrong)), "0",
                  not seen.wrong)
        yield from (Row(f"    {wrong}", "") for wrong in seen.wrong[:20])

    def _arguments(self, drop: Drop, name: str, mesh: str) -> list[str]:
        # The report has a row of its own.
        return ["render", str(drop.manifest), "--out", str(self.work / name), *FORMATS, "--mesh", mesh, "--no-report"]

    def _render(self, drop: Drop, name: str, mesh: str, *more: str) -> CommandRun:
        return render(*self._arguments(drop, name, mesh)[1:], *(more or ("--workers", str(self.cores))))

    def _report(self, name: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "a2f_batch", "report", str(self.work / name)], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin

    def _again(self, drop: Drop, name: str, mesh: str, *more: str) -> float:
        return statistics.median(render(*self._arguments(drop, name, mesh)[1:], *more).seconds for _ in range(self.repeats))


PARTS: dict[str, Callable[[Benchmark], Iterator[Row]]] = {
    "prompts": Benchmark.prompts, "rhubarb": Benchmark.peer, "made": Benchmark.made, "memory": Benchmark.memory,
    "plan": Benchmark.plan, "kills": Benchmark.killed}


@click.command()
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Only this; may be given again. By default all.")
@click.option("--sounds", default=Path("/usr/share/asterisk/sounds"), show_default=True, type=click.Path(path_type=Path),
              help="Folder of the Debian packages' prompts.")
@click.option("--cache", default=Path(__file__).resolve().parents[1] / ".cache" / "batch", type=click.Path(path_type=Path),
              help="Folder for sounds, Rhubarb and what is rendered; by default .cache/batch.")
@click.option("--mesh", default="proxy", show_default=True, help="Mesh of glb and fbx, for the prompts; 'default' writes 6 GB.")
@click.option("--seed", default=7, show_default=True, help="Of cuts, samples and kills.")
@click.option("--cores", default=len(os.sched_getaffinity(0)), show_default=True, help="Workers, and Rhubarbs at a time.")
@click.option("--repeats", default=3, show_default=True, help="Repeats of what takes seconds; the median counts.")
@click.option("--full", "whole", is_flag=True, help="Run Rhubarb on all prompts, not on a sample.")
@click.option("--lines", default=1000, show_default=True, help="Lines of the run that is killed.")
@click.option("--kills", default=20, show_default=True, help="Kills.")
@click.option("--many", default=20_000, show_default=True, help="Lines of the made drop; the bars are for 20 000.")
def main(parts: tuple[str, ...], sounds: Path, cache: Path, mesh: str, seed: int, cores: int, repeats: int, whole: bool, lines: int,
         kills: int, many: int) -> None:
    """Print the table, row by row as it is measured; the exit code is 1 if a bar is missed."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode; a user never waits for it to be compiled
    work = cache.absolute() / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    benchmark = Benchmark(sounds, cache.absolute(), work, mesh, seed, cores, repeats, whole, lines, kills, many)
    click.echo(f"{date.today()}, {cores} of {os.cpu_count()} cores, {processor()}, load {os.getloadavg()[0]:.1f} at the start, "
               f"Python {platform.python_version()}\n")
    missed = False
    for part in parts or PARTS:
        for row in PARTS[part](benchmark):
            verdict = {True: "met", False: "MISSED", None: ""}[row.good]
            click.echo(f"{row.what:<96}{row.figure:>26}  {row.bar:<8}{verdict}".rstrip())
            missed |= row.good is False
    raise SystemExit(int(missed))


def processor() -> str:
    """Return what the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def mebibytes(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 2**20:.0f} MiB"


if __name__ == "__main__":
    main()
