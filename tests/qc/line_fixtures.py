"""Demo lines, rendered as the batch does."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from a2f_batch import FaceClip, Waveform, load_audio, load_engine
from a2f_batch.post import Context, post_in, profile
from a2f_batch.qc import judge, measure
from a2f_batch.resources import resource_folder

FPS = 30


@dataclass(frozen=True)
class DemoLine:
    wave: Waveform
    clip: FaceClip
    heard: object

    def codes(self, values=None):
        """Codes of the flags of the line, with other curves if given."""
        clip = self.clip if values is None else self.clip.with_values(np.asarray(values, np.float32))
        return {flag.code for flag in judge(measure(self.wave, clip, self.heard)).flags}


def rendered(wave, fps=FPS):
    (raw,) = engine().infer([wave], fps=fps, seed=[0])
    context = Context(wave, 0, raw=raw)
    return DemoLine(wave, post_in(context, raw, profile("default")), context.heard)


@cache
def engine():
    return load_engine("embedded", device="cpu")


@cache
def demo_lines():
    """The demo's lines by name."""
    return {path.name: rendered(load_audio(path)) for path in sorted((resource_folder("manifests") / "audio").iterdir())}
