"""`a2f-batch check`: everything that would make a line fail, found without rendering one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import click

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.batch.manifest import Line, Problem, read_manifest
from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.cli.errors import DONE, SOME_FAILED, reported
from a2f_batch.cli.options import channel_option, project_option, read_channel, read_formats
from a2f_batch.errors import A2FError, AudioError
from a2f_batch.project import load_project
from a2f_batch.rates import parse_fps


@click.command("check")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--formats", default="glb,fbx,csv,anim", show_default=True, help="What would be written: two lines must not write one file.")
@click.option("--fps", default="30", show_default=True, help="Frames per second of rows that give none.")
@project_option
@channel_option
@click.option("--audio-root", type=click.Path(path_type=Path), help="Folder that the audio paths start from; the manifest's by default.")
@reported
def command(manifest: Path, formats: str, fps: str, project: Path | None, channel: str, audio_root: Path | None) -> int:
    """Check every row of MANIFEST and read every sound file, and list all that is wrong.

    \b
    Exit codes: 0 all is well; 1 some lines would fail; 2 nothing could start.
    """
    run_fps, policy = parse_fps(fps), read_channel(channel)
    checked = read_manifest(manifest, audio_root=audio_root, formats=read_formats(formats), find_profile=load_project(project).profile)
    problems = {row.number: row.problems for row in checked.bad_rows}
    seconds = Fraction(0)
    for line in checked.lines:
        where = checked.where(line.number)
        try:
            wave = _readable(line, policy, run_fps)
        except A2FError as error:
            problems[line.number] = (Problem.of(error, where),)
            continue
        seconds += wave.duration
        for code in wave.warnings:
            click.echo(f"warning: {where}: {WARNINGS[code]} [{code}]")
    for number in sorted(problems):
        for problem in problems[number]:
            click.echo(f"{problem.message} [{problem.code}]\n    {problem.remedy}")
    ready = len(checked) - len(problems)
    click.echo(f"{ready} of {len(checked)} lines are ready, {float(seconds) / 60:.1f} min of audio; {len(problems)} would fail.")
    return SOME_FAILED if problems else DONE


def _readable(line: Line, channel: str | int, run_fps: Fraction) -> Waveform:
    wave = load_audio(line.audio, channel=channel)
    fps = line.fps or run_fps
    if wave.frame_count(fps) == 0:
        raise AudioError(f"Audio file '{line.audio}' lasts {float(wave.duration):.4g} s: that is no frame at {fps} frames per second.",
                         "Give a longer line, or leave this one out.", code="too-short")
    return wave
