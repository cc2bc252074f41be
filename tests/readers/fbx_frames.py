"""ufbx: python fbx_frames.py OUT.json FPS FRAMES FILE... writes each channel's weights as ufbx evaluates them at every frame."""

import json
import os
import sys

import ufbx
from ufbx_held import hold, items


def weights(path, fps, n_frames):
    scene = hold(ufbx.load_file(path))
    (stack,) = items(scene.anim_stacks)
    anim = hold(stack.anim)
    return {channel.name: [ufbx.evaluate_blend_weight(anim, channel, stack.time_begin + i / fps) for i in range(n_frames)]
            for channel in items(scene.blend_channels)}


out, fps, n_frames, *paths = sys.argv[1:]
with open(out, "w") as file:
    json.dump([weights(path, float(fps), int(n_frames)) for path in paths], file)
os._exit(0)
