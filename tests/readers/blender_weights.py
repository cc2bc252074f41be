"""Blender: python blender_weights.py OUT.json FPS=FILE.glb... writes what its importer makes of each file's shape keys."""

import json
import os
import sys

import bpy
from blender_curves import in_slot, keyed


def opened(fps, path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = fps
    bpy.ops.import_scene.gltf(filepath=path)
    return {shape_keys.user.name: {block.name: curve(shape_keys, block) for block in shape_keys.key_blocks[1:]}
            for shape_keys in bpy.data.shape_keys}


def curve(shape_keys, block):
    """[[frame, value], ...] of one shape key, None if it is not animated."""
    found = in_slot(shape_keys.animation_data).find(block.path_from_id("value"))
    return None if found is None else keyed(found).tolist()


out, *arguments = sys.argv[1:]
pairs = [argument.split("=", 1) for argument in arguments]
with open(out, "w") as file:
    json.dump([opened(int(fps), path) for fps, path in pairs], file)
# Blender as a module may crash while Python tears it down.
os._exit(0)
