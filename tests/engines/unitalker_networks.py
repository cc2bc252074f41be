"""What several tests of the torch UniTalker share: the golden networks, and copies of them that a test may spoil."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from a2f_batch.audio import Waveform

GOLDEN = Path(__file__).parent / "golden" / "unitalker"
STEMS = ("wavlm_conv", "wavlm_transformer", "wav2vec2_large_style_conv")
HEADS = ("3DETF_blendshape_weight", "inhouse_blendshape_weight")
RATE = 16000


def wave(samples: np.ndarray) -> Waveform:
    return Waveform.from_samples(samples.astype(np.float32), RATE)


def noise(random: np.random.Generator, samples: int) -> Waveform:
    """A line of `samples`: noise whose loudness wanders, with a constant and a silence in it."""
    loudness = np.interp(np.arange(samples), np.linspace(0, samples, 9), random.uniform(0, 0.2, 9))
    line = random.standard_normal(samples) * loudness + 0.01
    line[samples // 3:samples // 2] = 0.01
    return wave(line)


def copied(stem: str, folder: Path, **keys: Any) -> Path:
    """Copy a golden network into `folder` and return its description there, with `keys` changed (None takes one out)."""
    content = json.loads((GOLDEN / f"{stem}.json").read_text()) | keys
    path = folder / f"{stem}.json"
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    shutil.copy(GOLDEN / f"{stem}.safetensors", folder)
    (folder / f"{stem}.safetensors").chmod(0o644)
    return path
