"""What the workers do: one sound to curves or to a file's bytes, by the batch's own steps. Runs in the workers' processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.batch import render
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.render import Recipe, Rendered
from a2f_batch.clip import FaceClip
from a2f_batch.export import format_named
from a2f_batch.export.atomic import holding_back


@dataclass(frozen=True)
class Baked:
    """A file and its figures."""

    content: bytes
    rendered: Rendered


@dataclass(frozen=True)
class Spoken:
    """A sound's curves.

    Attributes:
        clip: the finished curves.
        duration: seconds of the sound.
        warnings: reason codes of what deserves a look.
    """

    clip: FaceClip
    duration: float
    warnings: tuple[str, ...]


def bake(audio: Path, format_name: str, recipe: Recipe, choice: EngineChoice, max_seconds: float) -> Baked:
    """Return the sound in a format: the bytes that `a2f-batch bake` writes with the same options.

    Args:
        audio: the sound file, alone in a folder of its own; the format's file is made beside it, and called like it.

    Raises:
        A2FError: of the step that failed.
    """
    out = audio.with_name(audio.stem + format_named(format_name).suffix)
    with holding_back() as held:  # nobody needs the file on the disk
        rendered = render.render(audio, {format_name: out}, recipe, choice.loaded(), max_seconds=max_seconds)
        content = held.files[out].read_bytes()
        held.drop()
    return Baked(content, rendered)


def speak(audio: Path, recipe: Recipe, choice: EngineChoice, max_seconds: float) -> Spoken:
    """Return the curves of a sound file.

    Raises:
        A2FError: of the step that failed.
    """
    return _spoken(load_audio(audio, channel=recipe.channel, max_seconds=max_seconds), recipe, choice)


def speak_samples(samples: npt.NDArray[np.generic], rate: int, recipe: Recipe, choice: EngineChoice) -> Spoken:
    """Return the curves of samples, shape (n, channels), as of a file that holds them.

    Raises:
        A2FError: of the step that failed.
    """
    return _spoken(Waveform.from_samples(samples, rate, channel=recipe.channel), recipe, choice)


def _spoken(wave: Waveform, recipe: Recipe, choice: EngineChoice) -> Spoken:
    (raw,) = render.infer([wave], [recipe], choice.loaded())
    clip, warnings = render.shape(raw, recipe, wave)
    return Spoken(clip, float(wave.duration), warnings)
