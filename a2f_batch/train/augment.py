"""Gentle changes of the waveform that make one speaker's crops sound like other voices, rooms and levels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from a2f_batch.train.dataset import Array, Sentence
from a2f_batch.train.recipe import SAMPLE_RATE, Recipe


def draw_crop(sentence: Sentence, curves: Array, rest: Array, fps: int, recipe: Recipe,
              random: np.random.Generator) -> tuple[Array, Array]:
    """Return a random crop of a sentence as (audio, curves), changed as the recipe says.

    Args:
        curves: shape (frames, tracks), at `fps`; crops between frames are interpolated linearly.
        rest: the curves' values on a resting face, shape (tracks,): what a crop of noise alone gets.
    """
    n_frames = round(recipe.crop_seconds * fps)
    n_samples = n_frames * SAMPLE_RATE // fps
    if random.random() < recipe.noise_only_share:
        return np.asarray(_noise(n_samples, random) * _gain(recipe, random), dtype=np.float32), np.tile(rest, (n_frames, 1))
    speed = float(np.exp(random.uniform(*np.log(recipe.speed)))) if random.random() < recipe.speed_share else 1.0
    audio = sentence.audio
    if random.random() < recipe.cleaned_share:
        audio = np.where(np.repeat(sentence.resting, SAMPLE_RATE // fps), np.float32(0), audio)
    if speed != 1.0:
        audio = soxr.resample(audio, SAMPLE_RATE * speed, SAMPLE_RATE, quality="MQ")
    if random.random() < recipe.tilt_share:
        tilt = random.uniform(*recipe.tilt)
        audio = audio - tilt * np.concatenate([audio[:1], audio[:-1]])
        audio = audio / max(float(audio.std()), 1e-3)
    first = int(random.integers(0, max(len(audio) - n_samples, 0) + 1))
    crop = np.zeros(n_samples, dtype=np.float32)
    piece = audio[first:first + n_samples]
    crop[:len(piece)] = piece
    if random.random() < recipe.noise_share:
        crop += _noise(n_samples, random) * 10 ** (-random.uniform(*recipe.noise_db) / 20)
    times = (first / SAMPLE_RATE + np.arange(n_frames) / fps) * speed * fps
    return np.asarray(crop * _gain(recipe, random), dtype=np.float32), _at(curves, times)


def _at(curves: Array, frames: npt.NDArray[np.float64]) -> Array:
    """Return `curves` at fractional frame numbers, the last frame held."""
    frames = np.minimum(frames, len(curves) - 1)
    left = np.minimum(frames.astype(np.int64), len(curves) - 2)
    weight = (frames - left)[:, None]
    return np.asarray(curves[left] * (1 - weight) + curves[left + 1] * weight, dtype=np.float32)


def _gain(recipe: Recipe, random: np.random.Generator) -> float:
    return float(10 ** (random.uniform(*recipe.gain_db) / 20))


def _noise(n_samples: int, random: np.random.Generator) -> Array:
    """Return stationary noise of unit variance whose power falls as 1/f^a, a in 0..2 (white to brown)."""
    spectrum = np.fft.rfft(random.standard_normal(n_samples))
    frequency = np.maximum(np.arange(len(spectrum)) / len(spectrum) * SAMPLE_RATE / 2, 40.0)
    noise = np.fft.irfft(spectrum * frequency ** (-random.uniform(0, 2) / 2), n_samples)
    return np.asarray(noise / noise.std(), dtype=np.float32)
