"""The journal: what it records, what it survives, and what is said of one that can't be used."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from a2f_batch.batch.identity import Identity
from a2f_batch.batch.journal import Journal
from a2f_batch.batch.manifest import Problem
from a2f_batch.cli import main
from a2f_batch.qc import from_text
from tests.batch.batch_fixtures import engine, manifest, sound, summary, tree
from tests.batch.processes import make_drop, make_slow, noted, running, wait_for


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with three lines and a tiny network."""
    for i in range(3):
        sound(tmp_path / f"{i}.wav", 0.3, seed=i)
    engine(tmp_path)
    manifest(tmp_path / "m.csv", [{"audio": f"{i}.wav"} for i in range(3)])
    return tmp_path


def render(drop: Path, *arguments: str, out: str = "out") -> Result:
    result = CliRunner().invoke(main, ["render", "--no-report", str(drop / "m.csv"), "--out", str(drop / out), "--engine",
                                       str(drop / "tiny.json"),
                                       "--formats", "npz,csv", "--workers", "0", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def status(out: Path) -> dict[str, object]:
    result = CliRunner().invoke(main, ["status", str(out), "--json"])
    assert result.exit_code == 0, result.output
    content: dict[str, object] = json.loads(result.output)
    return content


def table(out: Path, columns: str) -> list[tuple[object, ...]]:
    """Read the journal as any SQL tool does."""
    with sqlite3.connect(f"{(out / 'journal.sqlite').as_uri()}?mode=ro", uri=True) as db:
        return db.execute(f"SELECT {columns} FROM lines ORDER BY line").fetchall()


def test_a_row_records_files_hashes_times_attempts_device_and_what_made_them(drop: Path) -> None:
    assert render(drop).exit_code == 0
    columns = "line, state, attempts, device, precision, frames, round(duration, 6), outputs, parts, facts, number, qc, code"
    for i, row in enumerate(table(drop / "out", columns)):
        line, state, attempts, device, precision, frames, duration, outputs, parts, facts, number, qc, *empty = row
        assert (line, state, attempts, device, precision, frames, duration, number) == (
            f"de/ada/line{i}", "done", 1, "cpu", "exact", 9, 0.3, i + 2)
        assert empty == [None]
        figures = from_text(str(qc))
        assert figures and figures.figures["seconds"] == pytest.approx(0.3) and figures.audio == str(drop / f"{i}.wav")
        for suffix, file in json.loads(str(outputs)).items():
            path = drop / "out" / f"{line}.{suffix}"
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
            assert (path.stat().st_size, path.stat().st_mtime_ns) == (file["size"], file["mtime_ns"])
        assert json.loads(str(parts))["audio"] == hashlib.sha256((drop / f"{i}.wav").read_bytes()).hexdigest()
        assert set(json.loads(str(facts))["seconds"]) == {"decode", "infer", "post", "qc", "export"}
    with sqlite3.connect(drop / "out/journal.sqlite") as db:
        ((outcome, versions, parameters),) = db.execute("SELECT outcome, versions, parameters FROM runs").fetchall()
        profile = json.loads(str(table(drop / "out", "parts")[0][0]))["profile"]
        ((content,),) = db.execute("SELECT content FROM settings WHERE hash = ?", (profile,)).fetchall()
    assert outcome == "done"
    assert json.loads(versions)["a2f-batch"] and json.loads(parameters)["formats"] == ["npz", "csv"]
    assert json.loads(content)["name"] == "default" and json.loads(content)["stages"]


def test_a_failed_line_is_recorded_with_its_reason_and_its_attempts(drop: Path) -> None:
    (drop / "1.wav").write_bytes(b"no sound")
    for attempts in (1, 2):
        assert render(drop).exit_code == 1
        state, code, message, tried = table(drop / "out", "state, code, message, attempts")[1]
        assert (state, code, tried) == ("failed", "audio-unreadable", attempts)
        assert "m.csv" not in str(message)  # its line number changes
    sound(drop / "1.wav", 0.3)
    assert render(drop).exit_code == 0
    assert table(drop / "out", "state, code, attempts")[1] == ("done", None, 1)


def test_status_counts_lines_by_locale_and_names_reasons(drop: Path) -> None:
    (drop / "1.wav").write_bytes(b"no sound")
    manifest(drop / "m.csv", [{"audio": "0.wav"}, {"audio": "1.wav", "locale": "fr"}, {"audio": "gone.wav", "locale": "fr"}])
    render(drop)
    content = status(drop / "out")
    assert content["locales"] == {"de": {"done": 1}, "fr": {"failed": 2}}
    assert set(content["problems"]) == {"audio-unreadable", "audio-missing"}  # type: ignore[arg-type]
    text = CliRunner().invoke(main, ["status", str(drop / "out")]).output
    assert text.splitlines()[:4] == ["locale  done  failed", "de         1       0", "fr         0       2", "all        1       2"]
    assert "1 x audio-missing, such as fr/ada/line2" in text
    assert "last run: failed; 2 of 2 lines" in text


def test_status_of_a_folder_without_a_journal_exits_with_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["status", str(tmp_path)])
    assert (result.exit_code, "[journal-missing]" in result.stderr) == (2, True)


def test_a_killed_run_is_seen_while_it_runs_and_its_rest_is_finished_by_the_same_command(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, 12)  # so many that it still runs when `status` has seen a sign of life
    variables = make_slow(drop, 0.6)
    with running(drop, "out", "--workers", "0", **variables) as run:
        wait_for(lambda: len(noted(drop, "decode")) >= 3, "no third line")
        seen = status(drop / "out")
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    (one,) = seen["runs"]  # type: ignore[misc]
    assert one["running"] and one["pid"] == run.pid and one["to_do"] == 12
    assert seen["lines"]["done"] >= 2  # type: ignore[index]
    (one,) = status(drop / "out")["runs"]  # type: ignore[misc]
    assert not one["running"] and one["outcome"] is None
    done = [line for line, state in table(drop / "out", "line, state") if state == "done"]
    leftover = drop / "out/de/ada/.line5.npz.0123456789abcdef.tmp"
    leftover.write_bytes(b"half")
    mine = drop / "out/de/ada/.notes.tmp"
    mine.write_bytes(b"not ours")
    before = {path: path.stat().st_ino for name in done for path in (drop / "out").glob(f"{name}.*")}
    assert len(before) == 2 * len(done)
    assert render(drop).exit_code == 0
    assert {path: path.stat().st_ino for path in before} == before
    assert not leftover.exists()
    mine.unlink()
    assert render(drop, out="undisturbed").exit_code == 0
    assert tree(drop / "out") == tree(drop / "undisturbed")


@pytest.mark.parametrize("edited", [False, True])
def test_a_death_between_the_files_and_their_row_is_no_edit_by_hand(drop: Path, monkeypatch: pytest.MonkeyPatch, edited: bool) -> None:
    assert render(drop).exit_code == 0
    if edited:
        (drop / "out/de/ada/line1.csv").write_bytes(b"mine")

    def die(*arguments: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "done", die)
        assert render(drop, "--fps", "25").exit_code == 9
    assert sorted(state for (state,) in table(drop / "out", "state")) == ["pending", "pending", "started"]
    assert render(drop, "--fps", "25").exit_code == 0
    assert [entry["status"] for entry in summary(drop / "out")["lines"]] == ["done"] * 3
    assert render(drop, "--fps", "25", out="undisturbed").exit_code == 0
    expected = tree(drop / "undisturbed") | ({"de/ada/line1.csv": b"mine"} if edited else {})
    assert tree(drop / "out") == expected


def test_a_line_that_killed_its_worker_is_left_alone_until_asked_for_or_changed(drop: Path) -> None:
    def quarantine() -> None:
        with Journal.open(drop / "out/journal.sqlite") as journal:
            journal.failed(Identity("de", "ada", "line1"), Problem("worker-lost", "the process died.", "Check it."), {})
        for path in (drop / "out/de/ada").glob("line1.*"):
            path.unlink()

    assert render(drop).exit_code == 0
    quarantine()
    assert render(drop).exit_code == 1
    entry = summary(drop / "out")["lines"][1]
    assert (entry["status"], entry["code"], entry["reasons"]) == ("failed", "worker-lost", ["quarantined"])
    assert "--retry-failed" in entry["problems"][0]["remedy"]
    assert table(drop / "out", "state")[1] == ("quarantined",)
    assert "leave de/ada/line1" in render(drop, "--dry-run").output
    assert render(drop, "--retry-failed").exit_code == 0
    assert table(drop / "out", "state, code")[1] == ("done", None)
    quarantine()
    sound(drop / "1.wav", 0.35)
    assert render(drop).exit_code == 0


def newer(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")


def overwritten(path: Path) -> None:
    path.write_bytes(b"these are no pages of a database at all" * 300)


def scrambled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start:start + 64] = b"\xff" * 64
    path.write_bytes(content)


def somebody_elses(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipes (cake TEXT)")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(("damage", "code"), [(newer, "journal-newer"), (overwritten, "journal-corrupt"), (scrambled, "journal-corrupt"),
                                              (somebody_elses, "journal-corrupt"), (a_folder, "journal-unusable")])
def test_a_journal_that_can_not_be_used_is_named_with_a_remedy_and_nothing_is_rendered(drop: Path, damage: object, code: str) -> None:
    assert render(drop).exit_code == 0
    before = tree(drop / "out")
    damage(drop / "out/journal.sqlite")  # type: ignore[operator]
    result = render(drop, "--force")
    assert result.exit_code == 2
    assert "journal.sqlite" in result.stderr and f"[{code}]" in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) >= 2  # the remedy
    assert tree(drop / "out") == before
    assert not (drop / "out/journal.lock").exists()


def test_a_network_disk_gets_a_rollback_journal_and_a_local_one_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for local, mode in ((True, "wal"), (False, "delete")):
        monkeypatch.setattr("a2f_batch.batch.journal_file.is_local", lambda folder, local=local: local)
        with Journal.open(tmp_path / f"{mode}.sqlite"), sqlite3.connect(tmp_path / f"{mode}.sqlite") as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == (mode,)
        db.close()
        assert [path.name for path in tmp_path.glob(f"{mode}*")] == [f"{mode}.sqlite"]  # one file at rest


