"""The artist's head in Blender: its mapping, sliders, joints, overrides, and what is said where a bake can't work."""

import base64

import numpy as np
import pytest
import soundfile
from blender_host import MESHES, TOLERANCE, bake, keys, library

from a2f_batch import FaceClip
from a2f_batch.dcc.bake import LineRequest, speak
from a2f_batch.dcc.fit import fit
from a2f_batch.export.rotations import quaternions


def test_values_above_one_widen_the_slider_and_are_not_clamped(blender, line):
    blender.operator("a2f.match")
    blender.python("""
face = bpy.data.objects["Hero"].a2f
pair = next(pair for pair in face.pairs if pair.target == "JawOpen")
pair.gain = 6.0
""")
    assert bake(blender, audio=line) == ["FINISHED"]
    wanted = library(line, user_map={"jawOpen": {"JawOpen": 6.0, "jawOpen": 1.0}})
    top = float(wanted["Head"]["JawOpen"].max())
    assert 1 < top < 10
    assert blender.state()["sliders"]["Hero Head"]["JawOpen"][1] == pytest.approx(top, abs=1e-5)
    frame = 1 + int(wanted["Head"]["JawOpen"].argmax())
    assert blender.shown(frame)["Hero Head"]["JawOpen"] == pytest.approx(top, abs=1e-5)


def test_the_mapping_is_shown_edited_kept_and_saved_with_the_head(blender, line, tmp_path):
    blender.operator("a2f.match")
    table, idle = blender.pairs()
    assert ["eyeBlinkLeft", "EyeBlink_L", 1.0, "spelling"] in [[*row[:3], row[3].split(" + ")[0]] for row in table]
    assert ["cheekPuff", "", 1.0, ""] in table and sorted(idle) == ["Age", "Tooth Gap"]
    blender.python("""
face = bpy.data.objects["Hero"].a2f
pair = next(pair for pair in face.pairs if pair.channel == "cheekPuff")
pair.target, pair.gain = "Age", 0.5
face.active = list(face.pairs).index(pair)
""")
    blender.operator("a2f.row", add=True)
    blender.python('face = bpy.data.objects["Hero"].a2f; face.pairs[face.active].target = "Tooth Gap"')
    blender.python(f'bpy.ops.wm.save_as_mainfile(filepath={str(tmp_path / "head.blend")!r})')
    blender.python(f'bpy.ops.wm.open_mainfile(filepath={str(tmp_path / "head.blend")!r})')
    assert bake(blender, audio=line) == ["FINISHED"]
    table, idle = blender.pairs()
    assert [row for row in table if row[0] == "cheekPuff"] == [["cheekPuff", "Age", 0.5, "your map"],
                                                              ["cheekPuff", "Tooth Gap", 1.0, "your map"]] and idle == [""]
    wanted = fit(speak(LineRequest(line, fps="24")).clip, list(MESHES.values()), user_map={"cheekPuff": {"Age": 0.5, "Tooth Gap": 1.0}})
    baked = keys(blender)
    for mesh, curves in zip(MESHES, wanted.meshes, strict=True):
        for target, values in zip(curves.targets, curves.values.T, strict=True):
            np.testing.assert_allclose([y for _, y in baked[mesh][target]], values, atol=TOLERANCE)
    blender.python('face = bpy.data.objects["Hero"].a2f; face.active = face.pairs.find("cheekPuff")')
    blender.operator("a2f.row", add=False)
    assert len([row for row in blender.pairs()[0] if row[0] == "cheekPuff"]) == 1
    blender.operator("a2f.match", forget=True)
    assert ["cheekPuff", "", 1.0, ""] in blender.pairs()[0]


def test_a_head_with_unknown_names_gets_an_empty_table_to_fill_in(running, line):
    running.clean()
    running.character("Odd", {"Face": ["A1", "A2"]})
    assert "No channel of the clip" in bake(running, audio=line)
    assert running.operator("a2f.match") == ["FINISHED"] and "Choose them in the table" in running.reports
    assert len(running.pairs("Odd")[0]) == 52
    running.python('bpy.data.objects["Odd"].a2f.pairs["jawOpen"].target = "A2"')
    assert bake(running, audio=line) == ["FINISHED"]
    assert set(running.curves("Odd")["Odd Face"]["keys"]) == {"A2"}


def test_linked_heads_are_refused_and_library_overrides_are_baked_and_remember_their_mapping(blender, line, tmp_path):
    library_file, file = tmp_path / "library.blend", tmp_path / "shot.blend"
    blender.python("""
made = bpy.data.collections.new("Hero")
for one in list(bpy.context.scene.collection.objects):
    bpy.context.scene.collection.objects.unlink(one)
    made.objects.link(one)
bpy.context.scene.collection.children.link(made)
""" + f"bpy.ops.wm.save_as_mainfile(filepath={str(library_file)!r})")
    blender.clean()
    blender.python(f"""
with bpy.data.libraries.load({str(library_file)!r}, link=True) as (there, here):
    here.collections = ["Hero"]
shown = bpy.data.objects.new("Shown", None)
shown.instance_type, shown.instance_collection = "COLLECTION", bpy.data.collections["Hero"]
bpy.context.scene.collection.objects.link(shown)
bpy.context.view_layer.objects.active = shown
""")
    assert "'Shown' shows a collection of another file. Make a library override" in bake(blender, audio=line)
    blender.python("""
bpy.context.scene.collection.children.link(bpy.data.collections["Hero"])
bpy.context.view_layer.objects.active = next(one for one in bpy.data.objects if one.library and one.name == "Hero")
""")
    before = blender.state()
    assert "'Hero' is linked from another file" in bake(blender, audio=line)
    assert "linked from another file" in blender.operator("a2f.match")
    blender.python("""
linked = next(one for one in bpy.data.collections if one.library)
linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
bpy.context.view_layer.objects.active = next(one for one in bpy.data.objects if not one.library and one.name == "Hero")
""")
    assert "The shape keys of Hero Head, Hero Lashes, Hero Teeth are linked" in bake(blender, audio=line)
    assert blender.state()["actions"] == before["actions"]
    blender.python("""
for one in [one for one in bpy.data.objects if not one.library and one.type == "MESH"]:
    one.data.override_create(remap_local_usages=True)
answer = [key.library is None for key in bpy.data.shape_keys]
""")
    assert bake(blender, audio=line) == ["FINISHED"]
    local = "next(one for one in bpy.data.objects if not one.library and one.name == 'Hero')"
    blender.python(f"{local}.a2f.pairs['cheekPuff'].target = 'Age'\nbpy.ops.wm.save_as_mainfile(filepath={str(file)!r})")
    blender.python(f"bpy.ops.wm.open_mainfile(filepath={str(file)!r})")
    kept = blender.python(f"""
hero = {local}
answer = [len(hero.a2f.pairs), hero.a2f.pairs["cheekPuff"].target,
          sorted(part.data.shape_keys.animation_data.action.name for part in hero.children)]
""")
    assert kept[0] > 50 and kept[1] == "Age" and all(name.startswith("halt") for name in kept[2])


def test_what_would_not_show_is_told(blender, line):
    blender.python("""
key = bpy.data.objects["Hero Head"].data.shape_keys
key.key_blocks["JawOpen"].driver_add("value").driver.expression = "0.2"
key.key_blocks["mouth_close"].mute = True
bpy.data.objects["Hero Teeth"].show_only_shape_key = True
""")
    assert bake(blender, audio=line) == ["FINISHED"]
    for word in ("Drivers win over the curves of JawOpen", "Muted, so the curves don't show: mouth_close", "Hero Teeth is pinned"):
        assert word in blender.reports


def test_messages_say_what_is_wrong_and_nothing_is_written(blender, line, tmp_path):
    before = blender.state()
    for wrong, word in (({"audio": ""}, "No sound is chosen. Choose a file."),
                        ({"audio": "//line.wav"}, "is not saved yet"),
                        ({"audio": tmp_path / "nowhere.wav"}, "nowhere.wav"),
                        ({"audio": line, "emotion": "joyful"}, "joyful"),
                        ({"audio": line, "emotion": "neutral", "profile": "none such"}, "none such"),
                        ({"audio": line, "profile": "default", "use_scene_fps": False, "fps": "fast"}, "fast"),
                        ({"use_scene_fps": True, "engine": "none such"}, "none such"),
                        ({"engine": "embedded", "source": "STRIP", "strip": ""}, "No sound strip is chosen"),
                        ({"strip": "x"}, "no sound strip 'x'"),
                        ({"source": "FILE", "rotations": True}, "No joint is chosen to turn")):
        said = bake(blender, **wrong)
        assert isinstance(said, str) and said.startswith("Error") and word in said and "Traceback" not in said, (wrong, said)
        assert "report this" not in said
        assert blender.state() == before
    blender.python('bpy.context.view_layer.objects.active = bpy.data.objects.new("Empty", None)'
                   ' if False else bpy.data.objects["Hero"]')
    blender.python("""
lamp = bpy.data.objects.new("Lamp", None)
bpy.context.scene.collection.objects.link(lamp)
bpy.context.view_layer.objects.active = lamp
""")
    assert "'Lamp' and what hangs together with it have no mesh with shape keys" in bake(blender, audio=line)
    blender.python("""
bpy.context.view_layer.objects.active = bpy.data.objects["Hero Head"]
bpy.ops.object.mode_set(mode="EDIT")
""")
    assert "Switch to object mode first" in bake(blender, audio=line)
    blender.python('bpy.ops.object.mode_set(mode="OBJECT")')


def test_warnings_are_sentences(blender, tmp_path):
    soundfile.write(tmp_path / "still.wav", np.zeros(16000), 16000)
    assert bake(blender, audio=tmp_path / "still.wav") == ["FINISHED"]
    assert "Warning: The sound is silent throughout" in blender.reports and "all-silent" not in blender.reports


ARMATURE = """
from mathutils import Vector
data = bpy.data.armatures.new("Rig")
rig = bpy.data.objects.new("Rig", data)
bpy.context.scene.collection.objects.link(rig)
rig.parent = bpy.data.objects["Hero"]
bpy.context.view_layer.objects.active = rig
bpy.ops.object.mode_set(mode="EDIT")
bone = data.edit_bones.new("head.x")
bone.head, bone.tail, bone.roll = (0.1, 0.2, 0.3), (0.5, -0.4, 1.1), 0.8
bpy.ops.object.mode_set(mode="OBJECT")
bpy.context.view_layer.update()
to_face = (rig.matrix_world @ rig.pose.bones["head.x"].matrix).to_3x3().inverted()
answer = [list(to_face @ Vector(axis)) for axis in {axes}]
"""


@pytest.mark.parametrize("mode", ["QUATERNION", "YXZ"])
@pytest.mark.parametrize(("turn", "tilt"), [(0, 0), (60, 0), (-35, 90)])
def test_a_joint_turns_as_the_line_says_whatever_its_axes(blender, mode, turn, tilt):
    """HeadYaw turns the face to its own left, HeadPitch down, HeadRoll tilts its crown to its own right."""
    blender.clean()
    blender.character("Hero", MESHES, turn=turn, tilt=tilt)
    heading = np.deg2rad(turn)
    forward, left, up = [np.sin(heading), -np.cos(heading), 0], [np.cos(heading), np.sin(heading), 0], [0, 0, 1]
    local = blender.python(ARMATURE.format(axes=[forward, left, up]))
    blender.python(f"""
bpy.data.objects["Rig"].pose.bones["head.x"].rotation_mode = {mode!r}
ball = bpy.data.objects.new("Eye", None)
bpy.context.scene.collection.objects.link(ball)
ball.parent, ball.rotation_mode = bpy.data.objects["Hero"], {mode!r}
ball.rotation_euler, ball.rotation_quaternion = (0.3, -0.2, 0.9), (0.5, 0.5, -0.5, 0.5)
face = bpy.data.objects["Hero"].a2f
face.head.object, face.head.bone = bpy.data.objects["Rig"], "head.x"
face.left_eye.object = ball
bpy.context.view_layer.update()
""")
    axes = blender.python(f"""
from mathutils import Vector
back = bpy.data.objects["Eye"].matrix_world.to_3x3().inverted()
answer = [list(back @ Vector(axis)) for axis in {[forward, left, up]}]
""")
    angle = 0.3
    clip = FaceClip([f"{joint}{turn}" for joint in ("Head", "LeftEye") for turn in ("Yaw", "Pitch", "Roll")],
                    angle * np.tile(np.eye(3, dtype=np.float32), 2), fps=24)
    blender.put("Hero", {"fps": "24", "start": "0", "frames": 3, "meshes": [{"targets": [], "values": ""}] * 3, "rotations": {
        joint: base64.b64encode(quaternions(clip, joint).tobytes()).decode() for joint in ("Head", "LeftEye")}})
    for joint, bone, (ahead, side, crown) in (("Rig", "head.x", local), ("Eye", None, axes)):
        yawed, pitched, rolled = (blender.direction(joint, bone, 1, ahead), blender.direction(joint, bone, 2, ahead),
                                  blender.direction(joint, bone, 3, crown))
        np.testing.assert_allclose(yawed, np.cos(angle) * np.array(forward) + np.sin(angle) * np.array(left), atol=1e-5)
        np.testing.assert_allclose(pitched, np.cos(angle) * np.array(forward) - np.sin(angle) * np.array(up), atol=1e-5)
        np.testing.assert_allclose(rolled, np.cos(angle) * np.array(up) - np.sin(angle) * np.array(left), atol=1e-5)
        np.testing.assert_allclose(blender.direction(joint, bone, 1, crown), up, atol=1e-5)
        assert side


def test_a_line_that_turns_the_head_keys_the_bone_and_one_that_does_not_says_so(blender, line):
    blender.python(ARMATURE.format(axes=[]))
    blender.python('face = bpy.data.objects["Hero"].a2f; face.head.object, face.head.bone = bpy.data.objects["Rig"], "head.x"')
    assert bake(blender, audio=line, rotations=True, emotion="shyness") == ["FINISHED"]
    curves = blender.object_curves("Rig")
    assert set(curves) == {f'pose.bones["head.x"].rotation_quaternion[{i}]' for i in range(4)}
    assert np.ptp([y for _, y in curves['pose.bones["head.x"].rotation_quaternion[1]']]) > 0.001
    assert bake(blender, audio=line, rotations=True, emotion="neutral", profile="raw") == ["FINISHED"]
    assert "This line does not turn Head" in blender.reports
    blender.python('bpy.data.objects["Rig"].pose.bones["head.x"].rotation_mode = "AXIS_ANGLE"')
    assert "turns by axis and angle" in bake(blender, audio=line)
