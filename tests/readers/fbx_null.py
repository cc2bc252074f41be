"""ufbx: python fbx_null.py OUT.json FILE.fbx... writes each file's animated properties: {"names", "keys": [[time, value], ...] of each,
"meshes", "warnings": how many}; its one null is called 'face'.
"""

import json
import os
import sys

import ufbx
from ufbx_held import hold, items


def opened(path):
    scene = hold(ufbx.load_file(path))
    (_,) = [node for node in items(scene.nodes) if node.name == "face"]
    values = items(scene.anim_values)
    keys = [[[key.time, key.value] for key in items(items(value.curves)[0].keyframes)] for value in values]
    return {"names": [value.name for value in values], "keys": keys, "meshes": len(scene.meshes),
            "warnings": len(hold(hold(scene.metadata).warnings))}


out, *paths = sys.argv[1:]
with open(out, "w") as file:
    json.dump([opened(path) for path in paths], file)
os._exit(0)
