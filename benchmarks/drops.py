"""Drops for the batch's benchmark: real prompts in five languages, and any number of lines of about a second cut from them.

The prompts are Debian's `asterisk-core-sounds-{en,es,fr,it,ru}-g722`, one professional voice a language (CC BY-SA 3.0: en, fr; CC BY 3.0:
it, ru). They are decoded to WAV once, into a folder that no commit holds.
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import soundfile

RATE = 16000
AT_ONCE = 50  # sounds that one ffmpeg decodes
LONGEST, SHORTEST = 1.4, 0.6  # seconds of a cut line


class Line(NamedTuple):
    """A row of a manifest; `audio` is relative to the drop's folder, `seconds` its length."""

    locale: str
    character: str
    id: str
    audio: str
    seconds: float


@dataclass(frozen=True)
class Drop:
    """Lines whose sounds are in `folder`, with their manifest there."""

    folder: Path
    manifest: Path
    lines: Sequence[Line]

    @property
    def seconds(self) -> float:
        """Seconds of sound."""
        return sum(line.seconds for line in self.lines)

    def sample(self, count: int, seed: int) -> Drop:
        """Return a drop of `count` lines chosen at random, in order."""
        chosen = sorted(random.Random(seed).sample(range(len(self.lines)), min(count, len(self.lines))))
        return write(self.folder, f"{self.manifest.stem}-{len(chosen)}-of-seed-{seed}", [self.lines[i] for i in chosen])


def write(folder: Path, name: str, lines: Sequence[Line]) -> Drop:
    """Write a manifest of `lines` into `folder`."""
    manifest = folder / f"{name}.csv"
    with open(manifest, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("locale", "character", "id", "audio"))
        rows.writerows(line[:4] for line in lines)
    return Drop(folder, manifest, lines)


def prompts(sounds: Path, cache: Path) -> Drop:
    """Return the prompts of all voices in `sounds`, decoded into `cache`; a file that holds no sound is told of and left out."""
    voices = sorted(path for path in sounds.glob("??_*") if path.is_dir() and not path.is_symlink())
    files = [(voice, path) for voice in voices for path in sorted(voice.rglob("*.g722"))]
    if not files:
        raise click.ClickException(f"There are no G.722 prompts in '{sounds}'. Install them with "
                                   "`apt-get install asterisk-core-sounds-{en,es,fr,it,ru}-g722`, or give their folder with --sounds.")
    folder = cache / "prompts"
    empty = [path for _, path in files if not path.stat().st_size]
    to_decode, lines = [], []
    for voice, path in files:
        if path in empty:
            continue
        language, country, *name = voice.name.split("_")
        wav = folder / voice.name / path.relative_to(voice).with_suffix(".wav")
        if not wav.exists():
            to_decode.append((path, wav))
        # G.722 has 8 bits for two samples.
        lines.append(Line(f"{language}-{country}", name[-1].lower(), "_".join(path.relative_to(voice).with_suffix("").parts),
                          wav.relative_to(folder).as_posix(), 2 * path.stat().st_size / RATE))
    for start in range(0, len(to_decode), AT_ONCE):
        decode(to_decode[start:start + AT_ONCE])
    click.echo(f"{len(lines)} prompts" + "".join(f"; '{path}' is empty and left out" for path in empty))
    return write(folder, "prompts", lines)


def decode(files: Sequence[tuple[Path, Path]]) -> None:
    """Decode G.722 files to 16-bit WAV at 16 kHz."""
    import imageio_ffmpeg

    inputs = [word for source, _ in files for word in ("-f", "g722", "-i", os.fspath(source))]
    outputs = []
    for i, (_, wav) in enumerate(files):
        wav.parent.mkdir(parents=True, exist_ok=True)
        outputs += ["-map", str(i), "-bitexact", "-f", "wav", f"{wav}.part"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *inputs, *outputs], check=True)
    for _, wav in files:
        os.replace(f"{wav}.part", wav)


def cuts(source: Drop, count: int, seed: int) -> Drop:
    """Return `count` lines of about a second, each cut from somewhere in a prompt and a file of its own; made once."""
    folder = source.folder.parent / f"cuts-{seed}"
    chance = random.Random(seed)
    long_enough = [line for line in source.lines if line.seconds > LONGEST]
    lines = []
    for i in range(count):
        prompt, seconds = chance.choice(long_enough), chance.uniform(SHORTEST, LONGEST)
        start = chance.uniform(0, prompt.seconds - LONGEST)
        line = Line(prompt.locale, prompt.character, f"line{i:06}", f"{prompt.locale}/line{i:06}.wav", seconds)
        wav = folder / line.audio
        if not wav.exists():
            wav.parent.mkdir(parents=True, exist_ok=True)
            samples, _ = soundfile.read(source.folder / prompt.audio, round(seconds * RATE), round(start * RATE), dtype=np.int16)
            part = wav.with_suffix(".part")
            soundfile.write(part, samples, RATE, format="WAV", subtype="PCM_16")
            os.replace(part, wav)
        lines.append(line)
    return write(folder, f"cuts-{count}", lines)
