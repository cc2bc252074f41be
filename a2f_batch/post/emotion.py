"""Stage `emotion`: the line's emotion over time, laid under its speech."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, ROTATIONS
from a2f_batch.post.context import Context
from a2f_batch.post.emotion_library import library
from a2f_batch.post.silence_gate import SilenceGate

Curves = npt.NDArray[np.float32]

SIDES = ("Left", "Right")
PARTING = ("jawOpen", "mouthFunnel", *(f"{name}{side}" for name in ("mouthLowerDown", "mouthUpperUp") for side in SIDES))
"""These part the lips: what an emotion adds to them goes to zero where speech shuts the mouth."""
PULLING = tuple(f"{name}{side}" for name in ("mouthSmile", "mouthDimple", "mouthStretch", "noseSneer") for side in SIDES)
"""These pull at the lips and may open them a little: mouthClose makes up for it where speech shuts the mouth."""
SHUTTING = ("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight")
"""These bring the lips together: what an emotion adds to them fades where speech opens the mouth."""

# How far each channel parts the lips, in units of jawOpen. Measured between the middles of the default head's lips, and for jawOpen and
# mouthClose also on landmarks of real speech (GRID speaker 1, 898 sentences): jawOpen - mouthClose correlates 0.990 with the lips' gap,
# the two factors are equal to 2 %, and the other channels hardly move.
_PARTS = {"jawOpen": 1.0, "mouthClose": -1.0, "mouthFunnel": 0.46, "mouthLowerDownLeft": 0.24, "mouthLowerDownRight": 0.24,
          "mouthUpperUpLeft": 0.19, "mouthUpperUpRight": 0.19}
# The same for pulls: 0.043 for the nose on the default head, rounded up since it lifts the lip beside the middle more; 0 for the mouth's
# own, here an allowance for heads whose smile shows a little teeth. They do not count as speech: a talker's smile is no vowel.
_PULLS = {**dict.fromkeys(PULLING[:6], 0.02), **dict.fromkeys(PULLING[6:], 0.05)}


@dataclass(frozen=True)
class EmotionOffset:
    """y = x + g (1 - x) (1 - prod over emotions (1 - o_e)^(s l_e(t))), with o from `emotion_library` and l from the line's envelope.

    Offsets fill a part of the room that x leaves, so 0..1 stays 0..1 without a hard limit, emotions mix in any order, and applying level
    a, then b, is applying a + b (where g = 1). Values under 0 are raised likewise; values over 1 stay.

    g blends with speech. With p = clip((opening - closed) / (open - closed), 0, 1), the opening a weighted sum whose main part is
    jawOpen - mouthClose, and with q = 1 in the line's silences (half cosines over a quarter of a second; 0 without a sound):

    - brows, lids, cheeks, nose, frown: g = 1;
    - channels that part the lips: g = q rest + (1 - q) p speaking, so shut lips stay shut: g = 0 there;
    - channels that pull at the lips (smile, dimple, stretch): g = 1 - rounding max(mouthPucker, mouthFunnel); where speech shuts the
      mouth, mouthClose rises by what these and noseSneer would open it; where it has no room left, they give way;
    - channels that press the lips: g = 1 - parting p, so that vowels stay open.

    Rotations get head s l_e(t) times the library's radians added. Channels that the clip lacks and the emotion needs are added. A neutral
    line is returned as it is; so is a clip whose engine was told a word and honoured it (clip.meta), unless `always`.

    Source: formulas are ours; combinations of action units in emotions.toml.

    Attributes:
        strength: s, factor on the levels, 0..2.
        closed, open: openings, in units of jawOpen, at which p is 0 and 1.
        speaking: share of a parting offset while speaking with an open mouth, 0..1.
        rest: the same in silence.
        rounding: how much rounded lips hold back a smile, 0..1.
        parting: how much open lips hold back pressing, 0..1.
        head: factor on rotations, 0..2.
        always: apply also where the engine already made the emotion.
    """

    strength: float = 1.0
    closed: float = 0.05
    open: float = 0.35
    speaking: float = 0.6
    rest: float = 1.0
    rounding: float = 0.5
    parting: float = 0.7
    head: float = 1.0
    always: bool = False

    def __post_init__(self) -> None:
        for field in fields(self)[:-1]:
            value, most = getattr(self, field.name), 2.0 if field.name in ("strength", "head") else 1.0
            if not 0 <= value <= most:
                raise ProfileError(f"'{field.name}' of the stage 'emotion' is {value!r}.", f"Give a number from 0 to {most:g}.",
                                   code="stage-parameter")
        if not self.closed < self.open:
            raise ProfileError(f"In the stage 'emotion', lips can't be closed at {self.closed:g} and open at {self.open:g}.",
                               "Give closed < open.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with the emotion of `context`."""
        words = context.emotion.words
        if not words or (not self.always and made_by_engine(clip)):
            return clip
        moved = {name for word in words for name in library()[word].weights}
        if moved.intersection(PULLING):
            moved.add("mouthClose")
        turned = [name for name in ROTATIONS if any(name in library()[word].rotations for word in words)]
        needed = [name for name in (*ARKIT_52, *turned) if name in moved or name in turned]
        if not set(needed).issubset(clip.names):
            clip = clip.select(dict.fromkeys((*clip.names, *needed)), missing=0.0)

        times = clip.times()
        # A constant emotion has one level for all frames: arrays of one, which broadcast.
        levels = {word: np.float32(self.strength) * curve
                  for word, curve in context.emotion.at(times[:1] if context.emotion.constant else times).items()}
        columns = [clip.names.index(name) for name in needed]
        rows = np.ascontiguousarray(clip.values[:, columns].T)  # working along columns of the clip would be several times slower
        weights = {name: row for name, row in zip(needed, rows, strict=True) if name in moved}
        openness = np.clip((opening(clip) - self.closed) / (self.open - self.closed), 0, 1).astype(np.float32)
        quiet = self._quiet(context, times)
        added = self._blended(clip, _room_filled(weights, levels), openness, quiet)
        for name, curve in added.items():
            weights[name] += curve
        if "mouthClose" in moved:
            _hold_shut(weights, {name: added[name] for name in PULLING if name in added}, (1 - openness) * (1 - quiet))
        for name in turned:
            for word, curve in levels.items():
                rows[needed.index(name)] += np.float32(self.head * library()[word].rotations.get(name, 0.0)) * curve
        values = clip.values.copy()
        values[:, columns] = rows.T
        values.setflags(write=False)
        return clip.with_values(values, **({"emotion_shown": True} if self.strength > 0 else {}))

    def _blended(self, clip: FaceClip, added: dict[str, Curves], openness: Curves, quiet: Curves) -> dict[str, Curves]:
        """Return `added` with the mouth's channels multiplied by g."""
        gains = {
            **dict.fromkeys(PARTING, quiet * np.float32(self.rest) + (1 - quiet) * openness * np.float32(self.speaking)),
            **dict.fromkeys(SHUTTING, 1 - np.float32(self.parting) * openness),
        }
        pursed = [np.clip(clip[name], 0, 1) for name in ("mouthPucker", "mouthFunnel") if name in clip]
        if pursed:
            gains |= dict.fromkeys(PULLING[:6], 1 - np.float32(self.rounding) * np.maximum.reduce(pursed))
        return {name: curve * gains[name] if name in gains else curve for name, curve in added.items()}

    def _quiet(self, context: Context, times: npt.NDArray[np.float64]) -> Curves:
        """Return q at `times`: 0 in speech, 1 in silence; all 0 without a sound."""
        if context.wave is None or self.rest == 0:
            return np.zeros(len(times), dtype=np.float32)
        # A closure before the first sound of a word is speech: it needs a longer lead than the silence gate's.
        gate = SilenceGate(attack_seconds=0.25, lead_seconds=0.15, hold_seconds=0.05, release_seconds=0.25)
        return 1 - gate.gate(context.features("emotion").stretches, times)


def made_by_engine(clip: FaceClip) -> bool:
    """Say whether the engine was told an emotion and honoured it: the one place where that is decided, from the clip's meta."""
    return clip.meta.get("emotion", "neutral") != "neutral" and "emotion" not in clip.meta.get("not_honoured", ())


def is_shown(clip: FaceClip) -> bool:
    """Say whether a finished clip shows an emotion: its engine made it, or a stage did."""
    return made_by_engine(clip) or bool(clip.meta.get("emotion_shown"))


def opening(clip: FaceClip) -> Curves:
    """Return how far speech parts the lips in units of jawOpen, shape (frames,): a weighted sum, negative where they are pressed."""
    there = [name for name in _PARTS if name in clip]
    factors = np.array([_PARTS[name] for name in there], dtype=np.float32)
    # Not a matrix product: its rounding would depend on how many frames there are.
    return np.asarray(np.einsum("fc,c->f", clip.values[:, [clip.names.index(name) for name in there]], factors), dtype=np.float32)


def _room_filled(weights: dict[str, Curves], levels: dict[str, Curves]) -> dict[str, Curves]:
    """Return (1 - x) (1 - prod over emotions (1 - o)^l) of each channel that an emotion moves."""
    shares: dict[tuple[float, ...], Curves] = {}  # left and right have the same, as a rule
    added = {}
    for name, x in weights.items():
        offsets = tuple(library()[word].weights.get(name, 0.0) for word in levels)
        if any(offsets):
            if offsets not in shares:
                exponents = [np.float32(np.log1p(-offset)) * curve for offset, curve in zip(offsets, levels.values(), strict=True)]
                shares[offsets] = -np.expm1(sum(exponents[1:], exponents[0]))
            added[name] = np.maximum(1 - x, 0) * shares[offsets]
    return added


def _hold_shut(weights: dict[str, Curves], pulls: dict[str, Curves], shut: Curves) -> None:
    """Raise mouthClose so that `pulls`, added to `weights` already, open the lips by no more than (1 - shut) of what they would."""
    close = weights["mouthClose"]
    pull = sum((np.float32(_PULLS[name]) * curve for name, curve in pulls.items()), np.zeros_like(close))
    needed = shut * pull
    held = np.minimum(needed, np.maximum(1 - close, 0))
    close += held
    # No room left: the pull gives way instead.
    too_much = np.divide(needed - held, pull, out=np.zeros_like(pull), where=pull > 0)
    for name, curve in pulls.items():
        weights[name] -= too_much * curve
