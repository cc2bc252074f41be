"""FBX on a glTF character that Blender made: its meshes where they stand, its targets under their names, the matched ones animated. 9 s."""

import json
import struct

import numpy as np
import pytest
from export_fixtures import fresh_seed, random_clip, seen_by
from guard import DRIVEN, expected, make_guard

from a2f_batch import ExportError, FaceClip
from a2f_batch.export import fbx, fbx_character, format_named
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ARKIT_52


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    return make_guard(tmp_path_factory.mktemp("guard"))


def edited(guard, path, change):
    """A copy of a .glb whose document went through `change`."""
    content = guard.read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    document = json.loads(content[20:20 + length])
    change(document)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    rest = content[20 + length:]
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest)) + struct.pack("<I4s", len(text), b"JSON") + text + rest)
    return path


def bent(document):
    """A turned bone, lashes on a node of their own scale, a face of two materials, a name that is there twice, a target of no movement;
    a fan without normals, a strip."""
    del document["animations"]
    nodes = {node["name"]: node for node in document["nodes"]}
    nodes["Bone"].update(rotation=[0, 0, 0.6, 0.8], translation=[0.1, 0.2, 0.3])
    del nodes["lashes"]["skin"]
    nodes["lashes"].update(translation=[0.3, 0, -0.2], rotation=[0.6, 0, 0, 0.8], scale=[2, 1, 0.5])
    meshes = {mesh["name"]: mesh for mesh in document["meshes"]}
    (face,) = meshes["head"]["primitives"]
    indices = document["accessors"][face["indices"]]
    half = indices["count"] // 6 * 3
    size = {5121: 1, 5123: 2, 5125: 4}[indices["componentType"]]
    document["accessors"] += [{**indices, "count": half},
                              {**indices, "count": indices["count"] - half, "byteOffset": indices.get("byteOffset", 0) + half * size}]
    enamel = next(i for i, material in enumerate(document["materials"]) if material["name"] == "enamel")
    meshes["head"]["primitives"] = [{**face, "indices": len(document["accessors"]) - 2},
                                    {**face, "indices": len(document["accessors"]) - 1, "material": enamel}]
    meshes["teeth"]["extras"]["targetNames"] = ["jawOpen", "jawOpen"]
    (fan,), (strip,) = meshes["teeth"]["primitives"], meshes["lashes"]["primitives"]
    for primitive, mode in ((fan, 6), (strip, 5)):
        del primitive["indices"]
        primitive["mode"] = mode
    for bare in (fan["attributes"], *fan["targets"]):
        del bare["NORMAL"]
    lashes = strip["targets"]
    lashes[1] = {"POSITION": len(document["accessors"])}
    document["accessors"].append({"componentType": 5126, "type": "VEC3", "min": [0, 0, 0], "max": [0, 0, 0],
                                  "count": document["accessors"][lashes[0]["POSITION"]]["count"]})


def test_ufbx_and_blender_show_the_clip_on_every_mesh_of_the_character(guard, tmp_path):
    clip, path = random_clip(20, 30, meta={"line": "guard 7"}), tmp_path / "guard.fbx"
    count = ExportOptions(character=guard).export(clip, path, format_named("fbx"))
    driven = sum(isinstance(source, str) for mesh in DRIVEN.values() for source in mesh.values())
    assert (count.before, count.after) == (20 * driven, 20 * driven)
    (scene,) = seen_by("fbx_ufbx.py", tmp_path, path)
    assert scene["take"] == "guard 7" and scene["warnings"] == []
    assert scene["meshes"].keys() == DRIVEN.keys()
    for name, mesh in scene["meshes"].items():
        assert list(mesh["channels"]) == list(DRIVEN[name])
        shown = np.column_stack([channel["weights"] for channel in mesh["channels"].values()])
        np.testing.assert_allclose(shown, expected(clip, name), atol=1e-4)  # the bound
    (scenes,) = seen_by("fbx_blender.py", tmp_path, path)
    for scene in scenes.values():
        assert scene["meshes"].keys() == DRIVEN.keys()
        for name, mesh in scene["meshes"].items():
            assert list(mesh["offsets"]) == list(DRIVEN[name])
            assert list(mesh["curves"]) == [target for target, source in DRIVEN[name].items() if isinstance(source, str)]
            for target, keys in mesh["curves"].items():
                np.testing.assert_allclose(np.array(keys)[:, 1], clip[DRIVEN[name][target]], atol=1e-4)


def middles(corners):
    return np.reshape(corners, (-1, 3, 3)).mean(axis=1)


def faces(corners):
    """Middle and direction of each triangle, whichever corner it begins with."""
    a, b, c = np.reshape(corners, (-1, 3, 3)).transpose(1, 0, 2)
    return np.concatenate([middles(corners), np.cross(b - a, c - a)], axis=1)


def test_blender_finds_meshes_where_the_character_has_them(guard, tmp_path):
    """Skin, node, materials and targets as Blender's own glTF importer shows them."""
    character, path = edited(guard, tmp_path / "bent.glb", bent), tmp_path / "bent.fbx"
    fbx_character.write(random_clip(3), path, character=character)
    theirs, ours = seen_by("placed_blender.py", tmp_path, character, path)
    assert ours.keys() == theirs.keys() == DRIVEN.keys()
    for name in theirs:
        there, here = theirs[name], ours[name]
        assert len(set(there["materials"])) == (2 if name == "head" else 1)
        assert here["materials"] == there["materials"]
        # Blender has float32 metres of about 1 on both sides.
        np.testing.assert_allclose(faces(here["corners"]), faces(there["corners"]), atol=2e-6)
        names = {"jawOpen": "jawOpen", "jawOpen.001": "jawOpen.001"} if name == "teeth" else {target: target for target in DRIVEN[name]}
        assert list(here["offsets"]) == list(names)
        for target, called in names.items():
            np.testing.assert_allclose(middles(here["offsets"][target]), middles(there["offsets"][called]), atol=2e-6, err_msg=target)
        moving = [target for target, offsets in here["offsets"].items() if np.any(offsets)]
        assert moving == [target for target in names if target != "right_eye_blink"]


def test_still_targets_get_no_curve_and_reduced_keys_stay_within_the_bound(guard, tmp_path):
    rng = np.random.default_rng(fresh_seed())
    clip = FaceClip(("jawOpen", "eyeBlinkLeft"), np.column_stack([np.cumsum(rng.normal(0, 0.02, 60)), np.zeros(60)]), 30)
    count = fbx_character.write(clip, tmp_path / "x.fbx", character=guard, drop_constant=True)
    assert (count.before, count.after) == (60 * 4, 60 * 2)  # the jaw on head and teeth, a lid on head and lashes
    assert fbx.read(tmp_path / "x.fbx").names == ("JawOpen", "jawOpen")
    for tolerance in (0.05, {"jawOpen": 0.05}):
        count = fbx_character.write(clip, tmp_path / "x.fbx", character=guard, tolerance=tolerance, fbx_version=7500)
        assert count.after < count.before
        again = fbx.read(tmp_path / "x.fbx")
        np.testing.assert_allclose(again["JawOpen"], clip["jawOpen"], atol=0.05 + 1e-6)  # and float32 percent
        assert not again["EyeBlink_L"].any()


def test_the_users_map_wins_and_its_gains_are_written(guard, tmp_path):
    clip = random_clip(5, names=("jawOpen",))
    fbx_character.write(clip, tmp_path / "x.fbx", character=guard, user_map={"jawOpen": {"Mouth Funnel": 0.5}})
    np.testing.assert_allclose(fbx.read(tmp_path / "x.fbx")["Mouth Funnel"], clip["jawOpen"] * 0.5, rtol=1e-6)


def test_the_same_clip_and_character_give_the_same_bytes(guard, tmp_path):
    clip, files = random_clip(5), []
    for _ in range(2):
        fbx_character.write(clip, tmp_path / "x.fbx", character=guard)
        files.append((tmp_path / "x.fbx").read_bytes())
    assert files[0] == files[1]


def no_triangles(document):
    for primitive in document["meshes"][0]["primitives"]:
        primitive["mode"] = 0


def indices_outside(document):
    document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]["count"] = 3


def packed(document):
    document["meshes"][0]["primitives"][0]["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {}}}


@pytest.mark.parametrize(("change", "code"), [(no_triangles, "character-format"), (indices_outside, "character-format"),
                                              (packed, "character-packed")])
def test_meshes_that_can_not_be_read_are_refused_and_nothing_is_written(guard, tmp_path, change, code):
    character = edited(guard, tmp_path / "broken.glb", change)
    with pytest.raises(ExportError) as caught:
        fbx_character.write(random_clip(3), tmp_path / "x.fbx", character=character)
    assert caught.value.code == code and str(character) in caught.value.problem
    assert not (tmp_path / "x.fbx").exists()


def test_a_character_that_fits_nothing_and_autodesks_module_are_refused(guard, tmp_path):
    with pytest.raises(ExportError) as caught:
        fbx_character.write(random_clip(3, names=("earWiggle",)), tmp_path / "x.fbx", character=guard)
    assert caught.value.code == "nothing-matched"
    with pytest.raises(ExportError) as caught:
        fbx_character.write(random_clip(3, names=ARKIT_52), tmp_path / "x.fbx", character=guard, fbx_writer="sdk")
    assert caught.value.code == "fbx-sdk-unsupported"
    assert not list(tmp_path.iterdir())
