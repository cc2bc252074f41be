"""What a finished clip measures: how its mouth moves in speech and in silence, and what no face does."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.names import is_mouth
from a2f_batch.post.closure_guard import ClosureGuard
from a2f_batch.qc.record import Figures
from a2f_batch.speech import runs as find_runs

Place = tuple[float, float]

#: A frame is silent if it is so far from all speech: the mouth may get ready before, and come to rest after.
MARGIN_SECONDS = 0.25
_FULL, _REST, _STILL, _BLINK = 0.999, 0.001, 0.0005, 0.5
_BLINKS_SECONDS = 5.0  # a shorter line tells no rate


@dataclass(frozen=True, eq=False)
class Motion:
    """A clip over the speech of its line.

    Attributes:
        clip: finished, ARKit names; other channels count for nothing.
        stretches: of speech, seconds, shape (n, 2), in order and apart.
    """

    clip: FaceClip
    stretches: npt.NDArray[np.float64]
    places: dict[str, Place] = field(default_factory=dict)

    @cached_property
    def times(self) -> npt.NDArray[np.float64]:
        """Time of every frame in seconds."""
        return self.clip.times()

    @cached_property
    def opening(self) -> npt.NDArray[np.float32] | None:
        """jawOpen - mouthClose, weights under 0 taken as 0, shape (frames,); None if the clip has no jawOpen."""
        if "jawOpen" not in self.clip or not self.clip.n_frames:
            return None
        jaw = np.maximum(self.clip["jawOpen"], 0)
        return np.asarray(jaw - np.maximum(self.clip["mouthClose"], 0) if "mouthClose" in self.clip else jaw, dtype=np.float32)

    @cached_property
    def _mouth(self) -> npt.NDArray[np.float32]:
        """Mouth channels that move, one row each, shape (channels, frames)."""
        rows = np.ascontiguousarray(self.clip.values.T[_mouth_columns(self.clip.names)])
        return rows[rows.max(axis=1) > rows.min(axis=1)] if rows.size else rows

    @cached_property
    def _steps(self) -> npt.NDArray[np.float32]:
        return np.diff(self._mouth, axis=1)

    @cached_property
    def _sizes(self) -> npt.NDArray[np.float32]:
        return np.abs(self._steps)

    @cached_property
    def _largest_steps(self) -> npt.NDArray[np.float32]:
        """Largest change of a mouth channel from each frame to the next, shape (frames - 1,)."""
        return np.asarray(self._sizes.max(axis=0) if len(self._sizes) else np.zeros(self.clip.n_frames - 1), dtype=np.float32)

    @cached_property
    def _spoken(self) -> npt.NDArray[np.bool_]:
        return np.asarray(np.searchsorted(self.stretches.ravel(), self.times, side="right") % 2 == 1)

    @cached_property
    def _silent(self) -> npt.NDArray[np.bool_]:
        wide = self.stretches + np.array((-MARGIN_SECONDS, MARGIN_SECONDS))
        # Stretches that overlap now: a time is in none of them if as many have begun as have ended.
        begun, ended = np.searchsorted(wide[:, 0], self.times, side="right"), np.searchsorted(wide[:, 1], self.times, side="left")
        return np.asarray(begun == ended)

    def figures(self) -> Figures:
        """Return the figures, and note their places."""
        if self.clip.n_frames < 2 or not _mouth_columns(self.clip.names):
            return dict.fromkeys(("closures", "still", "silence_motion", "jitter", "saturated_high", "saturated_low", "jump", "blinks"))
        return {"closures": self._closures(), "still": self._still(), "silence_motion": self._silence_motion(), "jitter": self._jitter(),
                **self._saturated(), "jump": self._jump(), "blinks": self._blinks()}

    def _closures(self) -> float | None:
        seconds = float(self._spoken.sum() / self.clip.fps)
        if self.opening is None or seconds == 0:
            return None
        return float(self._spoken[ClosureGuard().closures(self.opening, float(self.clip.fps))].sum()) / seconds

    def _still(self) -> float | None:
        if not self._spoken.any():
            return None
        runs = find_runs((self._largest_steps < _STILL) & self._spoken[:-1] & self._spoken[1:])
        if not len(runs):
            return 0.0
        begin, end = runs[np.argmax(runs[:, 1] - runs[:, 0])]
        self._place("still", begin, end)
        return float((end - begin) / self.clip.fps)

    def _silence_motion(self) -> float | None:
        runs = find_runs(self._silent[:-1] & self._silent[1:])
        if not len(runs):
            return None
        if not len(self._steps):
            return 0.0
        travelled = np.zeros(self._mouth.shape)
        np.cumsum(self._sizes, axis=1, out=travelled[:, 1:])
        begin, end = runs.T
        # To and fro alone: an emotion that comes or goes, or lips that come to rest, go one way.
        fro = travelled[:, end] - travelled[:, begin] - np.abs(self._mouth[:, end] - self._mouth[:, begin])
        channel = int(np.argmax(fro.sum(axis=1)))
        worst = int(np.argmax(fro[channel]))
        if fro[channel, worst] > _STILL:
            self._place("silence_motion", begin[worst], end[worst])
        return float(fro[channel].sum() / (end - begin).sum() * float(self.clip.fps))

    def _jitter(self) -> float:
        # At twice the rate every second frame is looked at, for what a screen at 30 would show.
        stride = max(1, round(float(self.clip.fps) / 30))
        steps = self._steps if stride == 1 else np.diff(self._mouth[:, ::stride], axis=1)
        if steps.shape[0] == 0 or steps.shape[1] < 3:
            return 0.0
        before, here, after = steps[:, :-2], steps[:, 1:-1], steps[:, 2:]
        zigzag = np.where((before * here < 0) & (here * after < 0), np.minimum(np.minimum(abs(before), abs(here)), abs(after)), 0)
        return float(zigzag.sum(axis=1).max() / float(self.clip.duration))

    def _saturated(self) -> dict[str, float | None]:
        if not self._spoken.any():
            return {"saturated_high": None, "saturated_low": None}
        at_limit = self._mouth >= _FULL
        high = at_limit.any(axis=0)[self._spoken].mean() if at_limit.any() else 0.0  # no channel is, in most lines
        low = None if "jawOpen" not in self.clip else float((self.clip["jawOpen"][self._spoken] <= _REST).mean())
        return {"saturated_high": float(high), "saturated_low": low}

    def _jump(self) -> float:
        stride = min(max(1, round(float(self.clip.fps) / 30)), self.clip.n_frames - 1)
        if not len(self._mouth):
            return 0.0
        jumps = np.abs(self._mouth[:, stride:] - self._mouth[:, :-stride]).max(axis=0) if stride > 1 else self._largest_steps
        at = int(np.argmax(jumps))
        self._place("jump", at, at + stride)
        return float(jumps[at])

    def _blinks(self) -> float | None:
        lids = [self.clip[name] for name in ("eyeBlinkLeft", "eyeBlinkRight") if name in self.clip]
        if not lids or self.clip.duration < _BLINKS_SECONDS:
            return None
        shut = np.minimum.reduce(lids) >= _BLINK
        return float(np.count_nonzero(shut[1:] & ~shut[:-1]) + shut[0]) / float(self.clip.duration) * 60

    def _place(self, figure: str, first: int, last: int) -> None:
        self.places[figure] = float(self.times[first]), float(self.times[last])


@lru_cache(maxsize=16)  # the lines of a batch have the same channels
def _mouth_columns(names: tuple[str, ...]) -> list[int]:
    return [i for i, name in enumerate(names) if is_mouth(name)]

