"""A strict stand-in for the parts of Maya that the module uses, for Maya itself can't run here.

It refuses what Maya refuses: unknown commands, flags and types, commands from another thread, undo that leaves something. What commands and
flags there are is checked against the field's stubs in test_maya_stubs.py. Python 3.7 syntax: tests run it in a real Python 3.7 too.

    fake = fake_maya.install()       # `import maya` now gives the stand-in
    fake.scene.add_mesh(...)         # what the artist has in the scene
"""

import sys
import types

from . import commands, interface, openmaya, openmayaanim, threads
from .scene import Scene


class Fake:
    """A Maya with an empty scene."""

    def __init__(self, batch=False):
        self.scene = Scene()
        self.ui = interface.Interface()
        self.idle = threads.Idle()
        self.batch = batch
        self.warnings = []
        self.plugins = {}
        self.plugin_commands = {}
        self.options = {}
        self.pending_imports = []


def install(batch=False):
    """Make `import maya` give a fresh stand-in, and return it."""
    fake = Fake(batch)
    maya = types.ModuleType("maya")
    maya.__path__ = []
    api = types.ModuleType("maya.api")
    api.__path__ = []
    maya.cmds = commands.Commands(fake)
    maya.mel = commands.Mel(fake)
    maya.utils = threads.Utils(fake.idle)
    maya.api = api
    api.OpenMaya = openmaya.module(fake)
    api.OpenMayaAnim = openmayaanim.module(fake)
    sys.modules.update({"maya": maya, "maya.cmds": maya.cmds, "maya.mel": maya.mel, "maya.utils": maya.utils, "maya.api": api,
                        "maya.api.OpenMaya": api.OpenMaya, "maya.api.OpenMayaAnim": api.OpenMayaAnim})
    fake.cmds = maya.cmds
    return fake
