"""Blender: python usd_blender.py OUT.json FILE... writes the weights that Blender's own USD importer makes of each file, frame by frame."""

import json
import os
import sys

import bpy


def opened(path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert bpy.ops.wm.usd_import(filepath=path, import_blendshapes=True, import_skeletons=True) == {"FINISHED"}
    scene = bpy.context.scene
    meshes = {}
    for thing in bpy.data.objects:
        if thing.type != "MESH":
            continue
        keys = thing.data.shape_keys
        meshes[thing.name] = {"vertices": len(thing.data.vertices), "weights": {}, "moved": {}}
        if keys is None:
            continue
        rest = keys.key_blocks[0].data
        for block in keys.key_blocks[1:]:
            moved = max((point.co - start.co).length for point, start in zip(block.data, rest, strict=True))
            meshes[thing.name]["moved"][block.name] = moved
            meshes[thing.name]["weights"][block.name] = []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        for name, mesh in meshes.items():
            for target, weights in mesh["weights"].items():
                weights.append(bpy.data.objects[name].data.shape_keys.key_blocks[target].value)
    return {"first": scene.frame_start, "last": scene.frame_end, "meshes": meshes}


out, *paths = sys.argv[1:]
with open(out, "w") as file:
    json.dump([opened(path) for path in paths], file)
# Blender as a module may crash while Python tears it down.
os._exit(0)
