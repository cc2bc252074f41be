"""MetaHuman controls as CSV: the clip as curves `CTRL_expressions_*` of a MetaHuman face, laid out as csv-plain."""

from __future__ import annotations

from pathlib import Path

from a2f_batch.clip import FaceClip
from a2f_batch.export import csv_plain
from a2f_batch.names import vocabulary
from a2f_batch.rig.matching import match


def write(clip: FaceClip, path: Path) -> None:
    """Write time and one column a control, in 0..1: those that some ARKit channel moves, as `names/metahuman.json` says.

    Raises:
        ExportError: nothing of the clip moves a control (code 'nothing-matched').

    Source: the names of Epic's MetaHuman face curves, which animation blueprints and Sequencer take; weights as the vocabulary's
    source says. Not imported into Unreal by us: it has no importer for such a table, scripts set the curves from it.
    """
    controls = vocabulary("metahuman").channels
    weights = match(clip.names, controls).weights(clip, controls).clip(0, 1)
    csv_plain.write(FaceClip(controls, weights, clip.fps, clip.start), path)


def read(path: Path) -> FaceClip:
    """Read such a file: a clip of the controls; see `csv_plain.read`."""
    return csv_plain.read(path)
