"""Blender: python shown_blender.py IMPORTER, a path a line on stdin -> one line of JSON each: the keys that an importer makes of the file.

That is {"fps", "meshes": {mesh: {"frames": float64, "targets": [...], "weights": float32, a row a frame}}}, arrays as base64, for as text a
minute of them would take longer than the import; or {"error"}. Importers: gltf, fbx (Blender's own, in Python), ufbx (in C++).
"""

import base64
import json
import os
import sys
import traceback

import bpy
import numpy as np
from blender_curves import keyed

IMPORTERS = {"gltf": bpy.ops.import_scene.gltf, "fbx": bpy.ops.import_scene.fbx, "ufbx": bpy.ops.wm.fbx_import}


def opened(importer, path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    render = bpy.context.scene.render
    render.fps = 30  # the glTF importer counts its frames at the scene's rate; the others set it
    assert IMPORTERS[importer](filepath=path) == {"FINISHED"}
    return {"fps": render.fps / render.fps_base,
            "meshes": {name_of(thing): keys_of(thing.data.shape_keys) for thing in bpy.data.objects
                       if thing.type == "MESH" and thing.data.shape_keys and thing.data.shape_keys.animation_data}}


def name_of(thing):
    """An object's own name, but of one with a skin its mesh's: the glTF importer has used up the other."""
    return thing.data.name if any(modifier.type == "ARMATURE" for modifier in thing.modifiers) else thing.name


def keys_of(shape_keys):
    """Those of its curves, which must all be on the same frames; a shape key without one stays at its value."""
    curves = {curve.data_path: keyed(curve) for curve in animated(shape_keys.animation_data)}
    frames = next(iter(curves.values()))[:, 0]
    assert all(np.array_equal(keys[:, 0], frames) for keys in curves.values())
    columns = {block.name: curves.pop(block.path_from_id("value"))[:, 1] if block.path_from_id("value") in curves
               else np.full(len(frames), block.value) for block in shape_keys.key_blocks[1:]}
    assert not curves, list(curves)
    return {"frames": packed(frames, "<f8"), "targets": list(columns), "weights": packed(np.column_stack(list(columns.values())), "<f4")}


def animated(animation):
    """The curves of the one action that moves the shape keys; the glTF importer may have put it into a track."""
    strips = [strip for track in animation.nla_tracks for strip in track.strips]
    actions = {(one.action, one.action_slot) for one in ([animation] if animation.action else strips)}
    ((action, slot),) = actions
    return action.layers[0].strips[0].channelbag(slot).fcurves


def packed(array, kind):
    return base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode("ascii")


# Blender prints what it does: answers have a way of their own.
answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
for line in sys.stdin:
    try:
        answer = opened(sys.argv[1], line.rstrip("\n"))
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), file=answers, flush=True)
# Blender as a module may crash while Python tears it down.
os._exit(0)
