"""One sound to weights on a host's face: what the button in Blender and Maya does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from a2f_batch.audio import load_audio
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.render import Recipe, infer, shape
from a2f_batch.clip import FaceClip
from a2f_batch.emotion import Envelope
from a2f_batch.post.trial import check_channels
from a2f_batch.project import Project, load_project
from a2f_batch.rates import Rate, parse_fps

#: Called before every step with its name and the share of the work that is done; it may raise to cancel.
Progress = Callable[[str, float], None]

# When each step starts, as a share of the whole; measured on lines of 5 to 60 s: inference takes about half.
_STARTS = {"load": 0.0, "decode": 0.1, "infer": 0.3, "post": 0.75}


@dataclass(frozen=True)
class LineRequest:
    """A sound, and how it is to be spoken.

    Attributes:
        audio: sound file.
        fps: frames per second, as text ('24', '30000/1001', '29.97') or a number.
        profile: name of a post-processing profile.
        emotion: as a manifest's cell has it: 'joy', 'joy:0.6', '0.0 neutral; 1.2 anger:0.8'.
        style: the engine's own way of speaking; None = its default.
        seed: the line's seed.
        channel: which channel of the sound: 'mix', 'left', 'right' or an index.
        engine: name of weights, or the path of a weights description.
        project: an a2f.toml with more profiles; None = none.
    """

    audio: Path
    fps: Rate = "30"
    profile: str = "default"
    emotion: str = "neutral"
    style: str | None = None
    seed: int = 0
    channel: str | int = "mix"
    engine: str = "embedded"
    project: Path | None = None


@dataclass(frozen=True)
class SpokenLine:
    """A baked sound.

    Attributes:
        clip: the curves.
        duration: seconds of the sound.
        warnings: reason codes of what went well but deserves a look (see `a2f_batch.batch.warnings.WARNINGS`).
    """

    clip: FaceClip
    duration: float
    warnings: tuple[str, ...] = field(default=())


def speak(request: LineRequest, progress: Progress = lambda step, share: None) -> SpokenLine:
    """Render the sound of `request` to a clip, on the CPU, the same as `a2f-batch bake` with the same options.

    Args:
        progress: told before every step; what it raises passes through, and nothing is left behind.

    Raises:
        A2FError: of the step that failed.
    """
    progress("load", _STARTS["load"])
    engine = EngineChoice(request.engine, "cpu").loaded()
    # Not the a2f.toml of the current folder: a host's current folder is anybody's.
    profiles = load_project(request.project, channels=engine.names) if request.project else Project()
    check_channels(profiles.draft(request.profile), engine.names)
    recipe = Recipe(parse_fps(request.fps), Envelope.parse(request.emotion), request.style, profiles.profile(request.profile), request.seed,
                    request.channel)
    progress("decode", _STARTS["decode"])
    wave = load_audio(request.audio, channel=recipe.channel)
    progress("infer", _STARTS["infer"])
    (raw,) = infer([wave], [recipe], engine)
    progress("post", _STARTS["post"])
    clip, warnings = shape(raw, recipe, wave)
    return SpokenLine(clip, float(wave.duration), warnings)
