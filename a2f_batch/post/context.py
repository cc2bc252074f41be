"""What a post stage may know beside the clip: the line's sound and a seeded source of chance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.emotion import NEUTRAL, Envelope
from a2f_batch.errors import ProfileError
from a2f_batch.speech import SpeechFeatures, listen


@dataclass(frozen=True)
class Context:
    """The line that a clip was made from.

    Attributes:
        wave: the line's sound; None when a clip is post-processed without it.
        seed: the line's seed.
        emotion: the line's emotion over time.
        raw: the clip as it was before the first stage; None where a stage is applied on its own.
    """

    wave: Waveform | None
    seed: int
    emotion: Envelope = NEUTRAL
    raw: FaceClip | None = None

    def random(self, stage: str) -> np.random.Generator:
        """Return the stage's own generator: stages added to a profile do not disturb what the others draw."""
        digest = hashlib.blake2b(f"{self.seed}/{stage}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))

    def sound(self, stage: str) -> Waveform:
        """Return the line's sound.

        Raises:
            ProfileError: there is none (code 'wave-missing').
        """
        if self.wave is None:
            raise ProfileError(f"The stage '{stage}' listens to the line, but no sound was given.",
                               "Pass wave= to post(), or use a profile without this stage.", code="wave-missing")
        return self.wave

    def features(self, stage: str) -> SpeechFeatures:
        """Return what is heard in the line's sound: computed at the first call, shared by the stages.

        Raises:
            ProfileError: there is no sound (code 'wave-missing').
        """
        self.sound(stage)
        return self._features

    @property
    def heard(self) -> SpeechFeatures | None:
        """What was heard in the line's sound; None if no stage asked."""
        return self.__dict__.get("_features")

    @cached_property
    def _features(self) -> SpeechFeatures:
        wave = self.sound("features")
        return listen(wave.samples, wave.rate)

    def unprocessed(self, stage: str, clip: FaceClip) -> FaceClip:
        """Return the raw clip that `clip` was made from, frame by frame.

        Raises:
            ProfileError: there is none, or it has other frames (code 'raw-missing').
        """
        if self.raw is None or (self.raw.n_frames, self.raw.fps, self.raw.start) != (clip.n_frames, clip.fps, clip.start):
            raise ProfileError(f"The stage '{stage}' compares with the raw clip, but "
                               f"{'none was given' if self.raw is None else 'its frames are others'}.",
                               "Run the stage through post(), or pass raw= to Context.", code="raw-missing")
        return self.raw

    def end_seconds(self, clip: FaceClip) -> float:
        """Return when the line ends, in seconds: its sound's length, so that a piece of a clip has the same end as the whole."""
        end = float(clip.start + clip.duration)
        return end if self.wave is None else max(end, float(self.wave.duration))


class Stage(Protocol):
    """A post stage: a small frozen dataclass of parameters, and a pure function of a clip."""

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the changed clip: same frame count, fps and start."""
        ...
