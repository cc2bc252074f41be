"""What voices go through before they reach a line's file: speed, tilt, rooms, telephone bands, noise, levels."""

from __future__ import annotations

import numpy as np
import soxr

from a2f_batch.train.dataset import Array
from a2f_batch.train.examples import RATE, Example
from a2f_batch.train.phones import NAMES
from a2f_batch.train.recipe import SAMPLE_RATE, Sounds

_TO_REST_SECONDS = 0.2


def crop(example: Example, seconds: float, outputs: int, sounds: Sounds, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return a random crop: audio (n,), goals (outputs, tracks + 2), classes (outputs,) as float, -1 where unknown.

    Args:
        seconds: its length; a shorter line stands in silence.
        outputs: how many times the goals are read off, evenly over the crop.
    """
    n_samples = round(seconds * SAMPLE_RATE)
    speed = float(np.exp(random.uniform(*np.log(sounds.speed)))) if random.random() < sounds.speed_share else 1.0
    if example.source == "espeak":  # its voices differ in speed enough, and a robot twice changed is no one
        speed = 1.0
    line = len(example.audio) / SAMPLE_RATE
    wanted = seconds * speed
    if random.random() < sounds.pause_share:
        begin = random.uniform(-wanted / 2, line - wanted / 2)
    else:
        begin = random.uniform(0, line - wanted) if line > wanted else -random.uniform(0, wanted - line)
    first = round(begin * SAMPLE_RATE)
    taken = np.zeros(round(wanted * SAMPLE_RATE), dtype=np.float32)
    inside = example.audio[max(first, 0):max(first, 0) + len(taken) - max(-first, 0)].astype(np.float32) / 2000.0
    taken[max(-first, 0):max(-first, 0) + len(inside)] = inside
    audio = soxr.resample(taken, SAMPLE_RATE * speed, SAMPLE_RATE, quality="QQ") if speed != 1.0 else taken
    audio = np.pad(audio, (0, max(n_samples - len(audio), 0)))[:n_samples]
    at = (begin + np.arange(outputs) / outputs * wanted) * RATE
    return changed(audio, sounds, random), *_read_off(example, at)


def _read_off(example: Example, at: Array) -> tuple[Array, Array]:
    """Return goals and classes at fractional frames; before and after the line the face goes to rest: its lips together, the others 0."""
    last = len(example.goals) - 1
    held = np.clip(at, 0, last)
    left = np.minimum(held.astype(np.int64), last - 1)
    weight = (held - left)[:, None].astype(np.float32)
    goals = example.goals[left] * (1 - weight) + example.goals[left + 1] * weight
    # A sentence was cut out of a longer recording, so that its face may be on the move where it ends.
    resting = np.clip(np.abs(at - held) / (_TO_REST_SECONDS * RATE), 0, 1)
    resting = (resting * resting * (3 - 2 * resting))[:, None]
    goals = goals * (1 - resting)
    goals[:, -1:] += resting
    classes = np.where(resting[:, 0] < 0.5, example.visemes[np.round(held).astype(np.int64)], NAMES.index("sil")).astype(np.float32)
    return np.asarray(goals, dtype=np.float32), classes


def changed(audio: Array, sounds: Sounds, random: np.random.Generator) -> Array:
    """Return `audio` (n,) as another microphone in another room would have it."""
    n = len(audio)
    tilted, banded, roomy = (random.random() < share for share in (sounds.tilt_share, sounds.band_share, sounds.room_share))
    if tilted or banded or roomy:
        size = 1 << (n + SAMPLE_RATE // 2 - 1).bit_length()
        spectrum = np.fft.rfft(audio, size)
        frequency = np.arange(len(spectrum)) * (SAMPLE_RATE / size)
        if tilted:
            tilt = random.uniform(*sounds.tilt)
            spectrum = spectrum * (1 - tilt * np.exp(-2j * np.pi * frequency / SAMPLE_RATE)) / (1 + abs(tilt)) ** 0.5
        if banded:
            low, high = random.uniform(20, 300), random.uniform(*sounds.band)
            spectrum = spectrum / np.sqrt((1 + (frequency / high) ** 60) * (1 + (low / np.maximum(frequency, 1)) ** 8))
        if roomy:
            spectrum = spectrum * np.fft.rfft(_room(random.uniform(*sounds.room), random), size)
        audio = np.fft.irfft(spectrum, size)[:n].astype(np.float32)
    if random.random() < sounds.clipped_share:
        limit = random.uniform(*sounds.clipped)
        audio = np.clip(audio, -limit, limit)
    if random.random() < sounds.noise_share:
        audio = audio + noise(n, random) * 10 ** (-random.uniform(*sounds.noise_db) / 20)
    return np.asarray(audio * 10 ** (random.uniform(*sounds.gain_db) / 20), dtype=np.float32)


def _room(seconds: float, random: np.random.Generator) -> Array:
    """Return an impulse response: the sound itself, then noise that falls 60 dB in `seconds`."""
    times = np.arange(int(min(seconds, 0.5) * SAMPLE_RATE)) / SAMPLE_RATE
    tail = random.standard_normal(len(times)) * np.exp(-6.9 * times / seconds)
    tail[:int(random.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0
    tail *= 10 ** (-random.uniform(3, 15) / 20) / max(float(np.sqrt((tail ** 2).sum())), 1e-6)
    tail[0] = 1
    return np.asarray(tail, dtype=np.float32)


def noise(n_samples: int, random: np.random.Generator) -> Array:
    """Return steady noise of unit variance: power falling as 1/f^a (white to brown), sometimes with a mains hum or a band edge."""
    spectrum = np.fft.rfft(random.standard_normal(n_samples))
    frequency = np.maximum(np.arange(len(spectrum)) / len(spectrum) * SAMPLE_RATE / 2, 40.0)
    spectrum *= frequency ** (-random.uniform(0, 2) / 2)
    if random.random() < 0.3:
        spectrum /= np.sqrt(1 + (frequency / random.uniform(500, 6000)) ** 8)
    made = np.fft.irfft(spectrum, n_samples)
    made /= made.std()
    if random.random() < 0.2:
        hum = random.choice([50, 60]) * random.integers(1, 4)
        made = made + random.uniform(0.2, 1.5) * np.sin(2 * np.pi * hum * np.arange(n_samples) / SAMPLE_RATE)
        made /= made.std()
    return np.asarray(made, dtype=np.float32)
