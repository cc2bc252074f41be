"""The 52 ARKit targets as displacement fields on the head and its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from a2f_batch.names import ARKIT_52
from a2f_batch.rig.sculpt import parts
from a2f_batch.rig.sculpt.cage import Cage, Indices
from a2f_batch.rig.sculpt.deform import Sheet
from a2f_batch.rig.sculpt.lips import BORDER, CONTACT, Lips, lips
from a2f_batch.rig.sculpt.neutral import MOUTH_HEIGHT, Lids, eye_rings
from a2f_batch.rig.sculpt.parts import Patch
from a2f_batch.rig.sculpt.surface import EYE_CENTRE, Points, Scalars, Triple

_JAW_AXIS = np.array([0.0, -20.0, -4.0])
_JAW_ANGLE = np.radians(15.5)
_CORNER_WITH_JAW = 0.42
# Where along the way from the upper lip to the lower one they meet (x, y, z); further back the upper lip would sink into the teeth.
_MEETING = np.array([0.5, 0.28, 0.1])
_LOOK_ANGLE = np.radians(26.0)
_SHUT = Lids(-2.8, -2.8)

# A lip's roll by ring (border of the red, its ridge, near the contact, contact, inside): offsets in y (towards the mouth line) and z.
_ROLL = np.array([[4.6, -1.5], [3.0, -5.0], [0.6, -6.0], [0.3, -5.5], [0.0, -3.5]])

Pushes: TypeAlias = tuple[tuple[float, float, Triple], ...]
"""Points of the skin as seen from the front, x and y, and where they go (mm)."""

_PUFF: Pushes = tuple((side * x, y, (side * 6.5, 0.0, 4.5)) for side in (1, -1) for x, y in ((38.0, -58.0), (37.0, -76.0), (46.0, -66.0)))

Fields: TypeAlias = dict[str, Points]
"""Patch name -> displacement of its vertices in millimetres at weight 1."""


@dataclass
class Sculptor:
    """Makes the targets of one head.

    Attributes:
        cage: the head's net.
        rest: the head's rest shape, shape (V, 3).
        patches: the other parts by name.
    """

    cage: Cage
    rest: Points
    patches: dict[str, Patch]

    def __post_init__(self) -> None:
        self._sheet = Sheet(self.cage)
        self._lips: Lips = lips(self.cage, self.rest)
        self._jaw = self._jaw_weights()
        self._carriers = {name: self._carrier(self.patches[name].vertices) for name in ("brows", "ears", "hair")}
        mouth = np.array([0.0, MOUTH_HEIGHT, 92.0])
        away = (self.rest - mouth) / (1.0, 1.0, 1.3)
        far = (np.linalg.norm(away, axis=-1) > 58) | (self.rest[:, 1] > -22)
        self._far = np.setdiff1d(np.flatnonzero(far), self._lips.ids)

    def all(self) -> dict[str, Fields]:
        """Return every target of ARKIT_52, those of a right side as mirror images."""
        made = {name: make() for name, make in self._makers().items()}
        for name in ARKIT_52:
            if name not in made:
                left = name.replace("Right", "Left")
                made[name] = {patch: self._mirrored(patch, field) for patch, field in made[left].items()}
            elif "Left" not in name:
                made[name] = {patch: self._even(patch, field) for patch, field in made[name].items()}
        return {name: made[name] for name in ARKIT_52}

    def _makers(self) -> dict[str, Callable[[], Fields]]:
        lip, lid = self._lip_target, self._lid_target
        rest = Lids()
        return {
            "eyeBlinkLeft": partial(lid, _SHUT),
            "eyeLookDownLeft": partial(lid, Lids(rest.upper - 3.6, rest.lower - 1.2), look=(1.0, 0.0)),
            "eyeLookUpLeft": partial(lid, Lids(rest.upper + 1.6, rest.lower + 0.7), look=(-1.0, 0.0)),
            "eyeLookInLeft": partial(lid, rest, look=(0.0, -1.0)),
            "eyeLookOutLeft": partial(lid, rest, look=(0.0, 1.0)),
            "eyeSquintLeft": partial(lid, Lids(rest.upper - 1.2, rest.lower + 3.0), push=((36.0, -19.0, (0.0, 2.5, 1.0)),)),
            "eyeWideLeft": partial(lid, Lids(rest.upper + 2.4, rest.lower - 0.7), push=((32.0, 24.0, (0.0, 1.5, 0.0)),)),
            "jawForward": partial(self._jaw_target, lambda p: np.broadcast_to((0.0, -0.5, 8.0), p.shape)),
            "jawLeft": partial(self._jaw_target, lambda p: np.broadcast_to((8.0, 0.0, -0.5), p.shape)),
            "jawOpen": partial(self._jaw_target, _open_jaw),
            "mouthClose": self._mouth_close,
            "mouthFunnel": partial(lip, self._funnel),
            "mouthPucker": partial(lip, self._pucker),
            "mouthLeft": partial(lip, lambda: self._row(9.0, 0.6, -1.0) - np.outer(self._lips.along.clip(0), (1.0, 0.0, 4.0))),
            "mouthSmileLeft": partial(lip, partial(self._corner_pull, (8.0, 10.0, -7.0), 1.3), cheeks=((46.0, -42.0, (1.5, 4.0, 3.0)),)),
            "mouthFrownLeft": partial(lip, partial(self._corner_pull, (1.0, -9.0, -2.5), 1.5)),
            "mouthDimpleLeft": partial(lip, partial(self._corner_pull, (5.0, 1.5, -7.0), 2.0)),
            "mouthStretchLeft": partial(lip, partial(self._corner_pull, (9.5, -3.0, -8.0), 1.1)),
            "mouthRollLower": partial(lip, partial(self._roll, -1)),
            "mouthRollUpper": partial(lip, partial(self._roll, 1)),
            "mouthShrugLower": partial(lip, partial(self._shrug, upper=2.2, lower=4.2, forward=(1.2, 3.2)),
                                       cheeks=((0.0, -101.0, (0.0, 3.5, 1.5)),)),
            "mouthShrugUpper": partial(lip, partial(self._shrug, upper=4.0, lower=3.2, forward=(3.0, 1.2))),
            "mouthPressLeft": partial(lip, self._press),
            "mouthLowerDownLeft": partial(lip, partial(self._half_lip, -1, (0.8, -8.5, -0.8))),
            "mouthUpperUpLeft": partial(lip, partial(self._half_lip, 1, (0.4, 6.5, -0.5)), cheeks=((14.0, -41.0, (0.0, 1.8, 0.0)),)),
            "browDownLeft": partial(self._brow, (-2.5, -6.5, 1.2), (-1.0, -5.0, 0.5), (0.0, -2.0, 0.0)),
            "browInnerUp": partial(self._brow, (0.0, 8.0, 0.0), (0.0, 3.0, 0.0), None, both=True),
            "browOuterUpLeft": partial(self._brow, (0.0, 0.5, 0.0), (0.0, 5.5, -0.5), (0.5, 7.5, -1.0)),
            "cheekPuff": partial(lip, lambda: self._row(0.0, 0.0, 2.0), cheeks=_PUFF),
            "cheekSquintLeft": partial(lid, Lids(rest.upper - 0.3, rest.lower + 1.8), push=((38.0, -24.0, (0.0, 5.0, 3.5)),)),
            "noseSneerLeft": partial(lip, partial(self._half_lip, 1, (0.0, 1.5, 0.0)),
                                     cheeks=((12.0, -40.0, (1.2, 4.5, 0.5)), (9.0, -26.0, (0.5, 2.0, 1.0)))),
            "tongueOut": self._tongue_out,
        }

    # Sides.

    def _mirror_of(self, patch: str) -> Indices:
        return self.cage.mirror if patch == "face" else self.patches[patch].mirror

    def _mirrored(self, patch: str, field: Points) -> Points:
        return field[self._mirror_of(patch)] * (-1.0, 1.0, 1.0)

    def _even(self, patch: str, field: Points) -> Points:
        """Return the left half's displacement on both sides, exactly symmetrical."""
        mirror = self._mirror_of(patch)
        rest = self.rest if patch == "face" else self.patches[patch].vertices
        result = field.copy()
        own = mirror == np.arange(len(mirror))
        result[own, 0] = 0.0
        right = (rest[:, 0] < 0) & ~own
        result[right] = field[mirror[right]] * (-1.0, 1.0, 1.0)
        return result

    # Whole fields.

    def _with_face(self, face: Points, **more: Points) -> Fields:
        """Return the face's field with what lies on the skin following it."""
        fields = {"face": face, **more}
        for name, (near, share) in self._carriers.items():
            fields[name] = np.sum(face[near] * share[..., None], axis=1)
        return fields

    def _carrier(self, points: Points) -> tuple[Indices, Scalars]:
        """Return the 6 skin vertices that carry each point and their shares, by inverse squared distance, shape (n, 6) each."""
        near, share = [], []
        for point in points:
            gap = np.linalg.norm(self.rest - point, axis=-1)
            near.append(np.argsort(gap, kind="stable")[:6])
            weight = 1 / (gap[near[-1]] ** 2 + 0.5)
            share.append(weight / weight.sum())
        return np.array(near), np.array(share)

    def _lip_target(self, red: Callable[[], Points], cheeks: Pushes = ()) -> Fields:
        """Return a target that moves the lips by `red` (one row a lip vertex), and points of the skin at (x, y) by given offsets."""
        known = self._lips
        pushed, offsets = self._pushed(cheeks)
        far = np.setdiff1d(self._far, pushed)
        ids = np.concatenate([known.ids, pushed, far])
        values = np.concatenate([red() * known.deep[:, None], offsets, np.zeros((len(far), 3))])
        return self._with_face(self._sheet.follow(ids, values))

    def _push(self, points: Pushes, reach: float = 34.0) -> Fields:
        """Return a target that moves skin points at (x, y); the skin stays beyond `reach` mm from all of them, and the eyes stay."""
        chosen, offsets = self._pushed(points)
        gap = np.min([np.linalg.norm(self.rest - self.rest[vertex], axis=-1) for vertex in chosen], axis=0)
        lids = np.r_[self.cage.eye[2:].ravel(), self.cage.mirror[self.cage.eye[2:]].ravel()]
        still = np.setdiff1d(np.r_[np.flatnonzero(gap > reach), lids, self._lips.ids], chosen)
        values = np.r_[offsets, np.zeros((len(still), 3))]
        return self._with_face(self._sheet.follow(np.r_[chosen, still], values))

    def _pushed(self, points: Pushes, radius: float = 7.0) -> tuple[Indices, Points]:
        """Return the skin vertices within `radius` mm of the points, at least the nearest, and their offsets, less with distance."""
        ids: list[int] = []
        offsets: list[Points] = []
        for x, y, offset in points:
            gap = np.hypot(self.rest[:, 0] - x, self.rest[:, 1] - y) + 1e3 * (self.rest[:, 2] < 20)
            gap[np.r_[self._lips.ids, self.cage.eye[1:].ravel(), self.cage.mirror[self.cage.eye[1:]].ravel()]] = np.inf
            gap[ids] = np.inf
            near = np.flatnonzero(gap <= max(radius, gap.min()))
            ids += near.tolist()
            offsets += [(1 - 0.35 * min(1.0, gap[vertex] / radius) ** 2) * np.array(offset) for vertex in near]
        return np.array(ids, dtype=np.int64), np.reshape(offsets, (-1, 3))

    def _brow(self, inner: Triple, middle: Triple, outer: Triple | None, both: bool = False) -> Fields:
        """Return a target that moves three points of the left brow, or of both alike (along x only to one side)."""
        points = [(x, y, offset) for x, y, offset in ((13.0, 22.0, inner), (30.0, 27.0, middle), (48.0, 24.0, outer)) if offset]
        return self._push(tuple(points + [(-x, y, offset) for x, y, offset in points] if both else points))

    def _lid_target(self, lids: Lids, look: tuple[float, float] | None = None, push: Pushes = ()) -> Fields:
        """Return a target that opens the left lids as far as `lids`, pushes the skin and turns the eye: `look` is (down, out)."""
        face = np.zeros_like(self.rest)
        if push:
            face += self._push(push, reach=26.0)["face"]
        ring_ids = self.cage.eye
        edge = self.rest[ring_ids[0]]
        moved = eye_rings(edge, lids) - eye_rings(edge, Lids())
        # What is behind the lids' edges stays; it would only fold.
        moved[-1] = 0.0
        face[ring_ids] += moved
        n = ring_ids.shape[1]
        lash = self.patches["lashes"]
        lash_field = np.zeros_like(lash.vertices)
        half = len(lash_field) // 2
        lash_field[:half] = parts.lashes(n, lids) - parts.lashes(n, Lids())
        fields = self._with_face(face, lashes=lash_field)
        if look:
            for name in ("eye", "iris", "pupil"):
                ball = self.patches[name].vertices - EYE_CENTRE
                fields[name] = np.zeros_like(ball)
                left = slice(0, len(ball) // 2)
                fields[name][left] = _turned(ball[left], look[0] * _LOOK_ANGLE, look[1] * _LOOK_ANGLE) - ball[left]
        return fields

    # Jaw.

    def _jaw_weights(self) -> Scalars:
        """Return how much each vertex of the head goes with the jaw, 0..1."""
        p, known = self.rest, self._lips
        weights = np.full(len(p), np.nan)
        weights[(p[:, 1] > -34) | (p[:, 1] < -134) | (p[:, 2] < -18)] = 0.0
        weights[(p[:, 1] < -84) & (p[:, 2] > 44)] = 1.0
        upper, lower = known.side >= 0, known.side < 0
        weights[known.ids[upper]] = _CORNER_WITH_JAW * known.corner[upper] ** 3.0
        weights[known.ids[lower]] = 1 - (1 - _CORNER_WITH_JAW) * known.corner[lower] ** 2.4
        held = np.flatnonzero(~np.isnan(weights))
        return self._sheet.follow(held, weights[held]).clip(0, 1)

    def _jaw_target(self, move: Callable[[Points], Points]) -> Fields:
        fields = self._with_face(self._jaw[:, None] * move(self.rest))
        for name, share in (("lower_teeth", 1.0), ("tongue", 0.92)):
            fields[name] = share * move(self.patches[name].vertices)
        return fields

    def _mouth_close(self) -> Fields:
        """Return what brings the lips together again when the jaw is open: at jawOpen = mouthClose = 1 they meet."""
        known = self._lips
        opened = self.rest[known.ids] + (self._jaw[:, None] * _open_jaw(self.rest))[known.ids]
        contact = np.flatnonzero(known.ring == CONTACT)
        other = opened[known.opposite]
        own = np.where(known.side[:, None] < 0, _MEETING, 1 - _MEETING)
        meeting = own * opened + (1 - own) * other
        # All rings at one place along the lips go the way of the line between them.
        beside = np.arange(len(known.ids)) % len(contact)
        return self._lip_target(lambda: (meeting - opened)[contact][beside])

    # Lips: one row a lip vertex.

    def _row(self, x: float, y: float, z: float) -> Points:
        return np.tile(np.array([x, y, z]), (len(self._lips.ids), 1))

    def _sided(self, power: float = 1.0) -> Scalars:
        """0 from just right of the middle, 1 at the left corner."""
        return ((self._lips.along + 0.12) / 1.12).clip(0, 1) ** power

    def _corner_pull(self, offset: Triple, power: float) -> Points:
        return np.outer(self._sided(power), offset)

    def _half_lip(self, side: int, offset: Triple) -> Points:
        along = self._lips.along
        bell = np.cos(np.pi * ((along - 0.36) / 1.45).clip(-0.5, 0.5)) * self._lips.taper(3.0)
        return np.outer(bell * (self._lips.side == side), offset)

    def _roll(self, side: int) -> Points:
        known = self._lips
        share = known.taper(2.5) * (known.side == side)
        y, z = (np.interp(known.ring - BORDER, np.arange(len(_ROLL)), column) for column in _ROLL.T)
        return np.stack([0 * y, -side * y * share, z * share], axis=-1)

    def _shrug(self, upper: float, lower: float, forward: tuple[float, float]) -> Points:
        known = self._lips
        share = known.taper(2.0)
        y, z = np.where(known.side > 0, upper, lower), np.where(known.side > 0, forward[0], forward[1])
        return np.stack([0 * y, y * share, z * share], axis=-1)

    def _press(self) -> Points:
        known = self._lips
        half = ((known.along + 0.35) / 0.7).clip(0, 1)
        flat = np.interp(known.ring - BORDER, [0, 1, 2, 3], [2.6, 1.3, 0.3, 0.0])
        back = np.interp(known.ring - BORDER, [0, 1, 2, 3], [-0.4, -2.6, -2.6, -0.8])
        pull = self._sided(2.0)
        half = half * known.taper(4.0)
        return np.stack([1.2 * pull, -known.side * flat * half + pull, back * half - pull], axis=-1)

    def _pucker(self) -> Points:
        known = self._lips
        x = self.rest[known.ids, 0]
        depth = self.rest[known.ids, 2]
        front = 5.5 + 0.62 * (depth[known.ring == CONTACT].max() - self._contact_depth())
        fuller = known.side * np.interp(known.ring - BORDER, [0, 1, 2, 3], [0.5, 1.2, 0.6, 0.0]) * known.taper(2.0)
        return np.stack([-0.5 * x, fuller, front], axis=-1)

    def _funnel(self) -> Points:
        known = self._lips
        x = self.rest[known.ids, 0]
        depth = self.rest[known.ids, 2]
        front = 6.5 + 0.45 * (depth[known.ring == CONTACT].max() - self._contact_depth())
        lift = np.where(known.side > 0, 5.0, -6.5) * np.sqrt(known.taper(2.0)) * np.abs(known.side)
        return np.stack([-0.36 * x, lift, front], axis=-1)

    def _contact_depth(self) -> Scalars:
        """Return z of the line between the lips beside each lip vertex."""
        known = self._lips
        contact = self.rest[known.ids[known.ring == CONTACT], 2]
        return np.tile(contact, len(known.ids) // len(contact))

    def _tongue_out(self) -> Fields:
        p = self.patches["tongue"].vertices
        share = ((p[:, 2] - p[:, 2].min()) / np.ptp(p[:, 2])) ** 1.2
        tip = share ** 3
        field = np.stack([-0.12 * p[:, 0] * share, 5.5 * share - 9.0 * tip, 36.0 * share], axis=-1)
        return {"tongue": field}


def _open_jaw(p: Points) -> Points:
    """Return the displacement of points that turn with the jaw about the axis through its joints."""
    arm = p - _JAW_AXIS
    cos, sin = np.cos(_JAW_ANGLE), np.sin(_JAW_ANGLE)
    turned = np.stack([arm[..., 0], cos * arm[..., 1] - sin * arm[..., 2], sin * arm[..., 1] + cos * arm[..., 2]], axis=-1)
    away: Points = turned - arm
    return away


def _turned(p: Points, down: float, out: float) -> Points:
    """Return points about an eye's centre turned down and towards the face's left."""
    y, z = np.cos(down) * p[:, 1] - np.sin(down) * p[:, 2], np.sin(down) * p[:, 1] + np.cos(down) * p[:, 2]
    return np.stack([np.cos(out) * p[:, 0] + np.sin(out) * z, y, np.cos(out) * z - np.sin(out) * p[:, 0]], axis=-1)


