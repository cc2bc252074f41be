"""Shards: runs of parts of a manifest, side by side or in folders of their own, and the merge of what they noted."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from a2f_batch.cli import main
from tests.batch.batch_fixtures import command, engine, environment, manifest, sound, summary, tree

LINES, SHARDS = 9, 3


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with nine lines, one of them no sound and one row wrong, and a tiny network."""
    for i in range(LINES):
        sound(tmp_path / f"{i}.wav", 0.3, seed=i)
    (tmp_path / "7.wav").write_bytes(b"no sound")
    engine(tmp_path)
    manifest(tmp_path / "m.csv", [{"audio": f"{i}.wav"} for i in range(LINES)] + [{"audio": "gone.wav"}])
    return tmp_path


def call(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def render(drop: Path, out: str, *arguments: str) -> Result:
    return call("render", "--no-report", drop / "m.csv", "--out", drop / out, "--engine", drop / "tiny.json", "--formats", "npz,csv",
                "--workers", "0",
                *arguments)


def render_shards(drop: Path, out: str, *arguments: str) -> list[Result]:
    """Render each shard; with '{}' in `out` each into its own folder."""
    return [render(drop, out.format(i), "--shard", f"{i}/{SHARDS}", *arguments) for i in range(1, SHARDS + 1)]


def journal(out: Path) -> list[tuple[object, ...]]:
    """Return what a journal says of lines, but for times, runs and files' times."""
    with sqlite3.connect(f"{(out / 'journal.sqlite').as_uri()}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT line, locale, character, id, state, key, parts, frames, duration, qc, code, message, remedy, attempts,"
                          " device, precision, manifest, number, facts, outputs FROM lines ORDER BY line").fetchall()
    return [(*row[:-2], {**json.loads(row[-2] or "{}"), "seconds": 0},
             {name: {**file, "mtime_ns": 0} for name, file in json.loads(row[-1]).items()}) for row in rows]


def test_shards_of_one_folder_merge_to_what_one_run_would_have_made(drop: Path) -> None:
    whole = render(drop, "whole")
    shards = render_shards(drop, "out")
    assert whole.exit_code == 1 and {0, 1} >= {one.exit_code for one in shards}
    entries = [entry for i in range(1, SHARDS + 1)
               for entry in json.loads((drop / f"out/summary-{i}-of-{SHARDS}.json").read_text())["lines"]]
    assert sorted(entry["line"] for entry in entries) == [entry["line"] for entry in summary(drop / "whole")["lines"]]
    before = json.loads(call("status", drop / "out", "--json").output)
    assert before["lines"]["done"] == LINES - 1 and len(before["runs"]) == SHARDS
    merged = call("merge", drop / "out")
    assert (merged.exit_code, f"3 journals merged, 0 files copied; {drop / 'out'} knows 10 lines" in merged.output) == (0, True)
    assert journal(drop / "out") == journal(drop / "whole")
    assert tree(drop / "out") == tree(drop / "whole")
    assert [path.name for path in (drop / "out").glob("journal*")] == ["journal.sqlite"]
    assert json.loads(call("status", drop / "out", "--json").output)["lines"] == before["lines"]
    render(drop, "out")
    assert summary(drop / "out")["totals"]["skipped"] == LINES - 1
    assert call("merge", drop / "out").exit_code == 0


def test_a_merge_removes_what_the_dead_left_though_no_shard_knew_whose_it_was(drop: Path) -> None:
    stray = drop / "out/de/ada" / f".{'long' * 10}.0123456789abcdef.tmp"
    stray.parent.mkdir(parents=True)
    stray.touch()
    render_shards(drop, "out")
    assert stray.exists()  # another shard may be writing it
    assert call("merge", drop / "out").exit_code == 0
    assert not stray.exists()


def test_a_whole_run_takes_the_shards_journals_in(drop: Path) -> None:
    render_shards(drop, "out")
    render(drop, "out")
    assert summary(drop / "out")["totals"]["skipped"] == LINES - 1
    assert [path.name for path in (drop / "out").glob("journal*")] == ["journal.sqlite"]


def test_a_shard_knows_what_a_whole_run_did_and_what_was_edited_since(drop: Path) -> None:
    render(drop, "out")
    (drop / "out/de/ada/line3.csv").write_bytes(b"mine")
    render_shards(drop, "out")
    totals = [json.loads((drop / f"out/summary-{i}-of-{SHARDS}.json").read_text())["totals"] for i in range(1, SHARDS + 1)]
    assert sum(one["skipped"] for one in totals) == LINES - 2
    assert sum(one["kept"] for one in totals) == 1
    assert (drop / "out/de/ada/line3.csv").read_bytes() == b"mine"


def test_folders_of_shards_merge_with_their_files_again_and_again(drop: Path) -> None:
    render(drop, "whole")
    render_shards(drop, "part{}")
    parts = [drop / f"part{i}" for i in range(1, SHARDS + 1)]
    before = [tree(part) for part in parts]
    for copied in (16, 0):
        merged = call("merge", drop / "out", *parts)
        assert (merged.exit_code, f"{copied} files copied" in merged.output) == (0, True), merged.output
        assert tree(drop / "out") == tree(drop / "whole")
        assert journal(drop / "out") == journal(drop / "whole")
    assert [tree(part) for part in parts] == before
    render(drop, "out")
    assert summary(drop / "out")["totals"]["skipped"] == LINES - 1


def test_a_merge_keeps_what_was_edited_by_hand_on_either_side_and_tells_what_is_missing(drop: Path) -> None:
    (drop / "7.wav").write_bytes((drop / "6.wav").read_bytes())
    render(drop, "out")
    shutil.copytree(drop / "out", drop / "part")
    render(drop, "part", "--fps", "25")
    here, there, gone = (drop / "out/de/ada/line0.csv", drop / "part/de/ada/line1.csv", drop / "part/de/ada/line2.csv")
    here.write_bytes(b"edited here")
    there.write_bytes(b"edited there")
    gone.unlink()
    merged = call("merge", drop / "out", drop / "part")
    assert merged.exit_code == 1
    assert "kept: de/ada/line0.csv" in merged.output and "missing: de/ada/line2.csv" in merged.output
    assert here.read_bytes() == b"edited here"
    assert (drop / "out/de/ada/line1.csv").read_bytes() == b"edited there"
    render(drop, "out", "--fps", "25")
    entries = summary(drop / "out")["lines"]
    assert [entry["status"] for entry in entries[:4]] == ["kept", "kept", "done", "skipped"]


def test_another_split_needs_a_merge_first(drop: Path) -> None:
    render(drop, "out", "--shard", "1/3")
    refused = render(drop, "out", "--shard", "1/2")
    assert (refused.exit_code, "[shards-unmerged]" in refused.stderr, "a2f-batch merge" in refused.stderr) == (2, True, True)
    assert call("merge", drop / "out").exit_code == 0
    assert render(drop, "out", "--shard", "1/2").exit_code in (0, 1)


def test_shards_run_side_by_side_in_one_folder(drop: Path) -> None:
    asked = ("render", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--formats", "npz,csv", "--workers", "0",
             "--log-every", "1000")
    runs = [subprocess.Popen(command(*asked, "--shard", f"{i}/{SHARDS}"), env=environment(), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for i in range(1, SHARDS + 1)]
    for run in runs:
        output, errors = run.communicate(timeout=180)
        assert run.returncode in (0, 1) and not errors, output + errors
    assert call("merge", drop / "out").exit_code == 0
    render(drop, "whole")
    assert tree(drop / "out") == tree(drop / "whole")


@pytest.mark.parametrize("arguments", [["none"], ["out", "none"]])
def test_a_folder_without_a_journal_can_not_be_merged(drop: Path, arguments: list[str]) -> None:
    result = call("merge", *(drop / name for name in arguments))
    assert (result.exit_code, "[journal-missing]" in result.stderr) == (2, True)
