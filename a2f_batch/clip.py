"""FaceClip: the one value that flows through the whole library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import ClipError
from a2f_batch.rates import Rate, frame_times, parse_fps

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FaceClip:
    """Baked face curves: one float32 value per frame and channel. Immutable.

    Args:
        names: channel names, unique and not empty.
        values: shape (frames, channels), float32, C order; kept as a read-only copy. 0 is rest, 1 the full shape;
            engines may go beyond. Finite.
        fps: exact frames per second.
        start: time of frame 0 in seconds. Frame i is at ``start + i / fps``.
        meta: what made the clip (engine, weights hash, seed, style ...): JSON values only.

    Raises:
        ClipError: shapes that don't agree, a name given twice, a value that is not finite.
    """

    names: tuple[str, ...]
    values: Values
    fps: Fraction
    start: Fraction = Fraction(0)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = tuple(self.names)
        values = np.asarray(self.values, dtype=np.float32, order="C")
        # A read-only array that owns its memory is kept as it is: copies would be most of what a post stage takes.
        if values.flags.writeable or not values.flags.owndata:
            values = values.copy()
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ClipError(f"A clip of {len(names)} channels can't hold values of shape {values.shape}.",
                            "Give an array of shape (frames, channels).", code="clip-shape")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice or not all(isinstance(name, str) and name for name in names):
            raise ClipError(f"Channel names must be unique and not empty; {twice or 'an empty name'} is not.",
                            "Rename the channels.", code="clip-names")
        # The sum is not finite if a value is not, and quick to find; a sum may overflow where no value is infinite.
        with np.errstate(invalid="ignore", over="ignore"):
            total = values.sum()
        if not np.isfinite(total) and not np.isfinite(values).all():
            frame, channel = np.argwhere(~np.isfinite(values))[0]
            raise ClipError(f"Channel '{names[channel]}' is {values[frame, channel]} at frame {frame}.",
                            "A clip holds finite numbers only; find out what made this value.", code="clip-not-finite")
        values.setflags(write=False)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "fps", parse_fps(self.fps))
        object.__setattr__(self, "start", Fraction(self.start))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy does not pickle; Dask moves clips between processes.
        return type(self), (self.names, np.asarray(self.values), self.fps, self.start, dict(self.meta))

    def __repr__(self) -> str:
        return f"FaceClip({self.n_frames} frames x {len(self.names)} channels at {self.fps} fps from {float(self.start):g} s)"

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.values.shape[0])

    @property
    def duration(self) -> Fraction:
        """Length in seconds: n_frames / fps, exactly."""
        return self.n_frames / self.fps

    def times(self) -> npt.NDArray[np.float64]:
        """Return the time of every frame in seconds, shape (frames,)."""
        unit = self.start.denominator * self.fps.numerator
        first, step = int(self.start * unit), int(unit / self.fps)
        if max(unit, abs(first), abs(first + self.n_frames * step)) >= 2 ** 53:
            return np.array(frame_times(self.n_frames, self.fps, self.start), dtype=np.float64)
        # As in frame_times; numerator and denominator are exact in float64, so their quotient is rounded once here too.
        return np.asarray((first + np.arange(self.n_frames, dtype=np.int64) * step) / unit, dtype=np.float64)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Values:
        """Return the curve of one channel, shape (frames,), read-only."""
        if name not in self.names:
            raise ClipError(f"The clip has no channel '{name}'.", f"It has: {', '.join(self.names)}.", code="clip-channel")
        return self.values[:, self.names.index(name)]

    def with_values(self, values: npt.ArrayLike, **meta: Any) -> Self:
        """Return the clip with other `values` (same shape) and `meta` added."""
        values = np.asarray(values)
        if values.shape != self.values.shape:
            raise ClipError(f"Values of shape {values.shape} don't fit a clip of shape {self.values.shape}.",
                            "Give one value per frame and channel.", code="clip-shape")
        return replace(self, values=values, meta={**self.meta, **meta})

    def adding(self, curves: Mapping[str, npt.ArrayLike]) -> Self:
        """Return the clip with `curves`, shape (frames,) each, added to the channels of these names."""
        values = self.values.copy()
        for name, curve in curves.items():
            if name not in self:
                raise ClipError(f"The clip has no channel '{name}' to add to.", f"It has: {', '.join(self.names)}.", code="clip-channel")
            values[:, self.names.index(name)] += np.asarray(curve, dtype=np.float32)
        values.setflags(write=False)
        return replace(self, values=values)

    def slice(self, first: int, stop: int) -> Self:
        """Return frames first..stop-1; `start` moves along, so frames keep their times."""
        if not 0 <= first <= stop <= self.n_frames:
            raise ClipError(f"Frames {first}..{stop} are not in a clip of {self.n_frames} frames.",
                            "Give 0 <= first <= stop <= n_frames.", code="clip-range")
        return replace(self, values=self.values[first:stop], start=self.start + first / self.fps)

    def select(self, names: Iterable[str], *, missing: float | None = None) -> Self:
        """Return the clip with exactly `names`, in that order.

        Args:
            missing: the value of channels that the clip has not; None makes them an error.
        """
        names = tuple(names)
        lacking = [name for name in names if name not in self]
        if lacking and missing is None:
            raise ClipError(f"The clip has no channel {', '.join(map(repr, lacking))}.",
                            f"It has: {', '.join(self.names)}.", code="clip-channel")
        if names == self.names:
            return self
        column = {name: i for i, name in enumerate(self.names)}
        values = np.full((self.n_frames, len(names)), missing or 0.0, dtype=np.float32)
        here = [i for i, name in enumerate(names) if name in column]
        values[:, here] = self.values[:, [column[names[i]] for i in here]]
        values.setflags(write=False)
        return replace(self, names=names, values=values)

    def rename(self, mapping: Mapping[str, str]) -> Self:
        """Return the clip with channels renamed old -> new; a name not in the clip is an error."""
        unknown = [name for name in mapping if name not in self]
        if unknown:
            raise ClipError(f"Can't rename {', '.join(map(repr, unknown))}: the clip has no such channel.",
                            f"It has: {', '.join(self.names)}.", code="clip-channel")
        return replace(self, names=tuple(mapping.get(name, name) for name in self.names))

    def resample(self, fps: Rate) -> Self:
        """Return the clip at another rate: linear between frames, the last value held; same start and duration.

        The frame count is round(duration * fps), ties to even.
        """
        fps = parse_fps(fps)
        if fps == self.fps:
            return self
        n_frames = round(self.duration * fps)
        if n_frames == 0:
            raise ClipError(f"A clip of {float(self.duration):g} s has no frame at {fps} fps.",
                            "Choose a higher frame rate.", code="too-short")
        # Exact rational positions: float steps would drift on long clips.
        ratio = self.fps / fps
        whole, part = np.divmod(np.arange(n_frames, dtype=np.int64) * ratio.numerator, ratio.denominator)
        last = self.n_frames - 1
        left, right = np.minimum(whole, last), np.minimum(whole + 1, last)
        weight = (part / ratio.denominator).astype(np.float32)[:, None]
        return replace(self, values=self.values[left] * (1 - weight) + self.values[right] * weight, fps=fps)


def concat(clips: Sequence[FaceClip]) -> FaceClip:
    """Return `clips` one after another as one clip that starts where the first one does.

    Raises:
        ClipError: none given, or names or rates that differ.
    """
    if not clips:
        raise ClipError("There is no clip to join.", "Give at least one clip.", code="clip-shape")
    first = clips[0]
    for clip in clips[1:]:
        if clip.names != first.names or clip.fps != first.fps:
            raise ClipError("Clips with other channels or another frame rate can't be joined.",
                            "Use select() and resample() first.", code="clip-mismatch")
    return replace(first, values=np.concatenate([clip.values for clip in clips]))
