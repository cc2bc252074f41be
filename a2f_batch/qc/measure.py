"""A line's figures: one call over its sound and its finished clip."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.pitch import FLOOR_DBFS, HOP_SECONDS, levels_dbfs
from a2f_batch.qc import expected, sound, sync
from a2f_batch.qc.motion import Motion
from a2f_batch.qc.outline import outline
from a2f_batch.qc.record import STRIP_POINTS, Measured, Strip
from a2f_batch.speech import SpeechDetector, SpeechFeatures


def measure(wave: Waveform, clip: FaceClip, features: SpeechFeatures | None = None, *, unmatched: int | None = None,
            file: tuple[str, int, int] | None = None) -> Measured:
    """Return the figures of a line; the same for the same sound and clip, whoever asks.

    Args:
        wave: the sound as it was decoded.
        clip: as it is exported, under ARKit's names.
        features: what post-processing heard in the sound, if it listened: it is not computed again.
        unmatched: channels that move and drive nothing on the character; None without a character.
        file: see `Measured`.
    """
    seconds = float(wave.duration)
    stretches = features.stretches if features else SpeechDetector().stretches(wave.samples, wave.rate)
    level = features.level if features else levels_dbfs(wave.samples, round(HOP_SECONDS * wave.rate))
    spectrum = sound.spectrum(wave.samples, wave.rate)
    audible = level[level > FLOOR_DBFS + 0.01]  # digital silence is no noise floor
    ordered = np.sort(audible)
    floor, speech = (sound.quantile(ordered, 0.1), sound.quantile(ordered, 0.95)) if len(ordered) else (None, None)
    spoken = bool(len(stretches))
    motion = Motion(clip, stretches)
    curves = motion.figures()
    speech_seconds = float((stretches[:, 1] - stretches[:, 0]).sum())
    found = sync.compare(expected.expected(spectrum.bands), expected.shown(clip), motion.times, stretches)
    figures = {
        "seconds": seconds, "loudness": sound.loudness(spectrum.weighted), "peak": _dbfs(wave.source.peak), "clipped": wave.source.clipped,
        "noise_floor": floor, "speech_over_floor": speech - floor if speech is not None and floor is not None else None,
        "speech_share": speech_seconds / seconds if seconds else None,
        "lead": float(stretches[0, 0]) if spoken else None, "tail": max(seconds - float(stretches[-1, 1]), 0.0) if spoken else None,
        "correlation": found.correlation, "lag": None if found.lag is None else 1000 * found.lag, "in_step": found.in_step,
        "likeness": found.likeness, **curves, "length_gap": 1000 * (float(clip.duration) - seconds), "unmatched": unmatched}
    return Measured(figures, motion.places, _strip(wave, clip, motion.opening), wave.source.path or "", file,
                    outline(wave.samples, wave.rate)).rounded()


def _dbfs(peak: float) -> float | None:
    return 20 * math.log10(peak) if peak > 0 else None


def _strip(wave: Waveform, clip: FaceClip, opening: npt.NDArray[np.float32] | None) -> Strip:
    """Return waveform and opening over the same time: the sound's."""
    if opening is not None:
        frames = max(round(float(wave.duration * clip.fps)), 1)
        opening = np.pad(opening, (0, max(frames - len(opening), 0)))[:frames]
    size = -(-max(len(wave.samples), 1) // (8 * STRIP_POINTS))  # a pass over runs of samples first: reduceat alone is slow
    whole = len(wave.samples) // size * size
    return Strip.of(np.abs(wave.samples[:whole]).reshape(-1, size).max(axis=1, initial=0), opening)
