"""What a sound asks a mouth to do: four curves, read by a small fixed network from the bands' levels around a moment.

Its one hidden layer was fitted (`benchmarks/qc_fit.py`) to what our engine makes of made voices in 24 languages and of the GRID
corpus, and to the mouth captured from video there. It draws no face; it knows the mouth well enough to tell this line's from another's.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.qc.sound import BAND_HZ, quantile

Curve = npt.NDArray[np.float64]

#: What is looked for: name -> the channels whose sum it is. Opening, closing, rounding and parting of the lips.
CURVES: dict[str, tuple[str, ...]] = {
    "jaw": ("jawOpen",), "close": ("mouthClose",), "round": ("mouthPucker", "mouthFunnel"),
    "part": ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight")}
#: How much each curve's correlation counts: all lips together twice the jaw.
SHARES = {"jaw": 1.0, "close": 0.7, "round": 0.7, "part": 0.7}

TAPS = np.arange(-8, 9, 2)  # hops around a moment: 160 ms to either side
_RANGE_DB, _OVER_DB, _UNIT_DB = -50.0, 10.0, 20.0
_FILE = "expected.json"


def heard(bands: Curve) -> Curve:
    """Return what the network reads: levels in units of 20 dB against the line's own loud moments, at every tap,
    shape (hops, bands x taps).

    Args:
        bands: see `sound.Spectrum`.
    """
    level = 10 * np.log10(bands + 1e-10)
    loud = quantile(np.sort(level.max(axis=1)), 0.95)
    level = np.minimum(np.maximum(level - loud, _RANGE_DB), _OVER_DB) / _UNIT_DB
    around = np.arange(len(level))[:, None] + TAPS
    return np.asarray(level[np.minimum(np.maximum(around, 0), len(level) - 1)].reshape(len(level), -1), dtype=np.float64)


def expected(bands: Curve) -> Curve:
    """Return the curves that a sound asks for at every hop, each up to a factor and an offset, shape (hops, curves)."""
    first, bias, second = _weights()
    return np.asarray(np.maximum(heard(bands) @ first + bias, 0) @ second, dtype=np.float64)


def shown(clip: FaceClip) -> dict[str, Curve]:
    """Return those of `CURVES` that the clip has, shape (frames,) each; weights under 0 count as 0."""
    place = {name: i for i, name in enumerate(clip.names)}
    columns = {curve: [place[name] for name in names if name in place] for curve, names in CURVES.items()}
    return {curve: np.maximum(clip.values[:, own], 0).sum(axis=1, dtype=np.float64) for curve, own in columns.items() if own}


@cache
def _weights() -> tuple[Curve, Curve, Curve]:
    """Return the hidden layer's weights (read, hidden) and bias (hidden,), and the curves' (hidden, curves)."""
    content = json.loads(files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))
    first, bias = (np.array(content[name], dtype=np.float64) for name in ("hidden", "bias"))
    second = np.array([content["curves"][curve] for curve in CURVES], dtype=np.float64).T
    if first.shape != (len(TAPS) * (len(BAND_HZ) - 1), len(bias)) or second.shape != (len(bias), len(CURVES)):
        raise ValueError(f"{_FILE} holds weights of shapes {first.shape}, {bias.shape} and {second.shape}")
    return first, bias, second
