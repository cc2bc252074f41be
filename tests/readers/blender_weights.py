"""Blender: python blender_weights.py OUT.json FPS=FILE.glb... writes what its importer makes of each file's shape keys."""

import json
import os
import sys

import bpy


def opened(fps, path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = fps
    bpy.ops.import_scene.gltf(filepath=path)
    return {shape_keys.user.name: {block.name: curve(shape_keys, block) for block in shape_keys.key_blocks[1:]}
            for shape_keys in bpy.data.shape_keys}


def curve(shape_keys, block):
    """[[frame, value], ...] of one shape key, None if it is not animated."""
    animation = shape_keys.animation_data
    curves = animation.action.layers[0].strips[0].channelbag(animation.action_slot).fcurves
    found = curves.find(block.path_from_id("value"))
    if found is None:
        return None
    assert {key.interpolation for key in found.keyframe_points} == {"LINEAR"}
    return [list(key.co) for key in found.keyframe_points]


out, *arguments = sys.argv[1:]
pairs = [argument.split("=", 1) for argument in arguments]
with open(out, "w") as file:
    json.dump([opened(int(fps), path) for fps, path in pairs], file)
# Blender as a module may crash while Python tears it down.
os._exit(0)
