"""The quality figures of a line that is being rendered, as the text that the journal keeps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from a2f_batch.errors import A2FError
from a2f_batch.names import ROTATIONS
from a2f_batch.qc import measure, to_text

if TYPE_CHECKING:
    from a2f_batch.audio import Waveform
    from a2f_batch.clip import FaceClip
    from a2f_batch.export.options import ExportOptions
    from a2f_batch.speech import SpeechFeatures

_MOVES = 0.02  # a channel that keeps within it is not missed on a face


def line_qc(wave: Waveform, clip: FaceClip, heard: SpeechFeatures | None, export: ExportOptions) -> str | None:
    """Return the figures as the journal keeps them; None where they can't be measured: a fault of ours, and no reason to lose a line.

    Args:
        heard: what post-processing heard in the sound.
    """
    try:
        return to_text(measure(wave, clip, heard, unmatched=unmatched(clip, export)))
    except Exception:
        logging.getLogger(__name__).exception("No quality figures for '%s'", wave.source.path)
        return None


def unmatched(clip: FaceClip, export: ExportOptions) -> int | None:
    """Return how many channels of the clip move and drive nothing on the run's character; None without one, or with one that can't be read.

    Rendering tells of that itself.
    """
    if not export.character:
        return None
    from a2f_batch.rig.character import read_character

    try:
        pairs = read_character(export.character).match(clip.names, export.rig_map)[0].pairs
    except A2FError:
        return None
    moving = np.ptp(clip.values, axis=0) > _MOVES if clip.n_frames else np.zeros(len(clip.names), dtype=bool)
    return sum(bool(moves) and name not in pairs and name not in ROTATIONS for name, moves in zip(clip.names, moving, strict=True))
