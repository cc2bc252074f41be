"""A stand-in Maya with the module installed in it, as `a2f-batch dcc install maya` installs it."""

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path

from a2f_batch.dcc import maya as installing
from a2f_batch.names import ARKIT_52
from tests.dcc import fake_maya

ROOT = Path(__file__).parents[2]
LINE = ROOT / "manifests/audio/gate_halt.en-US.wav"
TEETH = ["Jaw_Open", "Teeth_extra"]
START = 10.0


def helper(folder):
    """Write a program that is this Python with this checkout's a2f_batch, as an add-on may be told of; return its path."""
    path = folder / "python with a2f_bätch"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@contextmanager
def session(home, batch=False):
    """Install into the folder `home` and start a Maya that reads the .mod file there; yield the stand-in."""
    before, environment = list(sys.path), dict(os.environ)
    os.environ["MAYA_APP_DIR"] = str(home)
    installing.install(None)
    for line in (home / "modules/a2f_batch.mod").read_text("utf-8").splitlines():
        if found := re.fullmatch(r"\+ a2f_batch \S+ (\S+)", line):
            module = (home / "modules" / found[1]).resolve()
        elif found := re.fullmatch(r"(\w+)=(.+)", line):
            os.environ[found[1]] = found[2]
        else:
            raise AssertionError(line)
    sys.path.insert(0, str(module / "scripts"))
    os.environ["MAYA_PLUG_IN_PATH"] = str(module / "plug-ins")
    fake = fake_maya.install(batch)
    fake.options["userAppDir"] = str(home)
    try:
        yield fake
    finally:
        for name in [name for name in sys.modules if name == "a2f_client" or name.split(".")[0] in ("maya", "a2f_batch_maya")]:
            del sys.modules[name]
        sys.path[:] = before
        os.environ.clear()
        os.environ.update(environment)


def head(fake):
    """Make a character of three meshes, one of them with renamed targets and one that nothing drives, and select its teeth."""
    scene = fake.scene
    scene.add("transform", "Hero")
    blends = [scene.add_mesh("Head", [name[0].upper() + name[1:] for name in ARKIT_52], "Hero"),
              scene.add_mesh("Teeth", TEETH, "Hero"), scene.add_mesh("Hat", ["brim", None], "Hero")]
    scene.selection = ("Teeth",)
    return blends
