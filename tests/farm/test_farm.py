"""Job files for farms: as recorded, valid to the schedulers' own readers, and each argument arriving as it was given."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from openjd.model import (
    DocumentType,
    StepParameterSpaceIterator,
    create_job,
    decode_job_template,
    document_string_to_object,
    preprocess_job_parameters,
)

from a2f_batch.cli import main
from a2f_batch.cli.render import command as render
from a2f_batch.farm import SCHEDULERS
from tests.batch.batch_fixtures import engine, environment, manifest, sound, tree

GOLDEN = Path(__file__).parent / "golden"

# To write the golden files anew: A2F_WRITE_GOLDEN=1 pytest tests/farm; then read the difference.
JOB = ["/show 12/Dämon's drop.csv", "--out", "/show 12/fa\"ces", "--shards", "3", "--program", "/opt/a2f/bin/a2f-batch"]
RESOURCES = {"openjd": ["--cores", "4", "--memory", "8G", "--time", "2:05:00", "--gpus", "1"],
             "slurm": ["--cores", "4", "--memory", "1500M", "--time", "2:05:00", "--gpus", "1"],
             "opencue": ["--cores", "4", "--memory", "8G"]}
RENDER = ["--", "--fps", "60", "--formats=glb,csv", "--project", "/show 12/a2f.toml", "--no-compact", "--anim-node", "$HOME `x` \\ 頭"]

# What a shell, a template and a list of words may each stumble over.
NASTY = ["two  spaces", "it's", 'say "x"', "$HOME", "`id`", "back\\slash", "*", "#1", "Dämon 頭", "a;b&c|d", "~", "(x)", "%d", "!x", "-x"]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["farm", *map(str, words)])


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_job_is_written_as_recorded(scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = GOLDEN / scheduler
    target = folder if os.environ.get("A2F_WRITE_GOLDEN") else tmp_path / "job"
    place = target if scheduler == "openjd" else target / "drop"
    written = call(scheduler, *JOB, *RESOURCES[scheduler], "--file", place, *RENDER)
    assert written.exit_code == 0, written.stderr
    assert {path.name: path.read_text() for path in target.iterdir()} == {path.name: path.read_text() for path in folder.iterdir()}
    assert written.stdout == ""
    assert "Submit it with: " in written.stderr
    if scheduler != "openjd":
        printed = call(scheduler, *JOB, *RESOURCES[scheduler], *RENDER)
        assert printed.stdout == place.read_text()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_folder_of_sounds_can_be_a_job_too(scheduler: str, tmp_path: Path, seen: Path) -> None:
    words = ["--from-folder", tmp_path / "sounds 1", "--out", tmp_path / "out", "--shards", "1", "--file", tmp_path / "job"]
    written = call(scheduler, *words, "--", "--pattern", "{locale}/{character}/{id}.wav")
    assert written.exit_code == 0, written.stderr
    _run(scheduler, tmp_path / "job")
    first = json.loads(seen.read_text().splitlines()[0])
    assert first == ["render", "--from-folder", str(tmp_path / "sounds 1"), "--out", str(tmp_path / "out"), "--shard", "1/1",
                     "--pattern", "{locale}/{character}/{id}.wav"]


def test_a_job_has_one_source(tmp_path: Path) -> None:
    for words in ([], ["m.csv", "--from-folder", "sounds"]):
        result = call("slurm", *words, "--out", "out", "--shards", "1")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "--from-folder" in result.stderr


@pytest.fixture()
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program 'a2f-batch' on the PATH that writes its arguments to this file, a JSON list a line."""
    place = tmp_path / "bin"
    _program(place / "a2f-batch", f"#!{sys.executable}\nimport json, sys\n"
             f"with open({str(tmp_path / 'seen')!r}, 'a') as file:\n    file.write(json.dumps(sys.argv[1:]) + '\\n')\n")
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "seen"


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _sbatch(folder: Path) -> None:
    """Write an sbatch that runs what it gets, an array's tasks one after the other, and a job only where its dependency ended well."""
    _program(folder / "sbatch", f"""#!{sys.executable}
import os, re, subprocess, sys
script = sys.stdin.read()
here = {str(folder)!r}
number = len([name for name in os.listdir(here) if name.endswith(".rc")]) + 1
assert "--parsable" in sys.argv
given = dict(re.findall(r"^#SBATCH (--[a-z-]+)=?(.*)$", script, re.M))
for need in re.findall("--dependency=afterok:([0-9]+)", " ".join(sys.argv)):
    if open(f"{{here}}/{{need}}.rc").read() != "0":
        sys.exit("DependencyNeverSatisfied")
first, last = map(int, given["--array"].split("-")) if "--array" in given else (0, 0)
worst = 0
for task in range(first, last + 1):
    env = os.environ | ({{"SLURM_ARRAY_TASK_ID": str(task)}} if "--array" in given else {{}})
    done = subprocess.run(["bash"], input=script, text=True, env=env, stdout=sys.stderr)
    worst = max(worst, done.returncode)
open(f"{{here}}/{{number}}.rc", "w").write(str(worst))
print(f"{{number}};a cluster")
""")


def _run(scheduler: str, place: Path) -> None:
    """Run a job file as its scheduler does."""
    if scheduler == "slurm":
        _sbatch(place.parent / "slurm")
        subprocess.run(["bash", "-n", place], check=True)
        subprocess.run(["bash", place, "--partition=long"], check=True, capture_output=True,
                       env=os.environ | {"PATH": f"{place.parent / 'slurm'}{os.pathsep}{os.environ['PATH']}"})
    elif scheduler == "opencue":
        # As cuecmd 1.37's execute_commands.py does it: lines that are not blank, each stripped and given to a shell.
        for line in [line.strip() for line in place.read_text(encoding="utf-8").splitlines() if line.strip()]:
            subprocess.run(line, shell=True, check=True)
    else:
        values = {one["name"]: one["value"] for one in json.loads((place / "parameter_values.json").read_text())["parameterValues"]}
        done = subprocess.run([sys.executable, "-m", "openjd", "run", place / "template.json", "--step", "Merge", "--run-dependencies",
                               "--job-param", json.dumps(values)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_argument_arrives_as_it_was_given(scheduler: str, tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "".join(NASTY)
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a2f.toml").touch()
    (folder / "it's.csv").touch()
    options = ["--anim-node", "".join(NASTY), "--tolerance", "0.002", "--engine", "my net/tiny.json", "--drop-constant"]
    place = tmp_path / "job"
    written = call(scheduler, "it's.csv", "--out", "$out", "--shards", "2", "--name", "night.1", "--file", place, "--", *options)
    assert written.exit_code == 0, written.stderr
    _run(scheduler, place)
    calls = [json.loads(line) for line in seen.read_text().splitlines()]
    root = ["--audio-root", str(folder)] if scheduler == "openjd" else []
    passed = ["--anim-node", "".join(NASTY), "--tolerance", "0.002", "--engine", str(folder / "my net/tiny.json"), "--drop-constant",
              "--project", str(folder / "a2f.toml")]
    renders = [["render", str(folder / "it's.csv"), "--out", str(folder / "$out"), *root, "--shard", f"{i}/2", *passed] for i in (1, 2)]
    merges = [] if scheduler == "opencue" else [["merge", str(folder / "$out")]]  # cuecmd knows no dependencies
    assert calls == renders + merges
    if scheduler == "opencue":
        hinted = written.stderr.splitlines()[-1].partition(": ")[2]
        assert shlex.split(hinted) == ["a2f-batch", "merge", str(folder / "$out")]


def test_the_openjd_template_is_valid_and_has_a_task_for_every_shard(tmp_path: Path) -> None:
    written = call("openjd", *JOB, *RESOURCES["openjd"], "--file", tmp_path / "bundle", *RENDER)
    assert written.exit_code == 0, written.stderr
    text = (tmp_path / "bundle/template.json").read_text()
    template = decode_job_template(template=document_string_to_object(document=text, document_type=DocumentType.JSON))
    values: dict[str, Any] = {one["name"]: str(one["value"])
                              for one in json.loads((tmp_path / "bundle/parameter_values.json").read_text())["parameterValues"]}
    for shards in (3, 40):
        checked = preprocess_job_parameters(job_template=template, job_parameter_values={**values, "Shards": str(shards)},
                                            job_template_dir=tmp_path, current_working_dir=tmp_path)
        job = create_job(job_template=template, job_parameter_values=checked)
        render_step, merge_step = job.steps
        tasks = [task["Shard"].value for task in StepParameterSpaceIterator(space=render_step.parameterSpace)]
        assert tasks == [str(index) for index in range(1, shards + 1)]
        assert [one.dependsOn for one in merge_step.dependencies or []] == ["Render"]


def test_a_shard_whose_lines_fail_keeps_slurm_from_merging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    _program(tmp_path / "bin" / "a2f-batch", f'#!/bin/sh\necho "$@" >> {log}\ncase "$*" in *2/3*) exit 1;; esac\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert call("slurm", tmp_path / "m.csv", "--out", tmp_path / "out", "--shards", "3", "--file", tmp_path / "job.sh").exit_code == 0
    with pytest.raises(subprocess.CalledProcessError):
        _run("slurm", tmp_path / "job.sh")
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["render"] * 3


WRONG = [
    (["--bogus"], "render-option"), (["--workers", "many"], "render-option"), (["stray"], "render-option"),
    (["--out", "x"], "render-option"), (["--shard", "1/2"], "render-option"), (["--log-format", "json", "--bogus"], "render-option"),
    (["--formats", "xyz"], "format-unknown"), (["--fps", "0"], "fps"), (["--channel", "third"], "channel"),
]


@pytest.mark.parametrize(("words", "code"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_what_render_would_refuse_is_refused_when_the_job_is_made(words: list[str], code: str, tmp_path: Path) -> None:
    result = call("slurm", "m.csv", "--out", "out", "--shards", "3", "--file", tmp_path / "job.sh", "--", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"[{code}]" in result.stderr
    assert not (tmp_path / "job.sh").exists()


@pytest.mark.parametrize(("scheduler", "words", "code"), [
    ("slurm", ["--memory", "much"], "memory"), ("slurm", ["--time", "90"], "time"), ("slurm", ["--time", "0:00:00"], "time"),
    ("slurm", ["--name", "a b"], "farm-name"), ("slurm", ["--program", "a\nb"], "farm-argument"),
    ("opencue", ["--time", "1:00:00"], "farm-resource"), ("opencue", ["--gpus", "1"], "farm-resource"),
    ("openjd", [], "farm-folder"), ("openjd", ["--", "--anim-node", "{{x}}"], "farm-argument"),
    ("slurm", ["--file", "/dev/null/job.sh"], "output-unwritable"),
])
def test_what_no_job_file_can_say_is_refused_with_a_remedy(scheduler: str, words: list[str], code: str) -> None:
    result = call(scheduler, "m.csv", "--out", "out", "--shards", "3", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    message, remedy = result.stderr.split("\n", 1)
    assert message.endswith(f"[{code}]")
    assert remedy.strip()


def test_every_option_of_render_can_be_passed_on() -> None:
    samples = {"project": "p.toml", "fps": "50", "formats": "csv", "channel": "left", "fbx_version": "7500", "log_format": "json",
               "group_by": "character"}
    for option in render.params:
        if not isinstance(option, click.Option) or option.name in ("from_folder", "out", "shard", "help"):
            continue
        flag = [(option.secondary_opts or option.opts)[0]]
        words = flag if option.is_flag else [option.opts[0], samples.get(str(option.name), "1")]
        result = call("opencue", "m.csv", "--out", "out", "--shards", "1", "--", *words)
        assert result.exit_code == 0, result.stderr
        passed = shlex.split(result.stdout)[7:]
        assert passed[0] == words[0]
        if len(words) == 2:
            assert passed[1] in (words[1], str(Path(words[1]).absolute()))


def test_shards_run_as_slurm_tasks_and_merged_give_the_files_of_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = tmp_path / "drop 1"
    drop.mkdir()
    engine(drop)
    sound(drop / "line.wav")
    manifest(drop / "m.csv", [{"id": f"line {number}"} for number in range(6)])
    options = ["--engine", drop / "tiny.json", "--formats", "npz,csv", "--workers", "0", "--device", "cpu"]
    _program(tmp_path / "bin" / "a2f-batch", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m a2f_batch "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    written = call("slurm", drop / "m.csv", "--out", tmp_path / "out", "--shards", "2", "--file", tmp_path / "job.sh", "--", *options)
    assert written.exit_code == 0, written.stderr
    _run("slurm", tmp_path / "job.sh")
    assert [path.read_text() for path in (tmp_path / "slurm").glob("*.rc")] == ["0", "0"]
    whole = ["render", str(drop / "m.csv"), "--out", str(tmp_path / "whole"), *map(str, options)]
    assert CliRunner().invoke(main, whole).exit_code == 0

    def lines_files(out: Path) -> dict[str, bytes]:
        return {name: content for name, content in tree(out).items() if name.endswith((".npz", ".csv"))}

    assert len(lines_files(tmp_path / "out")) == 12
    assert lines_files(tmp_path / "out") == lines_files(tmp_path / "whole")
    merged = json.loads(CliRunner().invoke(main, ["status", str(tmp_path / "out"), "--json"]).stdout)
    assert merged["lines"]["done"] == 6
    whole[whole.index(str(tmp_path / "whole"))] = str(tmp_path / "out")
    again = CliRunner().invoke(main, [*whole, "--log-format", "json"])
    assert json.loads(again.stderr.splitlines()[-1])["totals"]["skipped"] == 6
