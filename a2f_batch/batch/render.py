"""One voice line to its files: the pure path that the batch, `bake` and the add-ons share."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2f_batch.audio import MAX_SECONDS, load_audio
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.line_qc import line_qc
from a2f_batch.batch.manifest import Line, Problem
from a2f_batch.batch.warnings import not_honoured
from a2f_batch.emotion import Envelope
from a2f_batch.export import format_named
from a2f_batch.export.atomic import write_error
from a2f_batch.export.options import ExportOptions
from a2f_batch.post import Context, Profile, post_in

if TYPE_CHECKING:
    from a2f_batch.audio import Waveform
    from a2f_batch.clip import FaceClip
    from a2f_batch.engines import Engine
    from a2f_batch.speech import SpeechFeatures

STEPS = ("decode", "infer", "post", "qc", "export")


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
class OutputFile:
    """A finished file as it was written: what tells later whether it is still the same.

    Attributes:
        sha256: of its bytes, hexadecimal.
        size: bytes.
        mtime_ns: its modification time, nanoseconds since the epoch.
    """

    sha256: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | Path) -> OutputFile:
        """Return the figures of the file at `path` as it is now.

        Raises:
            OSError: it can't be read.
        """
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            facts = os.fstat(file.fileno())
        return cls(sha256, facts.st_size, facts.st_mtime_ns)


@dataclass(frozen=True)
class SpokenLine:
    """A sound's finished curves.

    Attributes:
        clip: the curves.
        duration: seconds of the sound.
        warnings: reason codes of what went well but deserves a look (see `a2f_batch.batch.warnings.WARNINGS`).
    """

    clip: FaceClip
    duration: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """What rendering a line gave beside the files.

    Attributes:
        frames: frames in every file.
        duration: seconds of the source sound.
        source: facts of the sound file: rate, channels, frames, format.
        warnings: reason codes of what went well but deserves a look.
        seconds: wall time of each of `STEPS`.
        cpu_seconds: likewise of the CPU; see `Clock`.
        keys: format name -> keys before and after reduction, for formats that count them.
        outputs: format name -> the file as it was written; empty where nobody asked (`render`).
        device, precision: where and how the engine ran: 'cpu' or 'cuda:<index>'; 'exact' or 'fast'.
        qc: quality figures, as the JSON text that the journal holds (`a2f_batch.qc.record`).
    """

    frames: int
    duration: float
    source: Mapping[str, Any]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    keys: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
    device: str = ""
    precision: str = ""
    qc: str | None = None


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
    files: Mapping[str, str]
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


class Clock:
    """Wall and CPU seconds of each of `STEPS`. The CPU's are this thread's: of inference on one thread, not of ffmpeg."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STEPS, 0.0)
        self.cpu_seconds = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Count what the block takes."""
        start, cpu_start = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.seconds[step] += time.perf_counter() - start
            self.cpu_seconds[step] += time.thread_time() - cpu_start

    def add(self, other: Clock, share: float = 1.0) -> None:
        """Count a share of what another clock counted: the line's part of what was done for several."""
        for step in STEPS:
            self.seconds[step] += share * other.seconds[step]
            self.cpu_seconds[step] += share * other.cpu_seconds[step]


def render(audio: Path, files: Mapping[str, Path], recipe: Recipe, engine: Engine, *, max_seconds: float = MAX_SECONDS) -> Rendered:
    """Make the clip of one sound and write it in every format of `files`.

    Args:
        audio: sound file.
        files: format name -> path; its folders are made.
        max_seconds: a longer sound is refused.

    Raises:
        A2FError: of the step that failed. Each file is whole, or as it was before.
    """
    clock = Clock()
    with clock("decode"):
        wave = load_audio(audio, channel=recipe.channel, max_seconds=max_seconds)
    with clock("infer"):
        (clip,) = infer([wave], [recipe], engine)
    return finish(audio, files, recipe, wave, clip, clock)


def speak(wave: Waveform, recipe: Recipe, engine: Engine) -> SpokenLine:
    """Return a line's finished curves: those that `render` writes to files.

    Raises:
        A2FError: of the engine or of a stage.
    """
    (raw,) = infer([wave], [recipe], engine)
    return shape(raw, recipe, wave)[0]


def infer(waves: Sequence[Waveform], recipes: Sequence[Recipe], engine: Engine) -> list[FaceClip]:
    """Return the raw curves of lines whose recipes have fps, emotion and style in common.

    Raises:
        A2FError: of the engine.
    """
    first = recipes[0]
    return engine.infer(waves, fps=first.fps, emotion=first.emotion.dominant, style=first.style, seed=[one.seed for one in recipes])


def shape(raw: FaceClip, recipe: Recipe, wave: Waveform) -> tuple[SpokenLine, SpeechFeatures | None]:
    """Return a line's finished curves from the engine's, and what the stages heard in its sound, if any listened.

    Raises:
        A2FError: of the stage that failed.
    """
    context = Context(wave, recipe.seed, recipe.emotion, raw)
    clip = post_in(context, raw, recipe.profile)
    return SpokenLine(clip, float(wave.duration), (*wave.warnings, *not_honoured(clip, recipe.emotion))), context.heard


def finish(audio: Path, files: Mapping[str, Path], recipe: Recipe, wave: Waveform, raw: FaceClip, clock: Clock) -> Rendered:
    """Post-process a line's raw curves and write its files.

    Raises:
        A2FError: of the stage or format that failed.
    """
    with clock("post"):
        spoken, heard = shape(raw, recipe, wave)
    clip = spoken.clip
    with clock("qc"):
        qc = line_qc(wave, clip, heard, recipe.export)
    keys = {}
    with clock("export"):
        for name, path in files.items():
            make_folder(path.parent)
            count = recipe.export.export(clip, path, format_named(name), audio)
            if count:
                keys[name] = count.before, count.after
    source = {name: value for name, value in asdict(wave.source).items() if name in ("rate", "channels", "frames", "format")}
    warnings = spoken.warnings if qc else (*spoken.warnings, "qc-failed")
    return Rendered(clip.n_frames, spoken.duration, source, warnings, clock.seconds, clock.cpu_seconds, keys,
                    device=clip.meta.get("device", ""), precision=clip.meta.get("precision", ""), qc=qc)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents.

    Raises:
        ExportError: it can't be (codes 'output-unwritable', 'disk-full').
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error


def remove_files(paths: Iterable[str | Path]) -> None:
    """Remove files that may not be there."""
    for path in paths:
        with suppress(OSError):  # the failure that led here is the one to report; a folder that can't be written keeps what it has
            os.unlink(path)
