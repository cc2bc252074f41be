"""What is trained and how: every number of the recipe, and the table that turns captured scores into face channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SAMPLE_RATE = 16_000

#: The channels that a voice can drive, each with the amplitude that the captured 99th percentile is scaled to. The capture
#: compresses most of them to a few hundredths, far below what is visible on a face; the amplitudes are those of a clear speaker
#: in ARKit's units, chosen by eye. A name without Left or Right that ARKit has twice stands for both sides, which get the mean
#: of the two: one speaker's crooked smile is not a property of speech.
AMPLITUDES: dict[str, float] = {
    "jawOpen": 0.60,
    "mouthClose": 0.0,  # scaled by jawOpen's factor instead, so that mouthClose = jawOpen is a shut mouth
    "mouthFunnel": 0.35,
    "mouthPucker": 0.50,
    "mouthUpperUp": 0.20,
    "mouthLowerDown": 0.35,
    "mouthSmile": 0.15,
    "mouthDimple": 0.10,
    "mouthStretch": 0.15,
    "mouthFrown": 0.10,
    "mouthPress": 0.30,
    "mouthRollUpper": 0.25,
    "mouthRollLower": 0.20,
    "mouthShrugLower": 0.15,
    "mouthShrugUpper": 0.10,
}

#: Lips nearer than this fraction of the distance between the outer eye corners are closed (landmarks 13-14 over 33-263).
CLOSED_OPENING = 0.02


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run besides the corpus.

    Attributes:
        seed: of the weights, the order, the crops and the augmentation.
        split_seed: of the choice of sentences, apart from `seed` so that runs compare on the same ones.
        held_out: sentences kept for the published figures; never seen in training or tuning.
        validation: sentences that training is tuned on.
        epochs: passes over the training sentences.
        batch: crops in a step.
        crop_seconds: length of a crop; a multiple of 0.04 s.
        rate: peak of the one-cycle learning rate (AdamW).
        weight_decay: of AdamW.
        width: channels of the residual stack.
        dilations: one residual block each, in steps of 40 ms.
        dropout: in every block.
        track_weights: weight in the loss of the tracks that matter most; 1 for the rest.
        difference_weight: weight of the error of frame-to-frame differences.
        closed_weight: weight of the closed-lips cross-entropy.
        speed: a crop is played this many times faster, drawn log-uniformly: other tempos, pitches and vocal tracts.
        speed_share: share of the crops whose speed is changed; likewise below.
        cleaned_share: share of the crops whose pauses are made digitally silent, as in a dubbing studio's files.
        tilt: first-order filter 1 - a/z, a drawn uniformly within.
        gain_db: the line's level, since a line's own pauses set how loud its speech is after normalisation.
        noise_db: speech over noise of a random colour.
        noise_only_share: crops that hold only noise, amplified as a silent line's is; the face rests.
        threads: torch threads; results are reproducible for a given number. Steps this small gain little from a second one.
    """

    seed: int = 0
    split_seed: int = 2006
    held_out: int = 60
    validation: int = 40
    epochs: int = 36
    batch: int = 16
    crop_seconds: float = 2.56
    rate: float = 2e-3
    weight_decay: float = 0.02
    width: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    dropout: float = 0.15
    track_weights: dict[str, float] = field(default_factory=lambda: {"jawOpen": 3.0, "mouthClose": 2.0, "mouthPucker": 2.0})
    difference_weight: float = 0.5
    closed_weight: float = 0.3
    speed: tuple[float, float] = (0.85, 1.3)
    speed_share: float = 0.5
    cleaned_share: float = 0.25
    tilt: tuple[float, float] = (-0.3, 0.5)
    tilt_share: float = 0.4
    gain_db: tuple[float, float] = (-6.0, 6.0)
    noise_db: tuple[float, float] = (15.0, 45.0)
    noise_share: float = 0.4
    noise_only_share: float = 0.04
    threads: int = 1


def split_sentences(ids: Sequence[str], recipe: Recipe) -> tuple[list[str], list[str], list[str]]:
    """Return the ids (training, validation, held out), each sorted; the same for the same ids and split seed."""
    order = np.random.default_rng(recipe.split_seed).permutation(np.array(sorted(ids)))
    held_out, validation, training = np.split(order, [recipe.held_out, recipe.held_out + recipe.validation])
    return sorted(training.tolist()), sorted(validation.tolist()), sorted(held_out.tolist())
