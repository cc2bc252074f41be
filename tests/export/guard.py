"""The character that tests/readers/make_character.py has Blender make, and which channel must move which target of its meshes."""

import subprocess
import sys
from pathlib import Path

import numpy as np

READERS = Path(__file__).parents[1] / "readers"

# By hand from make_character.py; a number is a target that no channel fits, which keeps its rest.
DRIVEN = {
    "head": {"EyeBlink_L": "eyeBlinkLeft", "EyeBlink_R": "eyeBlinkRight", "JawOpen": "jawOpen", "mouth_close": "mouthClose",
             "Mouth Funnel": "mouthFunnel", "MouthSmile.R": "mouthSmileRight", "Age": 0.4, "brow-inner-up": "browInnerUp"},
    "teeth": {"jawOpen": "jawOpen", "Tooth Gap": 0},
    "lashes": {"left_eye_blink": "eyeBlinkLeft", "right_eye_blink": "eyeBlinkRight"},
}


def make_guard(folder):
    """guard.glb, and guard.gltf with its files beside it in the folder `apart`."""
    subprocess.run([sys.executable, READERS / "make_character.py", folder], check=True, capture_output=True, timeout=240)
    return folder / "guard.glb"


def expected(clip, mesh):
    """The weights of a mesh's targets, shape (frames, targets)."""
    sources = DRIVEN[mesh].values()
    return np.stack([clip[source] if isinstance(source, str) else np.full(clip.n_frames, source) for source in sources], axis=1)
