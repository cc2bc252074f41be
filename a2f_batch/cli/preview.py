"""`a2f-batch preview`: review videos and a contact sheet of rendered lines."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from a2f_batch.cli.errors import DONE, SOME_FAILED, reported, show
from a2f_batch.cli.log import EVERY_SECONDS
from a2f_batch.cli.options import project_option
from a2f_batch.cli.progress import Progress, progress
from a2f_batch.errors import A2FError, BatchError
from a2f_batch.project import load_project

if TYPE_CHECKING:
    from a2f_batch.batch.lines import LineRow
    from a2f_batch.preview.show import Size


@click.command("preview")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--line", "patterns", multiple=True, metavar="NAME",
              help="LOCALE/CHARACTER/ID, an ID that one line alone has, or a pattern such as 'de/*'; may be given again.")
@click.option("--worst", type=click.IntRange(1), metavar="N", help="The N lines with the highest look-at score.")
@click.option("--sheet", is_flag=True, help="A contact sheet of the lines too: sheet.png.")
@click.option("--no-video", is_flag=True, help="The contact sheet alone.")
@click.option("--to", type=click.Path(path_type=Path), metavar="PATH",
              help="Folder for the files, or FILE.mp4 for one line.  [default: OUT/preview]")
@click.option("--size", default="960x540", show_default=True, metavar="WxH", help="Of the videos, in pixels.")
@click.option("--fps", help="Frames a second of the videos; by default the lines' own, so that every baked frame is seen.")
@click.option("--from", "format_name", metavar="FORMAT", help="Show the motion of this format's file; by default the most exact one.")
@click.option("--mute", is_flag=True, help="Videos without sound.")
@click.option("--workers", type=click.IntRange(1), help="Lines drawn at a time; by default one a core.")
@project_option
@reported
def command(out: Path, patterns: tuple[str, ...], worst: int | None, sheet: bool, no_video: bool, to: Path | None, size: str,
            fps: str | None, format_name: str | None, mute: bool, workers: int | None, project: Path | None) -> int:
    """Make review videos of lines in the output folder OUT: the exported motion on a head, with sound, waveform, curves and flags.

    Drawn by the CPU; no GPU or window is needed, but the packages of the extra [preview].

    \b
    Exit codes: 0 all made; 1 some lines could not be shown; 2 nothing could start; 130 interrupted.
    """
    from a2f_batch.preview import choose
    from a2f_batch.preview.show import Size

    if bool(patterns) == bool(worst):
        raise BatchError("It is not told which lines to show.", "Give --line NAME or --worst N, one of them.", code="preview-lines")
    if no_video and not sheet:
        raise BatchError("With --no-video and without --sheet there is nothing to make.", "Add --sheet.", code="preview-lines")
    levels = load_project(project).qc
    lines = choose.worst(out, worst, levels) if worst else choose.named(out, patterns, levels)
    one_file = to is not None and to.suffix.lower() == ".mp4"
    if one_file and (len(lines) > 1 or sheet):
        raise BatchError(f"'{to}' is one file, and there is more to write.", "Give a folder to --to.", code="preview-lines")
    work = _Work(out, to or out / "preview", Size.parse(size), fps, format_name, mute, not no_video, sheet)
    bar = progress(sum(work.steps(line) for line in lines), EVERY_SECONDS, "Drawing", unit="frames")
    try:
        made, cards = _make(work, lines, bar, workers or os.cpu_count() or 1)
    finally:
        bar.close()
    for path in made.values():
        if isinstance(path, A2FError):
            show(path)
    done = [path for path in made.values() if isinstance(path, Path)]
    if cards:
        work.write_sheet([cards[line.name] for line in lines if line.name in cards], worst)
        done.append(work.to / "sheet.png")
    for path in done:
        click.echo(path)
    return SOME_FAILED if any(isinstance(path, A2FError) for path in made.values()) else DONE


@dataclass(frozen=True)
class _Work:
    """What is made of each line."""

    out: Path
    to: Path
    size: Size
    fps: str | None
    format_name: str | None
    mute: bool
    videos: bool
    sheet: bool

    def steps(self, line: LineRow) -> int:
        """Return about how many frames a line takes."""
        return max(line.frames or 0, 1) if self.videos else 1

    def place(self, line: LineRow) -> Path:
        """Return where a line's video goes."""
        return self.to if self.to.suffix.lower() == ".mp4" else self.to / line.identity.file(".mp4")

    def make(self, line: LineRow, bar: _Counted) -> tuple[Path | None, Any]:
        """Return a line's video and card."""
        from a2f_batch.preview.sheet import draw_card
        from a2f_batch.preview.show import film_line
        from a2f_batch.preview.sound import read_sound
        from a2f_batch.preview.take import read_take

        take = read_take(line, self.out, fps=self.fps, format_name=self.format_name)
        audio = None if self.mute else self._audio(line)
        path = None
        if self.videos:
            path = self.place(line)
            film_line(line, take, path, self.size, audio=audio, on_frame=bar.step)
        return path, draw_card(line, take, read_sound(audio) if audio else None) if self.sheet else None

    def write_sheet(self, cards: list[Any], worst: int | None) -> None:
        """Write the contact sheet."""
        from a2f_batch.preview.sheet import write_sheet

        several = len(cards) > 1
        title = f"The {len(cards)} lines to look at first" if worst and several else f"{len(cards)} lines" if several else "1 line"
        told = ("   ·   faces at the flagged moments, then at the widest, closed, rounded and spread ones"
                "   ·   the higher the number, the sooner to look")
        write_sheet(self.to / "sheet.png", cards, title, self.out.absolute().name + (told if several else ""))

    def _audio(self, line: LineRow) -> Path:
        if line.audio is None or not line.audio.is_file():
            where = f"its sound '{line.audio}' is not there" if line.audio else "nobody knows where its sound is"
            raise BatchError(f"{line.name}: {where}.", "Put the file back, or show the line without sound: --mute.", code="audio-missing")
        return line.audio


class _Counted:
    """A line's share of the progress: as many steps as were announced, whatever the video's rate."""

    def __init__(self, bar: Progress, lock: Lock, steps: int) -> None:
        self._bar, self._lock, self._left = bar, lock, steps

    def step(self) -> None:
        if self._left > 0:
            self._left -= 1
            with self._lock:
                self._bar.step("done")

    def close(self) -> None:
        while self._left > 0:
            self.step()


def _make(work: _Work, lines: list[LineRow], bar: Progress, workers: int) -> tuple[dict[str, Path | A2FError | None], dict[str, Any]]:
    """Return, by the lines' names, their videos or why there is none, and their cards."""
    lock = Lock()
    made: dict[str, Path | A2FError | None] = {}
    cards: dict[str, Any] = {}

    def one(line: LineRow) -> tuple[Path | None, Any]:
        share = _Counted(bar, lock, work.steps(line))
        try:
            return work.make(line, share)
        finally:
            share.close()

    # Threads: drawing and encoding let go of the interpreter, and share what is compiled and read.
    with ThreadPoolExecutor(min(workers, len(lines))) as pool:
        running = {pool.submit(one, line): line for line in lines}
        try:
            for task in as_completed(running):
                name = running[task].name
                try:
                    made[name], card = task.result()
                    if card is not None:
                        cards[name] = card
                except A2FError as error:
                    if error.code == "preview-missing":
                        raise
                    made[name] = error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {line.name: made[line.name] for line in lines}, cards
