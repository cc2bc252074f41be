"""A character's head and eyes, turned by a clip's rotation channels: three.js shows where the vertices go."""

import base64
import json

import numpy as np
import pytest
from export_fixtures import fresh_seed, random_clip, run_node
from scipy.spatial.transform import Rotation

from a2f_batch import ExportError, FaceClip
from a2f_batch.export import format_named, gltf_character
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ROTATIONS
from a2f_batch.rig.character import read_character
from a2f_batch.rig.hierarchy import as_parts, local_matrix
from a2f_batch.rig.joints import JOINTS, find_joints

HEAD, LEFT, RIGHT = "Head", "LeftEye", "RightEye"


def in_three(times, *paths):
    return run_node("vertices_three.mjs", *(f"{path}={','.join(map(str, times))}" for path in paths))


def validated(*paths):
    for report in run_node("validate.mjs", *paths):
        issues = report["issues"]
        assert issues["numErrors"] == 0, issues["messages"]


def character(path, *, names=(HEAD, LEFT, RIGHT), extensions=None, matrices=False, seed=None):
    """A spine, a head on it and two eyes on the head, all turned, moved and evenly scaled at random at rest; a mesh on each of the three.

    Returns the rest: node name -> world matrix.
    """
    rng = np.random.default_rng(fresh_seed() if seed is None else seed)

    def placed(name, children):
        made = {"name": name, "children": children, "translation": rng.uniform(-1, 1, 3).tolist(),
                "rotation": Rotation.random(random_state=int(rng.integers(1 << 30))).as_quat().tolist(),
                "scale": [float(rng.uniform(0.5, 2))] * 3}
        if matrices:
            matrix = local_matrix(made)
            made = {"name": name, "children": children, "matrix": matrix.T.ravel().tolist()}
        return made

    nodes = [placed("Armature", [1]), placed("Spine", [2]), placed(names[0], [3, 4, 5]), placed(names[1], [6]), placed(names[2], [7]),
             {"name": "head_mesh", "mesh": 0}, {"name": "left_mesh", "mesh": 0}, {"name": "right_mesh", "mesh": 0}]
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.3, 0.2, 0.9]], np.float32)
    indices = np.array([0, 1, 2, 0, 2, 3], np.uint16)
    content = points.tobytes() + (points * 0.1).tobytes() + indices.tobytes()
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": nodes,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 2, "targets": [{"POSITION": 1}]}],
                    "extras": {"targetNames": ["jawOpen"]}}],
        "accessors": [{"bufferView": i, "componentType": 5126, "count": 4, "type": "VEC3",
                       "min": (points * scale).min(axis=0).tolist(), "max": (points * scale).max(axis=0).tolist()}
                      for i, scale in enumerate((np.float32(1), np.float32(0.1)))]
        + [{"bufferView": 2, "componentType": 5123, "count": 6, "type": "SCALAR"}],
        "bufferViews": [{"buffer": 0, "byteOffset": 48 * i, "byteLength": 48} for i in range(2)]
        + [{"buffer": 0, "byteOffset": 96, "byteLength": 12}],
        "buffers": [{"byteLength": len(content), "uri": "data:application/octet-stream;base64," + base64.b64encode(content).decode()}]}
    if extensions:
        document |= {"extensions": extensions, "extensionsUsed": list(extensions)}
    path.write_text(json.dumps(document), encoding="utf-8")
    world = [local_matrix(nodes[0])]
    for child, parent in ((1, 0), (2, 1), (3, 2), (4, 2)):
        world.append(world[parent] @ local_matrix(nodes[child]))
    return points, dict(zip(("Armature", "Spine", HEAD, LEFT, RIGHT), world, strict=True))


def turning(seed=None):
    """Six frames of all nine angles, and a jaw."""
    rng = np.random.default_rng(fresh_seed() if seed is None else seed)
    values = rng.uniform(-0.6, 0.6, (6, 10)).astype(np.float32)
    return FaceClip((*ROTATIONS, "jawOpen"), values, 30, 0, {"line": "turning"})


def angles(clip, joint):
    """Yaw about +Y, then pitch about +X, then roll about +Z, each about axes that the ones before have turned: SciPy's own."""
    return Rotation.from_euler("YXZ", clip.select([f"{joint}{angle}" for angle in ("Yaw", "Pitch", "Roll")]).values)


def seen(world, points, weights):
    """Where the points, morphed, are."""
    shown = points + weights[:, None, None] * 0.1 * points
    return shown @ world[:3, :3].T + world[:3, 3]


@pytest.mark.parametrize("facing", ["+Z", "-Z"])
@pytest.mark.parametrize("matrices", [False, True])
def test_three_turns_the_head_and_the_eyes_in_it_whatever_their_axes_at_rest(facing, matrices, tmp_path):
    """A VRM 0.x character looks along -Z: its yaw is about the same axis, its pitch and roll about the others' opposites."""
    bones = [{"bone": bone, "node": at} for bone, at in (("head", 2), ("leftEye", 3), ("rightEye", 4))]
    extensions = {"VRM": {"humanoid": {"humanBones": bones}}} if facing == "-Z" else None
    names = ("a", "b", "c") if facing == "-Z" else ("mixamorig:Head", "eye.L", "CC_Base_R_Eye")
    points, rest = character(tmp_path / "guard.gltf", names=names, extensions=extensions, matrices=matrices)
    clip = turning()
    gltf_character.write(clip, tmp_path / "out.glb", character=tmp_path / "guard.gltf", rotations=True)
    validated(tmp_path / "out.glb")
    (frames,) = in_three(clip.times(), tmp_path / "out.glb")
    side = Rotation.from_euler("Y", 180, degrees=True) if facing == "-Z" else Rotation.identity()
    head, left, right = (side * angles(clip, joint) * side.inv() for joint in (HEAD, LEFT, RIGHT))
    weights, at = clip["jawOpen"].astype(float), {name: matrix[:3, 3] for name, matrix in rest.items()}
    for frame, shown in enumerate(frames):
        turned = {}
        for name, turn in ((HEAD, None), (LEFT, left), (RIGHT, right)):
            where = seen(rest[name], points, weights[[frame]])[0]
            if turn is not None:
                where = turn[frame].apply(where - at[name]) + at[name]
            turned[name] = head[frame].apply(where - at[HEAD]) + at[HEAD]
        for name, mesh in ((HEAD, "head_mesh"), (LEFT, "left_mesh"), (RIGHT, "right_mesh")):
            np.testing.assert_allclose(shown[mesh], turned[name], rtol=0, atol=2e-5)  # float32, four nodes deep, scales up to 16


def test_at_angles_of_zero_everything_stays_where_it_was(tmp_path):
    points, rest = character(tmp_path / "guard.gltf", matrices=True)
    clip = FaceClip(("HeadYaw", "LeftEyePitch", "jawOpen"), np.zeros((2, 3), np.float32), 30)
    gltf_character.write(clip, tmp_path / "out.glb", character=tmp_path / "guard.gltf", rotations=True)
    (frames,) = in_three(clip.times(), tmp_path / "out.glb")
    np.testing.assert_allclose(frames[1]["left_mesh"], seen(rest[LEFT], points, np.zeros(1))[0], rtol=0, atol=2e-5)


def test_rotations_are_left_out_unless_asked_for_and_tolerance_leaves_them_a_key_a_frame(tmp_path):
    character(tmp_path / "guard.gltf", seed=1)
    clip = turning()
    for rotations, joints in ((False, 0), (True, 3)):
        ExportOptions(character=tmp_path / "guard.gltf", rotations=rotations, tolerance=2.0).export(
            clip, tmp_path / "out.gltf", format_named("gltf"))
        document = json.loads((tmp_path / "out.gltf").read_text(encoding="utf-8"))
        (animation,) = document["animations"]
        turned = [one for one in animation["channels"] if one["target"]["path"] == "rotation"]
        assert len(turned) == joints
        for one in turned:
            assert document["accessors"][animation["samplers"][one["sampler"]]["output"]]["count"] == 6
        weights = [one for one in animation["channels"] if one["target"]["path"] == "weights"]
        assert {document["accessors"][animation["samplers"][one["sampler"]]["output"]]["count"] for one in weights} == {2}


@pytest.mark.parametrize(("names", "found"), [
    (("Head", "LeftEye", "RightEye"), (2, 3, 4)), (("head", "eye_L", "eye_R"), (2, 3, 4)), (("mixamorigHead", "lEye", "rEye"), (2, 3, 4)),
    (("J_Bip_C_Head", "J_Adj_L_FaceEye", "J_Adj_R_FaceEye"), (2, 3, 4)), (("Bip001 Head", "FACIAL_L_Eye", "FACIAL_R_Eye"), (2, 3, 4)),
    (("頭", "左目", "右目"), (2, 3, 4)), (("CC_Base_Head", "Beard", "eyes"), (2, None, None)),
    (("HeadTop_End", "LeftEyelid", "forehead"), (None, None, None)), (("Headlamp", "RightEye", "LeftEye"), (None, 4, 3))])
def test_bones_are_known_by_what_tools_call_them(names, found, tmp_path):
    character(tmp_path / "guard.gltf", names=names, seed=2)
    joints = find_joints(read_character(tmp_path / "guard.gltf"))
    assert tuple(joints[joint].node if joint in joints else None for joint in JOINTS) == found
    for joint in joints.values():
        assert joint.name == json.loads((tmp_path / "guard.gltf").read_text())["nodes"][joint.node]["name"]


def changed(path, change):
    character(path, seed=3)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_the_humanoid_of_a_vrm_goes_before_names_and_a_bone_before_a_mesh(tmp_path):
    humanoid = {"VRMC_vrm": {"humanoid": {"humanBones": {"head": {"node": 1}}}}}
    path = changed(tmp_path / "a.gltf", lambda document: document.update(extensions=humanoid, extensionsUsed=["VRMC_vrm"]))
    assert find_joints(read_character(path))[HEAD].node == 1

    def mesh_called_head(document):
        document["nodes"][5]["name"] = document["nodes"][0]["name"] = "Head"
        document["nodes"][5]["skin"] = 0
        document["skins"] = [{"joints": [2]}]

    assert find_joints(read_character(changed(tmp_path / "b.gltf", mesh_called_head)))[HEAD].node == 2


def test_the_match_tells_what_turns_and_nothing_to_turn_is_an_error_before_the_first_line(tmp_path):
    character(tmp_path / "guard.gltf", names=("CC_Base_Head", "x", "y"), seed=4)
    options = ExportOptions(character=tmp_path / "guard.gltf", rotations=True)
    options.check([format_named("glb")])
    match = options.match(["jawOpen"])
    assert match.report()["joints"] == {"Head": "CC_Base_Head", "LeftEye": None, "RightEye": None}
    assert "\nHead rotation      ->  node CC_Base_Head\nLeftEye rotation   ->  no node\n" in match.table()
    assert "joints" not in ExportOptions(character=tmp_path / "guard.gltf").match(["jawOpen"]).report()
    character(tmp_path / "guard.gltf", names=("a", "b", "c"), seed=4)
    with pytest.raises(ExportError) as caught:
        options.check([format_named("glb")])
    assert caught.value.code == "joint-missing" and "LeftEye" in caught.value.remedy


@pytest.mark.parametrize("change", [
    lambda d: d["nodes"][4].update(children=[2]), lambda d: d["nodes"][2].update(children=[3, 4, 99]),
    lambda d: d["nodes"][2].update(rotation=[0, 0, 0, 0]), lambda d: d["nodes"][1].update(rotation="x"),
    lambda d: (d["nodes"][2].clear(), d["nodes"][2].update(name="Head", children=[3, 4, 5], matrix=[1, 0, 0, 0, 1, 1, *[0] * 9, 1])),
    lambda d: d.update(skins=[{}]), lambda d: d.update(extensions={"VRMC_vrm": {"humanoid": {"humanBones": {"head": {"node": 99}}}}})])
def test_damaged_nodes_are_refused(change, tmp_path):
    path = changed(tmp_path / "guard.gltf", change)
    with pytest.raises(ExportError) as caught:
        gltf_character.write(random_clip(2, seed=5, names=("HeadYaw", "jawOpen")), tmp_path / "out.glb", character=path, rotations=True)
    assert caught.value.code == "character-format"
    assert not (tmp_path / "out.glb").exists()


def test_a_matrix_is_cut_into_what_makes_it_again():
    rng = np.random.default_rng(fresh_seed())
    for _ in range(200):
        scale = rng.uniform(0.1, 3, 3) * rng.choice([-1, 1], 3)
        made = {"translation": rng.normal(0, 1, 3), "rotation": Rotation.random(random_state=int(rng.integers(1 << 30))).as_quat(),
                "scale": scale}
        matrix = local_matrix({"matrix": local_matrix(made).T.ravel().tolist()})
        again = as_parts({"matrix": matrix.T.ravel().tolist()})
        remade = local_matrix(dict(zip(("translation", "rotation", "scale"), again, strict=True)))
        np.testing.assert_allclose(remade, matrix, rtol=0, atol=1e-12)
        np.testing.assert_allclose(matrix[:3, :3], Rotation.from_quat(made["rotation"]).as_matrix() * scale, rtol=0, atol=1e-12)
