"""ufbx: python shown_ufbx.py, a path a line on stdin -> one line of JSON each: every mesh's weights at the times of the first curve's keys.

That is {"take", "times": float64, "warnings", "meshes": {mesh: {"targets": [...], "weights": float32, a row a time}}}, arrays as base64; or
{"error"}.
"""

import base64
import json
import os
import sys
import traceback

import numpy as np
import ufbx
from ufbx_held import hold, items


def opened(path):
    scene = hold(ufbx.load_file(path))
    (stack,) = items(scene.anim_stacks)
    anim = hold(stack.anim)
    times = np.array([key.time for key in items(items(scene.anim_curves)[0].keyframes)])
    meshes = {}
    for node in items(scene.nodes):
        if node.mesh:
            channels = [channel for deformer in items(hold(node.mesh).blend_deformers) for channel in items(deformer.channels)]
            weights = [[ufbx.evaluate_blend_weight(anim, channel, time) for channel in channels] for time in times.tolist()]
            meshes[node.name] = {"targets": [channel.name for channel in channels], "weights": packed(np.array(weights), "<f4")}
    warnings = [warning.description for warning in items(hold(scene.metadata).warnings)]
    return {"take": stack.name, "times": packed(times, "<f8"), "warnings": warnings, "meshes": meshes}


def packed(array, kind):
    return base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode("ascii")


for line in sys.stdin:
    try:
        answer = opened(line.rstrip("\n"))
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
os._exit(0)
