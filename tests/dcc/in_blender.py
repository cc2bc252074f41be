"""Runs inside Blender or bpy: loads the add-on, then does what tests ask, one JSON line in, one line 'RESULT {...}' out.

    python in_blender.py enable MODULE | install ZIP | install-legacy ZIP

With BLENDER_USER_RESOURCES (and BLENDER_USER_SCRIPTS for Blender 3) at a clean folder. All else on standard output is Blender's own words.
"""

import json
import math
import os
import sys

import bpy


def clean():
    """An empty file; the add-on stays."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)


def character(name, meshes, turn=0.0, tilt=0.0):
    """A head of several meshes below an empty that was turned about Z (and tilted about X), made the active object."""
    root = bpy.data.objects.new(name, None)
    root.rotation_euler = (math.radians(tilt), 0, math.radians(turn))
    bpy.context.scene.collection.objects.link(root)
    for mesh, targets in meshes.items():
        made = bpy.data.meshes.new(f"{name} {mesh}")
        made.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
        part = bpy.data.objects.new(f"{name} {mesh}", made)
        bpy.context.scene.collection.objects.link(part)
        part.parent = root
        part.shape_key_add(name="Basis")
        for target in targets:
            part.shape_key_add(name=target).data[2].co.z += 0.1
    bpy.context.view_layer.objects.active = root
    bpy.context.view_layer.update()


def activate(name):
    bpy.context.view_layer.objects.active = bpy.data.objects[name]


def settings(**values):
    for name, value in values.items():
        setattr(bpy.context.scene.a2f, name, value)


def python(code):
    """Do what only one test needs; what it leaves in `answer` comes back."""
    names = {"bpy": bpy, "math": math}
    exec(code, names)
    return names.get("answer")


def operator(name, **values):
    """Press a button: the operator's answer, or the message of the error that it reports."""
    group, one = name.split(".")
    try:
        return sorted(getattr(getattr(bpy.ops, group), one)("EXEC_DEFAULT", True, **values))
    except RuntimeError as error:
        return str(error).strip()


def undo():
    bpy.ops.ed.undo()


def push(message="start"):
    bpy.ops.ed.undo_push(message=message)


def state():
    """All that a bake may change."""
    return {"actions": sorted(action.name for action in bpy.data.actions),
            "animated": {key.name: bool(key.animation_data and (key.animation_data.action or len(key.animation_data.nla_tracks)))
                         for key in bpy.data.shape_keys},
            "sliders": {key.user.name: {block.name: [block.slider_min, block.slider_max] for block in key.key_blocks}
                        for key in bpy.data.shape_keys},
            "pairs": {one.name: len(one.a2f.pairs) for one in bpy.data.objects if len(one.a2f.pairs)},
            "strips": sum(len(tracks(key)) for key in bpy.data.shape_keys),
            "end": bpy.context.scene.frame_end}


def channelbag(action, owner):
    """The F-curves of an action for what owns them, read without the add-on's code."""
    if hasattr(action, "slots"):
        slot = owner.animation_data.action_slot if owner.animation_data.action == action else next(
            slot for slot in action.slots if slot.target_id_type == owner.id_type and slot.name_display == owner.name)
        return next((bag.fcurves for layer in action.layers for strip in layer.strips for bag in strip.channelbags if bag.slot == slot), [])
    return action.fcurves


def keys_of(curves):
    """Data path and index -> [[frame, value], ...]."""
    return {f"{curve.data_path}[{curve.array_index}]": [list(point.co) for point in curve.keyframe_points] for curve in curves}


def interpolations(name):
    """The kinds of keys that a mesh's action has."""
    key = bpy.data.objects[name].data.shape_keys
    return sorted({point.interpolation for curve in channelbag(key.animation_data.action, key) for point in curve.keyframe_points})


def curves(name="Hero"):
    """Of each mesh of a character: its action and that action's keys, under the targets' names."""
    found = {}
    for part in bpy.data.objects[name].children:
        key = getattr(part.data, "shape_keys", None)
        animation = key and key.animation_data
        if animation is None or animation.action is None:
            continue
        keys = keys_of(channelbag(animation.action, key))
        found[part.name] = {"action": animation.action.name, "slot": slot_name(animation),
                            "keys": {path.split('"')[1]: points for path, points in keys.items()}}
    return found


def slot_name(animation):
    return [animation.action_slot.target_id_type, animation.action_slot.name_display] if hasattr(animation, "action_slot") else None


def object_curves(name):
    """The action's keys of an object or armature."""
    one = bpy.data.objects[name]
    return keys_of(channelbag(one.animation_data.action, one))


def tracks(key):
    if key.animation_data is None:
        return []
    return [{"track": track.name, "strip": strip.name, "action": strip.action.name, "frames": [strip.frame_start, strip.frame_end],
             "of_action": [strip.action_frame_start, strip.action_frame_end], "slot": slot_name(strip),
             "scale": strip.scale, "owner": key.name}
            for track in key.animation_data.nla_tracks for strip in track.strips]


def strips():
    return [strip for key in bpy.data.shape_keys for strip in tracks(key)]


def strip_keys(name, action):
    """The keys of an action that lies in strips, for the mesh `name`."""
    key = bpy.data.objects[name].data.shape_keys
    return {path.split('"')[1]: points for path, points in keys_of(channelbag(bpy.data.actions[action], key)).items()}


def shown(frame, name="Hero"):
    """The values of all shape keys that the artist sees at a frame."""
    bpy.context.scene.frame_set(int(frame), subframe=frame - int(frame))
    graph = bpy.context.evaluated_depsgraph_get()
    return {part.name: {block.name: block.value for block in part.evaluated_get(graph).data.shape_keys.key_blocks}
            for part in bpy.data.objects[name].children if part.type == "MESH"}


def direction(name, bone, frame, local):
    """Where the direction `local` of the posed bone (or object) points in the world at a frame."""
    import mathutils

    bpy.context.scene.frame_set(frame)
    one = bpy.data.objects[name].evaluated_get(bpy.context.evaluated_depsgraph_get())
    matrix = one.matrix_world @ one.pose.bones[bone].matrix if bone else one.matrix_world
    return list((matrix.to_3x3() @ mathutils.Vector(local)).normalized())


def pairs(name="Hero"):
    face = bpy.data.objects[name].a2f
    return [[pair.channel, pair.target, pair.gain, pair.by] for pair in face.pairs], face.idle_targets.split("\n")


def plays_sound():
    return bpy.app.build_options.audaspace


def timeline():
    """The sound strips of the sequencer."""
    editor = bpy.context.scene.sequence_editor
    every = () if editor is None else editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all
    return [[strip.name, strip.channel, strip.frame_final_start, bpy.path.basename(strip.sound.filepath)] for strip in every]


def part(name):
    """A module of the add-on, whatever its package is called here."""
    return next(module for path, module in sys.modules.items() if path.endswith(f"a2f_batch_blender.{name}"))


def put(name, answer):
    """Write an answer of the library onto a head with its chosen joints, from frame 1 on, at 24 frames a second."""
    root = bpy.data.objects[name]
    placing = part("placing")
    joints = part("joints").joints_of(root)
    placing.put(answer, part("faces").face_of(root), placing.Placement("turns", "test", 1, "NEW", 24.0, turned=joints))


def write_seconds(count, frames):
    """CPU seconds that the add-on takes to write `count` curves of `frames` keys onto a head, and whether they read back the same."""
    import base64
    import time

    import numpy

    targets = [f"target{i}" for i in range(count)]
    character("Many", {"Face": targets})
    values = numpy.random.default_rng(0).random((frames, count), dtype=numpy.float32)
    answer = {"fps": "24", "start": "0", "frames": frames, "rotations": {},
              "meshes": [{"targets": targets, "values": base64.b64encode(values.tobytes()).decode()}]}
    started = time.process_time()
    put("Many", answer)
    seconds = time.process_time() - started
    key, written = bpy.data.objects["Many Face"].data.shape_keys, numpy.empty((frames, 2), dtype=numpy.float32)
    same = []
    for curve in channelbag(key.animation_data.action, key):
        curve.keyframe_points.foreach_get("co", written.ravel())
        same.append(numpy.array_equal(written[:, 1], values[:, targets.index(curve.data_path.split('"')[1])]))
    return [seconds, same == [True] * count]


def main():
    how, what = sys.argv[-2:]
    if how == "install":
        done = bpy.ops.extensions.package_install_files(filepath=what, repo="user_default", enable_on_install=True)
    elif how == "install-legacy":
        bpy.ops.preferences.addon_install(filepath=what, overwrite=True)
        done = bpy.ops.preferences.addon_enable(module="a2f_batch_blender")
    else:
        done = bpy.ops.preferences.addon_enable(module=what)
    print("\nRESULT", json.dumps({"answer": [bpy.app.version_string, str(done)]}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": globals()[request["do"]](*request["args"], **request["options"])}
        except Exception as error:
            import traceback

            traceback.print_exc(file=sys.stdout)
            answer = {"error": f"{type(error).__name__}: {error}"}
        print("\nRESULT", json.dumps(answer), flush=True)
    sys.stdout.flush()
    os._exit(0)  # bpy may hang at its exit


if __name__ == "__main__":
    main()
