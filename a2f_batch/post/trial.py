"""A profile tried on a still face, so that what can't work is found before any line is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.emotion import EMOTIONS, Envelope, Point
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, ROTATIONS
from a2f_batch.post.bounds import Bounds
from a2f_batch.post.channels import shown
from a2f_batch.post.context import Context, Stage
from a2f_batch.post.custom_blink import CustomBlink
from a2f_batch.post.linear_exp import LinearExp
from a2f_batch.post.offset import Offset
from a2f_batch.post.pipeline import Draft, Step
from a2f_batch.post.rename import Rename
from a2f_batch.post.scale import Scale
from a2f_batch.post.threshold import Threshold

FPS, RATE = 30, 16000

#: Stages whose parameters name channels -> 'parameter' and the channels that it wants, at least one of each group.
NAMED: dict[type[Stage], Callable[[Any], Mapping[str, Sequence[str]]]] = {
    Bounds: lambda stage: {"lower": (*stage.lower, *stage.upper)},
    Scale: lambda stage: {"factors": tuple(stage.factors)},
    Threshold: lambda stage: {"thresholds": tuple(stage.thresholds)},
    Offset: lambda stage: {f"sets.{name}": tuple(offsets) for name, offsets in stage.sets.items()},
    LinearExp: lambda stage: {"names": stage.names},
    CustomBlink: lambda stage: {"channels": tuple(stage.channels)},
    Rename: lambda stage: {"mapping": tuple(filter(None, stage.mapping.values()))},
}


def check_channels(draft: Draft, channels: Sequence[str] = ARKIT_52) -> tuple[str, ...]:
    """Run a second of silence, with every emotion felt, through the stages of `draft`; return the channels that it has at the end.

    Args:
        channels: what the clip has before the first stage: the engine's names, or the hub's where there is no engine yet.

    Raises:
        ProfileError: a stage names a channel that is neither ARKit's nor in the clip at that point of the profile (code
            'channel-unknown'), or only such as this clip has not (code 'channel-unmatched'); a stage can't be built or run.
    """
    clip = FaceClip(tuple(channels), np.zeros((FPS, len(channels)), dtype=np.float32), Fraction(FPS))
    context = Context(_silence(), 0, Envelope((Point(0.0, tuple((word, 1.0) for word in EMOTIONS[1:])),)), clip)
    for step in draft.steps:
        stage = step.built()
        for parameter, names in NAMED.get(type(stage), lambda stage: {})(stage).items():
            _check_names(step, parameter, names, clip.names)
        try:
            clip = stage.apply(clip, context)
        except ProfileError as error:
            raise step.placed(error) from None
    return clip.names


def _check_names(step: Step, parameter: str, names: Sequence[str], there: Sequence[str]) -> None:
    place = step.places.get(parameter.partition(".")[0], step.places["stage"])
    known = dict.fromkeys((*there, *ARKIT_52, *ROTATIONS))
    for name in names:
        if name not in known:
            near = get_close_matches(name, there, n=1) or get_close_matches(name, known, n=1)
            raise ProfileError(f"{place}: '{parameter}' of '{step.stage}' names the channel '{name}', which no clip has here.",
                               (f"Did you mean '{near[0]}'? " if near else "") + f"There are: {shown(there)}.", code="channel-unknown")
    if names and not set(names).intersection(there):
        raise ProfileError(f"{place}: '{parameter}' of '{step.stage}' is for {shown(names)}, and the clip has no such channel here.",
                           f"There are: {shown(there)}.", code="channel-unmatched")


@cache
def _silence() -> Waveform:
    return Waveform.from_samples(np.zeros(RATE, dtype=np.float32), RATE)
