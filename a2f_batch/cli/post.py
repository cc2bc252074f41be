"""`a2f-batch post`: the post-processing of a raw clip again, without an engine."""

from __future__ import annotations

from pathlib import Path

import click

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.batch.manifest import MAX_SEED
from a2f_batch.batch.run import check_writable
from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.cli.errors import DONE, SOME_FAILED, WRONG_CALL, reported, show
from a2f_batch.cli.export_options import export_options, show_match
from a2f_batch.cli.options import channel_option, project_option, read_channel
from a2f_batch.clip import FaceClip
from a2f_batch.emotion import Envelope
from a2f_batch.errors import A2FError, ProfileError
from a2f_batch.export import format_named, format_of, read_clip
from a2f_batch.export.options import ExportOptions
from a2f_batch.post import post
from a2f_batch.post.emotion import is_shown
from a2f_batch.post.trial import check_channels
from a2f_batch.project import load_project


@click.command("post")
@click.argument("raw", metavar="IN.EXT", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.EXT", type=click.Path(path_type=Path))
@click.option("--profile", default="default", show_default=True, help="Post-processing profile: see `a2f-batch profile list`.")
@project_option
@click.option("--sound", type=click.Path(path_type=Path), help="The line's sound, for profiles that listen to it.")
@channel_option
@click.option("--emotion", help="Emotion of the line: 'joy:0.6', '0.0 neutral; 1.2 anger:0.8'. By default what IN.EXT tells, or neutral.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="The line's seed. By default what IN.EXT tells, or 0.")
@click.option("--in-format", help="Format of IN.EXT, where its ending does not tell.")
@click.option("--format", "format_name", help="Format of OUT.EXT, where its ending does not tell.")
@reported
@export_options
def command(raw: Path, out: Path, profile: str, project: Path | None, sound: Path | None, channel: str, emotion: str | None,
            seed: int | None, in_format: str | None, format_name: str | None, export: ExportOptions) -> int:
    """Post-process the clip IN.EXT to OUT.EXT, each in any format.

    IN.EXT is a raw clip, as `a2f-batch bake --profile raw line.wav line.npz` writes it. With the line's sound, the result is what
    `bake` with that profile gives, byte for byte.

    \b
    Exit codes: 0 done; 1 the clip failed (OUT.EXT is as it was); 2 the call is wrong.
    """
    reading = format_named(in_format) if in_format else format_of(raw)
    writing = format_named(format_name) if format_name else format_of(out)
    export.check([writing])
    policy = read_channel(channel)
    felt = None if emotion is None else Envelope.parse(emotion)
    try:
        clip = read_clip(raw, format=reading.name)
    except A2FError as error:
        show(error)
        return SOME_FAILED
    profiles = load_project(project, channels=clip.names)
    chosen = profiles.profile(profile)
    check_writable(out.parent)
    try:
        wave = load_audio(sound, channel=policy) if sound else None
        _warn(raw, clip, wave)
        channels = check_channels(profiles.draft(profile), clip.names)
    except A2FError as error:
        show(error)
        return SOME_FAILED
    show_match(export, channels)
    try:
        felt = felt or _emotion(clip)
        finished = post(clip, chosen, wave=wave, seed=_seed(clip) if seed is None else seed, emotion=felt)
        export.export(finished, out, writing, sound)
    except A2FError as error:
        if error.code == "wave-missing":
            show(ProfileError(f"The profile '{profile}' needs the line's sound: {error.problem}",
                              "Give it with --sound LINE.wav, or choose a profile without this stage.", code=error.code))
            return WRONG_CALL
        show(error)
        return SOME_FAILED
    if felt.words and not is_shown(finished):
        click.echo(f"warning: {WARNINGS['emotion-not-honoured']} [emotion-not-honoured]", err=True)
    click.echo(f"{out}: {finished.n_frames} frames at {finished.fps} fps, profile '{profile}'.")
    return DONE


def _warn(path: Path, clip: FaceClip, wave: Waveform | None) -> None:
    before = clip.meta.get("profile", "raw")
    if before != "raw":
        click.echo(f"warning: '{path}' is not raw: the profile '{before}' was applied to it already [clip-not-raw]", err=True)
    if wave is not None and wave.frame_count(clip.fps) != clip.n_frames:
        click.echo(f"warning: the sound has {wave.frame_count(clip.fps)} frames, the clip {clip.n_frames}: is it another line's? "
                   "[sound-length]", err=True)


def _seed(clip: FaceClip) -> int:
    seed = clip.meta.get("post_seed", clip.meta.get("seed", 0))
    return seed if isinstance(seed, int) else 0


def _emotion(clip: FaceClip) -> Envelope:
    return Envelope.parse(str(clip.meta.get("post_emotion", clip.meta.get("emotion", "neutral"))))
