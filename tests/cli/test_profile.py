"""Profiles and emotions on the command line: `profile`, `post`, the project file in `render`, `bake` and `check`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from a2f_batch import export, load_audio, load_engine, post, read_clip
from a2f_batch.cli import main
from a2f_batch.post import STAGES, pipeline
from a2f_batch.project import load_project
from tests.batch.batch_fixtures import COLUMNS, a2f_batch, engine, manifest, sound, summary, tree

PROJECT = '''
[profile.loud]
description = "louder"
extends = "default"
override.gain = { mouth = 2 }

[profile.flat]
stages = [{ stage = "scale", factors = { jawOpen = 0 } }]

[character.bob]
profile = "flat"
'''


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: line.wav, a tiny network, and a2f.toml in its parent."""
    folder = tmp_path / "show" / "drop"
    sound(folder / "line.wav", 1.0)
    engine(folder)
    (tmp_path / "show" / "a2f.toml").write_text(PROJECT)
    monkeypatch.chdir(folder)
    return folder


def call(*arguments: str | Path) -> Result:
    """Run the command line in this process; only a planned exit counts."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def bake(out: str, *arguments: str) -> Result:
    result = call("bake", "line.wav", out, "--engine", "tiny.json", *arguments)
    assert result.exit_code == 0, result.output
    return result


def render(*arguments: str) -> Result:
    return call("render", "--no-report", "m.csv", "--out", "out", "--engine", "tiny.json", "--formats", "npz", "--workers", "0", *arguments)


def test_profile_list_shows_what_ships_what_is_the_projects_and_who_has_which(drop: Path) -> None:
    shown = call("profile", "list").output.splitlines()
    assert [line.split()[0] for line in shown] == ["default", "raw", "loud", "flat", "character"]
    assert str(drop.parent / "a2f.toml") in shown[2]
    assert shown[4] == "character bob: flat"


def test_profile_show_prints_toml_that_makes_the_profile_again_and_says_where_it_comes_from(drop: Path) -> None:
    shown = call("profile", "show", "loud")
    assert shown.exit_code == 0
    assert pipeline.parse_profile("loud", tomllib.loads(shown.output)["profile"]["loud"]) == load_project().profile("loud")
    (line,) = [line for line in shown.output.splitlines() if line.startswith("mouth =")]
    assert line.endswith(f"# {drop.parent / 'a2f.toml'} line 5")
    assert call("profile", "show", "raw").output.endswith("stages = []\n")


def test_profile_show_of_an_unknown_one_names_the_nearest_and_a_wrong_file_its_line(drop: Path) -> None:
    unknown = call("profile", "show", "lod")
    assert unknown.exit_code == 2
    assert "Did you mean 'loud'" in unknown.stderr
    (drop / "bad.toml").write_text("[profile.x]\nstages = [{ stage = 'gian' }]")
    bake("raw.npz")
    for command in (["profile", "show", "default"], ["profile", "list"], ["check", "m.csv"], ["post", "raw.npz", "b.npz"],
                    ["bake", "line.wav", "b.npz"], ["render", "m.csv", "--out", "out"]):
        wrong = call(*command, "--project", "bad.toml")
        assert wrong.exit_code == 2
        assert "bad.toml line 2" in wrong.stderr
        assert "Did you mean 'gain'" in wrong.stderr
    assert not (drop / "out").exists()


def test_a_rows_profile_wins_over_its_characters_over_the_options_over_the_default(drop: Path) -> None:
    manifest(drop / "m.csv", [{}, {"character": "Bob"}, {"character": "bob", "profile": "raw"}], (*COLUMNS, "profile"))
    for options, expected in ((["--profile", "loud"], ["loud", "flat", "raw"]), ([], ["default", "flat", "raw"])):
        assert render(*options).exit_code == 0
        entries = summary(drop / "out")["lines"]
        assert [entry["profile"] for entry in entries] == expected
        clips = [read_clip(drop / "out" / entry["outputs"]["npz"]) for entry in entries]
        assert [clip.meta["profile"] for clip in clips] == expected
        assert not clips[1]["jawOpen"].any()
        assert clips[2]["jawOpen"].any()
    assert summary(drop / "out")["parameters"]["project"] == str(drop.parent / "a2f.toml")


def test_the_projects_profiles_travel_to_worker_processes(drop: Path) -> None:
    manifest(drop / "m.csv", [{}, {"character": "bob"}, {"profile": "loud"}], (*COLUMNS, "profile"))
    arguments: list[str | Path] = ["render", "--no-report", "--log-every", "1000", drop / "m.csv", "--engine", drop / "tiny.json",
                                   "--formats", "npz,csv",
                                   "--project", drop.parent / "a2f.toml"]
    for workers in ("0", "2"):
        done = a2f_batch(*arguments, "--workers", workers, "--out", drop / workers)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert len(tree(drop / "0")) == 6
    assert tree(drop / "0") == tree(drop / "2")


def test_check_knows_the_projects_profiles(drop: Path) -> None:
    manifest(drop / "m.csv", [{"profile": "loud"}, {"profile": "laud"}], (*COLUMNS, "profile"))
    checked = call("check", "m.csv")
    assert checked.exit_code == 1
    assert "1 of 2 lines are ready" in checked.output
    assert "[profile-unknown]" in checked.output
    assert "Did you mean 'loud'" in checked.output


def test_a_profile_that_can_not_work_with_the_engine_is_refused_before_any_line(drop: Path) -> None:
    (drop.parent / "a2f.toml").write_text("[profile.mine]\nstages = [{ stage = 'scale', factors = { tongueOut = 2 } }]")
    manifest(drop / "m.csv", [{}, {"profile": "mine"}], (*COLUMNS, "profile"))
    for refused in (render(), call("bake", "line.wav", "x.npz", "--engine", "tiny.json", "--profile", "mine")):
        assert refused.exit_code == 2
        assert "a2f.toml line 2" in refused.stderr
        assert "[channel-unmatched]" in refused.stderr
    assert not (drop / "out").exists()
    manifest(drop / "m.csv", [{}])
    assert render().exit_code == 0  # nobody uses it


@pytest.mark.parametrize("profile", ["default", "loud", "flat"])
@pytest.mark.parametrize("suffix", [".npz", ".glb", ".plain.csv"])
def test_post_of_a_raw_clip_gives_what_bake_gives_byte_for_byte(drop: Path, profile: str, suffix: str) -> None:
    felt = ["--seed", "5", "--emotion", "0.0 neutral; 0.5 joy:0.8"]
    bake("raw.npz", "--profile", "raw", *felt)
    bake(f"baked/one{suffix}", "--profile", profile, *felt)
    done = call("post", "raw.npz", f"posted/one{suffix}", "--profile", profile, "--sound", "line.wav")
    assert done.exit_code == 0, done.output
    assert (drop / f"posted/one{suffix}").read_bytes() == (drop / f"baked/one{suffix}").read_bytes()


def test_post_takes_another_seed_and_emotion_and_any_format(drop: Path) -> None:
    bake("raw.npz", "--profile", "raw", "--fps", "50")
    raw, wave = read_clip("raw.npz"), load_audio("line.wav")
    export(raw, drop / "raw.txt", format="csv-plain")
    done = call("post", "raw.txt", "new/out.dat", "--in-format", "csv-plain", "--format", "npz", "--sound", "line.wav", "--seed", "9",
                "--emotion", "anger:0.5")
    assert done.exit_code == 0, done.output
    assert np.array_equal(read_clip("new/out.dat", format="npz").values, post(raw, wave=wave, seed=9, emotion="anger:0.5").values)


def test_post_of_a_clip_in_other_names_takes_a_profile_for_them(drop: Path) -> None:
    bake("raw.npz", "--profile", "raw")
    raw = read_clip("raw.npz")
    export(raw.rename({"jawOpen": "Jaw"}), drop / "rig.npz")
    (drop.parent / "a2f.toml").write_text("[profile.mine]\nstages = [{ stage = 'scale', factors = { Jaw = 0.5 } }]")
    assert call("post", "rig.npz", "out.npz", "--profile", "mine").exit_code == 0
    assert np.array_equal(read_clip("out.npz")["Jaw"], raw["jawOpen"] * np.float32(0.5))
    refused = call("post", "raw.npz", "out.npz", "--profile", "mine")
    assert refused.exit_code == 2
    assert "[channel-unknown]" in refused.stderr


def test_post_says_that_a_profile_needs_the_sound(drop: Path) -> None:
    bake("raw.npz", "--profile", "raw")
    refused = call("post", "raw.npz", "out.npz")
    assert refused.exit_code == 2
    assert "--sound" in refused.stderr
    assert "'default'" in refused.stderr
    assert "[wave-missing]" in refused.stderr
    assert not (drop / "out.npz").exists()
    assert call("post", "raw.npz", "out.npz", "--profile", "flat").exit_code == 0


def test_post_warns_of_a_clip_that_is_not_raw_of_another_lines_sound_and_of_an_emotion_that_nobody_shows(drop: Path) -> None:
    bake("done.npz")
    sound(drop / "other.wav", 2.0)
    warned = call("post", "done.npz", "out.npz", "--profile", "flat", "--sound", "other.wav", "--emotion", "joy")
    assert warned.exit_code == 0
    for code in ("clip-not-raw", "sound-length", "emotion-not-honoured"):
        assert f"[{code}]" in warned.stderr
    bake("raw.npz", "--profile", "raw")
    assert call("post", "raw.npz", "out.npz", "--sound", "line.wav", "--emotion", "joy").stderr == ""


@pytest.mark.parametrize(("arguments", "code", "exit_code"), [
    (["none.npz", "out.npz"], "clip-unreadable", 1), (["raw.npz", "out.npz", "--sound", "none.wav"], "audio-missing", 1),
    (["raw.npz", "out.xyz"], "format-unknown", 2), (["raw.xyz", "out.npz"], "format-unknown", 2),
    (["raw.npz", "out.npz", "--profile", "none"], "profile-unknown", 2),
    (["raw.npz", "out.npz", "--emotion", "joyful"], "emotion-unknown", 2),
    (["raw.npz", "out.npz", "--channel", "third"], "channel", 2),
])
def test_a_post_that_fails_keeps_what_was_there(drop: Path, arguments: list[str], code: str, exit_code: int) -> None:
    bake("raw.npz", "--profile", "raw")
    (drop / "out.npz").write_bytes(b"mine")
    failed = call("post", *arguments)
    assert failed.exit_code == exit_code
    assert f"[{code}]" in failed.stderr
    assert (drop / "out.npz").read_bytes() == b"mine"


def test_an_emotion_over_time_reaches_the_face_of_a_batch_and_is_no_warning(drop: Path) -> None:
    felt = "0.0 neutral; 0.3 neutral; 0.6 joy:0.8"
    manifest(drop / "m.csv", [{"seed": 1}, {"seed": 1, "emotion": felt}, {"seed": 1, "emotion": "joy:0.5"},
                              {"seed": 1, "emotion": felt, "profile": "raw"}, {"seed": 1, "emotion": "joy", "profile": "flat"}],
             (*COLUMNS, "emotion", "profile", "seed"))
    assert render().exit_code == 0
    entries = summary(drop / "out")["lines"]
    assert [entry["emotion"] for entry in entries] == ["neutral", "0 neutral; 0.3 neutral; 0.6 joy:0.8", "joy:0.5",
                                                       "0 neutral; 0.3 neutral; 0.6 joy:0.8", "joy"]
    assert [entry["warnings"] for entry in entries] == [[], [], [], ["emotion-not-honoured"], ["emotion-not-honoured"]]
    neutral, changing, constant = (read_clip(drop / "out" / entry["outputs"]["npz"]) for entry in entries[:3])
    before = neutral.times() <= 0.3
    names = [name for name in neutral.names if name in changing]
    assert np.array_equal(changing.select(names).values[before], neutral.select(names).values[before])
    assert (changing["cheekSquintLeft"] > neutral["cheekSquintLeft"])[~before].all()
    assert (constant["cheekSquintLeft"] > neutral["cheekSquintLeft"]).all()
    wave, loaded = load_audio("line.wav"), load_engine("tiny.json")
    (raw,) = loaded.infer([wave], emotion="neutral", seed=1)
    assert np.array_equal(post(raw, wave=wave, seed=1, emotion=felt).values, changing.values)


def test_an_engine_that_makes_the_emotion_is_not_helped_by_the_stage(drop: Path) -> None:
    text = (drop / "tiny.json").read_text()
    (drop / "tiny.json").write_text(text[:-1] + ', "emotions": {"neutral": 10, "joy": 3}}')
    wave, loaded = load_audio("line.wav"), load_engine("tiny.json")
    (raw,) = loaded.infer([wave], emotion="joy", seed=1)
    bake("joy.npz", "--emotion", "joy:0.7", "--seed", "1")
    assert np.array_equal(read_clip("joy.npz").select(raw.names).values, post(raw, wave=wave, seed=1).select(raw.names).values)
    changing = bake("changing.npz", "--emotion", "0.0 neutral; 0.5 joy", "--seed", "1")
    assert "not-honoured" not in changing.stderr
    (neutral,) = loaded.infer([wave], seed=1)
    assert np.array_equal(read_clip("changing.npz").values, post(neutral, wave=wave, seed=1, emotion="0.0 neutral; 0.5 joy").values)


def test_help_of_every_new_command_answers(drop: Path) -> None:
    assert {"post", "profile"} <= set(call("--help").output.split())
    for command in (["post"], ["profile"], ["profile", "list"], ["profile", "show"]):
        assert call(*command, "--help").exit_code == 0
    assert "emotion" in STAGES


def test_a_character_has_an_engine_of_its_own(drop: Path) -> None:
    (drop.parent / "a2f.toml").write_text(PROJECT + '[character.eve]\nengine = "embedded"\n')
    manifest(drop / "m.csv", [{}, {"character": "Eve"}, {"character": "bob"}])
    for workers in ("0", "2"):
        done = a2f_batch("render", "--no-report", "--log-every", "1000", drop / "m.csv", "--engine", drop / "tiny.json", "--formats",
                         "npz", "--workers", workers,
                         "--project", drop.parent / "a2f.toml", "--out", drop / workers)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert tree(drop / "0") == tree(drop / "2")
    entries = summary(drop / "0")["lines"]
    assert [entry.get("engine", {}).get("weights") for entry in entries] == [None, "embedded", None]
    clips = [read_clip(drop / "0" / entry["outputs"]["npz"]) for entry in entries]
    assert [clip.meta["weights"] for clip in clips] == ["tiny", "embedded_v2", "tiny"]
    alone = bake("alone.npz", "--seed", str(entries[1]["seed"]), "--engine", "embedded")
    assert alone.exit_code == 0
    assert np.array_equal(read_clip(drop / "alone.npz").values, clips[1].values)


def test_a_characters_rig_map_is_found_beside_the_project_file_and_must_be_there(drop: Path) -> None:
    (drop.parent / "a2f.toml").write_text('[character.eve]\nrig_map = "eve.toml"\n')
    manifest(drop / "m.csv", [{"character": "eve"}])
    refused = render()
    assert refused.exit_code == 2
    assert "a2f.toml line 2: there is no file" in refused.stderr
    (drop.parent / "eve.toml").write_text('jawOpen = "Mouth_Open"\n')
    assert load_project().rig_map_for("EVE") == drop.parent / "eve.toml"
    assert render().exit_code == 0
