"""How good the mouth is: every row of the quality table, for weights of ours beside Rhubarb, on lines that training never saw.

    python benchmarks/quality.py GRID_FOLDER [--speech .cache/speech/corpus] [--weights embedded] [--pictures out/quality]

GRID_FOLDER holds audio/, words.csv and curves.npz, as for `a2f-batch train`; captured rows are measured on its held-out
sentences. --speech holds synthetic speech with exact phone times (`a2f-batch train speech`), of which only the held-out
voices and the held-out language are used. Captured rows and jitter are of the engine's own clip at 25 fps; the others of the clip after
the default profile at 60 fps. Rhubarb is fetched with npm; --no-rhubarb leaves it out.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import rhubarb
from quality_measures import Lips, best_threshold, closure_f1, correlation, jitter_ratio, likeness, still_percentile
from quality_pictures import draw, draw_heads
from quality_rhubarb import rhubarb_clip, smoothed

import a2f_batch as a2f
from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.engines import describe
from a2f_batch.train.dataset import Corpus, Sentence, Tracks, read_corpus, tracks_of
from a2f_batch.train.recipe import SAMPLE_RATE, split_sentences
from a2f_batch.train.segments import corrected
from a2f_batch.train.speech.utterance import Phone, Utterance, read_utterances

CAPTURED = (("jawOpen", 0.93), ("mouthPucker", 0.78), ("mouthClose", 0.75), ("mouthRollUpper", 0.80))
CHANGES = ("-18 dB", "+6 dB", "8 kHz", "48 kHz", "noise at 20 dB")


@dataclass
class Row:
    """A line of the table: what is measured, its bar in words, and a figure in words for every contestant."""

    measure: str
    bar: str
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contestant:
    """Someone who makes clips: `raw` at 25 fps for the captured rows, `finished` at 60 fps for the others.

    Attributes:
        own: whether it is ours; a peer's poses step, so that its jitter says nothing.
    """

    name: str
    raw: Callable[[Sequence[Waveform]], list[FaceClip]]
    finished: Callable[[Sequence[Waveform]], list[FaceClip]]
    own: bool


@dataclass(frozen=True)
class Captured:
    """The sentences to measure on and the ones to choose the closure threshold on."""

    corpus: Corpus
    tracks: Tracks
    held_out: list[Sentence]
    validation: list[Sentence]
    waves: dict[str, Waveform]


@dataclass(frozen=True)
class Spoken:
    """A synthetic line that no one trained on."""

    utterance: Utterance
    phones: tuple[Phone, ...]
    wave: Waveform


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--speech", "root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path(".cache/speech/corpus"))
@click.option("--weights", multiple=True, default=("embedded",), show_default=True, help="Names or descriptions; again for several.")
@click.option("--with-rhubarb/--no-rhubarb", default=True, help="Whether the peer is run too.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache"), help="Where the peer is kept.")
@click.option("--most", default=12, show_default=True, help="Lines of each voice and language at most.")
@click.option("--pictures", type=click.Path(file_okay=False, path_type=Path), help="Write six lines and the head as PNG there.")
def main(folder: Path, root: Path, weights: tuple[str, ...], with_rhubarb: bool, cache: Path, most: int, pictures: Path | None) -> None:
    """Print the table, and the synthetic rows for each language."""
    captured, spoken = read_captured(folder), read_spoken(root, most)
    contestants = [product(name) for name in weights]
    if with_rhubarb:
        contestants.append(peer(rhubarb.install(cache)))
    rows: dict[str, Row] = {}
    languages: dict[str, dict[str, Lips]] = {}
    for contestant in contestants:
        threshold = measure_captured(contestant, captured, rows)
        languages[contestant.name] = measure_spoken(contestant, spoken, threshold, rows)
        measure_still(contestant, rows)
        measure_changes(contestant, spoken, rows)
        measure_speed(contestant, spoken, rows)
    for name in weights:
        put(rows, "size of weights", "20 MB", product(name).name, f"{describe(name).weights.stat().st_size / 1e6:.1f} MB")
    names = [contestant.name for contestant in contestants]
    click.echo(f"{len(captured.held_out)} held-out captured sentences; {len(spoken)} synthetic lines of held-out voices and languages, "
               f"{sum(float(line.wave.duration) for line in spoken) / 60:.1f} minutes\n")
    click.echo(f"| measure | bar | {' | '.join(names)} |\n| --- | --- |{' --- |' * len(names)}")
    for row in rows.values():
        click.echo(f"| {row.measure} | {row.bar} | {' | '.join(row.figures.get(name, '-') for name in names)} |")
    click.echo(f"\n| language | lines of | {' | '.join(f'{name}: p b m met / vowels shut / rounding' for name in names)} |\n"
               f"| --- | --- |{' --- |' * len(names)}")
    for key in sorted(languages[names[0]]):
        counts = [languages[name][key] for name in names]
        cells = [f"{some.recall:.3f} of {some.bilabials} / {some.false:.3f} / {some.area:.3f}" for some in counts]
        click.echo(f"| {key.replace(' ', ' | ', 1)} | {' | '.join(cells)} |")
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        shown = [line for line in spoken if line.utterance.corpus == "kokoro"][::max(len(spoken) // 12, 1)][:4]
        draw_heads(pictures / "heads.png", shown, contestants[0].finished([line.wave for line in shown]))
        draw(pictures, contestants[0].raw, captured.held_out[:3], captured, contestants[0].finished, spoken[::max(len(spoken) // 3, 1)][:3])


def product(weights: str) -> Contestant:
    """Return how weights of ours make clips."""
    engine = a2f.load_engine(weights, device="cpu")

    def finished(waves: Sequence[Waveform]) -> list[FaceClip]:
        clips = engine.infer(waves, fps=60)
        return [a2f.post(clip, "default", wave=wave, seed=i) for i, (clip, wave) in enumerate(zip(clips, waves, strict=True))]

    return Contestant(describe(weights).name, lambda waves: engine.infer(waves, fps=25), finished, True)


def peer(program: Path) -> Contestant:
    """Return how Rhubarb's shapes become clips; smoothed for the captured curves, as they are for what lips do at a phone."""
    return Contestant("Rhubarb 1.13", lambda waves: [smoothed(rhubarb_clip(program, wave, 25)) for wave in waves],
                      lambda waves: [rhubarb_clip(program, wave, 60) for wave in waves], False)


def read_captured(folder: Path) -> Captured:
    """Read the GRID folder."""
    corpus = read_corpus(folder)
    training, validation, held_out = split_sentences(list(corpus.sentences))
    waves = {id: a2f.load_audio(folder / "audio" / f"{id}.flac") for id in validation + held_out}
    return Captured(corpus, tracks_of(corpus, training), [corpus.sentences[id] for id in held_out],
                    [corpus.sentences[id] for id in validation], waves)


def read_spoken(root: Path, most: int) -> list[Spoken]:
    """Read the synthetic lines of held-out voices and languages, at most `most` of each set."""
    counts: dict[str, int] = {}
    lines = []
    for utterance, path in read_utterances(root):
        if utterance.split != "train" and counts.setdefault(utterance.set_name, 0) < most:
            counts[utterance.set_name] += 1
            lines.append(Spoken(utterance, corrected(utterance.phones, utterance.corpus, utterance.language), a2f.load_audio(path)))
    return lines


def put(rows: dict[str, Row], measure: str, bar: str, name: str, figure: str) -> None:
    """Enter a figure."""
    rows.setdefault(measure, Row(measure, bar)).figures[name] = figure


def measure_captured(contestant: Contestant, captured: Captured, rows: dict[str, Row]) -> float:
    """Enter the captured rows; return the threshold under which lips count as shut, chosen on the validation sentences."""
    clips = contestant.raw([captured.waves[sentence.id] for sentence in captured.held_out])
    tuning = contestant.raw([captured.waves[sentence.id] for sentence in captured.validation])
    for channel, bar in CAPTURED:
        if channel in clips[0].names:
            value = correlation(clips, captured.held_out, captured.corpus, channel)
            put(rows, f"captured {channel}: correlation", f"{bar:.2f}", contestant.name, f"{value:.3f}")
    threshold = best_threshold(tuning, captured.validation)
    f1 = closure_f1(clips, captured.held_out, threshold)
    put(rows, "lip closures, captured: F1", "0.85", contestant.name, f"{f1:.3f} (below {threshold:.3f})")
    if contestant.own:
        jitter = jitter_ratio(clips, captured.held_out, captured.corpus, captured.tracks)
        put(rows, "jitter over captured", "at most 1.0", contestant.name, f"{jitter:.2f}")
    return threshold


def measure_spoken(contestant: Contestant, spoken: Sequence[Spoken], threshold: float, rows: dict[str, Row]) -> dict[str, Lips]:
    """Enter the rows of phones; return the counts of each language."""
    lips: dict[str, Lips] = {}
    natural, robot = Lips(), Lips()
    for line, clip in zip(spoken, contestant.finished([line.wave for line in spoken]), strict=True):
        voice = line.utterance.voice if line.utterance.split == "held-out-voice" else "all voices"
        key = f"{line.utterance.language} {line.utterance.corpus} {voice}"
        for some in (lips.setdefault(key, Lips()), robot if line.utterance.corpus == "espeak" else natural):
            some.take(clip, line.phones, threshold)
    for name, some, kind in (("natural voices", natural, "kokoro"), ("espeak-ng", robot, "espeak")):
        put(rows, f"p, b, m met within 40 ms, {name}", "0.95", contestant.name, f"{some.recall:.3f} of {some.bilabials}")
        put(rows, f"vowels shut, {name}", "under 0.03", contestant.name, f"{some.false:.3f} of {some.vowels}")
        areas = [one.area for key, one in lips.items() if f" {kind} " in key and np.isfinite(one.area)]
        put(rows, f"rounding, worst and mean language, {name}", "0.95", contestant.name,
            f"{min(areas, default=np.nan):.3f} / {np.mean(areas or [np.nan]):.3f}")
    return lips


def measure_still(contestant: Contestant, rows: dict[str, Row]) -> None:
    """Enter the row of silence and of steady noise at -50 dBFS, white, pink and brown, five seconds each."""
    random = np.random.default_rng(50)
    sounds = {"silence": np.zeros(5 * SAMPLE_RATE, np.float32)} | {
        f"1/f^{slope} noise": coloured(5 * SAMPLE_RATE, slope, random) * 10 ** (-50 / 20) for slope in (0, 1, 2)}
    waves = [Waveform.from_samples(sound.astype(np.float32), SAMPLE_RATE) for sound in sounds.values()]
    clips = contestant.finished(waves)
    figures = {name: still_percentile([clip]) for name, clip in zip(sounds, clips, strict=True)}
    worst = max(figures, key=lambda name: figures[name])
    put(rows, "motion in silence and room tone: 99th percentile", "0.03", contestant.name, f"{figures[worst]:.3f} ({worst})")


def coloured(n: int, slope: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return noise of unit variance whose power falls as 1/f^slope above 40 Hz."""
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), 40.0)
    made = np.fft.irfft(np.fft.rfft(random.standard_normal(n)) * frequency ** (-slope / 2), n)
    return np.asarray(made / made.std())


def measure_changes(contestant: Contestant, spoken: Sequence[Spoken], rows: dict[str, Row]) -> None:
    """Enter the row of the same line at other levels, rates and in noise: mean correlation of jawOpen with the clean line's."""
    random = np.random.default_rng(20)
    some = spoken[::max(len(spoken) // 16, 1)]
    clean = contestant.finished([line.wave for line in some])
    for change in CHANGES:
        clips = contestant.finished([changed(line.wave, change, random) for line in some])
        values = [likeness(clip, other) for clip, other in zip(clips, clean, strict=True)]
        put(rows, f"same line, {change}: jawOpen", "0.95", contestant.name, f"{np.mean(values):.3f} (worst {min(values):.3f})")


def changed(wave: Waveform, change: str, random: np.random.Generator) -> Waveform:
    """Return a line as another chain would have recorded it; what passes full scale is cut off."""
    import soxr

    samples, rate = wave.samples.astype(np.float64), wave.rate
    if change.endswith("kHz"):
        rate = int(change.split()[0]) * 1000
        samples = soxr.resample(samples, wave.rate, rate)
    elif change.startswith("noise"):
        samples = samples + random.standard_normal(len(samples)) * np.sqrt((samples ** 2).mean()) * 10 ** (-20 / 20)
    else:
        samples = samples * 10 ** (float(change.split()[0]) / 20)
    return Waveform.from_samples(np.clip(samples, -1, 1).astype(np.float32), rate)


def measure_speed(contestant: Contestant, spoken: Sequence[Spoken], rows: dict[str, Row]) -> None:
    """Enter how fast lines become finished clips, by the CPU time of this process and its children, twice that for two cores."""
    waves = [line.wave for line in spoken[:40]]
    contestant.finished(waves[:2])
    began = cpu_seconds()
    contestant.finished(waves)
    seconds = sum(float(wave.duration) for wave in waves)
    times = 2 * seconds / (cpu_seconds() - began)
    put(rows, "audio to finished clip at 60 fps, 2 cores (CPU time)", "300x", contestant.name, f"{times:.0f}x")


def cpu_seconds() -> float:
    """Return the CPU time that this process and those it waited for have used."""
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


if __name__ == "__main__":
    main()
