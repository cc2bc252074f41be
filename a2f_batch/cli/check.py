"""`a2f-batch check`: everything that would make a line fail, found without rendering one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import click

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.batch.manifest import Line, Problem
from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.cli.errors import DONE, SOME_FAILED, reported
from a2f_batch.cli.log import LoggedCommand, current, log_options
from a2f_batch.cli.manifest_options import ManifestSource, manifest_options
from a2f_batch.cli.options import channel_option, project_option, read_channel, read_formats
from a2f_batch.errors import A2FError, AudioError
from a2f_batch.export.options import ExportOptions
from a2f_batch.project import load_project
from a2f_batch.rates import parse_fps


@click.command("check", cls=LoggedCommand)
@click.option("--formats", default="glb,fbx,csv,anim", show_default=True, help="What would be written: two lines must not write one file.")
@click.option("--fps", default="30", show_default=True, help="Frames per second of rows that give none.")
@project_option
@channel_option
@click.option("--rows-only", is_flag=True, help="Check the rows and whether their sound files are there, and don't read the sounds.")
@log_options
@reported
@manifest_options
def command(source: ManifestSource, formats: str, fps: str, project: Path | None, channel: str, rows_only: bool) -> int:
    """Check every row of MANIFEST and read every sound file, and list all that is wrong.

    MANIFEST is a CSV, TSV, JSON Lines or XLSX file, a dialogue script of Unreal's (.csv) or a list of external sources of Wwise's
    (.wsources); --from-folder takes a folder of sound files instead.

    \b
    Exit codes: 0 all is well; 1 some lines would fail; 2 nothing could start.
    """
    run_fps, policy = parse_fps(fps), read_channel(channel)
    chosen = read_formats(formats)
    ExportOptions().check_fps(chosen, run_fps)
    checked = source.read(load_project(project), formats=chosen)
    log = current()
    log.start("check", rows=len(checked), to_do=len(checked), manifest=str(source.path))
    problems = {row.number: row.problems for row in checked.bad_rows}
    for row in checked.bad_rows:
        log.line(row.number, row.identity, "failed", problems=row.problems)
    seconds = Fraction(0)
    warnings = []
    for line in checked.lines:
        where = checked.where(line.number)
        found: tuple[str, ...] = ()
        if not rows_only:
            try:
                wave = _readable(line, policy, run_fps)
            except A2FError as error:
                problems[line.number] = (Problem.of(error, where),)
                log.line(line.number, line.identity, "failed", problems=problems[line.number])
                continue
            seconds += wave.duration
            found = wave.warnings
        warnings += [f"warning: {where}: {WARNINGS[code]} [{code}]" for code in found]
        log.line(line.number, line.identity, "ready", warnings=found)
    ready = len(checked) - len(problems)
    code = SOME_FAILED if problems else DONE
    log.summary({"rows": len(checked), "ready": ready, "failed": len(problems), "audio_seconds": round(float(seconds), 3)}, code)
    for text in warnings:
        log.say(text)
    for number in sorted(problems):
        for problem in problems[number]:
            log.say(f"{problem.message} [{problem.code}]\n    {problem.remedy}")
    audio = "sounds not read" if rows_only else f"{float(seconds) / 60:.1f} min of audio"
    log.say(f"{ready} of {len(checked)} lines are ready, {audio}; {len(problems)} would fail.")
    return code


def _readable(line: Line, channel: str | int, run_fps: Fraction) -> Waveform:
    wave = load_audio(line.audio, channel=channel)
    fps = line.fps or run_fps
    if wave.frame_count(fps) == 0:
        raise AudioError(f"Audio file '{line.audio}' lasts {float(wave.duration):.4g} s: that is no frame at {fps} frames per second.",
                         "Give a longer line, or leave this one out.", code="too-short")
    return wave
