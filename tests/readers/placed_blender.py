"""Blender: python placed_blender.py OUT.json FILE... writes where each mesh of a .glb or .fbx stands: {mesh: {"corners", "offsets",
"materials"}}: all polygons' corners in the scene with the shape keys at 0, how far each shape key at 1 moves them, each polygon's material.
"""

import json
import os
import sys

import bpy
import numpy as np


def corners(thing):
    """Corners of all polygons in the scene, as armatures have them."""
    bpy.context.view_layer.update()
    seen = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = seen.to_mesh()
    places = np.array([seen.matrix_world @ vertex.co for vertex in mesh.vertices])
    return places[[corner for polygon in mesh.polygons for corner in polygon.vertices]]


def opened(path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.endswith(".fbx"):
        bpy.ops.wm.fbx_import(filepath=path)
    else:
        bpy.ops.import_scene.gltf(filepath=path)
    found = {}
    for thing in [thing for thing in bpy.data.objects if thing.type == "MESH" and thing.data.shape_keys]:
        keys = thing.data.shape_keys
        keys.animation_data_clear()
        blocks = keys.key_blocks[1:]
        for block in blocks:
            block.value = 0
        rest, offsets = corners(thing), {}
        for block in blocks:
            block.value = 1
            offsets[block.name] = (corners(thing) - rest).tolist()
            block.value = 0
        materials = [thing.data.materials[polygon.material_index].name for polygon in thing.data.polygons]
        found[thing.name] = {"corners": rest.tolist(), "offsets": offsets, "materials": materials}
    return found


out, *paths = sys.argv[1:]
with open(out, "w") as file:
    json.dump([opened(path) for path in paths], file)
# Blender as a module may crash while Python tears it down.
os._exit(0)
