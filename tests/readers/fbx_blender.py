"""Blender: python fbx_blender.py OUT.json FILE.fbx... writes what each of its two importers makes of each file;
of the first file's shapes too, which are the same in all.

With `--export IN.fbx OUT.fbx` it imports one file and writes it again with Blender's own exporter.
"""

import json
import os
import sys

import bpy
import numpy as np
from blender_curves import in_slot, keyed

IMPORTERS = {"python": bpy.ops.import_scene.fbx, "c++": bpy.ops.wm.fbx_import}


def opened(importer, path, *, shapes=True):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert IMPORTERS[importer](filepath=path) == {"FINISHED"}
    render = bpy.context.scene.render
    return {"fps": render.fps / render.fps_base,
            "meshes": {thing.name: {"curves": curves_of(thing.data.shape_keys), **(mesh_of(thing) if shapes else {})}
                       for thing in bpy.data.objects if thing.type == "MESH"}}


def mesh_of(thing):
    mesh, keys = thing.data, thing.data.shape_keys
    world = np.array(thing.matrix_world)
    rest = points(mesh.vertices) @ world[:3, :3].T + world[:3, 3]
    uv = np.zeros(2 * len(mesh.loops))
    if mesh.uv_layers:
        mesh.uv_layers[0].data.foreach_get("uv", uv)
    return {
        "vertices": rest.tolist(), "polygons": [list(polygon.vertices) for polygon in mesh.polygons],
        "uv": uv.reshape(-1, 2).tolist(), "materials": [slot.material.name for slot in thing.material_slots],
        "basis": keys.key_blocks[0].name if keys else None,
        "offsets": {block.name: ((points(block.data) - points(keys.key_blocks[0].data)) @ world[:3, :3].T).tolist()
                    for block in keys.key_blocks[1:]} if keys else {},
    }


def points(collection):
    found = np.empty(3 * len(collection), np.float32)
    collection.foreach_get("co", found)
    return found.reshape(-1, 3)


def curves_of(keys):
    """Shape key -> [[frame, value], ...]."""
    if keys is None:
        return {}
    named = {block.path_from_id("value"): block.name for block in keys.key_blocks}
    return {named[curve.data_path]: keyed(curve).tolist() for curve in in_slot(keys.animation_data)}


if sys.argv[1] == "--export":
    opened("c++", sys.argv[2])
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = (int(frame) for frame in bpy.data.actions[0].frame_range)
    bpy.ops.export_scene.fbx(filepath=sys.argv[3], bake_anim_simplify_factor=0,
                             bake_anim_use_all_actions=False, bake_anim_use_nla_strips=False)
else:
    out, *paths = sys.argv[1:]
    with open(out, "w") as file:
        json.dump([{importer: opened(importer, path, shapes=path is paths[0]) for importer in IMPORTERS} for path in paths], file)
# Blender as a module may crash while Python tears it down.
os._exit(0)
