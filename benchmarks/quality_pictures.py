"""Lines as pictures: waveform, phones and the main curves beside what is true of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.train.coarticulation import TRACKS, read_visemes, rule_curves
from a2f_batch.train.dataset import Array, Sentence
from a2f_batch.train.segments import segments_of
from a2f_batch.train.speech.utterance import Phone

if TYPE_CHECKING:
    from quality import Captured, Spoken

SHOWN = ("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthRollLower")
#: Sounds that a head is shown at, and how their phones begin.
SAID = ("pbm", "fv", "aɑæ", "uʊw", "iɪ")
Make = Callable[[Sequence[Waveform]], list[FaceClip]]


def draw(folder: Path, raw: Make, sentences: Sequence[Sentence], captured: Captured, finished: Make, spoken: Sequence[Spoken]) -> None:
    """Write one PNG a line: captured sentences against their capture, synthetic ones against their curves by rule."""
    folder.mkdir(parents=True, exist_ok=True)
    for sentence, clip in zip(sentences, raw([captured.waves[sentence.id] for sentence in sentences]), strict=True):
        times = np.arange(len(sentence.captured)) / captured.corpus.fps
        _draw_line(folder / f"captured_{sentence.id}.png", f"GRID {sentence.id}, captured (dashed)", captured.waves[sentence.id], (), clip,
                   times, captured.tracks.targets(sentence))
    visemes = read_visemes()
    for line, clip in zip(spoken, finished([line.wave for line in spoken]), strict=True):
        times = np.arange(0, float(line.wave.duration), 0.01)
        curves, _ = rule_curves(segments_of(line.phones, float(line.wave.duration)), times, visemes)
        title = f"{line.utterance.corpus} {line.utterance.language} {line.utterance.voice}: {line.utterance.text}, by rule (dashed)"
        _draw_line(folder / f"{line.utterance.set_name}_{line.utterance.id}.png", title, line.wave, line.phones, clip, times, curves)


def draw_heads(path: Path, lines: Sequence[Spoken], clips: Sequence[FaceClip]) -> None:
    """Write the default head saying the longest p, f, a, u and i of each line, a row a line; needs the extra [preview]."""
    from matplotlib.figure import Figure

    from a2f_batch.preview.actor import actor_of
    from a2f_batch.preview.show import Stage
    from a2f_batch.preview.take import Take
    from a2f_batch.rig.head import default_head

    head, stage = default_head(), Stage(300, 300)
    actor = actor_of((head,), (head.targets,))
    figure = Figure(figsize=(2.6 * len(SAID), 2.8 * len(lines)), layout="constrained")
    for row, (line, clip) in enumerate(zip(lines, clips, strict=True)):
        take = Take(clip, path, actor, clip.select(head.targets, missing=0.0).values, None)
        for column, letters in enumerate(SAID):
            axes = figure.add_subplot(len(lines), len(SAID), row * len(SAID) + column + 1)
            axes.set_axis_off()
            some = [phone for phone in line.phones if phone.ipa[:1] in letters]
            if some:
                phone = max(some, key=lambda phone: phone.end - phone.begin)
                frame = min(round((phone.begin + phone.end) / 2 * float(clip.fps)), clip.n_frames - 1)
                axes.imshow(stage.shoot(take, frame))
                axes.set_title(f"{line.utterance.language}: {phone.ipa} at {phone.begin:.2f} s", fontsize=8)
    figure.savefig(path, dpi=80)


def _draw_line(path: Path, title: str, wave: Waveform, phones: Sequence[Phone], clip: FaceClip, times: Array, truth: Array) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 2 + 1.5 * len(SHOWN)), layout="constrained")
    axes = figure.subplots(1 + len(SHOWN), 1, sharex=True)
    axes[0].plot(np.arange(len(wave.samples)) / wave.rate, wave.samples, color="0.4", linewidth=0.4)
    axes[0].set_title(title, loc="left", fontsize=9)
    for phone in phones:
        for axis in axes:
            axis.axvline(phone.begin, color="0.85", linewidth=0.6)
        axes[0].text((phone.begin + phone.end) / 2, float(np.abs(wave.samples).max()) * 0.8, phone.ipa, ha="center", fontsize=8)
    for axis, name in zip(axes[1:], SHOWN, strict=True):
        axis.plot(times, truth[:, TRACKS.index(name)], "--", color="tab:orange", linewidth=1)
        axis.plot(clip.times(), clip[name], color="tab:blue", linewidth=1.2)
        axis.set_ylabel(name, fontsize=8)
        axis.set_ylim(-0.1, 0.9)
    axes[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=80)
