"""What a post stage may know beside the clip: the line's sound and a seeded source of chance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError


@dataclass(frozen=True)
class Context:
    """The line that a clip was made from.

    Attributes:
        wave: the line's sound; None when a clip is post-processed without it.
        seed: the line's seed.
    """

    wave: Waveform | None
    seed: int

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


class Stage(Protocol):
    """A post stage: a small frozen dataclass of parameters, and a pure function of a clip."""

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the changed clip: same frame count, fps and start."""
        ...
