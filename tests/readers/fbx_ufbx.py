"""ufbx: python fbx_ufbx.py OUT.json FILE.fbx... writes what ufbx makes of each file's meshes, channels and keys."""

import json
import os
import sys

import ufbx
from ufbx_held import hold, items


def opened(path):
    scene = hold(ufbx.load_file(path))
    settings, metadata = hold(scene.settings), hold(scene.metadata)
    (stack,) = items(scene.anim_stacks)
    anim = hold(stack.anim)
    key_times = [[key.time for key in items(curve.keyframes)] for curve in items(scene.anim_curves)]
    return {
        "fps": settings.frames_per_second, "unit_meters": settings.unit_meters, "version": metadata.version,
        "warnings": [warning.description for warning in items(metadata.warnings)],
        "take": stack.name, "begin": stack.time_begin, "end": stack.time_end, "key_times": key_times,
        "meshes": {node.name: mesh_of(hold(node.mesh), anim, key_times[0]) for node in items(scene.nodes) if node.mesh},
    }


def mesh_of(mesh, anim, times):
    (material,) = items(mesh.materials)
    maps = hold(material.fbx)
    return {
        "faces": [face.num_indices for face in items(mesh.faces)],
        "corners": by_corner(mesh.vertex_position), "normals": by_corner(mesh.vertex_normal), "uv": by_corner(mesh.vertex_uv),
        "material": material.name, "color": list(hold(hold(maps.diffuse_color).value_vec4)),
        "deformers": [deformer.name for deformer in items(mesh.blend_deformers)],
        "channels": {channel.name: channel_of(channel, anim, times)
                     for deformer in items(mesh.blend_deformers) for channel in items(deformer.channels)},
    }


def by_corner(attribute):
    values, indices = [list(value) for value in items(hold(attribute).values)], hold(attribute.indices)
    return [values[indices[i]] for i in range(len(indices))]


def channel_of(channel, anim, times):
    (keyframe,) = items(channel.keyframes)
    shape = hold(keyframe.shape)
    return {
        "shape": shape.name, "full": keyframe.target_weight, "indices": list(hold(shape.offset_vertices)),
        "offsets": [list(offset) for offset in items(shape.position_offsets)],
        "normal_offsets": [list(offset) for offset in items(shape.normal_offsets)],
        "weights": [ufbx.evaluate_blend_weight(anim, channel, time) for time in times],
    }


out, *paths = sys.argv[1:]
with open(out, "w") as file:
    json.dump([opened(path) for path in paths], file)
os._exit(0)
