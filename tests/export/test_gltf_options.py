"""Options of glTF: 16-bit weights, rotations of head and eyes, the line's sound. Validator, three.js and Blender read it; 10 s."""

import json
import struct

import numpy as np
import pytest
import soundfile
from export_fixtures import fresh_seed, random_clip, run_node, run_reader, small_mesh

from a2f_batch import ExportError, FaceClip
from a2f_batch.export import gltf
from a2f_batch.export.rotations import eye_centre, quaternions
from a2f_batch.names import ARKIT_52, ROTATIONS
from a2f_batch.rig import default_head

MESH = small_mesh()
# 1e-4 as for every format, and half a step of 1/65535 (8e-6), rounded up to what the issue allows.
TOLERANCE = 1e-4 + 2e-5
STEP = 0.5 / 65535 + 6e-8  # half a step, and float32's own


def in_range(clip):
    return clip.with_values(clip.values.clip(0, 1))


def document_and_buffer(path):
    content = path.read_bytes()
    (size,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[20:20 + size]), content[28 + size:]


def outputs(document):
    (animation,) = document["animations"]
    return {document["nodes"][channel["target"]["node"]]["name"]: document["accessors"][animation["samplers"][channel["sampler"]]["output"]]
            for channel in animation["channels"]}


@pytest.fixture(scope="module")
def compact(tmp_path_factory):
    folder, seed = tmp_path_factory.mktemp("compact"), fresh_seed()
    pairs = []
    for i, (fps, n_frames) in enumerate(((24, 90), (30, 1), (60, 2), ("30000/1001", 31))):
        clip, path = in_range(random_clip(n_frames, fps, seed=seed + i)), folder / f"line {i}.{'gltf' if i == 2 else 'glb'}"
        gltf.write(clip, path, mesh=MESH, compact=True, binary=i != 2)
        pairs.append((clip, path))
    return pairs


def test_16_bit_weights_pass_the_validator_and_three_shows_them(compact):
    for report in run_node("validate.mjs", *(path for _, path in compact)):
        assert report["issues"]["numErrors"] == report["issues"]["numWarnings"] == 0, report["issues"]["messages"]
    for (clip, _), shown in zip(compact, run_node("three_weights.mjs", *(path for _, path in compact)), strict=True):
        for part in MESH.parts[:2]:
            np.testing.assert_allclose(shown["meshes"][part.name]["weights"], clip.select(part.morphs).values, rtol=0, atol=TOLERANCE)


def test_blender_keys_16_bit_weights(compact, tmp_path):
    pairs, out = [compact[0], compact[1]], tmp_path / "blender.json"
    run_reader("blender_weights.py", out, *(f"{round(clip.fps)}={path}" for clip, path in pairs))
    for (clip, _), meshes in zip(pairs, json.loads(out.read_text()), strict=True):
        for part in MESH.parts[:2]:
            for name, keys in meshes[part.name].items():
                np.testing.assert_allclose(np.transpose(keys)[1], clip[name], rtol=0, atol=TOLERANCE)


def test_16_bit_weights_come_back_within_half_a_step(compact):
    for clip, path in compact:
        again = gltf.read(path)
        assert (again.fps, again.n_frames) == (clip.fps, clip.n_frames)
        np.testing.assert_allclose(again.select(clip.names).values, clip.values, rtol=0, atol=STEP)


def test_a_part_whose_weights_leave_0_to_1_keeps_its_floats_and_the_others_are_small(tmp_path):
    clip = in_range(random_clip(20))
    beyond = clip.values.copy()
    beyond[3, 0] = 1.25  # a target that the face has and the teeth have not
    clip = clip.with_values(beyond)
    gltf.write(clip, tmp_path / "x.glb", mesh=MESH, compact=True)
    kinds = {name: accessor["componentType"] for name, accessor in outputs(document_and_buffer(tmp_path / "x.glb")[0]).items()}
    assert kinds == {"face": 5126, "teeth": 5123}
    again = gltf.read(tmp_path / "x.glb")
    np.testing.assert_array_equal(again.select(MESH.parts[0].morphs).values, clip.select(MESH.parts[0].morphs).values)
    gltf.write(clip, tmp_path / "cubic.glb", mesh=MESH, compact=True, interpolation="cubic")  # tangents are beyond 0..1
    assert {accessor["componentType"] for accessor in outputs(document_and_buffer(tmp_path / "cubic.glb")[0]).values()} == {5126}


def test_16_bit_weights_save_half_of_the_curves(tmp_path):
    clip, sizes = in_range(random_clip(3600)), []
    for option in (False, True):
        gltf.write(clip, tmp_path / "x.glb", mesh=MESH, compact=option)
        sizes.append((tmp_path / "x.glb").stat().st_size)
    curves = 3600 * sum(len(part.morphs) for part in MESH.parts)
    assert abs(sizes[0] - sizes[1] - 2 * curves) < 2000  # two bytes a weight, but for the JSON


def rotation_matrices(clip, joint):
    """Roll, then pitch, then yaw, written as matrices: not as the exporter computes them."""
    values = clip.select([f"{joint}{angle}" for angle in ("Yaw", "Pitch", "Roll")]).values.astype(float)
    made = []
    for yaw, pitch, roll in values:
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        made.append(about_y @ about_x @ about_z)
    return np.array(made)


def test_quaternions_turn_as_the_angles_say_and_take_the_short_way():
    clip = random_clip(200, names=ROTATIONS).with_values(np.cumsum(np.random.default_rng(fresh_seed()).normal(0, 0.5, (200, 9)), axis=0))
    for joint in ("Head", "LeftEye", "RightEye"):
        x, y, z, w = quaternions(clip, joint).astype(float).T
        turned = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                           [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                           [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]).transpose(2, 0, 1)
        np.testing.assert_allclose(turned, rotation_matrices(clip, joint), atol=1e-6)  # float32
        every = quaternions(clip, joint)
        assert ((every[1:] * every[:-1]).sum(axis=1) >= 0).all()


def test_three_turns_the_head_about_its_origin_and_the_eyes_about_their_centres(tmp_path):
    seed = fresh_seed()
    values = np.random.default_rng(seed).uniform(-0.4, 0.4, (6, 10)).astype(np.float32)
    values[:, 9] = 0.5
    clip = FaceClip((*ROTATIONS, "eyeLookUpLeft"), values, 30)
    path, head = tmp_path / "x.glb", default_head()
    gltf.write(clip, path, rotations=True)
    (report,) = run_node("validate.mjs", path)
    assert report["issues"]["numErrors"] == report["issues"]["numWarnings"] == 0, report["issues"]["messages"]
    (frames,) = run_node("vertices_three.mjs", f"{path}={','.join(map(str, clip.times()))}")
    of_head, of_eye = rotation_matrices(clip, "Head"), rotation_matrices(clip, "LeftEye")
    centre = np.array(eye_centre(head, "LeftEye"))
    parts = {part.name: part for part in head.parts}
    for frame, seen in enumerate(frames):
        for name in ("hair", "upper_teeth"):
            np.testing.assert_allclose(seen[name][5], of_head[frame] @ parts[name].vertices[5], atol=2e-6)
        for name in ("left_eye", "left_iris"):
            # No eyeLookUpLeft on top: the eyeball would look up twice.
            turned = of_eye[frame] @ (parts[name].vertices[5] - centre) + centre
            np.testing.assert_allclose(seen[name][5], of_head[frame] @ turned, atol=2e-6)  # metres: float32 of 0.1 m, a few roundings


def test_without_the_option_or_the_channels_nothing_turns(tmp_path):
    for options, names in (({}, (*ARKIT_52, *ROTATIONS)), ({"rotations": True}, ARKIT_52)):
        gltf.write(random_clip(3, names=names), tmp_path / "x.glb", **options)
        document, _ = document_and_buffer(tmp_path / "x.glb")
        assert {channel["target"]["path"] for channel in document["animations"][0]["channels"]} == {"weights"}
    gltf.write(random_clip(9, names=(*ARKIT_52, "HeadYaw")), tmp_path / "x.glb", rotations=True)
    document, _ = document_and_buffer(tmp_path / "x.glb")
    turned = [channel["target"]["node"] for channel in document["animations"][0]["channels"] if channel["target"]["path"] == "rotation"]
    assert turned == [0]
    assert gltf.read(tmp_path / "x.glb").n_frames == 9


def test_the_eyes_centre_is_the_ball_that_the_white_lies_on():
    head = default_head()
    left, right = (np.array(eye_centre(head, joint)) for joint in ("LeftEye", "RightEye"))
    np.testing.assert_allclose(left, right * (-1, 1, 1), atol=1e-6)
    (white,) = [part for part in head.parts if part.name == "left_eye"]
    reach = np.linalg.norm(white.vertices - left, axis=1)
    assert np.ptp(reach) < 1e-5 and 0.01 < reach.mean() < 0.02
    assert eye_centre(MESH, "LeftEye") is None


def test_an_embedded_sound_is_in_the_file_to_the_byte(tmp_path):
    audio, path = tmp_path / "line_07.flac", tmp_path / "x.glb"
    soundfile.write(audio, np.random.default_rng(0).normal(0, 0.1, 8001), 16000)
    gltf.write(random_clip(15), path, mesh=MESH, audio=audio, audio_mode="embed")
    document, buffer = document_and_buffer(path)
    told = document["animations"][0]["extras"]["audio"]
    view = document["bufferViews"][told.pop("bufferView")]
    assert told == {"name": "line_07.flac", "mimeType": "audio/flac", "offset": 0}
    assert buffer[view["byteOffset"]:view["byteOffset"] + view["byteLength"]] == audio.read_bytes()
    (report,) = run_node("validate.mjs", path)
    assert report["issues"]["numErrors"] == report["issues"]["numWarnings"] == 0, report["issues"]["messages"]
    np.testing.assert_array_equal(gltf.read(path).select(ARKIT_52).n_frames, 15)
    assert run_node("three_weights.mjs", path)[0]["tracks"] == 2


def test_a_sound_without_a_mode_or_a_mode_without_a_sound_changes_nothing(tmp_path):
    clip, files = random_clip(5), []
    for options in ({}, {"audio": tmp_path / "none.wav"}, {"audio_mode": "embed"}):
        gltf.write(clip, tmp_path / "x.glb", mesh=MESH, **options)
        files.append((tmp_path / "x.glb").read_bytes())
    assert files[0] == files[1] == files[2]


def test_a_sound_that_is_not_there_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(ExportError) as caught:
        gltf.write(random_clip(5), tmp_path / "x.glb", mesh=MESH, audio=tmp_path / "none.wav", audio_mode="embed")
    assert caught.value.code == "audio-unreadable"
    assert not list(tmp_path.iterdir())
