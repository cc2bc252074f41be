"""Options of the formats: which one takes what, and what is refused before the first line."""

import base64
import json
import pickle
import subprocess
import sys
from inspect import signature

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from export_fixtures import random_clip

from a2f_batch import ExportError, FaceClip, load_engine, read_clip
from a2f_batch.cli import main
from a2f_batch.export import FORMATS, format_named
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ARKIT_52
from tests.batch.batch_fixtures import engine, manifest, sound, summary


def test_a_format_takes_exactly_the_keywords_of_its_writer():
    for fmt in FORMATS.values():
        keywords = signature(fmt.load().write).parameters
        assert set(fmt.options) <= set(keywords), fmt.name
        assert not set(fmt.options) & set(fmt.defaults), fmt.name
    assert {"drop_constant", "fbx_version", "fbx_writer", "mesh"} <= set(format_named("fbx").options)
    assert {"compact", "rotations", "audio", "audio_mode", "mesh"} <= set(format_named("glb").options)
    assert "timecode_start" in format_named("csv").options


def test_every_format_is_handed_only_what_it_takes_and_what_was_asked_for(tmp_path):
    asked = ExportOptions(tolerance=0.01, fbx_version=7500, rotations=True, audio_mode="link")
    sound_file = tmp_path / "a.wav"
    assert asked.for_format(format_named("fbx"), sound_file) == {"tolerance": 0.01, "fbx_version": 7500}
    assert asked.for_format(format_named("glb"), sound_file) == {
        "tolerance": 0.01, "rotations": True, "audio_mode": "link", "audio": sound_file, "compact": True}
    assert asked.for_format(format_named("npz"), sound_file) == {}
    assert ExportOptions(compact=False).for_format(format_named("glb")) == {"compact": False}


def test_the_proxy_saves_room_unless_told_not_to():
    fbx = format_named("fbx")
    for saving in ("drop_constant", "compact"):
        assert ExportOptions(mesh="proxy").for_format(fbx)[saving] is True
        assert ExportOptions(mesh="proxy", **{saving: False}).for_format(fbx)[saving] is False
    assert ExportOptions().for_format(fbx) == {}


def test_options_reach_workers_whole():
    asked = ExportOptions(mesh="proxy", tolerance=0.5, attribute_map={"jawOpen": "weight[3]"})
    assert pickle.loads(pickle.dumps(asked)) == asked
    assert json.loads(json.dumps(asked.as_json())) == {"mesh": "proxy", "tolerance": 0.5, "attribute_map": {"jawOpen": "weight[3]"}}


@pytest.mark.parametrize("values", [
    {"mesh": "small"}, {"fbx_version": 7300}, {"audio_mode": "yes"}, {"fbx_writer": "autodesk"}, {"interpolation": "step"},
    {"tolerance": -0.1}, {"tolerance": float("nan")}, {"character": "x.glb", "mesh": "proxy"}, {"rig_map": "map.json"}])
def test_a_value_that_means_nothing_is_refused_with_the_choice(values):
    with pytest.raises(ExportError) as caught:
        ExportOptions(**values)
    assert caught.value.code == "option-value"
    assert caught.value.remedy


@pytest.mark.parametrize(("values", "formats", "code"), [
    ({"fbx_version": 7500}, "glb,csv", "option-unused"), ({"rotations": True}, "fbx", "option-unused"),
    ({"timecode_start": "01:00:00:00"}, "npz", "option-unused"), ({"mesh": "none"}, "glb,fbx", "mesh-none"),
    ({"mesh": "proxy"}, "csv", "option-unused"), ({"character": "x.glb"}, "glb,usd", "character-format"),
    ({"fbx_writer": "sdk"}, "fbx", "fbx-sdk-missing")])
def test_what_no_line_could_honour_is_refused_before_the_first(values, formats, code):
    asked = ExportOptions(**values)
    with pytest.raises(ExportError) as caught:
        asked.check([format_named(name) for name in formats.split(",")])
    assert caught.value.code == code


def test_without_a_mesh_the_error_names_the_formats_that_need_none(tmp_path):
    for name in ("glb", "gltf"):
        with pytest.raises(ExportError) as caught:
            format_named(name).load().write(random_clip(2), tmp_path / "x.glb", mesh="none")
        assert caught.value.code == "mesh-none"
        for able in ("fbx", "csv", "anim", "npz"):
            assert able in caught.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.fixture
def drop(tmp_path):
    folder = tmp_path / "drop"
    sound(folder / "line.wav")
    engine(folder)
    manifest(folder / "m.csv", [{}, {}])
    return folder


def call(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_batch_takes_the_options_and_tells_of_them(drop):
    result = call("render", "--no-report", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--workers", "0",
                  "--formats", "glb,fbx,npz", "--mesh", "proxy", "--audio", "embed", "--fbx-version", "7500", "--tolerance", "0.01")
    assert result.exit_code == 0, result.output
    told = summary(drop / "out")
    assert told["parameters"]["export"] == {"mesh": "proxy", "audio_mode": "embed", "fbx_version": 7500, "tolerance": 0.01}
    glb, fbx = (drop / "out/de/ada" / f"line0.{suffix}" for suffix in ("glb", "fbx"))
    assert (drop / "line.wav").read_bytes() in glb.read_bytes()
    assert fbx.read_bytes()[23:27] == (7500).to_bytes(4, "little")
    for entry in told["lines"]:
        assert 0 < entry["keys"]["fbx"]["after"] < entry["keys"]["fbx"]["before"]
    baked = read_clip(drop / "out/de/ada/line0.npz")
    again = read_clip(fbx)
    moving = [name for name in again.names if name in baked]
    # What was asked for, and percent in float32.
    np.testing.assert_allclose(again.select(moving).values, baked.select(moving).values, atol=0.01 + 1e-6)


def test_bake_with_the_same_options_gives_the_batchs_bytes(drop):
    options = ["--engine", drop / "tiny.json", "--mesh", "proxy", "--drop-constant"]
    assert call("render", "--no-report", drop / "m.csv", "--out", drop / "out", "--workers", "0", "--formats", "fbx",
                *options).exit_code == 0
    seed = summary(drop / "out")["lines"][0]["seed"]
    assert call("bake", drop / "line.wav", drop / "line0.fbx", "--seed", seed, *options).exit_code == 0
    assert (drop / "line0.fbx").read_bytes() == (drop / "out/de/ada/line0.fbx").read_bytes()


@pytest.mark.parametrize(("arguments", "code"), [
    (["--mesh", "none"], "mesh-none"), (["--mesh", "tiny"], "option-value"), (["--audio", "loud"], "option-value"),
    (["--fbx-writer", "sdk"], "fbx-sdk-missing"), (["--timecode-start", "01:00:00:00", "--formats", "glb"], "option-unused"),
    (["--rig-map", "m.json"], "option-value")])
def test_a_wrong_option_exits_with_2_and_writes_nothing(drop, arguments, code):
    result = call("render", "--no-report", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--workers", "0",
                  *arguments)
    assert result.exit_code == 2, result.output
    assert f"[{code}]" in result.stderr
    assert not [path for path in (drop / "out").rglob("*") if path.is_file()]


def character_file(path):
    """A triangle with three ARKit targets under other spellings, as JSON with no tool's help."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    content = points.tobytes() * 4
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, "name": "Guard"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "targets": [{"POSITION": i} for i in (1, 2, 3)]}],
                    "extras": {"targetNames": ["JawOpen", "eye_blink_left", "Wings"]}}],
        "accessors": [{"bufferView": i, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 0]}
                      for i in range(4)],
        "bufferViews": [{"buffer": 0, "byteOffset": 36 * i, "byteLength": 36} for i in range(4)],
        "buffers": [{"byteLength": len(content), "uri": "data:application/octet-stream;base64," + base64.b64encode(content).decode()}]}
    path.write_text(json.dumps(document))
    return path


def test_a_run_on_a_character_prints_the_match_and_keeps_it_in_the_summary(drop):
    guard = character_file(drop / "guard.gltf")
    result = call("render", "--no-report", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--workers", "0",
                  "--formats", "glb,npz", "--character", guard)
    assert result.exit_code == 0, result.output
    assert "JawOpen" in result.stderr and "Wings" in result.stderr
    told = summary(drop / "out")
    assert set(told["match"]["pairs"]) == {"jawOpen", "eyeBlinkLeft"}
    assert told["match"]["unmatched_targets"] == ["Wings"]
    # The engine's own 51, which have no tongue.
    left = [name for name in load_engine(drop / "tiny.json").names if name not in ("jawOpen", "eyeBlinkLeft")]
    assert told["match"]["unmatched_channels"] == left and len(left) == 49 and "tongueOut" not in left
    content = (drop / "out/de/ada/line0.glb").read_bytes()
    assert b"Guard" in content and b"targetNames" in content
    assert told["parameters"]["export"] == {"character": str(guard)}


def test_a_line_on_a_character_counts_its_keys_and_has_its_sound_and_may_be_a_gltf(drop):
    guard = character_file(drop / "guard.gltf")
    result = call("render", "--no-report", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--workers", "0",
                  "--formats", "glb,gltf", "--character", guard, "--tolerance", "1.5", "--audio", "embed")
    assert result.exit_code == 0, result.output
    for entry in summary(drop / "out")["lines"]:
        # Two driven targets, the first and the last frame.
        assert entry["keys"] == {name: {"before": 2 * entry["frames"], "after": 4} for name in ("glb", "gltf")}
    sound_bytes = (drop / "line.wav").read_bytes()
    assert sound_bytes in (drop / "out/de/ada/line0.glb").read_bytes()
    document = json.loads((drop / "out/de/ada/line0.gltf").read_text(encoding="utf-8"))
    view = document["bufferViews"][document["animations"][0]["extras"]["audio"]["bufferView"]]
    content = base64.b64decode(document["buffers"][0]["uri"].partition(",")[2])
    assert content[view["byteOffset"]:view["byteOffset"] + view["byteLength"]] == sound_bytes
    np.testing.assert_array_equal(*(read_clip(drop / f"out/de/ada/line0.{end}").values for end in ("glb", "gltf")))


def test_an_attribute_map_names_mayas_attributes(drop):
    (drop / "map.toml").write_text('jawOpen = "weight[3]"\neyeBlinkLeft = "lids:blendShape2.left"\n', encoding="utf-8")
    assert call("bake", drop / "line.wav", drop / "x.anim", "--engine", drop / "tiny.json", "--attribute-map",
                drop / "map.toml").exit_code == 0
    text = (drop / "x.anim").read_text()
    assert "anim blendShape1.weight[3] weight[3] blendShape1 0 0" in text and "anim lids:blendShape2.left left lids:blendShape2" in text
    assert "jawOpen" not in text and "blendShape1.jawLeft" in text


@pytest.mark.parametrize(("text", "code"), [
    ('jawOpen = 3', "map-unreadable"), ('jawOpen = ""', "map-unreadable"), ("= 3", "map-unreadable"), ('jawOpeen = "x"', "map-channel"),
    ('jawOpen = "no good"', "channel-name")])
def test_a_wrong_attribute_map_is_told_before_anything_is_written(text, code, drop):
    (drop / "map.toml").write_text(text, encoding="utf-8")
    result = call("bake", drop / "line.wav", drop / "x.anim", "--engine", drop / "tiny.json", "--attribute-map", drop / "map.toml")
    assert result.exit_code in (1, 2) and f"[{code}]" in result.stderr
    assert not (drop / "x.anim").exists()


def test_perfect_sync_writes_the_channels_themselves(drop):
    for options, kind in (([], "preset"), (["--perfect-sync"], "custom")):
        assert call("bake", drop / "line.wav", drop / "x.vrma", "--engine", drop / "tiny.json", *options).exit_code == 0
        content = (drop / "x.vrma").read_bytes()
        document = json.loads(content[20:20 + int.from_bytes(content[12:16], "little")])
        assert list(document["extensions"]["VRMC_vrm_animation"]["expressions"]) == [kind]
    assert "jawOpen" in document["extensions"]["VRMC_vrm_animation"]["expressions"]["custom"]


def test_convert_keeps_within_millimetres_and_says_how_many_keys_are_left(drop):
    assert call("bake", drop / "line.wav", drop / "x.npz", "--engine", drop / "tiny.json").exit_code == 0
    result = call("convert", drop / "x.npz", drop / "x.fbx", "--tolerance", "0.5mm")
    assert result.exit_code == 0 and " keys." in result.output
    assert call("convert", drop / "x.npz", drop / "x.fbx", "--tolerance", "0.5cm").exit_code == 2


def test_a_character_that_nothing_fits_stops_the_run(drop):
    guard = character_file(drop / "guard.gltf")
    guard.write_text(guard.read_text().replace("JawOpen", "Tail").replace("eye_blink_left", "Fin"))
    result = call("render", "--no-report", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--workers", "0",
                  "--formats", "glb", "--character", guard)
    assert result.exit_code == 2
    assert "[nothing-matched]" in result.stderr


def test_options_ask_for_no_heavy_library():
    code = ("import sys, a2f_batch.cli.export_options\n"
            "print([name for name in ('dask', 'pygltflib', 'onnxruntime', 'pxr') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_an_empty_clip_is_refused_by_all(tmp_path):
    clip = FaceClip(ARKIT_52, np.zeros((0, 52)), 30)
    for fmt in FORMATS.values():
        with pytest.raises(ExportError) as caught:
            ExportOptions().export(clip, tmp_path / "x", fmt)
        assert caught.value.code == "too-short"


def test_a_linked_sound_is_found_from_the_files_folder(tmp_path):
    audio = tmp_path / "drop" / "große Pause.wav"
    audio.parent.mkdir()
    soundfile.write(audio, np.zeros(1600, np.float32), 16000)
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "line.gltf"
    ExportOptions(audio_mode="link").export(random_clip(3), path, format_named("gltf"), audio)
    told = json.loads(path.read_text(encoding="utf-8"))["animations"][0]["extras"]["audio"]
    assert told == {"name": "große Pause.wav", "mimeType": "audio/wav", "offset": 0, "uri": "../drop/gro%C3%9Fe%20Pause.wav"}
