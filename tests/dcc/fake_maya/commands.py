"""The module maya.cmds, and maya.mel: what the module for Maya calls, and nothing more."""

import contextlib
import functools
import importlib.util
import os

from .interface import KINDS
from .scene import TIME_CURVES
from .strict import RANGE, STRINGS, Flags


class Mel:
    """The module maya.mel."""

    def __init__(self, fake):
        self._fake = fake

    def eval(self, text):
        self._fake.idle.check("mel.eval")
        if text != "$a2f_shelves = $gShelfTopLevel":
            raise RuntimeError("this stand-in does not know the MEL %r" % text)
        return "ShelfTop"


class Commands(Flags):
    """The module maya.cmds. Signatures state flags and types; queries give None where Maya gives None."""

    def __init__(self, fake):
        self._fake, self._scene = fake, fake.scene
        super().__init__(fake.idle.check)
        for kind in KINDS:
            setattr(self, kind, functools.partial(self._control, kind))

    def __getattr__(self, name):
        if name in self.__dict__.get("_fake").plugin_commands:
            return functools.partial(self._plugin_command, name)
        raise AttributeError("module 'maya.cmds' has no attribute '%s'" % name)

    def _control(self, kind, *names, **flags):
        self._fake.idle.check(kind)
        if self._fake.batch:
            raise RuntimeError("%s: there is no interface in batch mode" % kind)
        return self._fake.ui.command(kind, names[0] if names else None, flags)

    def _plugin_command(self, name, *arguments):
        self._fake.idle.check(name)
        command, before = self._fake.plugin_commands[name](), self._scene.snapshot()
        try:
            command.doIt(arguments)
        except Exception as error:
            if self._scene.snapshot() != before:
                raise AssertionError("%s failed and left something" % name)
            raise RuntimeError("%s failed: %s" % (name, error))
        if not command.isUndoable():
            raise AssertionError("%s changes the scene and can't be undone" % name)
        self._scene.remember(before, command.undoIt, command.redoIt)

    def _changing(self, act):
        before = self._scene.snapshot()
        result = act()
        self._scene.remember(before)
        return result

    # Nodes.

    def ls(self, *names, selection: bool = False, long: bool = False, objectsOnly: bool = False, uuid: bool = False,
           type: STRINGS = ()):
        wanted = (type,) if isinstance(type, str) else tuple(type)
        found = list(self._scene.selection) if selection else [] if names else list(self._scene.nodes)
        for name in names:
            with contextlib.suppress(ValueError):
                found.append(self._scene.node(name))
        found = [name for name in found if not wanted or self._scene.nodes[name]["type"] in wanted]
        if uuid:
            return [self._scene.nodes[name]["uuid"] for name in found]
        return [self._scene.path(name) if long and self._scene.is_dag(name) else name for name in found]

    def objExists(self, name):
        try:
            return bool(self._scene.node(name))
        except ValueError:
            return False

    def nodeType(self, name):
        return self._scene.nodes[self._scene.node(name)]["type"]

    def objectType(self, name, *, isAType: str = ""):
        kind = self.nodeType(name)
        return (isAType == kind or (isAType, kind) == ("transform", "joint")) if isAType else kind

    def referenceQuery(self, name, *, isNodeReferenced: bool = False):
        if not isNodeReferenced:
            raise RuntimeError("referenceQuery: nothing is asked")
        return self._scene.nodes[self._scene.node(name)]["referenced"]

    def listRelatives(self, name, *, allDescendents: bool = False, fullPath: bool = False, noIntermediate: bool = False,
                      type: STRINGS = ()):
        root, found = self._scene.node(name), []
        for node in self._scene.nodes:
            below = self._scene.is_dag(node) and self._scene.path(node).startswith(self._scene.path(root) + "|")
            if below and (not type or self._scene.nodes[node]["type"] == type):
                found.append(self._scene.path(node) if fullPath else node)
        if not allDescendents:
            raise RuntimeError("this stand-in lists all descendents alone")
        return found or None

    def listHistory(self, name, *, pruneDagObjects: bool = False):
        if not pruneDagObjects:
            raise RuntimeError("this stand-in prunes")
        node = self._scene.node(name)
        return [node] + [other for other, values in self._scene.nodes.items() if values.get("geometry") == node and other != node]

    def listConnections(self, plug, *, source: bool = True, destination: bool = True, skipConversionNodes: bool = False):
        if destination or not source:
            raise RuntimeError("this stand-in lists sources alone")
        node, attribute = self._scene.find(plug)
        driver = self._scene.sources.get(node + "." + attribute)
        return [driver] if driver else None

    def select(self, *names, replace: bool = False, clear: bool = False):
        flat = [one for name in names for one in ([name] if isinstance(name, str) else name)]
        if not flat and not clear:
            raise RuntimeError("select: nothing is given")
        self._changing(lambda: setattr(self._scene, "selection", tuple(self._scene.node(name) for name in flat)))

    # Attributes.

    def listAttr(self, plug, *, multi: bool = False):
        node, attribute = self._scene.find(plug)
        if attribute != "weight" or not multi:
            raise RuntimeError("this stand-in lists a blendShape's weights alone")
        aliases = self._scene.nodes[node]["aliases"]
        return [alias or "weight[%d]" % i for i, alias in enumerate(aliases)] or None

    def attributeQuery(self, name, *, node: str = "", exists: bool = False):
        values = self._scene.nodes[self._scene.node(node)]
        return exists and (name in values or name + "X" in values)

    def getAttr(self, plug, *, lock: bool = False):
        node, attribute = self._scene.find(plug)
        values = self._scene.nodes[node]
        if lock:
            return values.get("lock:" + attribute, False)
        if attribute in values:
            value = values[attribute]
            return list(value) if isinstance(value, tuple) else value
        return [tuple(values[attribute + axis] for axis in "XYZ")]

    def addAttr(self, node, *, longName: str = "", dataType: str = ""):
        name = self._scene.node(node)
        if dataType != "string" or not longName or longName in self._scene.nodes[name]:
            raise RuntimeError("addAttr: %s.%s can't be added" % (node, longName))
        self._changing(lambda: self._scene.nodes[name].update({longName: None}))

    def setAttr(self, plug, value, *, type: str = ""):
        node, attribute = self._scene.find(plug)
        if type != "string" or not isinstance(value, str) or "lock:" + attribute in self._scene.nodes[node]:
            raise RuntimeError("setAttr: '%s' can't be set to %r" % (plug, value))
        self._changing(lambda: self._scene.nodes[node].update({attribute: value}))

    # Keys.

    def keyframe(self, plug, *, query: bool = False, edit: bool = False, timeChange: float = 0, time: RANGE = (), relative: bool = False):
        curve = self._curve(plug)
        if query:
            return [self._scene.frame(key[0]) for key in self._scene.nodes[curve]["keys"]] or None if curve else None
        if not (edit and relative and time and curve):
            raise RuntimeError("keyframe: nothing is edited")
        first, last, by = self._scene.ticks(time[0]), self._scene.ticks(time[1]), self._scene.ticks(timeChange)
        moved = tuple((key[0] + by, *key[1:]) if first <= key[0] <= last else key for key in self._scene.nodes[curve]["keys"])
        if sorted({key[0] for key in moved}) != [key[0] for key in moved]:
            raise RuntimeError("keyframe: keys would pass others")
        return self._changing(lambda: self._scene.nodes[curve].update(keys=moved))

    def cutKey(self, plug, *, time: RANGE = (), clear: bool = False):
        if not clear or not time:
            raise RuntimeError("this stand-in cuts a range away")
        curve = self._curve(plug)
        if not curve:
            return 0
        first, last = (self._scene.ticks(one) for one in time)
        kept = tuple(key for key in self._scene.nodes[curve]["keys"] if not first <= key[0] <= last)
        cut = len(self._scene.nodes[curve]["keys"]) - len(kept)

        def act():
            self._scene.nodes[curve]["keys"] = kept
            if not kept:  # a curve without keys goes
                del self._scene.nodes[curve]
                self._scene.sources = {plug: source for plug, source in self._scene.sources.items() if source != curve}

        if cut:
            self._changing(act)
        return cut

    def _curve(self, plug):
        node, attribute = self._scene.find(plug)
        curve = self._scene.sources.get(node + "." + attribute)
        return curve if curve and self._scene.nodes[curve]["type"] in TIME_CURVES else None

    # Undo.

    def undoInfo(self, *, openChunk: bool = False, closeChunk: bool = False, chunkName: str = "", query: bool = False,
                 state: bool = False, undoName: bool = False):
        scene = self._scene
        if query:
            return scene.undo_on if state else (scene.done[-1][0] if scene.done else "")
        if openChunk:
            if scene.chunk is not None:
                raise AssertionError("a chunk within a chunk")
            scene.chunk = (chunkName, [])
        elif closeChunk:
            name, records = scene.chunk
            scene.chunk = None
            if records:
                scene.done.append((name, records))

    def undo(self):
        if self._scene.chunk is not None or not self._scene.done:
            raise RuntimeError("There are no more commands to undo.")
        self._scene.undo()

    def redo(self):
        if not self._scene.undone:
            raise RuntimeError("There are no more commands to redo.")
        self._scene.redo()

    # The session.

    def about(self, *, batch: bool = False):
        return self._fake.batch if batch else None

    def currentUnit(self, *, query: bool = False, time: bool = False, angle: bool = False):
        if not query:
            raise RuntimeError("the scene's units are the artist's")
        return self._scene.time_unit if time else self._scene.angle_unit

    def upAxis(self, *, query: bool = False, axis: bool = False):
        return self._scene.up if query and axis else None

    def playbackOptions(self, *, query: bool = False, minTime: bool = False):
        return 1.0 if query and minTime else None

    def optionVar(self, *, query: str = "", exists: str = "", stringValue: tuple = ()):
        if exists:
            return exists in self._fake.options
        if query:
            return self._fake.options.get(query, 0)
        name, value = stringValue
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("optionVar: stringValue is (name, text)")
        self._fake.options[name] = value

    def internalVar(self, *, userAppDir: bool = False):
        return self._fake.options["userAppDir"] if userAppDir else None

    def loadPlugin(self, name, *, quiet: bool = False):
        if name == "animImportExport":
            self._fake.plugins[name] = None
            return [name]
        folders = [""] if os.path.isabs(name) else os.environ["MAYA_PLUG_IN_PATH"].split(os.pathsep)
        path = next((path for path in (os.path.join(folder, name if name.endswith(".py") else name + ".py") for folder in folders)
                     if os.path.isfile(path)), None)
        if path is None:
            raise RuntimeError("Plug-in, \"%s\", was not found on MAYA_PLUG_IN_PATH." % name)
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        plugin = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(plugin)
        if not hasattr(plugin, "maya_useNewAPI"):
            raise RuntimeError("the plug-in does not say that it uses the API 2.0")
        plugin.initializePlugin(object())
        self._fake.plugins[os.path.basename(path)[:-3]] = plugin
        return [spec.name]

    def file(self, path, *, i: bool = False, type: str = "", ignoreVersion: bool = False, options: str = ""):
        if not i or type != "animImport" or "animImportExport" not in self._fake.plugins:
            raise RuntimeError("file: Unrecognized file type.")
        if not self._scene.selection:
            raise RuntimeError("file: Nothing is selected to paste the animation to.")
        self._changing(lambda: self._fake.pending_imports.append((path, self._scene.selection, options)))
        return path

    def sound(self, *names, query: bool = False, edit: bool = False, file: str = "", offset: int = 0):
        if names and query and file is True:
            return self._scene.nodes[names[0]]["filename"]
        if names and edit:
            return self._changing(lambda: self._scene.nodes[names[0]].update(offset=offset))
        if names or query or edit or not os.path.isfile(file):
            raise RuntimeError("sound: '%s' can't be read" % file)
        return self._changing(lambda: self._scene.add("audio", "audio%d" % len(self._scene.nodes), filename=file, offset=offset))

    def warning(self, text):
        self._fake.warnings.append(text)

    # Windows that are not controls.

    def showWindow(self, name):
        if self._fake.ui.controls[name]["kind"] != "window":
            raise RuntimeError("showWindow: %s is no window" % name)

    def deleteUI(self, name, *, window: bool = False):
        self._fake.ui.delete(name)

    def setParent(self, name):
        if name != "..":
            raise RuntimeError("this stand-in goes up alone")
        self._fake.ui.parents.pop()

    def objectTypeUI(self, name):
        return self._fake.ui.controls[name]["kind"]

    def confirmDialog(self, *, title: str = "", message: str = "", button: STRINGS = ()):
        self._fake.ui.dialogues.append(message)
        return "OK"

    def fileDialog2(self, *, fileMode: int = 0, caption: str = "", fileFilter: str = ""):
        return [self._fake.ui.chosen_files.pop(0)] if self._fake.ui.chosen_files else None

    def progressWindow(self, *, query: bool = False, edit: bool = False, endProgress: bool = False, isCancelled: bool = False,
                       isInterruptable: bool = False, title: str = "", status: str = "", progress: int = 0, maxValue: int = 100):
        ui = self._fake.ui
        if not (query or edit or endProgress):
            if self._fake.batch or ui.progress is not None:
                return False
            ui.progress, ui.cancelled = (progress, status), False
            return True
        if ui.progress is None:
            raise RuntimeError("progressWindow: there is none")
        if endProgress:
            ui.progress = None
        elif query:
            return ui.cancelled
        else:
            ui.progress = (progress, status)
            ui.progress_told.append(ui.progress)
