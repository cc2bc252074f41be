"""One voice line to its files: the pure path that the batch, `bake` and the add-ons share."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2f_batch.audio import load_audio
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import Line, Problem
from a2f_batch.emotion import Envelope
from a2f_batch.errors import A2FError, ExportError
from a2f_batch.export import Format, format_named
from a2f_batch.export.options import ExportOptions
from a2f_batch.post import Profile, post
from a2f_batch.post.emotion import is_shown

if TYPE_CHECKING:
    from a2f_batch.engines import Engine

STEPS = ("decode", "infer", "post", "export")


@dataclass(frozen=True)
class Recipe:
    """All that decides the bytes of a line's files, beside its sound, the engine and the formats.

    Attributes:
        fps: frames per second.
        emotion: over the line. An engine is told the one word of an emotion that stays the same, and neutral for one that changes.
        style: the engine's own; None = its default.
        profile: the resolved post-processing profile.
        seed: the line's seed.
        channel: which channel of the sound: 'mix', 'left', 'right' or an index.
        export: options of the formats.
    """

    fps: Fraction
    emotion: Envelope
    style: str | None
    profile: Profile
    seed: int
    channel: str | int
    export: ExportOptions = field(default_factory=ExportOptions)


@dataclass(frozen=True)
class Rendered:
    """What rendering a line gave beside the files.

    Attributes:
        frames: frames in every file.
        duration: seconds of the source sound.
        source: facts of the sound file: rate, channels, frames, format.
        warnings: reason codes of what went well but deserves a look.
        seconds: wall time of each of `STEPS`.
        keys: format name -> keys before and after reduction, for formats that count them.
    """

    frames: int
    duration: float
    source: Mapping[str, Any]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    keys: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A line with everything resolved: what a worker needs, and nothing that it would have to look up.

    Attributes:
        where: the row, as messages name it.
        files: format name -> absolute path.
        engine: the character's own; None = the run's.
    """

    line: Line
    where: str
    recipe: Recipe
    files: Mapping[str, Path]
    engine: EngineChoice | None = None


@dataclass(frozen=True)
class LineResult:
    """How one row of the manifest ended.

    Attributes:
        number: the row's line number in the manifest.
        status: 'done', 'failed' or 'unfinished' (the run was stopped before).
        problems: why it failed; empty when done.
        rendered: figures; None unless done.
    """

    number: int
    status: str
    problems: tuple[Problem, ...] = ()
    rendered: Rendered | None = None


def render(audio: Path, files: Mapping[str, Path], recipe: Recipe, engine: Engine) -> Rendered:
    """Make the clip of one sound and write it in every format of `files`.

    Args:
        audio: sound file.
        files: format name -> path; its folders are made.

    Raises:
        A2FError: of the step that failed. Each file is whole, or as it was before.
    """
    clock = _Clock()
    with clock("decode"):
        wave = load_audio(audio, channel=recipe.channel)
    with clock("infer"):
        (clip,) = engine.infer([wave], fps=recipe.fps, emotion=recipe.emotion.dominant, style=recipe.style, seed=recipe.seed)
    with clock("post"):
        clip = post(clip, recipe.profile, wave=wave, seed=recipe.seed, emotion=recipe.emotion)
    keys = {}
    with clock("export"):
        for name, path in files.items():
            make_folder(path.parent)
            count = recipe.export.export(clip, path, format_named(name), audio)
            if count:
                keys[name] = count.before, count.after
    not_honoured = [f"{name}-not-honoured" for name in clip.meta.get("not_honoured", ()) if name != "emotion"]
    if recipe.emotion.words and not is_shown(clip):
        not_honoured.append("emotion-not-honoured")
    source = {name: value for name, value in asdict(wave.source).items() if name in ("rate", "channels", "frames", "format")}
    return Rendered(clip.n_frames, float(wave.duration), source, (*wave.warnings, *not_honoured), clock.seconds, keys)


def render_job(job: Job, engine: Engine) -> LineResult:
    """Render one line of a batch; what goes wrong is a failed result, never an exception.

    A line that was started has either all its files, made by this run, or none: on failure its files are removed, older ones too, for an
    old take that looks like a new one is worse than a missing file.
    """
    try:
        rendered = render(job.line.audio, job.files, job.recipe, engine)
    except A2FError as error:
        problem = Problem.of(error, job.where)
    except Exception as error:  # a fault of ours or of a library: one line fails, the summary keeps the place for the report
        problem = Problem("internal", f"{job.where}: {type(error).__name__}: {error}",
                          "Please report this with the detail in summary.json.", traceback.format_exc())
    else:
        return LineResult(job.line.number, "done", rendered=rendered)
    remove_files(job.files.values())
    return LineResult(job.line.number, "failed", (problem,))


def make_job(line: Line, where: str, defaults: Recipe, profile: Profile | None, out: Path, formats: Sequence[Format], *,
             engine: EngineChoice | None = None, rig_map: Path | None = None) -> Job:
    """Return the line with the run's defaults filled in: a row's own fps, emotion, style and seed win.

    Args:
        defaults: the run's; `defaults.seed` is the run's seed, from which the line's is hashed.
        profile: the row's or its character's; None = the run's.
        out: absolute output folder.
        engine, rig_map: the character's; None = the run's.
    """
    recipe = Recipe(
        fps=line.fps or defaults.fps,
        emotion=line.emotion or defaults.emotion,
        style=line.style or defaults.style,
        profile=profile or defaults.profile,
        seed=line.identity.seed(defaults.seed) if line.seed is None else line.seed,
        channel=defaults.channel,
        export=replace(defaults.export, rig_map=rig_map) if rig_map and defaults.export.character else defaults.export,
    )
    return Job(line, where, recipe, {fmt.name: out / line.identity.file(fmt.suffix) for fmt in formats}, engine)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents.

    Raises:
        ExportError: it can't be (code 'output-unwritable').
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"Can't make the folder '{folder}': {error.strerror or error}.",
                          "Check that the place may be written and is no file.", code="output-unwritable") from error


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files that may not be there."""
    for path in paths:
        with suppress(OSError):  # the failure that led here is the one to report; a folder that can't be written keeps what it has
            path.unlink(missing_ok=True)


class _Clock:
    """Wall time of named steps."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] += time.perf_counter() - start
