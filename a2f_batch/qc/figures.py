"""The names of all figures, with unit and meaning: what tables, reports and the documentation call them."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """What a figure is.

    Attributes:
        unit: '' for a share, a ratio, a correlation or a count.
        meaning: one line for people; docs/qc.md has the formula.
    """

    unit: str
    meaning: str


FIGURES: dict[str, Figure] = {
    # the sound
    "seconds": Figure("s", "length of the sound"),
    "loudness": Figure("LUFS", "integrated loudness of what the engine hears (ITU-R BS.1770)"),
    "peak": Figure("dBFS", "largest sample of the source, any channel"),
    "clipped": Figure("", "share of the source's samples on a flat top"),
    "noise_floor": Figure("dBFS", "level that a tenth of the sound stays under"),
    "speech_over_floor": Figure("dB", "how far the speech is over the noise floor"),
    "speech_share": Figure("", "share of the sound in which somebody speaks"),
    "lead": Figure("s", "silence before the first speech"),
    "tail": Figure("s", "silence after the last speech"),
    # sound and mouth
    "correlation": Figure("", "how well the mouth goes with what the sound asks for, at the best shift"),
    "lag": Figure("ms", "how late the mouth is against the sound; under 0: early"),
    "in_step": Figure("", "the same without a shift"),
    "likeness": Figure("", "the most that the correlation may plausibly be: a short line tells little"),
    "closures": Figure("1/s", "lip closures per second of speech"),
    "still": Figure("s", "longest time in speech without any motion of the mouth"),
    "silence_motion": Figure("1/s", "how fast a mouth channel goes to and fro where nobody speaks"),
    "length_gap": Figure("ms", "how much longer the curves are than the sound"),
    # the curves
    "jitter": Figure("1/s", "how far the mouth travels in zigzags from frame to frame"),
    "saturated_high": Figure("", "share of the frames in speech with a mouth channel at 1"),
    "saturated_low": Figure("", "share of the frames in speech with the jaw at 0"),
    "jump": Figure("", "largest change of a mouth channel within a thirtieth of a second"),
    "blinks": Figure("1/min", "blinks per minute"),
    "unmatched": Figure("", "channels that move, and that no target of the character takes"),
    # by comparison, when it is read
    "duration_ratio": Figure("", "length against the same line in the source language"),
}
