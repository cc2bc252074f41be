"""A run as a whole: what it returns to a program, and how it ends when its own records or its lock go."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import read_manifest
from a2f_batch.batch.plan import Plan, Selection
from a2f_batch.batch.render import LineResult, Recipe
from a2f_batch.batch.run import Settings, plan_run, run
from a2f_batch.emotion import NEUTRAL
from a2f_batch.errors import EngineError
from a2f_batch.export import format_named
from a2f_batch.post import profile
from a2f_batch.rates import parse_fps
from tests.batch.batch_fixtures import engine, manifest, sound, summary, tree
from tests.batch.processes import make_drop, make_slow, render, running


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with two good lines, a broken sound, a wrong row, and a tiny network."""
    for i in range(2):
        sound(tmp_path / f"{i}.wav", 0.3, seed=i)
    (tmp_path / "2.wav").write_bytes(b"no sound")
    engine(tmp_path)
    manifest(tmp_path / "m.csv", [{"audio": f"{i}.wav"} for i in range(4)])
    return tmp_path


def settings(drop: Path, **more: object) -> Settings:
    recipe = Recipe(parse_fps(30), NEUTRAL, None, profile("default"), 0, "mix")
    return Settings(drop / "out", (format_named("npz"),), recipe, EngineChoice(str(drop / "tiny.json")), 0, **more)  # type: ignore[arg-type]


def test_a_program_gets_the_plan_the_results_and_the_totals(drop: Path) -> None:
    lines = read_manifest(drop / "m.csv")
    plans: list[Plan] = []
    results: list[LineResult] = []
    report = run(lines, settings(drop), on_plan=plans.append, on_result=results.append)
    assert [plan.to_do() for plan in plans] == [3]
    assert [(result.number, result.status) for result in results] == [(5, "failed"), (2, "done"), (3, "done"), (4, "failed")]
    assert [(one.number, one.problems[0].code) for one in report.failures()] == [(4, "audio-unreadable"), (5, "audio-missing")]
    totals = report.totals()
    assert (totals["rows"], totals["done"], totals["failed"], totals["audio_seconds"]) == (4, 2, 2, 0.6)
    assert totals == summary(drop / "out")["totals"]
    assert plan_run(lines, settings(drop)).counts() == {"render": 1, "skip": 2, "render: failed before": 1}
    again = run(lines, settings(drop, selection=Selection(only=("*1",))))
    assert (again.totals()["skipped"], again.totals()["not_selected"]) == (1, 2)


def test_a_failed_line_leaves_none_of_its_files_not_even_older_ones(drop: Path) -> None:
    (drop / "out" / "de" / "ada" / "line0.csv").mkdir(parents=True)  # no file can take its place
    (drop / "out" / "de" / "ada" / "line0.npz").write_bytes(b"of an earlier run")
    both = replace(settings(drop), formats=(format_named("npz"), format_named("csv")))
    run(read_manifest(drop / "m.csv"), both)
    assert sorted(path.name for path in (drop / "out" / "de" / "ada").iterdir()) == ["line0.csv", "line1.csv", "line1.npz"]


def test_temporary_files_that_the_dead_left_vanish_at_the_start_and_at_the_end_of_every_run(drop: Path) -> None:
    folder = drop / "out" / "de" / "ada"
    folder.mkdir(parents=True)
    (folder / ".notes.tmp").write_text("somebody's own")

    def stray(*_: object) -> None:  # a worker without a run, that is killed in the middle of a file
        with open(folder / f".line0.npz.{secrets.token_hex(8)}.tmp", "xb") as file:
            file.write(b"half a")

    def hidden() -> list[str]:
        return sorted(path.name for path in folder.glob(".*"))

    lines, before = read_manifest(drop / "m.csv"), []
    stray()
    run(lines, settings(drop), on_plan=lambda plan: before.extend(hidden()), on_result=stray)
    assert before == hidden() == [".notes.tmp"]
    stray()
    run(lines, settings(drop, selection=Selection(only=("nobody",))))
    assert hidden() == [".notes.tmp"]


def test_an_engine_that_can_not_be_loaded_stops_the_run_before_it_notes_a_line_as_tried(drop: Path) -> None:
    (drop / "tiny.onnx").write_bytes(b"no network")
    with pytest.raises(EngineError) as refused:
        run(read_manifest(drop / "m.csv"), settings(drop))
    assert refused.value.code == "weights-not-onnx"
    assert tree(drop / "out") == {}
    assert not (drop / "out/journal.lock").exists()


def test_a_summary_that_can_not_be_written_is_told_and_loses_no_line(drop: Path) -> None:
    manifest(drop / "m.csv", [{"audio": "0.wav"}])
    (drop / "out/summary.json").mkdir(parents=True)
    done = render(drop, "out", "--workers", "0")
    assert done.returncode == 1
    assert "summary.json" in done.stdout and "[output-unwritable]" in done.stdout
    (drop / "out/summary.json").rmdir()
    done = render(drop, "out", "--workers", "0")
    assert (done.returncode, "every line is up to date" in done.stdout) == (0, True)


def test_a_run_whose_lock_is_taken_away_stops_and_says_so(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, 20)
    with running(drop, "out", "--workers", "0", **make_slow(drop, 0.9)) as first:
        (drop / "out/journal.lock").unlink()
        output, errors = first.communicate(timeout=180)
    assert first.returncode == 1, output + errors
    assert "[lock-lost]" in output
    statuses = {entry["status"] for entry in summary(drop / "out")["lines"]}
    assert statuses == {"done", "unfinished"}
