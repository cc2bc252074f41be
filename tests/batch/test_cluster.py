"""Runs on real worker processes: the same bytes however they are spread, deaths that cost one line, resources that are there or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psutil
import pytest
from distributed import Client

from a2f_batch.batch import dispatch
from a2f_batch.batch.apart import render_apart
from a2f_batch.batch.batches import MOST_LINES, MOST_SECONDS, Batches
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.identity import Identity
from a2f_batch.batch.manifest import Line
from a2f_batch.batch.render import Job, Recipe
from a2f_batch.batch.steps import render_batch
from a2f_batch.emotion import NEUTRAL
from a2f_batch.post import profile
from a2f_batch.rates import parse_fps
from tests.batch.batch_fixtures import manifest, sound, summary, tree
from tests.batch.processes import LINES, PATIENCE, faults, make_drop, make_slow, noted, render, rendering, running, scheduler, wait_for


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    return make_drop(tmp_path)


def job(audio: Path, number: int = 2, **recipe: object) -> Job:
    """Return a job that writes npz beside the sound."""
    line = Line(number, Identity("de", "ada", f"line{number}"), str(audio), audio.name)
    settings = {"fps": parse_fps(30), "emotion": NEUTRAL, "style": None, "profile": profile("default"), "seed": 1, "channel": "mix"}
    return Job(line, f"m.csv line {number}", Recipe(**{**settings, **recipe}), {"npz": audio.parent / "out" / f"{number}.npz"})  # type: ignore[arg-type]


def test_any_number_of_workers_gives_the_same_bytes(drop: Path) -> None:
    for workers in ("0", "1", "4"):
        done = render(drop, workers, "--workers", workers)
        assert done.returncode == 0, done.stdout + done.stderr
    first = tree(drop / "0")
    assert {name for name in first if name.endswith((".npz", ".csv"))} == {
        f"de/ada/line{i}{suffix}" for i in range(LINES) for suffix in (".npz", ".csv")}
    assert tree(drop / "1") == first
    assert tree(drop / "4") == first


def test_a_line_that_kills_its_worker_fails_alone(drop: Path) -> None:
    sound(drop / "poison.wav")
    rows = [{"audio": f"{i}.wav"} for i in range(LINES)]
    rows[3] = {"audio": "poison.wav"}
    manifest(drop / "m.csv", rows)
    older = drop / "out" / Identity("de", "ada", "line3").file(".npz")
    older.parent.mkdir(parents=True)
    older.write_bytes(b"of an earlier run")
    done = render(drop, "out", "--workers", "2", **faults(drop))
    assert done.returncode == 1, done.stdout + done.stderr
    lines = summary(drop / "out")["lines"]
    assert [entry["status"] for entry in lines] == ["failed" if i == 3 else "done" for i in range(LINES)]
    assert lines[3]["code"] == "worker-lost"
    assert "SIGABRT" in lines[3]["problems"][0]["message"]
    assert not [name for name in tree(drop / "out") if "line3" in name]
    # In a batch, after others in a process apart, and as the first in a new one.
    pids = [pid for pid, what in noted(drop, "decode") if what == "poison.wav"]
    assert len(pids) == len(set(pids)) <= 3


def test_batches_are_of_like_lines_and_bounded_in_count_and_seconds(tmp_path: Path) -> None:
    lengths = [0.5, 25.0, 0.6, 25.0, 25.0, 70.0] + [1.0] * 40
    paths = {seconds: sound(tmp_path / f"{seconds}.wav", seconds) for seconds in set(lengths)}
    jobs = [job(paths[seconds], i, style="loud" if i % 2 else None) for i, seconds in enumerate(lengths)]
    batches, taken = Batches(jobs), []
    while batch := batches.take(workers=1):
        seconds = [lengths[one.line.number] for one in batch]
        assert len(batch) <= MOST_LINES
        assert len(batch) == 1 or sum(seconds) <= MOST_SECONDS
        assert seconds == sorted(seconds, reverse=True) or len({one.recipe.style for one in batch}) > 1
        taken.append(batch)
    assert sorted(one.line.number for batch in taken for one in batch) == list(range(len(lengths)))
    assert len(taken[-1]) == 1  # nobody is left with much at the end
    assert sum(len({one.recipe.style for one in batch}) > 1 for batch in taken) <= 1


def test_a_file_that_cannot_be_opened_still_finds_its_batch(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    batches = Batches([job(tmp_path / "text.wav", 2), job(tmp_path / "none.wav", 3)])
    assert len([*batches.take(1), *batches.take(1)]) == 2


def test_lines_in_a_process_apart_give_the_same_bytes(drop: Path) -> None:
    choice = EngineChoice(str(drop / "tiny.json"), "cpu").pinned()
    jobs = [job(drop / f"{i}.wav", i) for i in range(3)]
    apart = [result.rendered for result in render_apart(jobs, choice)]
    here = [result.rendered for result in render_batch(jobs, choice)]
    assert [one and one.outputs["npz"].sha256 for one in apart] == [one and one.outputs["npz"].sha256 for one in here]
    assert all(apart)


def test_a_line_whose_process_is_killed_from_outside_has_one_more_try_alone(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in faults(drop).items():
        monkeypatch.setenv(name, value)
    choice = EngineChoice(str(drop / "tiny.json"), "cpu").pinned()
    once, always = sound(drop / "killed1.wav"), sound(drop / "killed9.wav")
    results = render_apart([job(once, 2), job(always, 3)], choice)
    assert [result.status for result in results] == ["done", "failed"]
    (problem,) = results[1].problems
    assert (problem.code, "SIGKILL" in problem.message, "memory" in problem.remedy) == ("worker-lost", True, True)
    # After the other line, and twice alone.
    assert [what for _, what in noted(drop, "decode")].count("killed9.wav") == 3


@pytest.mark.slow
def test_a_running_scheduler_with_two_workers_gives_the_same_bytes(drop: Path) -> None:
    assert render(drop, "0", "--workers", "0").returncode == 0
    with scheduler(drop) as (address, _):
        done = render(drop, "s", "--scheduler", address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tree(drop / "s") == tree(drop / "0")


@pytest.mark.slow
def test_inference_goes_to_the_worker_that_declares_a_gpu_and_the_rest_to_the_others(drop: Path) -> None:
    description = json.loads((drop / "tiny.json").read_text())
    (drop / "tiny.json").write_text(json.dumps({**description, "engine": "pretend-gpu"}))
    variables = faults(drop)
    with scheduler(drop, [["--resources", "GPU=1"], []], **variables) as (address, processes):
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)  # else the one that is there first has to decode, too
        done = render(drop, "out", "--scheduler", address, "--device", "cuda", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        gpu, other = ({process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))}
                      for process in processes[1:])
    assert {pid for pid, _ in noted(drop, "infer")} <= gpu
    assert {pid for pid, _ in noted(drop, "load")} <= gpu
    assert {pid for pid, _ in noted(drop, "decode")} <= other
    assert len(noted(drop, "decode")) == LINES


@pytest.mark.slow
def test_a_gpu_that_no_worker_has_is_an_error_after_a_stated_time(drop: Path) -> None:
    with scheduler(drop) as (address, _):
        done = render(drop, "out", "--scheduler", address, "--device", "cuda")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "[no-resource]" in done.stdout + done.stderr
    assert f"{dispatch.RESOURCE_SECONDS} s" in done.stdout + done.stderr
    assert "--resources GPU=1" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_worker_lost_on_a_cluster_costs_nothing_but_time(drop: Path) -> None:
    assert render(drop, "0", "--workers", "0").returncode == 0
    variables = make_slow(drop, 0.3)
    with scheduler(drop, [["--no-nanny"], ["--no-nanny"]], **variables) as (address, processes), \
            running(drop, "out", "--scheduler", address, **variables) as run:
        wait_for(lambda: len(noted(drop, "decode")) > 1, "no second line was started")
        processes[1].kill()
        output, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, output + errors
    assert tree(drop / "out") == tree(drop / "0")


@pytest.mark.slow
def test_several_poison_lines_fail_and_every_other_line_is_done(drop: Path) -> None:
    for i in (1, 4, 5):
        shutil.move(drop / f"{i}.wav", drop / f"poison{i}.wav")
    manifest(drop / "m.csv", [{"audio": f"poison{i}.wav" if i in (1, 4, 5) else f"{i}.wav"} for i in range(LINES)])
    done = render(drop, "out", "--workers", "2", **faults(drop))
    assert done.returncode == 1, done.stdout + done.stderr
    entries = summary(drop / "out")["lines"]
    assert [entry.get("code") for entry in entries] == ["worker-lost" if i in (1, 4, 5) else None for i in range(LINES)]


@pytest.mark.slow
def test_no_worker_outlives_a_killed_run(drop: Path) -> None:
    variables = make_slow(drop)
    with running(drop, "out", "--workers", "2", **variables) as run:
        wait_for(lambda: len(rendering(run, drop)) == 2, "there are not two workers")
        workers = rendering(run, drop)
        run.kill()
        wait_for(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers),
                 "a worker lives on")  # else it would until its line is done, which takes ages
        before = len(noted(drop, "decode"))
    assert len(noted(drop, "decode")) == before
