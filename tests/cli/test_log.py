"""What a run tells while it works: JSON Lines that keep to the published schema and nothing beside them, or text."""

from __future__ import annotations

import errno
import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from a2f_batch.cli import main
from tests.batch.batch_fixtures import ROOT, command, engine, environment, manifest, sound
from tests.batch.batch_fixtures import a2f_batch as run_a2f_batch

SCHEMA = json.loads((ROOT / "a2f_batch/cli/log.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture()
def drop(tmp_path: Path) -> Path:
    engine(tmp_path)
    sound(tmp_path / "line.wav")
    manifest(tmp_path / "m.csv", [{}, {}])
    return tmp_path


def arguments(drop: Path, *more: str | Path) -> list[str | Path]:
    return ["render", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--formats", "npz",
            "--device", "cpu", *more]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def events(stderr: str) -> list[dict[str, Any]]:
    """Return the events of a log in which every line is one, keeps to the schema, and says nothing that the schema does not name."""
    found = [json.loads(line) for line in stderr.splitlines()]
    for event in found:
        VALIDATOR.validate(event)
        named = SCHEMA["properties"].keys() | SCHEMA["$defs"][event["event"]]["properties"].keys()
        assert event.keys() <= named, event
    assert len({event["run"] for event in found}) <= 1
    assert [event["time"] for event in found] == sorted(event["time"] for event in found)
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in found if event["event"] != "progress"]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_run_with_workers_tells_of_every_row_in_events_and_writes_nothing_else(drop: Path) -> None:
    (drop / "empty.wav").write_bytes(b"")
    manifest(drop / "m.csv", [{}, {"audio": "empty.wav"}, {"audio": "none.wav"}, {"id": "a/b"}, {"id": "Grüß 止"}])
    done = run_a2f_batch(*arguments(drop, "--workers", "1", "--log-format", "json", "--log-every", "0.2"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.isascii()
    found = events(done.stderr)
    assert kinds(found) == ["start", *["line"] * 5, "summary"]
    assert "progress" in {event["event"] for event in found}  # the workers' start alone takes a second
    start, summary = found[0], found[-1]
    assert (start["rows"], start["manifest"], start["out"]) == (5, str(drop / "m.csv"), str(drop / "out"))
    lines = {event["number"]: event for event in found if event["event"] == "line"}
    assert [lines[number]["state"] for number in sorted(lines)] == ["done", "failed", "failed", "failed", "done"]
    assert [lines[number]["problems"][0]["code"] for number in (3, 4, 5)] == ["audio-empty", "audio-missing", "id-unsafe"]
    assert lines[5]["id"] is None
    assert (lines[6]["locale"], lines[6]["character"], lines[6]["id"]) == ("de", "ada", "Grüß 止")
    assert lines[6]["seconds"] > 0
    assert (lines[6]["audio_seconds"], lines[6]["frames"]) == (0.4, 12)
    assert summary["exit_code"] == 1
    assert summary["totals"] == json.loads((drop / "out" / "summary.json").read_text())["totals"]


def test_lines_that_are_done_or_edited_by_hand_are_told_of_as_such(drop: Path) -> None:
    words = arguments(drop, "--workers", "0", "--log-format", "json")
    assert {event["state"] for event in events(call(*words).stderr) if event["event"] == "line"} == {"done"}
    (drop / "out/de/ada/line1.npz").write_bytes(b"mine")
    result = call(*words)
    start, *lines, summary = [event for event in events(result.stderr) if event["event"] != "progress"]
    assert (start["rows"], start["to_do"]) == (2, 0)
    assert {event["id"]: event["state"] for event in lines} == {"line0": "skipped", "line1": "kept"}
    assert (summary["totals"]["skipped"], summary["totals"]["kept"], summary["exit_code"]) == (1, 1, 0)


def test_the_plan_of_a_dry_run_is_printed_whatever_the_logs_format(drop: Path) -> None:
    text, as_json = (call(*arguments(drop, "--dry-run", "--log-format", log_format)) for log_format in ("text", "json"))
    assert "2 of 2 lines to render" in text.stdout
    assert (as_json.stdout, as_json.stderr) == (text.stdout, "")


WRONG_CALLS = [
    (["--bogus"], "usage"), (["--workers", "many"], "usage"), (["--fps", "0"], "fps"), (["--engine", "none"], "weights-unknown"),
    (["--out", "/dev/null/out"], "output-unwritable"), (["--audio-root", "/none/such"], "audio-root"),
]


@pytest.mark.parametrize(("more", "code"), WRONG_CALLS, ids=[" ".join(more) for more, _ in WRONG_CALLS])
@pytest.mark.parametrize("format_words", [["--log-format", "json"], ["--log-format=json"]], ids=["two words", "one word"])
def test_what_stops_everything_is_one_error_event_and_exit_2(drop: Path, more: list[str], code: str, format_words: list[str]) -> None:
    result = call(*arguments(drop, "--workers", "0", *format_words, *more))
    assert (result.exit_code, result.stdout) == (2, "")
    found = events(result.stderr)
    assert [event["event"] for event in found if event["event"] != "start"] == ["error"]
    assert found[-1]["code"] == code
    assert found[-1]["message"]
    assert found[-1]["remedy"]


def test_a_fault_of_ours_is_an_error_event_with_the_traceback_in_it(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("a2f_batch.cli.manifest_options.read_manifest", broken)
    result = call(*arguments(drop, "--workers", "0", "--log-format", "json"))
    assert result.exit_code == 2
    (event,) = events(result.stderr)
    assert (event["code"], event["message"]) == ("internal", "ZeroDivisionError: of ours")
    assert "in broken" in event["detail"]


def test_the_first_interrupt_is_told_and_the_run_ends_in_order_with_130(drop: Path) -> None:
    manifest(drop / "m.csv", [{}] * 2000)
    words = command(*arguments(drop, "--workers", "0", "--log-format", "json"))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr
        seen = []
        for text in process.stderr:
            seen.append(text)
            if '"event": "line"' in text:
                break
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=180)
    assert (process.returncode, out) == (130, "")
    found = events("".join([*seen, rest]))
    assert [event["code"] for event in found if event["event"] == "warning"] == ["stopping"]
    assert found[-1]["event"] == "summary"
    assert found[-1]["exit_code"] == 130
    assert found[-1]["totals"]["unfinished"] > 0


def test_all_that_libraries_and_children_write_to_stderr_becomes_events() -> None:
    program = """
import ctypes, logging, os, subprocess, sys, warnings
from a2f_batch.cli.log_json import JsonLog
with JsonLog(60) as log:
    log.start("test", rows=1, to_do=1)
    logging.getLogger("a2f_batch.engines").warning("of ours: %s", "half \\ud800 a pair")
    logging.getLogger("a2f_batch.engines").info("not told")
    warnings.warn("of Python", RuntimeWarning)
    os.write(2, b"of a native library, \\xff\\n\\n")
    print("of print", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo of a child >&2"])
    log.summary({"rows": 1, "done": 1, "failed": 0, "unfinished": 0, "audio_seconds": 0, "wall_seconds": 0}, 0)
print("after", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment(), timeout=180, check=True)
    *lines, last = done.stderr.splitlines()
    assert last == "after"  # stderr is itself again
    told = {event["message"].split("\n")[0]: event["code"] for event in events("\n".join(lines)) if event["event"] == "warning"}
    python_warning = next(message for message in told if "of Python" in message)
    assert told == {"of ours: half \ud800 a pair": "a2f_batch.engines", python_warning: "py.warnings", "of print": "stderr",
                    "of a native library, \\xff": "stderr", "of a child": "stderr"}


def test_a_log_that_nobody_reads_any_more_stops_no_run(drop: Path) -> None:
    manifest(drop / "m.csv", [{}] * 10)
    read_end, write_end = os.pipe()
    words = command(*arguments(drop, "--workers", "0", "--log-format", "json"))
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=write_end, env=environment()) as process:
        os.close(write_end)
        os.read(read_end, 1)
        os.close(read_end)
        assert process.wait(180) == 0
    assert len(list((drop / "out").rglob("*.npz"))) == 10


def test_text_progress_without_a_terminal_is_plain_lines_now_and_then(drop: Path) -> None:
    manifest(drop / "m.csv", [{"audio": "none.wav" if number % 3 else "line.wav"} for number in range(150)])
    result = call(*arguments(drop, "--workers", "0", "--log-every", "0.02"))
    told = result.stderr.splitlines()
    assert told
    for line in told:
        words = line.split()
        assert words[1:4] == ["of", "150", "lines"] or words[1:4] == ["of", "150", "lines,"], line
        assert "lines/s" in line
    counts = [int(line.split()[0]) for line in told]
    assert counts == sorted(counts)
    assert "\x1b" not in result.stderr + result.stdout


def at_terminal(*words: str | Path) -> str:
    """Return what the command writes to a terminal on stdout and stderr."""
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm")
    env.pop("NO_COLOR", None)
    with subprocess.Popen(command(*words), stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=env) as process:
        os.close(theirs)
        text = b"".join(_read(ours))
        assert process.wait(180) in (0, 1, 2)
    os.close(ours)
    return text.decode()


def _read(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            block = os.read(descriptor, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # Linux's way to say that the other end is closed
                return
            raise
        if not block:
            return
        yield block


def test_a_terminal_gets_a_bar_and_colours(drop: Path) -> None:
    manifest(drop / "m.csv", [{}, {"audio": "none.wav"}])
    shown = at_terminal(*arguments(drop, "--workers", "0"))
    assert "2/2" in shown
    assert "1 failed" in shown
    assert "\x1b[31mfailed\x1b[0m: " in shown


@pytest.mark.parametrize(("more", "variables", "coloured"), [
    ([], {"NO_COLOR": "1"}, False), (["--no-color"], {}, False), ([], {"TERM": "dumb"}, False),
    ([], {}, True), ([], {"NO_COLOR": ""}, True), (["--color"], {"NO_COLOR": "1"}, True),
], ids=["NO_COLOR", "--no-color", "dumb", "as it is", "empty NO_COLOR", "--color"])
def test_colours_are_there_where_they_are_wanted(drop: Path, more: list[str], variables: dict[str, str], coloured: bool) -> None:
    words = [str(word) for word in arguments(drop, "--fps", "0", *more)]
    # `color`: as if a terminal could show it.
    result = CliRunner().invoke(main, words, env={"NO_COLOR": None, "TERM": "xterm", **variables}, color=True)
    assert result.exit_code == 2
    assert result.stderr.startswith("\x1b[31mClipError\x1b[0m: " if coloured else "ClipError: ")


def test_a_check_tells_of_every_row_too(drop: Path) -> None:
    (drop / "empty.wav").write_bytes(b"")
    manifest(drop / "m.csv", [{}, {"audio": "empty.wav"}, {"id": "a/b"}])
    result = call("check", drop / "m.csv", "--log-format", "json")
    assert (result.exit_code, result.stdout) == (1, "")
    start, *lines, summary = [event for event in events(result.stderr) if event["event"] != "progress"]
    assert (start["command"], start["rows"]) == ("check", 3)
    assert {event["number"]: event["state"] for event in lines} == {2: "ready", 3: "failed", 4: "failed"}
    assert (summary["totals"]["ready"], summary["totals"]["failed"], summary["exit_code"]) == (1, 2, 1)


def test_two_runs_have_two_ids(drop: Path) -> None:
    ids = Counter(event["run"] for _ in range(2)
                  for event in events(call(*arguments(drop, "--workers", "0", "--log-format", "json")).stderr))
    assert len(ids) == 2
