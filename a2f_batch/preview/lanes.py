"""Which curves a reviewer sees under the waveform: the mouth's main movements, left and right as one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip

#: Lane -> the channels whose mean it shows.
MAIN: dict[str, tuple[str, ...]] = {
    "jawOpen": ("jawOpen",), "mouthClose": ("mouthClose",), "mouthPucker": ("mouthPucker",), "mouthFunnel": ("mouthFunnel",),
    "mouthSmile": ("mouthSmileLeft", "mouthSmileRight")}


def lanes(clip: FaceClip) -> dict[str, npt.NDArray[np.float32]]:
    """Return name -> curve of the main movements, shape (frames,); of a clip without any of them, its five channels that move most."""
    found = {name: np.mean([clip[one] for one in channels], axis=0, dtype=np.float32) for name, channels in MAIN.items()
             if all(one in clip for one in channels)}
    if not found and clip.n_frames:
        most = np.argsort(-np.ptp(clip.values, axis=0), kind="stable")[:len(MAIN)]
        found = {clip.names[i]: clip.values[:, i] for i in most}
    return found
