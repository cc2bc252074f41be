"""The command line as people and scripts use it: what it prints, what it writes, how it exits."""

from __future__ import annotations

import errno
import json
import os
import pty
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from a2f_batch import __version__, export, read_clip
from a2f_batch.cli import main
from tests.batch.batch_fixtures import COLUMNS, a2f_batch, command, engine, environment, manifest, sound, summary, tree


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with line.wav, a tiny network, and m.csv of two good lines."""
    folder = tmp_path / "drop"
    sound(folder / "line.wav")
    engine(folder)
    manifest(folder / "m.csv", [{}, {}])
    return folder


def call(*arguments: str | Path) -> Result:
    """Run the command line in this process; only a planned exit counts."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def render(drop: Path, *arguments: str | Path) -> Result:
    return call("render", "--no-report", drop / "m.csv", "--out", drop / "out", *options(drop), *arguments)


def options(drop: Path, formats: str = "npz") -> list[str | Path]:
    return ["--engine", drop / "tiny.json", "--formats", formats, "--workers", "0"]


def bad_sounds(folder: Path) -> dict[str, str]:
    """Write a sound file for each fault; return file name -> reason code."""
    whole = sound(folder / "whole.wav", 1.0).read_bytes()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("this is no sound, whatever its name says\n" * 10)
    (folder / "no-rate.wav").write_bytes(whole[:24] + struct.pack("<I", 0) + whole[28:])
    soundfile.write(folder / "no-samples.wav", np.zeros(0, np.float32), 16000)
    soundfile.write(folder / "nan.wav", np.array([0.1, np.nan, 0.1] * 1000, np.float32), 16000, subtype="FLOAT")
    soundfile.write(folder / "blip.wav", np.zeros(100, np.float32) + 0.1, 16000)
    return {"empty.wav": "audio-empty", "cut.wav": "audio-truncated", "text.wav": "audio-unreadable", "no-rate.wav": "audio-rate",
            "no-samples.wav": "audio-empty", "nan.wav": "audio-not-finite", "blip.wav": "too-short", "missing.wav": "audio-missing"}


def test_render_tells_of_every_bad_sound_and_renders_the_rest(drop: Path) -> None:
    faults = bad_sounds(drop)
    soundfile.write(drop / "silent.wav", np.zeros(16000, np.float32), 16000)
    manifest(drop / "m.csv", [{}, *({"audio": name} for name in faults), {"audio": "silent.wav"}])
    done = a2f_batch("render", "--no-report", "--log-every", "1000", drop / "m.csv", "--out", drop / "out", *options(drop, "npz,csv"))
    assert done.returncode == 1
    assert done.stderr == ""  # no bar without a terminal
    lines = summary(drop / "out")["lines"]
    assert [entry.get("code") for entry in lines] == [None, *faults.values(), None]
    for entry, code in zip(lines[1:-1], faults.values(), strict=True):
        (problem,) = entry["problems"]
        assert problem["message"].startswith(f"{drop / 'm.csv'} line {entry['line']}: ")
        assert problem["remedy"]
        assert f"[{code}]" in done.stdout
    assert lines[-1]["warnings"] == ["all-silent"]
    assert lines[-1]["frames"] == 30
    assert "[all-silent]" in done.stdout
    assert f"2 of {len(lines)} lines done, {len(faults)} failed" in done.stdout
    assert sorted(tree(drop / "out")) == [f"de/ada/line{i}{suffix}" for i in (0, len(lines) - 1) for suffix in (".csv", ".npz")]


def test_check_finds_what_render_would_and_writes_nothing(drop: Path) -> None:
    faults = bad_sounds(drop)
    manifest(drop / "m.csv", [{}, *({"audio": name} for name in faults), {"id": "../x"}])
    before = sorted(drop.rglob("*"))
    checked = call("check", drop / "m.csv")
    assert checked.exit_code == 1
    for number, code in enumerate([*faults.values(), "id-unsafe"], start=3):
        assert any(f"m.csv line {number}: " in line and line.endswith(f"[{code}]") for line in checked.output.splitlines())
    assert f"1 of {len(faults) + 2} lines are ready" in checked.output
    assert sorted(drop.rglob("*")) == before


def test_check_is_content_with_a_good_manifest_and_warns_of_silence(drop: Path) -> None:
    soundfile.write(drop / "silent.wav", np.zeros(16000, np.float32), 16000)
    manifest(drop / "m.csv", [{}, {"audio": "silent.wav"}])
    checked = call("check", drop / "m.csv")
    assert checked.exit_code == 0
    assert "line 3: the sound is silent" in checked.output


WRONG_CALLS = [
    (["--formats", "glb,xyz"], "format-unknown"), (["--formats", ","], "format-unknown"), (["--profile", "nice"], "profile-unknown"),
    (["--fps", "0"], "fps"), (["--fps", "many"], "fps"), (["--channel", "third"], "channel"),
    (["--formats", "npz,anim", "--fps", "17"], "fps-unsupported"),
    (["--formats", "npz,csv", "--fps", "24", "--timecode-start", "01:00:00:24"], "timecode"),
    (["--engine", "none-such"], "weights-unknown"), (["--engine", "none.json"], "description-missing"),
    (["--device", "abacus"], "device"), (["--precision", "so-so"], "precision"),
    (["--out", "/dev/null/out"], "output-unwritable"), (["--audio-root", "/none/such"], "audio-root"),
]


@pytest.mark.parametrize(("arguments", "code"), WRONG_CALLS, ids=[" ".join(arguments) for arguments, _ in WRONG_CALLS])
def test_a_wrong_call_exits_with_2_before_any_line(drop: Path, arguments: list[str], code: str) -> None:
    result = render(drop, *arguments)
    assert result.exit_code == 2
    assert f"[{code}]" in result.stderr
    assert not list((drop / "out").rglob("*.npz"))


@pytest.mark.parametrize(("content", "code"), [("", "manifest-empty"), ("id,audio\n", "column-missing"),
                                               ('id,audio,character,locale\n"', "manifest-malformed")])
def test_a_manifest_that_can_not_be_used_exits_with_2_in_render_and_check(drop: Path, content: str, code: str) -> None:
    (drop / "m.csv").write_text(content)
    for result in (render(drop), call("check", drop / "m.csv")):
        assert result.exit_code == 2
        assert f"[{code}]" in result.stderr


def test_a_file_in_the_output_folders_place_is_told_and_kept(drop: Path) -> None:
    (drop / "out").write_text("mine")
    result = render(drop)
    assert result.exit_code == 2
    assert "[output-unwritable]" in result.stderr
    assert (drop / "out").read_text() == "mine"


def test_weights_of_another_checksum_exit_with_2(drop: Path) -> None:
    description = json.loads((drop / "tiny.json").read_text())
    (drop / "tiny.json").write_text(json.dumps({**description, "sha256": "0" * 64}))
    result = render(drop)
    assert result.exit_code == 2
    assert "tiny.onnx" in result.stderr


def test_an_unknown_scheduler_exits_with_2(drop: Path) -> None:
    result = render(drop, "--scheduler", "nonsense")
    assert result.exit_code == 2
    assert "[scheduler-unreachable]" in result.stderr


def test_a_rows_own_values_win_over_the_options(drop: Path) -> None:
    row = {"fps": "60", "profile": "raw", "emotion": "joy", "seed": 5}
    manifest(drop / "m.csv", [{}, row], (*COLUMNS, *row))
    assert render(drop, "--fps", "24", "--seed", "9").exit_code == 0
    by_run, by_row = summary(drop / "out")["lines"]
    assert [by_run[name] for name in ("fps", "profile", "emotion")] == ["24", "default", "neutral"]
    assert [by_row[name] for name in ("fps", "profile", "emotion", "seed")] == ["60", "raw", "joy", 5]
    assert by_row["warnings"] == ["emotion-not-honoured"]  # the tiny network knows none
    for entry in (by_run, by_row):
        clip = read_clip(drop / "out" / entry["outputs"]["npz"])
        assert (str(clip.fps), clip.n_frames, clip.meta["seed"]) == (entry["fps"], entry["frames"], entry["seed"])
        assert clip.n_frames == round(0.4 * int(entry["fps"]))


def test_a_rate_that_a_format_lacks_is_found_before_any_line_is_rendered(drop: Path) -> None:
    manifest(drop / "m.csv", [{"fps": "17"}, {"fps": "29.97"}, {}], (*COLUMNS, "fps"))
    asked = ("--formats", "npz,anim,csv", "--timecode-start", "01:00:00:29", "--log-format", "json")
    result = render(drop, *asked)
    assert result.exit_code == 1
    first, *others = summary(drop / "out")["lines"]
    assert first["status"] == "failed" and first["code"] == "fps-unsupported"
    assert "17 fps" in result.stderr and "30000/1001" in result.stderr
    assert [entry["status"] for entry in others] == ["done", "done"]
    assert len(list((drop / "out").rglob("*.anim"))) == 2
    checked = call("check", drop / "m.csv", "--formats", "npz,anim")
    assert checked.exit_code == 1 and "[fps-unsupported]" in checked.output
    assert call("check", drop / "m.csv", "--formats", "npz").exit_code == 0
    baked = call("bake", drop / "line.wav", drop / "line.anim", "--fps", "17", "--engine", drop / "no such network.json")
    assert baked.exit_code == 2 and "[fps-unsupported]" in baked.stderr


def test_another_run_seed_gives_other_lines_other_seeds_and_the_same_seed_the_same_bytes(drop: Path) -> None:
    sound(drop / "line.wav", 12.0)  # long enough for a blink
    trees = []
    for seed in ("1", "1", "2"):
        assert render(drop, "--seed", seed).exit_code == 0
        trees.append(tree(drop / "out"))
    assert trees[0] == trees[1] != trees[2]
    first, second = (read_clip(drop / "out" / "de" / "ada" / f"line{i}.npz") for i in range(2))
    assert not np.array_equal(first.values, second.values)  # one sound, two lines: they blink at other times


def test_bake_gives_the_batch_file_byte_for_byte(drop: Path) -> None:
    assert render(drop, "--seed", "3").exit_code == 0
    entry = summary(drop / "out")["lines"][1]
    baked = call("bake", drop / "line.wav", drop / "new" / "one.npz", "--engine", drop / "tiny.json", "--seed", str(entry["seed"]))
    assert baked.exit_code == 0, baked.output
    assert (drop / "new" / "one.npz").read_bytes() == (drop / "out" / entry["outputs"]["npz"]).read_bytes()


def test_a_bake_that_fails_exits_with_1_and_keeps_what_was_there(drop: Path) -> None:
    (drop / "one.npz").write_bytes(b"mine")
    failed = call("bake", drop / "none.wav", drop / "one.npz", "--engine", drop / "tiny.json")
    assert failed.exit_code == 1
    assert "[audio-missing]" in failed.stderr
    assert (drop / "one.npz").read_bytes() == b"mine"
    assert call("bake", drop / "line.wav", drop / "one.xyz", "--engine", drop / "tiny.json").exit_code == 2


def test_fail_fast_starts_no_line_after_the_first_failure(drop: Path) -> None:
    (drop / "empty.wav").write_bytes(b"")
    manifest(drop / "m.csv", [{}, {"audio": "empty.wav"}, {}])
    assert render(drop, "--fail-fast").exit_code == 1
    assert [entry["status"] for entry in summary(drop / "out")["lines"]] == ["done", "failed", "unfinished"]
    assert render(drop, "--keep-going").exit_code == 1
    assert [entry["status"] for entry in summary(drop / "out")["lines"]] == ["skipped", "failed", "done"]


def test_a_line_that_fails_in_rendering_leaves_no_older_file_and_one_that_never_started_is_told_of(drop: Path) -> None:
    manifest(drop / "m.csv", [{}, {}], COLUMNS)
    assert render(drop).exit_code == 0
    (drop / "empty.wav").write_bytes(b"")
    manifest(drop / "m.csv", [{"audio": "empty.wav"}, {"audio": "gone.wav"}])
    result = render(drop)
    assert result.exit_code == 1
    started, not_started = summary(drop / "out")["lines"]
    assert sorted(tree(drop / "out")) == ["de/ada/line1.npz"]
    assert "older_files" not in started
    assert not_started["older_files"] == ["de/ada/line1.npz"]
    assert "1 file of an earlier run" in result.output


def test_the_summary_keeps_unknown_columns_texts_and_what_made_the_files(drop: Path) -> None:
    text = 'Grüß "dich",\nfriend \u2028'
    manifest(drop / "m.csv", [{"text": text, "take": "7"}, {"id": "a/b", "take": "8"}], (*COLUMNS, "text", "take"))
    assert render(drop).exit_code == 1
    content = summary(drop / "out")
    good, bad = content["lines"]
    assert (good["text"], good["extra"]) == (text, {"take": "7"})
    assert bad["row"] == {"id": "a/b", "audio": "line.wav", "character": "ada", "locale": "de", "text": "", "take": "8"}
    assert content["schema"] == 2
    assert content["engine"]["weights"] == "tiny"
    assert len(content["engine"]["weights_sha256"]) == 64
    assert content["parameters"]["formats"] == ["npz"]
    assert content["totals"]["rows"] == 2
    assert good["source"] == {"rate": 16000, "channels": 1, "frames": 6400, "format": "WAV PCM_16"}
    assert good["duration_seconds"] == 0.4
    assert set(good["seconds"]) == {"decode", "infer", "post", "qc", "export"}


def test_a_full_disk_ends_the_run_with_its_reason_and_the_same_command_finishes_it(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def full(source: str, target: str) -> None:
        if str(target).endswith(".npz"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    result = render(drop)
    assert result.exit_code == 1
    # The second line was not even tried: it would have fared no better.
    assert [(entry["status"], entry["code"]) for entry in summary(drop / "out")["lines"]] == [("failed", "disk-full"),
                                                                                             ("unfinished", "disk-full")]
    assert "No space left" in result.output
    assert tree(drop / "out") == {}
    monkeypatch.undo()
    assert render(drop).exit_code == 0
    assert len(tree(drop / "out")) == 2


@pytest.mark.parametrize("name", ["clip.npz", "clip.csv", "clip.plain.csv"])
def test_info_tells_rate_frames_and_range_of_a_file(drop: Path, name: str) -> None:
    call("bake", drop / "line.wav", drop / "clip.npz", "--engine", drop / "tiny.json", "--profile", "raw", "--fps", "50")
    clip = read_clip(drop / "clip.npz")
    export(clip, drop / name)
    facts = json.loads(call("info", drop / name, "--json").output)
    assert (facts["fps"], facts["frames"]) == ("50", 20)
    ranges = {channel["name"]: channel for channel in facts["channels"]}
    for channel in clip.names:
        # Five decimals and more are in every text format.
        assert ranges[channel]["max"] == pytest.approx(clip[channel].max(), abs=1e-5, rel=1e-5)
        assert ranges[channel]["min"] == pytest.approx(clip[channel].min(), abs=1e-5, rel=1e-5)
    table = call("info", drop / name)
    assert table.exit_code == 0
    assert "20 frames at 50 fps = 0.400 s" in table.output
    assert len(table.output.splitlines()) >= len(clip.names) + 2


@pytest.mark.parametrize("name", ["none.npz", "line.wav", "bad.npz"])
def test_info_of_what_is_no_clip_exits_with_2(drop: Path, name: str) -> None:
    (drop / "bad.npz").write_bytes(b"PK\x03\x04 but no archive")
    result = call("info", drop / name)
    assert result.exit_code == 2
    assert name in result.stderr


def test_a_terminal_gets_a_bar_without_colour(drop: Path) -> None:
    leader, follower = pty.openpty()
    run = subprocess.Popen(command("render", drop / "m.csv", "--out", drop / "out", *options(drop)),
                           stdout=subprocess.PIPE, stderr=follower, env=environment(NO_COLOR="1", TERM="xterm"))
    os.close(follower)
    shown = b""
    try:
        while block := os.read(leader, 1 << 16):
            shown += block
    except OSError as error:
        assert error.errno == errno.EIO  # how Linux tells that the other end is closed
    output, _ = run.communicate(timeout=180)
    os.close(leader)
    assert run.returncode == 0
    assert b"Rendering" in shown
    assert b"2/2" in shown
    assert b"\x1b[3" not in shown + output  # no colour
    assert b"2 of 2 lines done" in output


def test_version_and_help_answer(drop: Path) -> None:
    assert call("--version").output == f"a2f-batch {__version__}\n"
    text = call("--help").output
    assert all(name in text for name in ("render", "check", "bake", "info", "Exit codes"))
    for name in ("render", "check", "bake", "info"):
        assert call(name, "--help").exit_code == 0
    assert call("rendre").exit_code == 2
