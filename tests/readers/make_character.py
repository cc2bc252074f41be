"""Blender: python make_character.py FOLDER writes guard.glb and apart/guard.gltf: a skinned head, teeth and lashes whose targets are
spelled differently, textures, another animation, a target that is no face's and is not at rest."""

import math
import os
import sys

import bpy

HEAD = ["EyeBlink_L", "EyeBlink_R", "JawOpen", "mouth_close", "Mouth Funnel", "MouthSmile.R", "Age", "brow-inner-up"]
TEETH = ["jawOpen", "Tooth Gap"]
LASHES = ["left_eye_blink", "right_eye_blink"]

folder = sys.argv[1]
bpy.ops.wm.read_factory_settings(use_empty=True)


def material(name, color):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    image = bpy.data.images.new(f"{name} texture", 4, 4)
    image.generated_color = (*color, 1)
    image.pack()
    texture = made.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    made.node_tree.links.new(texture.outputs["Color"], made.node_tree.nodes["Principled BSDF"].inputs["Base Color"])
    return made


def mesh(name, targets, radius, surface):
    bpy.ops.mesh.primitive_uv_sphere_add(segments=12, ring_count=8, radius=radius)
    ball = bpy.context.object
    ball.name = ball.data.name = name
    ball.data.materials.append(surface)
    ball.shape_key_add(name="Basis")
    for i, target in enumerate(targets):
        key = ball.shape_key_add(name=target)
        for vertex in range(i, len(key.data), 5):
            key.data[vertex].co.z += 0.01 * (i + 1)
    return ball


bpy.ops.object.armature_add()
rig = bpy.context.object
rig.name = "rig"
skin = material("skin", (0.8, 0.6, 0.5))
head = mesh("head", HEAD, 0.1, skin)
head.data.shape_keys.key_blocks["Age"].value = 0.4
parts = [head, mesh("teeth", TEETH, 0.03, material("enamel", (0.9, 0.9, 0.8))), mesh("lashes", LASHES, 0.02, skin)]
for part in parts:
    part.parent = rig
    group = part.vertex_groups.new(name="Bone")
    group.add(range(len(part.data.vertices)), 1.0, "REPLACE")
    part.modifiers.new("Armature", "ARMATURE").object = rig
rig["owner"] = "the guard"  # becomes extras
bone = rig.pose.bones["Bone"]
bone.rotation_mode = "XYZ"
for frame in (1, 20, 40):
    bone.rotation_euler = (0, 0, 0.2 * math.sin(frame))
    bone.keyframe_insert("rotation_euler", frame=frame)
rig.animation_data.action.name = "idle"
bpy.ops.export_scene.gltf(filepath=os.path.join(folder, "guard.glb"), export_extras=True)
os.makedirs(os.path.join(folder, "apart"))
bpy.ops.export_scene.gltf(filepath=os.path.join(folder, "apart", "guard.gltf"), export_format="GLTF_SEPARATE", export_extras=True)
os._exit(0)
