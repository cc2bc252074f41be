"""maya.api.OpenMaya: times, plugs, selection lists, commands."""

import types
from fractions import Fraction

from .scene import TICKS, UNITS

SECONDS, UI_UNITS = 3, {"game": 5, "film": 6, "pal": 7, "ntsc": 8, "show": 9, "palf": 10, "ntscf": 11, "23.976fps": 43, "29.97fps": 44,
                        "millisec": 4}


def module(fake):
    """Return the module."""
    scene = fake.scene

    class MTime:
        def __init__(self, value, unit):
            if not isinstance(value, (int, float)) or unit not in UI_UNITS.values():
                raise TypeError("MTime(%r, %r)" % (value, unit))
            rate = UNITS[next(name for name, number in UI_UNITS.items() if number == unit)]
            self.ticks = round(Fraction(value) / rate * TICKS)

        @staticmethod
        def uiUnit():
            return UI_UNITS[scene.time_unit]

    class _Array:
        kind = None

        def __init__(self, values=()):
            self.values = list(values)
            if not all(isinstance(value, self.kind) and not isinstance(value, bool) for value in self.values):
                raise TypeError("%s holds %s alone" % (type(self).__name__, self.kind))

        def __len__(self):
            return len(self.values)

    class MTimeArray(_Array):
        kind = MTime

    class MDoubleArray(_Array):
        kind = (int, float)

    class MObject:
        def __init__(self, name):
            self.name = name

    class MPlug:
        def __init__(self, node, attribute):
            self._node, self._attribute = node, attribute

        @property
        def attribute(self):
            return self._attribute

        @property
        def key(self):
            return self._node + "." + self._attribute if self._node else None

        @property
        def isNull(self):
            return self._node is None

        def node(self):
            if self._node is None:
                raise RuntimeError("(kInvalidParameter): a null plug has no node")
            return MObject(self._node)

        def source(self):
            source = scene.sources.get(self.key)
            return MPlug(source, "output") if source else MPlug(None, None)

    class MSelectionList:
        def __init__(self):
            self._plugs = []

        def add(self, name):
            self._plugs.append(scene.find(name))
            return self

        def getPlug(self, index):
            return MPlug(*self._plugs[index])

    class MDGModifier:
        def __init__(self):
            self._waiting, self._done = [], []  # (do, undo)

        def createNode(self, kind):
            if kind not in ("animCurveTA", "animCurveTU"):
                raise TypeError("createNode(%r)" % (kind,))
            made = MObject(None)

            def do():
                made.name = next(name for name in ("%s%d" % (kind, i) for i in range(1, 10000)) if name not in scene.nodes)
                scene.add(kind, made.name, keys=(), uuid="made")  # made again by redo, it is another; scenes are compared without

            self._waiting.append((do, lambda: scene.nodes.pop(made.name)))
            return made

        def connect(self, source, destination):
            if source.node().name not in scene.nodes or source.attribute != "output":
                raise RuntimeError("(kInvalidParameter): nothing to connect")

            def do():
                if destination.key in scene.sources:
                    raise RuntimeError("(kFailure): %s has an input" % destination.key)
                scene.sources[destination.key] = source.node().name

            self._waiting.append((do, lambda: scene.sources.pop(destination.key)))

        def doIt(self):
            while self._waiting:
                do, undo = self._waiting.pop(0)
                do()
                self._done.append((do, undo))

        def undoIt(self):
            for _, undo in reversed(self._done):
                undo()
            self._waiting, self._done = self._done + self._waiting, []

    class MFnDependencyNode:
        def __init__(self, node):
            if node.name not in scene.nodes:
                raise RuntimeError("(kInvalidParameter): the node is not there yet")
            self._node = node.name

        def findPlug(self, name, networked):
            if networked is not False:
                raise TypeError("findPlug(name, False)")
            return MPlug(self._node, name)

    class MPxCommand:
        def __init__(self):
            pass

        def isUndoable(self):
            return False

    class MFnPlugin:
        def __init__(self, plugin, vendor=None, version=None):
            self._plugin = plugin

        def registerCommand(self, name, creator):
            if name in fake.plugin_commands or not isinstance(creator(), MPxCommand):
                raise RuntimeError("(kFailure): %s can't be registered" % name)
            fake.plugin_commands[name] = creator

        def deregisterCommand(self, name):
            del fake.plugin_commands[name]

    found = types.ModuleType("maya.api.OpenMaya")
    for one in (MTime, MTimeArray, MDoubleArray, MObject, MPlug, MSelectionList, MDGModifier, MFnDependencyNode, MPxCommand, MFnPlugin):
        setattr(found, one.__name__, one)
    return found
