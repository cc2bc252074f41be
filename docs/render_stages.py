"""Draw every post-processing stage at work: a few curves of one demo line before it and after it.

    python docs/render_stages.py docs/images/stages

Needs matplotlib (the [test] extra). The curves before are the engine's raw ones; stages that follow others see what those made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import a2f_batch as a2f
from a2f_batch.emotion import Envelope
from a2f_batch.names import ROTATIONS
from a2f_batch.post import STAGES, Context, Stage
from a2f_batch.resources import resource_folder

FPS = 60
LINE = "audio/gate_halt.en-US.wav"
SEED = 8
EMOTION = "0 neutral; 1.5 anger:0.9; 3.5 anger:0.9; 5 neutral"


@dataclass(frozen=True)
class Example:
    """What to draw of a stage.

    Attributes:
        stage: configured so that its work shows.
        channels: curves to draw.
        after: stages that run before it in both curves.
        seconds: part of the line to draw.
        source: 'line', or 'still' for a face without any movement.
    """

    stage: Stage
    channels: tuple[str, ...]
    after: tuple[Stage, ...] = ()
    seconds: tuple[float, float] = (0.0, 5.1)
    source: str = "line"


def examples() -> dict[str, Example]:
    """Return one example for every stage there is, by the stage's name."""
    make: Mapping[str, Callable[..., Stage]] = STAGES
    smooth, gate = make["smooth"](), make["silence-gate"]()
    wide = make["offset"](sets={"wide": {"eyeWideLeft": 0.5}}, choice="wide")
    lids = ("eyeBlinkLeft", "eyeBlinkRight")
    close_up = (2.6, 4.2)
    return {
        "bounds": Example(make["bounds"](lower={"jawOpen": 0.05}, upper={"jawOpen": 0.3}), ("jawOpen",)),
        "scale": Example(make["scale"](factors={"jawOpen": 1.4}), ("jawOpen",)),
        "threshold": Example(make["threshold"](thresholds={"jawOpen": 0.1}), ("jawOpen",), (make["clamp"](),)),
        "offset": Example(make["offset"](sets={"tense": {"mouthPressLeft": 0.15}}, choice="tense"), ("mouthPressLeft",)),
        "rename": Example(make["rename"](mapping={"vowel_a": "jawOpen", "vowel_u": "mouthPucker"}), ("jawOpen", "vowel_a")),
        "linear-exp": Example(make["linear-exp"](), ("jawOpen",), (make["clamp"](),)),
        "custom-blink": Example(make["custom-blink"](), lids, source="still"),
        "unitalker-clip": Example(make["unitalker-clip"](), ("eyeWideLeft",), (wide,)),
        "unitalker-blink": Example(make["unitalker-blink"](), lids, source="still"),
        "smooth": Example(smooth, ("jawOpen", "mouthPressLeft"), seconds=close_up),
        "one-pole": Example(make["one-pole"](lower_seconds=0.03), ("jawOpen",), seconds=close_up),
        "gain": Example(make["gain"](jaw=2.2), ("jawOpen",), (smooth,)),
        "closure-guard": Example(make["closure-guard"](), ("jawOpen", "mouthClose"), (smooth,), close_up),
        "silence-gate": Example(gate, ("jawOpen",), (smooth,)),
        "symmetry": Example(make["symmetry"](asymmetry=0.5), ("mouthLowerDownLeft", "mouthLowerDownRight"), (smooth,), close_up),
        "shift": Example(make["shift"](seconds=0.05), ("jawOpen",), (smooth,), close_up),
        "emotion": Example(make["emotion"](), ("browDownLeft", "mouthPressLeft"), (smooth, gate)),
        "accents": Example(make["accents"](), ("browInnerUp", "HeadPitch"), source="still"),
        "eye-darts": Example(make["eye-darts"](), ("eyeLookInLeft", "eyeLookOutLeft", "eyeLookDownLeft"), source="still"),
        "blink": Example(make["blink"](), ("eyeBlinkLeft",), source="still"),
        "clamp": Example(make["clamp"](), ("mouthShrugLower",)),
    }


def main(folder: Path) -> None:
    """Write <stage>.png into `folder` for every stage."""
    folder.mkdir(parents=True, exist_ok=True)
    wave = a2f.load_audio(resource_folder("manifests") / LINE)
    raw = a2f.load_engine(device="cpu").infer([wave], fps=FPS)[0]
    context = Context(wave, SEED, Envelope.parse(EMOTION), raw)
    for name, example in examples().items():
        _draw(name, example, raw, wave, context, folder / f"{name}.png")


def _draw(name: str, example: Example, raw: a2f.FaceClip, wave: a2f.Waveform, context: Context, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    before = raw if example.source == "line" else raw.with_values(np.zeros_like(raw.values))
    for stage in example.after:
        before = stage.apply(before, context)
    after = example.stage.apply(before, context)
    figure, (sound, curves) = pyplot.subplots(2, 1, figsize=(8, 2.6), sharex=True, height_ratios=(1, 4), layout="constrained")
    sound.plot(np.arange(len(wave.samples))[::8] / wave.rate, wave.samples[::8], color="0.6", linewidth=0.4)
    sound.axis("off")
    sound.set_title(name, loc="left", fontsize=10)
    for i, channel in enumerate(example.channels):
        unit = " (rad)" if channel in ROTATIONS else ""
        if channel in before:
            curves.plot(before.times(), before[channel], color=f"C{i}", linewidth=0.9, linestyle=":", label=f"{channel}{unit} before")
        if channel in after:
            curves.plot(after.times(), after[channel], color=f"C{i}", linewidth=1.3, label=f"{channel}{unit} after")
    curves.margins(y=0.12)
    curves.set_xlim(*example.seconds)
    curves.set_xlabel("seconds", fontsize=8)
    curves.tick_params(labelsize=8)
    curves.grid(alpha=0.3)
    curves.legend(fontsize=7, loc="upper right", ncols=2)
    # Without the version of the library in it, the picture changes only when what it shows does.
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
