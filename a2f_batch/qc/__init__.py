"""Figures of a finished line: what its sound and its curves measure, what of that deserves a look, and how much."""

from a2f_batch.qc.checks import CHECKS, LEVELS, Check, Levels, judge
from a2f_batch.qc.figures import FIGURES
from a2f_batch.qc.measure import measure
from a2f_batch.qc.record import Flag, LineQC, Measured, Strip, from_text, to_text

__all__ = ["CHECKS", "FIGURES", "LEVELS", "Check", "Flag", "Levels", "LineQC", "Measured", "Strip", "from_text", "judge", "measure",
           "to_text"]
