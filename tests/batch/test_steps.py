"""A batch of lines through its steps in one process: what goes wrong stays with its line, and files appear together."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from a2f_batch.batch import steps
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.identity import Identity
from a2f_batch.batch.manifest import Line
from a2f_batch.batch.render import STEPS, Job, OutputFile, Recipe
from a2f_batch.emotion import NEUTRAL
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import holding_back, is_temporary, replacing
from a2f_batch.post import profile
from a2f_batch.rates import parse_fps
from tests.batch.batch_fixtures import engine, sound


@pytest.fixture
def choice(tmp_path: Path) -> EngineChoice:
    return EngineChoice(str(engine(tmp_path)), "cpu").pinned()


def job(folder: Path, number: int, audio: str | None = None, fps: int = 30) -> Job:
    """Return a job over noise of its own length, or over `audio`, that writes npz and csv."""
    path = folder / audio if audio else sound(folder / f"{number}.wav", 0.2 + 0.1 * number, seed=number)
    recipe = Recipe(parse_fps(fps), NEUTRAL, None, profile("default"), number, "mix")
    files = {name: folder / f"out{number}" / f"line.{name}" for name in ("npz", "csv")}
    return Job(Line(number, Identity("de", "ada", f"line{number}"), str(path), path.name), f"m.csv line {number}", recipe, files)


def test_lines_in_a_batch_give_the_bytes_of_lines_alone(tmp_path: Path, choice: EngineChoice) -> None:
    jobs = [job(tmp_path, 2), job(tmp_path, 3, fps=60), job(tmp_path, 4)]
    together = steps.render_batch(jobs, choice)
    written = [{name: path.read_bytes() for name, path in one.files.items()} for one in jobs]
    for one, result, files in zip(jobs, together, written, strict=True):
        (alone,) = steps.render_batch([one], choice)
        assert {name: path.read_bytes() for name, path in one.files.items()} == files
        assert alone.rendered and result.rendered
        assert {name: file.sha256 for name, file in alone.rendered.outputs.items()} == {
            name: file.sha256 for name, file in result.rendered.outputs.items()}


def test_a_result_tells_of_the_files_as_they_are_and_of_every_step(tmp_path: Path, choice: EngineChoice) -> None:
    one = job(tmp_path, 2)
    (result,) = steps.render_batch([one], choice)
    rendered = result.rendered
    assert rendered and (rendered.device, rendered.precision) == ("cpu", "exact")
    assert rendered.outputs == {name: OutputFile.of(path) for name, path in one.files.items()}
    for seconds in (rendered.seconds, rendered.cpu_seconds):
        assert tuple(seconds) == STEPS and all(one > 0 for one in seconds.values())


def test_a_line_that_fails_takes_no_other_with_it(tmp_path: Path, choice: EngineChoice) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "out4").write_text("a file where the folder should be")
    jobs = [job(tmp_path, 2), job(tmp_path, 3, "text.wav"), job(tmp_path, 4), job(tmp_path, 5), job(tmp_path, 6)]
    jobs[3] = replace(jobs[3], recipe=replace(jobs[3].recipe, fps=Fraction(1, 7)))
    results = steps.render_batch(jobs, choice)
    assert [result.number for result in results] == [2, 3, 4, 5, 6]
    assert [result.problems[0].code if result.problems else result.status for result in results] == [
        "done", "audio-unreadable", "output-unwritable", "fps", "done"]
    assert not [path for path in tmp_path.rglob("*") if is_temporary(path.name)]


def test_a_batch_that_nobody_waits_for_takes_nothing_of_the_next_run_away(tmp_path: Path, choice: EngineChoice) -> None:
    one = job(tmp_path, 2)
    decoded = steps.decode([one])

    def start_the_next_run() -> None:  # which removes what a dead one left, and renders the line
        for path in one.files["npz"].parent.iterdir():
            assert is_temporary(path.name)
            path.unlink()
        (result,) = steps.render_batch([one], choice)
        assert result.status == "done"

    (late,) = steps.export(decoded, steps.infer(decoded, choice), before_flush=start_the_next_run)
    assert late.status == "failed"
    assert sorted(path.name for path in one.files["npz"].parent.iterdir()) == ["line.csv", "line.npz"]


def test_files_that_are_held_back_appear_when_they_are_renamed(tmp_path: Path) -> None:
    paths = [tmp_path / "a.bin", tmp_path / "b.bin"]
    with holding_back() as held:
        for path in paths:
            with replacing(path) as file:
                file.write(path.name.encode())
    assert not any(path.exists() for path in paths)
    assert all(is_temporary(path.name) for path in tmp_path.iterdir())
    held.flush()
    held.rename()
    assert [path.read_bytes() for path in paths] == [b"a.bin", b"b.bin"]
    assert len(list(tmp_path.iterdir())) == 2


def test_files_that_are_held_back_vanish_with_an_error(tmp_path: Path) -> None:
    def write() -> None:
        with holding_back():
            with replacing(tmp_path / "a.bin") as file:
                file.write(b"a")
            raise ExportError("no", "try", code="no")

    with pytest.raises(ExportError):
        write()
    assert not list(tmp_path.iterdir())
    with replacing(tmp_path / "a.bin") as file:  # the next one is not held back
        file.write(b"a")
    assert (tmp_path / "a.bin").read_bytes() == b"a"
