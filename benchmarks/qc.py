"""How often the quality figures cry wolf on real prompts, and how many planted faults they find.

    python benchmarks/qc.py [--sounds FOLDER] [--lines 400] [--figures FILE]

The prompts (`drops`) are rendered by the embedded engine and the default profile at 30 frames per second. Half of them, drawn by the seed,
are for choosing levels: `--figures` writes what was measured of those. The other half is judged: flags on lines as they are, and on lines
into each of which one fault was planted. Files that hold no speech (beeps, monkeys, silence) are left out by their names.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import click
import drops
import numpy as np
import numpy.typing as npt

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.clip import FaceClip
from a2f_batch.engines import load_engine
from a2f_batch.engines.base import Engine
from a2f_batch.names import is_mouth
from a2f_batch.post import Context, post_in, profile
from a2f_batch.qc import CHECKS, Measured, judge, measure

FPS = 30
_NO_SPEECH = re.compile(r"silence_.*|(.*_)?(beep|beeperr|ascending-2tone|descending-2tone|tt-monkeys|confbridge-join|confbridge-leave)")
LENGTHS = ((0.0, 0.7), (0.7, 1.2), (1.2, 2.0), (2.0, 4.0), (4.0, 1e9))
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rendered:
    """A prompt with its finished clip."""

    name: str
    wave: Waveform
    clip: FaceClip
    context: Context

    def measured(self) -> Measured:
        """Return its figures."""
        return measure(self.wave, self.clip, self.context.heard)


@dataclass(frozen=True)
class Fault:
    """A fault that can be planted.

    Attributes:
        codes: any of these finds it.
        plant: (line, another line, generator) -> the line with the fault.
    """

    codes: tuple[str, ...]
    plant: Callable[[Rendered, Rendered, np.random.Generator], Rendered]


def main_table(lines: list[Rendered], others: list[Rendered], random: np.random.Generator, engine: Engine) -> None:
    """Print what is found of each planted fault, over all and by length."""
    heads = [f"{low:g}-{high:g} s" if high < 1e9 else f"over {low:g} s" for low, high in LENGTHS]
    click.echo("\nfault planted".ljust(38) + "lines   found  " + "  ".join(f"{head:>9}" for head in heads) + "   by")
    for name, fault in faults(engine).items():
        found: list[bool] = []
        codes: Counter[str] = Counter()
        for line, other in zip(lines, others, strict=True):
            flags = {flag.code for flag in judge(fault.plant(line, other, random).measured()).flags}
            found.append(bool(flags & set(fault.codes)))
            codes.update(flags & set(fault.codes))
        hits, seconds = np.array(found), np.array([float(line.wave.duration) for line in lines])
        by_length = [hits[(seconds >= low) & (seconds < high)] for low, high in LENGTHS]
        cells = "  ".join(f"{100 * one.mean():8.1f}%" if len(one) else "        -" for one in by_length)
        click.echo(f"{name:<37}{len(hits):5}  {100 * hits.mean():5.1f}%  {cells}   "
                   + ", ".join(f"{code} {count}" for code, count in codes.most_common()))


def faults(engine: Engine) -> dict[str, Fault]:
    """Return the faults by name."""
    step = ("out-of-step",)
    other = ("unrelated", "out-of-step", "wrong-length")

    def again(line: Rendered, samples: npt.NDArray[np.float64]) -> Rendered:
        return rendered(line.name, Waveform.from_samples(samples.astype(np.float32), line.wave.rate), engine)

    def shifted(frames: int) -> Fault:
        def plant(line: Rendered, _: Rendered, __: np.random.Generator) -> Rendered:
            at = np.clip(np.arange(line.clip.n_frames) - frames, 0, line.clip.n_frames - 1)
            return changed(line, line.clip.values[at])
        return Fault(step, plant)

    def frozen(line: Rendered, _: Rendered, random: np.random.Generator) -> Rendered:
        first = int(random.integers(0, max(line.clip.n_frames // 3, 1)))
        values = line.clip.values.copy()
        values[first:] = values[first]
        return changed(line, values)

    def swapped(line: Rendered, another: Rendered, _: np.random.Generator) -> Rendered:
        return Rendered(line.name, line.wave, another.clip, line.context)

    def swapped_cut(line: Rendered, another: Rendered, _: np.random.Generator) -> Rendered:
        at = np.minimum(np.arange(line.clip.n_frames), another.clip.n_frames - 1)
        return changed(line, another.clip.values[at])

    def noise(line: Rendered, _: Rendered, random: np.random.Generator) -> Rendered:
        return again(line, random.normal(0, 0.05, len(line.wave.samples)))

    def noisy(line: Rendered, _: Rendered, random: np.random.Generator) -> Rendered:
        speech = np.sqrt(np.mean(np.square(line.wave.samples, dtype=np.float64)))
        return again(line, line.wave.samples + random.normal(0, speech / 2, len(line.wave.samples)))

    def clipped(gain_db: float) -> Callable[[Rendered, Rendered, np.random.Generator], Rendered]:
        def plant(line: Rendered, _: Rendered, __: np.random.Generator) -> Rendered:
            samples = line.wave.samples.astype(np.float64)
            return again(line, np.round(np.clip(samples / np.abs(samples).max() * 10 ** (gain_db / 20), -1, 1) * 32767) / 32768)
        return plant

    def moving(line: Rendered, _: Rendered, random: np.random.Generator) -> Rendered:
        # A second of room tone behind the line, in which the jaw goes on at 3 Hz.
        quiet = np.concatenate([line.wave.samples, random.normal(0, 1e-4, line.wave.rate)])
        longer = again(line, quiet)
        values = longer.clip.values.copy()
        times = longer.clip.times() - float(line.wave.duration)
        chewing = np.where(times > 0.3, 0.08 * (1 - np.cos(2 * np.pi * 3 * times)), 0)
        values[:, longer.clip.names.index("jawOpen")] += chewing.astype(np.float32)
        return changed(longer, values)

    def trembling(line: Rendered, _: Rendered, random: np.random.Generator) -> Rendered:
        mouth = [i for i, name in enumerate(line.clip.names) if is_mouth(name)]
        values = line.clip.values.copy()
        values[:, mouth] += random.normal(0, 0.04, (len(values), len(mouth))).astype(np.float32)
        return changed(line, np.clip(values, 0, 1))

    def popping(line: Rendered, _: Rendered, random: np.random.Generator) -> Rendered:
        values = line.clip.values.copy()
        values[random.integers(1, len(values)), line.clip.names.index("jawOpen")] += 0.8
        return changed(line, values)

    return {
        "curves 200 ms late": shifted(round(0.2 * FPS)), "curves 200 ms early": shifted(-round(0.2 * FPS)),
        "frozen from the first third on": Fault(("still-mouth",), frozen),
        "another line's curves": Fault(other, swapped), "another line's curves, cut to length": Fault(other, swapped_cut),
        "noise for a sound": Fault(("noisy", "no-speech"), noise), "noise 6 dB under the speech": Fault(("noisy", "no-speech"), noisy),
        "clipped, 12 dB over": Fault(("clipping",), clipped(12)), "clipped, 6 dB over": Fault(("clipping",), clipped(6)),
        "jaw moving in a pause": Fault(("moves-in-silence",), moving), "mouth trembling": Fault(("jitter",), trembling),
        "a frame that pops": Fault(("jump",), popping)}


def changed(line: Rendered, values: Values) -> Rendered:
    """Return the line with other curves."""
    return Rendered(line.name, line.wave, line.clip.with_values(values), line.context)


def rendered(name: str, wave: Waveform, engine: Engine) -> Rendered:
    """Take a sound through engine and default profile."""
    (raw,) = engine.infer([wave], fps=FPS, seed=[0])
    context = Context(wave, 0, raw=raw)
    return Rendered(name, wave, post_in(context, raw, profile("default")), context)


def speaking(drop: drops.Drop) -> Iterator[drops.Line]:
    """Yield the prompts in which somebody speaks, and which last a frame."""
    yield from (line for line in drop.lines if not _NO_SPEECH.fullmatch(line.id) and round(Fraction(line.seconds) * FPS) > 0)


def another(line: drops.Line, voice: list[drops.Line], random: np.random.Generator) -> drops.Line:
    """Return a line of the same voice, drawn at random."""
    while (other := voice[random.integers(len(voice))]) is line:
        pass
    return other


@click.command()
@click.option("--sounds", type=click.Path(path_type=Path), default=Path("/usr/share/asterisk/sounds"), show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=Path("out/bench-qc"), show_default=True)
@click.option("--lines", "count", default=400, show_default=True, help="Into how many of the judged half faults are planted.")
@click.option("--clean", type=int, help="How many of the judged half are judged as they are; by default all.")
@click.option("--figures", type=click.Path(path_type=Path), help="Write the figures of the half for choosing levels here, as JSON Lines.")
@click.option("--seed", default=9, show_default=True)
def main(sounds: Path, cache: Path, count: int, clean: int | None, figures: Path | None, seed: int) -> None:
    """Print both tables."""
    random = np.random.default_rng(seed)
    drop = drops.prompts(sounds, cache)
    lines = list(speaking(drop))
    lines = [lines[i] for i in random.permutation(len(lines))]
    choosing, judging = lines[::2], lines[1::2]
    engine = load_engine("embedded", device="cpu")

    def made(line: drops.Line) -> Rendered:
        return rendered(f"{line.locale}/{line.id}", load_audio(drop.folder / line.audio), engine)

    if figures:
        with open(figures, "w", encoding="utf-8") as file:
            for line in choosing:
                one = made(line)
                file.write(json.dumps({"line": one.name, **one.measured().figures}) + "\n")
    alarms: Counter[str] = Counter()
    flagged = 0
    examples: dict[str, list[str]] = {}
    as_is = judging[:clean]
    for line in as_is:
        one = made(line)
        flags = judge(one.measured()).flags
        flagged += bool(flags)
        for flag in flags:
            alarms[flag.code] += 1
            examples.setdefault(flag.code, []).append(f"{one.name} ({flag.text})")
    click.echo(f"{flagged} of {len(as_is)} clean prompts flagged: {100 * flagged / len(as_is):.2f} %")
    for code in CHECKS:
        click.echo(f"  {code:<18}{alarms[code]:4}  {100 * alarms[code] / len(as_is):5.2f} %  {'; '.join(examples.get(code, ())[:3])}")
    chosen = judging[:count]
    # The other line is of the same voice: another voice's would be told apart by less.
    voices: dict[str, list[drops.Line]] = {}
    for line in judging:
        voices.setdefault(line.locale, []).append(line)
    others = [another(line, voices[line.locale], random) for line in chosen]
    main_table([made(line) for line in chosen], [made(line) for line in others], random, engine)


if __name__ == "__main__":
    main()
