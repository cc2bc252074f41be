"""What is trained and how: every number of the recipe, read from a TOML file, and what turns captured scores into face channels."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from a2f_batch.errors import A2FError

SAMPLE_RATE = 16_000

#: The recipe of the embedded weights.
EMBEDDED = Path(__file__).with_name("recipe.toml")

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

#: Captured sentences kept for the published figures, and those that choices are made on; which ones hangs on the seed of the split alone,
#: so that runs compare.
HELD_OUT, VALIDATION, SPLIT_SEED = 60, 40, 2006


@dataclass(frozen=True)
class Sounds:
    """How crops are changed. Shares are of all crops; a pair is a range that is drawn from evenly.

    Attributes:
        speed: played so many times faster (drawn on a logarithmic scale): tempo, pitch and formants together.
        pause_share: drawn so that up to half of the crop may be silence before the line begins or after its end.
        tilt: coefficient of a first-order filter, bright to dull.
        band: upper edge in Hz of a telephone's or a codec's band; below it a lower edge of up to 300 Hz.
        room: reverberation time, seconds.
        noise_db: level of the line over noise under it.
        gain_db: on the line's level, which its own pauses set.
        clipped: level, in standard deviations of the line, beyond which a recording was cut off.
    """

    speed: tuple[float, float]
    speed_share: float
    pause_share: float
    tilt: tuple[float, float]
    tilt_share: float
    band: tuple[float, float]
    band_share: float
    room: tuple[float, float]
    room_share: float
    noise_db: tuple[float, float]
    noise_share: float
    gain_db: tuple[float, float]
    clipped: tuple[float, float]
    clipped_share: float


@dataclass(frozen=True)
class Recipe:
    """Every choice of a run besides the captured corpus and its split.

    Attributes:
        seed: of texts and voices, of the weights, the order and the changes of the sound.
        speech_minutes: synthetic speech to make, by corpus.
        steps: of the optimiser.
        batch: crops in a step.
        crop_seconds: a multiple of 0.04 s. A captured sentence of 3 s fits in whole, so that the network hears all that there is.
        rate: peak of the one-cycle learning rate (AdamW).
        width: channels of the residual stack.
        dilations: one residual block each, in steps of 40 ms.
        shares: of a batch's crops by source; what is missing goes to the others. 'noise' is room tone with a resting face.
        track_weights: in the loss; 1 for the rest.
        difference_weight: of the error of differences over 20 and 40 ms.
        opening_weight: of the error of jawOpen - mouthClose.
        seal_weight: of what is still open where the lips are shut.
        shut_weight: of the cross-entropy of shut lips.
        viseme_weight: of the cross-entropy of the viseme.
        sealing: gain and bias on the logit of shut lips in the finished network: the bias shuts them also where it is less than sure.
        averaging: of the weights that are kept: a moving average over some 1 / (1 - averaging) steps.
        checkpoint_steps: a checkpoint is written this often.
    """

    seed: int
    speech_minutes: dict[str, float]
    steps: int
    batch: int
    crop_seconds: float
    rate: float
    weight_decay: float
    width: int
    dilations: tuple[int, ...]
    dropout: float
    shares: dict[str, float]
    track_weights: dict[str, float]
    difference_weight: float
    opening_weight: float
    seal_weight: float
    shut_weight: float
    viseme_weight: float
    sealing: tuple[float, float]
    averaging: float
    checkpoint_steps: int
    sounds: Sounds


def read_recipe(path: Path = EMBEDDED) -> Recipe:
    """Read a recipe: a TOML file that gives every number of `Recipe` and, in a table, of `Sounds`.

    Raises:
        A2FError: the file is missing or no TOML, or a number is missing, unknown or of another kind (code 'train-recipe').
    """
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise A2FError(f"The recipe '{path}' can't be read: {error}.", f"Start from a copy of '{EMBEDDED}'.", code="train-recipe") from None
    sounds = stored.pop("sounds", {})
    if not isinstance(sounds, dict):
        raise _wrong(path, "'sounds' is no table")
    return Recipe(sounds=Sounds(**_values(Sounds, sounds, path)), **_values(Recipe, stored, path))


def _values(kind: type[Sounds] | type[Recipe], stored: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the fields of `kind` out of a table."""
    wanted = {field.name: str(field.type) for field in dataclasses.fields(kind) if field.name != "sounds"}
    problems = [f"'{name}' is missing" for name in wanted if name not in stored]
    problems += [f"'{name}' is unknown" for name in stored if name not in wanted]
    if problems:
        raise _wrong(path, ", ".join(problems))
    return {name: _value(stored[name], wanted[name], name, path) for name in wanted}


def _value(value: Any, wanted: str, name: str, path: Path) -> Any:
    def number(one: Any) -> bool:
        return isinstance(one, (int, float)) and not isinstance(one, bool)

    if wanted == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if wanted == "float" and number(value):
        return float(value)
    if wanted.startswith("dict") and isinstance(value, dict) and all(map(number, value.values())):
        return {key: float(one) for key, one in value.items()}
    if wanted == "tuple[int, ...]" and isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        return tuple(value)
    if wanted == "tuple[float, float]" and isinstance(value, list) and len(value) == 2 and all(map(number, value)):
        return tuple(map(float, value))
    kinds = {"int": "a whole number", "float": "a number", "tuple[float, float]": "two numbers", "tuple[int, ...]": "whole numbers"}
    raise _wrong(path, f"'{name}' must be {kinds.get(wanted, 'a table of numbers')}, not {value!r}")


def _wrong(path: Path, problem: str) -> A2FError:
    return A2FError(f"The recipe '{path}': {problem}.", f"Compare it with '{EMBEDDED}'.", code="train-recipe")


def split_sentences(ids: Sequence[str], held_out: int = HELD_OUT, validation: int = VALIDATION) -> tuple[list[str], list[str], list[str]]:
    """Return the ids (training, validation, held out), each sorted; the same for the same ids."""
    order = np.random.default_rng(SPLIT_SEED).permutation(np.array(sorted(ids)))
    last, middle, training = np.split(order, [held_out, held_out + validation])
    return sorted(training.tolist()), sorted(middle.tolist()), sorted(last.tolist())
