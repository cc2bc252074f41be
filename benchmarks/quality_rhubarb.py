"""Rhubarb's mouth shapes as a clip, so that the product's measures can be taken of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip

NAMES = ("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel")
#: Shape -> values of `NAMES`, after the drawings in Rhubarb's manual: A p b m, B most consonants and ee, C eh, D aa, E ao er, F oo w,
#: G f v, H l, X rest.
SHAPES = {"A": (0, 0, 0, 0), "B": (0.12, 0, 0, 0), "C": (0.45, 0, 0, 0), "D": (0.8, 0, 0, 0), "E": (0.4, 0, 0.3, 0.4),
          "F": (0.15, 0, 0.8, 0.4), "G": (0.08, 0, 0, 0), "H": (0.35, 0, 0, 0), "X": (0, 0, 0, 0)}


def rhubarb_clip(program: Path, wave: Waveform, fps: int) -> FaceClip:
    """Run the program on a line and return its shapes as held poses."""
    with tempfile.TemporaryDirectory() as folder:
        sound, cues = Path(folder) / "line.wav", Path(folder) / "cues.json"
        soundfile.write(sound, wave.samples, wave.rate, subtype="PCM_16")
        subprocess.run([program, "-q", "-r", "phonetic", "-f", "json", "-o", cues, sound], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)
        mouth = json.loads(cues.read_text())["mouthCues"]
    n_frames = wave.frame_count(fps)
    begins = np.array([cue["start"] for cue in mouth])
    index = np.clip(np.searchsorted(begins, np.arange(n_frames) / fps, side="right") - 1, 0, len(mouth) - 1)
    poses = np.array([SHAPES[cue["value"]] for cue in mouth], dtype=np.float32)
    return FaceClip(NAMES, poses[index], Fraction(fps))


def smoothed(clip: FaceClip, seconds: float = 0.12) -> FaceClip:
    """Return the clip through a moving average: its poses step, and a correlation would punish that more than an eye does."""
    width = max(round(seconds * float(clip.fps)) | 1, 1)
    padded = np.pad(clip.values, ((width // 2, width // 2), (0, 0)), mode="edge")
    values = np.stack([np.convolve(column, np.ones(width) / width, "valid") for column in padded.T], axis=1)
    return clip.with_values(values.astype(np.float32))
