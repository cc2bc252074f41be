"""`render --retry-rejected`: the lines that a review rejects, and those alone, as often as it is asked."""

import json
import sqlite3

import pytest
from report_fixtures import render

from tests.batch.batch_fixtures import manifest, sound, summary


@pytest.fixture()
def drop(tmp_path):
    """Three rendered lines."""
    for i in range(3):
        sound(tmp_path / f"{i}.wav", seed=i)
    path = manifest(tmp_path / "drop.csv", [{"audio": f"{i}.wav"} for i in range(3)])
    assert render(path, tmp_path / "out", "--formats", "csv", "--no-report").returncode == 0
    return path


def take(drop, name):
    with sqlite3.connect(drop.parent / "out/journal.sqlite") as journal:
        return journal.execute("SELECT key FROM lines WHERE line = ?", (name,)).fetchone()[0][:12]


def review(drop, **said):
    """Write a review of line ids -> (verdict, take)."""
    lines = [{"line": f"de/ada/{name}", "verdict": verdict, "note": "", "take": take_} for name, (verdict, take_) in said.items()]
    path = drop.parent / "review.json"
    path.write_text(json.dumps({"kind": "a2f-batch review", "schema": 1, "lines": lines}))
    return path


def again(drop, file, *more):
    done = render(drop, drop.parent / "out", "--formats", "csv", "--no-report", "--retry-rejected", file, *more)
    entries = summary(drop.parent / "out")["lines"] if done.returncode < 2 else []
    return done, {entry["id"]: entry.get("reasons") for entry in entries if entry["status"] == "done"}


def test_rejected_lines_are_rendered_again_and_accepted_ones_are_not(drop):
    file = review(drop, line0=("rejected", take(drop, "de/ada/line0")), line1=("accepted", take(drop, "de/ada/line1")))
    done, rendered = again(drop, file)
    assert done.returncode == 0
    assert rendered == {"line0": ["rejected in review"]}
    assert "come out the same" in done.stderr  # nobody is left to wonder why nothing is better


def test_a_line_that_changed_is_rendered_for_that_and_not_once_more(drop):
    file = review(drop, line0=("rejected", take(drop, "de/ada/line0")))
    done, rendered = again(drop, file, "--fps", "25")
    assert rendered == {"line0": ["fps changed"]}
    assert "come out the same" not in done.stderr
    _, rendered = again(drop, file, "--fps", "25")  # the rejected take is gone: the same command finds nothing to do
    assert rendered == {}


def test_a_review_written_by_hand_needs_no_take(drop):
    _, rendered = again(drop, review(drop, line2=("rejected", "")))
    assert rendered == {"line2": ["rejected in review"]}


def test_lines_that_are_not_in_the_manifest_are_told_of(drop):
    done, rendered = again(drop, review(drop, gone=("rejected", ""), line1=("rejected", "")))
    assert set(rendered) == {"line1"}
    assert "de/ada/gone" in done.stderr and "review-unknown" in done.stderr


def test_a_review_without_a_rejected_line_renders_nothing(drop):
    done, rendered = again(drop, review(drop, line1=("accepted", "")))
    assert done.returncode == 0
    assert rendered == {}
    assert "review-empty" in done.stderr


def test_a_dry_run_shows_them(drop):
    done, _ = again(drop, review(drop, line0=("rejected", "")), "--dry-run")
    assert "render de/ada/line0 (csv): rejected in review" in done.stdout


HEAD = '{"kind": "a2f-batch review", "schema": 1'


@pytest.mark.parametrize(("content", "reason"), [
    ("", "not JSON"), ("[" * 99999, "JSON"), ("[]", "'kind'"), ('{"kind": "a2f-batch review", "schema": 2, "lines": []}', "schema"),
    (HEAD + "}", "no list"), (HEAD + ', "lines": [{"line": "x"}]}', "entry 1"),
    (HEAD + ', "lines": [{"line": "a/b/c", "verdict": "meh"}]}', "'meh'"),
    (HEAD + ', "lines": [{"line": "a/b/c", "verdict": "rejected", "take": 7}]}', "take"),
], ids=range(8))
def test_a_file_that_is_no_review_is_refused_with_the_reason(drop, content, reason):
    path = drop.parent / "wrong.json"
    path.write_text(content)
    done, _ = again(drop, path)
    assert done.returncode == 2
    assert reason in done.stderr and "Download review" in done.stderr


def test_a_review_that_is_not_there_is_told_of(drop):
    done, _ = again(drop, drop.parent / "absent.json")
    assert done.returncode == 2
    assert "review-unreadable" in done.stderr
