"""Blender: python blender_takes.py OUT.json FPS FILE.glb writes every curve of every action that its importer makes, and what is around."""

import json
import os
import sys

import bpy

out, fps, path = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = int(fps)
bpy.ops.import_scene.gltf(filepath=path)
found = {}
for action in bpy.data.actions:
    for slot in action.slots:
        bag = action.layers[0].strips[0].channelbag(slot)
        if bag is not None:
            found[f"{action.name} | {slot.identifier}"] = {
                f"{curve.data_path} {curve.array_index}": [list(key.co) for key in curve.keyframe_points] for curve in bag.fcurves}
shapes = {keys.user.name: {block.name: block.value for block in keys.key_blocks[1:]} for keys in bpy.data.shape_keys}
skinned = [thing.name for thing in bpy.data.objects if any(modifier.type == "ARMATURE" for modifier in thing.modifiers)]
with open(out, "w") as file:
    json.dump({"curves": found, "shapes": shapes, "skinned": skinned, "materials": sorted(one.name for one in bpy.data.materials),
               "images": sorted(one.name for one in bpy.data.images),
               "owner": {thing.name: thing["owner"] for thing in bpy.data.objects if "owner" in thing}}, file)
os._exit(0)
