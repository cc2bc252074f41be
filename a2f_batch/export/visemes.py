"""Oculus-15 visemes as JSON: a weight for each of the 15 mouth shapes of Oculus Lipsync at every frame."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import A2FError, ClipError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.opening import read_bytes
from a2f_batch.names import vocabulary
from a2f_batch.rates import fps_text, parse_fps
from a2f_batch.rig.matching import match

_FORMAT, _VERSION = "oculus15-visemes", 1
_DECIMALS = 6
# Frames at a time, so that a long clip takes little more memory than a short one.
_FRAMES = 1024


def write(clip: FaceClip, path: Path) -> None:
    """Write `{"format", "version", "fps", "start", "visemes": [15 names], "weights": [[15 numbers] a frame]}`, weights in 0..1.

    The visemes are mixed from ARKit channels as `names/oculus15.json` says; `sil` is what the others leave of 1. Six decimals.

    Raises:
        ExportError: nothing of the clip moves a viseme (code 'nothing-matched').

    Source: names and order of OVRLipSync.Viseme (Meta, Oculus Lipsync reference); that its weights, silence among them, add up to
    about 1 is how its engine gives them. The file's layout is this project's: there is no standard one.
    """
    names = vocabulary("oculus15").channels
    weights = match(clip.names, names).weights(clip, names).clip(0, 1)
    if "sil" not in clip.names:
        weights[:, names.index("sil")] = 0
        weights[:, names.index("sil")] = (1 - weights.sum(axis=1)).clip(0, 1)
    head = json.dumps({"format": _FORMAT, "version": _VERSION, "fps": fps_text(clip.fps), "start": str(clip.start), "visemes": names})
    with replacing(path) as file:
        file.write(f'{head[:-1]}, "weights": ['.encode("ascii"))
        for first in range(0, len(weights), _FRAMES):
            rows = np.round(weights[first:first + _FRAMES].astype(np.float64), _DECIMALS).tolist()
            lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
            file.write(f"{',' if first else ''}\n{lines}".encode("ascii"))
        file.write(b"\n]}\n")


def read(path: Path) -> FaceClip:
    """Read such a file: a clip of the visemes.

    Raises:
        ClipError: missing, or not such a file (codes 'clip-unreadable', 'clip-format').
    """
    text = read_bytes(path, "a viseme file")
    try:
        content = json.loads(text.decode("utf-8"))
        if content["format"] != _FORMAT or content["version"] != _VERSION:
            raise ValueError(f"it is {content['format']!r} version {content['version']!r}")
        return FaceClip(tuple(content["visemes"]), np.array(content["weights"], dtype=np.float32), parse_fps(content["fps"]),
                        Fraction(content["start"]))
    except A2FError as error:
        raise ClipError(f"Can't read '{path}': {error.problem}", error.remedy, code="clip-format") from None
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ClipError(f"'{path}' is no viseme file: {error!r}.", "Give a file written as visemes.", code="clip-format") from None
