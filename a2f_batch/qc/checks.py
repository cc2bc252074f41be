"""What of a line's figures deserves a look: one check a reason code, with a level that a2f.toml may change, and the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from a2f_batch.qc.figures import FIGURES
from a2f_batch.qc.record import Flag, LineQC, Measured

MOST_STRAIN = 3.0


@dataclass(frozen=True)
class Check:
    """When a figure is worth a flag.

    Attributes:
        code: of the flag; also the level's name in the section [qc] of a2f.toml.
        figure: which one.
        level: where the flag begins, in the figure's unit.
        ideal: what the figure is where nothing is wrong: the strain of a figure counts from there.
        text: a sentence with {value} and {level}.
        remedy: what to do.
        weight: how much of the score a flag is worth.
        least_seconds: lines with less sound than this are not checked.
        either: the level stands for its negative too.
    """

    code: str
    figure: str
    level: float
    ideal: float
    text: str
    remedy: str
    weight: float = 1.0
    least_seconds: float = 0.0
    either: bool = False

    def strain(self, value: float, level: float) -> float:
        """Return how far a figure is on its way to the level: 0 where it should be, 1 at the level, more beyond, at most `MOST_STRAIN`."""
        value = abs(value) if self.either else value
        if level == self.ideal:  # the least of it is too much
            return min(1.0 + value - level, MOST_STRAIN) if value > level else 0.0
        strain = (value - self.ideal) / (level - self.ideal)
        return 0.0 if strain <= 0 else strain if strain < MOST_STRAIN else MOST_STRAIN


_SOUND = "Listen to the sound; record or export it again if it is not what was meant."
_CURVES = "Play the line. If it is wrong, try another profile or engine, and render it again (--force --only LINE)."

CHECKS: dict[str, Check] = {check.code: check for check in (
    # the sound
    Check("no-speech", "speech_share", 0.05, 0.5, "Speech fills {value} of the sound (least: {level}).", _SOUND, 2.0),
    Check("noisy", "speech_over_floor", 14.0, 40.0, "The speech is only {value} over the noise (least: {level}).", _SOUND, 1.5),
    Check("too-quiet", "loudness", -35.0, -23.0, "The loudness is {value} (least: {level}).", _SOUND),
    Check("too-loud", "loudness", -9.0, -23.0, "The loudness is {value} (most: {level}).", _SOUND),
    Check("clipping", "clipped", 0.0005, 0.0, "The sound is clipped: {value} of its samples are on a flat top (most: {level}).", _SOUND,
          1.5),
    Check("late-start", "lead", 2.0, 0.2, "Nobody speaks for {value} at the start (most: {level}).", "Trim the sound."),
    Check("long-tail", "tail", 3.0, 0.2, "Nobody speaks for {value} at the end (most: {level}).", "Trim the sound."),
    # sound and mouth
    Check("out-of-step", "lag", 100.0, 0.0, "The mouth is {value} off its sound (most: {level}).",
          "Compare the sound with the one that was rendered; render the line again (--force --only LINE).", 2.0, either=True),
    Check("unrelated", "likeness", 0.42, 1.0, "The mouth does not go with the sound: likeness {value} (least: {level}).",
          "Check that sound and curves are the same line's; render it again (--force --only LINE).", 3.0),
    Check("still-mouth", "still", 0.25, 0.0, "The mouth stands still for {value} while somebody speaks (most: {level}).", _CURVES, 3.0),
    Check("moves-in-silence", "silence_motion", 0.1, 0.0, "The mouth moves where nobody speaks: {value} (most: {level}).",
          "Use a profile with the stage silence-gate.", 2.0),
    Check("few-closures", "closures", 0.1, 2.0, "Lip closures in speech: {value} (least: {level}).", _CURVES, 1.0, 5.0),
    Check("wrong-length", "length_gap", 50.0, 0.0, "The curves differ from the sound in length by {value} (most: {level}).",
          "The sound or the curves were changed: render the line again (--force --only LINE).", 3.0, either=True),
    # the curves
    Check("jitter", "jitter", 0.1, 0.0, "The mouth trembles: {value} of zigzag (most: {level}).", "Use a profile with the stage smooth.",
          1.5),
    Check("saturated", "saturated_high", 0.1, 0.0, "A mouth channel is at its limit in {value} of the speech (most: {level}).",
          "Lower the gain of the profile.", 1.0),
    Check("shut-mouth", "saturated_low", 0.6, 0.0, "The jaw is shut in {value} of the speech (most: {level}).", _CURVES, 1.0),
    Check("jump", "jump", 0.5, 0.0, "A mouth channel jumps by {value} within a thirtieth of a second (most: {level}).", _CURVES, 1.5),
    Check("many-blinks", "blinks", 60.0, 15.0, "{value} blinks (most: {level}).", "Lower the rate of the stage blink.", 0.5),
    Check("unmatched", "unmatched", 0.0, 0.0, "{value} channels move that no target of the character takes (most: {level}).",
          "Give the character a rig map.", 1.0),
    # by comparison with the source language
    Check("much-longer", "duration_ratio", 1.4, 1.0, "The line is {value} times as long as in the source language (most: {level}).",
          _SOUND),
    Check("much-shorter", "duration_ratio", 0.6, 1.0, "The line is {value} times as long as in the source language (least: {level}).",
          _SOUND),
)}


@dataclass(frozen=True)
class Levels:
    """What a project asks of its lines: section [qc] of a2f.toml.

    Attributes:
        levels: code -> level where it differs from the check's own; None = not checked.
        source_locale: the language that lines are compared with in length; None = no comparison.
    """

    levels: Mapping[str, float | None] = field(default_factory=dict)
    source_locale: str | None = None

    @cached_property
    def asked(self) -> Sequence[tuple[Check, float]]:
        """The checks that are made, each with where its flag begins."""
        levels = ((check, self.levels.get(check.code, check.level)) for check in CHECKS.values())
        return [(check, level) for check, level in levels if level is not None]


LEVELS = Levels()


def judge(measured: Measured, levels: Levels = LEVELS, *, duration_ratio: float | None = None) -> LineQC:
    """Return a line's figures with flags and score.

    The score is the sum, over the flags, of the check's weight times the figure's strain (1 at the level, at most 3); without a flag it is
    the largest strain there is, under 1.

    Args:
        duration_ratio: of the line against the source language's.
    """
    figures = {**measured.figures, "duration_ratio": duration_ratio}
    flags: list[tuple[float, Flag]] = []
    nearest = 0.0
    seconds = figures.get("seconds") or 0.0
    for check, level in levels.asked:
        value = figures.get(check.figure)
        if value is None or seconds < check.least_seconds:
            continue
        strain = check.strain(value, level)
        if strain > 1:
            begin, end = measured.places.get(check.figure, (None, None))
            flags.append((check.weight * strain, Flag(check.code, _sentence(check, value, level), begin, end, check.remedy)))
        elif strain > nearest:
            nearest = min(strain, 0.999)
    flags.sort(key=lambda pair: -pair[0])
    score = sum(worth for worth, _ in flags) if flags else nearest
    return LineQC(figures, tuple(flag for _, flag in flags), round(score, 3), measured.strip)


def _sentence(check: Check, value: float, level: float) -> str:
    return check.text.format(value=shown(check.figure, value), level=shown(check.figure, level))


def shown(figure: str, value: float) -> str:
    """Return a figure as people read it."""
    unit = FIGURES[figure].unit
    number = f"{value:.0f}" if unit == "ms" or abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}" if unit else number
