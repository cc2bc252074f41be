"""Sounds that the add-on bakes: rates, formats, and strips of the sequencer as they are heard."""

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from blender_host import assert_baked, bake, keys, library


@pytest.mark.parametrize(("fps", "base", "rate"), [(24, 1.0, "24"), (30, 1.001, "30000/1001"), (60, 1.0, "60"), (25, 2.0, "12.5")])
def test_every_frame_of_the_scene_gets_a_key_at_the_scenes_own_rate(blender, line, fps, base, rate):
    blender.python(f"bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = {fps}, {base}")
    bake(blender, audio=line)
    count = round(Fraction(rate))
    assert_baked(keys(blender), library(line, rate), 1 + np.arange(count))


def test_keys_at_another_rate_than_the_scenes_lie_at_their_own_times(blender, line):
    bake(blender, audio=line, use_scene_fps=False, fps="30", start_frame=1)
    assert_baked(keys(blender), library(line, "30"), 1 + np.arange(30) * 24 / 30)


@pytest.mark.parametrize(("kind", "rate", "subtype"), [("mp3", 44100, None), ("flac", 48000, "PCM_24"), ("ogg", 22050, None)])
def test_stereo_and_other_rates_and_formats_are_baked(blender, line, tmp_path, kind, rate, subtype):
    seconds = np.arange(rate) / rate
    voice = 0.3 * np.sin(2 * np.pi * 140 * seconds) * (np.sin(2 * np.pi * 3 * seconds) > 0)
    path = tmp_path / f"two words.{kind}"
    soundfile.write(path, np.column_stack([voice, 0.5 * voice]), rate, subtype=subtype)
    assert bake(blender, audio=path) == ["FINISHED"]
    assert_baked(keys(blender), library(path), 1 + np.arange(len(library(path)["Teeth"]["jawOpen"])))


STRIP = """
scene = bpy.context.scene
editor = scene.sequence_editor or scene.sequence_editor_create()
strips = editor.strips if hasattr(editor, "strips") else editor.sequences
strip = strips.new_sound("Take 3", {path!r}, 2, {frame})
"""


def test_a_strip_of_the_sequencer_is_baked_where_it_is_heard(sequencer, line):
    sequencer.python(STRIP.format(path=str(line), frame=40) + "strip.frame_offset_start, strip.frame_offset_end = 6, 4")
    assert bake(sequencer, source="STRIP", strip="Take 3") == ["FINISHED"]
    wanted = {mesh: {target: values[6:20] for target, values in targets.items()} for mesh, targets in library(line).items()}
    assert_baked(keys(sequencer), wanted, 40 + np.arange(6, 20))


def test_a_strip_whose_head_is_cut_off_for_good_stays_with_its_sound(sequencer, line):
    sequencer.python(STRIP.format(path=str(line), frame=40) + "strip.animation_offset_start = 5")
    assert bake(sequencer, source="STRIP", strip="Take 3") == ["FINISHED"]
    (start, length), = [(one[2], 24 - 5) for one in sequencer.timeline()]
    wanted = {mesh: {target: values[5:] for target, values in targets.items()} for mesh, targets in library(line).items()}
    assert_baked(keys(sequencer), wanted, start + np.arange(length))


def test_a_packed_sound_is_baked_though_its_file_is_gone(sequencer, line, tmp_path):
    path = tmp_path / "packed.wav"
    path.write_bytes(line.read_bytes())
    sequencer.python(STRIP.format(path=str(path), frame=1) + "strip.sound.pack()")
    path.unlink()
    temporary = set(Path(tempfile.gettempdir()).glob("*.wav"))
    assert bake(sequencer, source="STRIP", strip="Take 3") == ["FINISHED"]
    assert_baked(keys(sequencer), library(line), 1 + np.arange(24))
    assert {one["action"].split(" ")[0] for one in sequencer.curves().values()} == {"packed"}
    assert set(Path(tempfile.gettempdir()).glob("*.wav")) <= temporary  # its copy is gone too


def test_a_strip_at_another_speed_is_refused(with_speed, line):
    with_speed.python(STRIP.format(path=str(line), frame=1) + "strip.speed_factor = 2.0")
    assert "plays at another speed" in bake(with_speed, source="STRIP", strip="Take 3")
