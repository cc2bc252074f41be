"""The scene: nodes with immutable values, so that a snapshot is cheap, connections to attributes, selection, units, undo."""

import uuid
from fractions import Fraction

TICKS = 141120000  # a second, in Maya 2019 and later
UNITS = {"game": Fraction(15), "film": Fraction(24), "pal": Fraction(25), "ntsc": Fraction(30), "show": Fraction(48), "palf": Fraction(50),
         "ntscf": Fraction(60), "29.97fps": Fraction(30000, 1001), "23.976fps": Fraction(24000, 1001), "millisec": Fraction(1000)}
TIME_CURVES = ("animCurveTU", "animCurveTA", "animCurveTL")
IDENTITY = tuple(float(i % 5 == 0) for i in range(16))


class Scene:
    """All of it."""

    def __init__(self):
        self.nodes = {}
        self.sources = {}  # attribute -> node that drives it
        self.selection = ()
        self.time_unit, self.angle_unit, self.up = "film", "deg", "y"
        self.undo_on = True
        self.undone, self.done = [], []
        self.chunk = None
        self._count = 0

    # What the artist has made.

    def add(self, kind, name, parent=None, referenced=False, **values):
        """Add a node; `parent` is a full path."""
        if name in self.nodes:
            raise ValueError("there is a node %s" % name)
        self._count += 1
        self.nodes[name] = dict({"type": kind, "uuid": str(uuid.UUID(int=self._count)).upper(), "parent": parent,
                                 "referenced": referenced}, **values)
        return name

    def add_mesh(self, name, targets, parent=None, blend=None):
        """Add a transform with a mesh whose blendShape has `targets`; None = a target without a name. Return the blendShape's name."""
        self.add("transform", name, parent)
        shape = self.add("mesh", name + "Shape", name)
        blend = blend or name + "_blend"
        self.add("blendShape", blend, aliases=tuple(targets), geometry=shape)
        for i in range(len(targets)):
            self.nodes[blend]["weight[%d]" % i] = 0.0
        return blend

    def add_joint(self, name, parent=None, kind="joint", rotate=(0.0, 0.0, 0.0), orient=(0.0, 0.0, 0.0), order=0, matrix=IDENTITY):
        """Add a joint or transform; angles in degrees."""
        values = {"rotateX": rotate[0], "rotateY": rotate[1], "rotateZ": rotate[2], "rotateOrder": order, "parentMatrix[0]": tuple(matrix)}
        if kind == "joint":
            values.update(jointOrientX=orient[0], jointOrientY=orient[1], jointOrientZ=orient[2])
        return self.add(kind, name, parent, **values)

    def set_keys(self, plug, keys, kind="animCurveTU"):
        """Key an attribute, frame -> value, as the artist did; return the curve's node."""
        node, attribute = self.find(plug)
        curve = self.add(kind, "%s_%s" % (node, attribute.replace("[", "_").replace("]", "")))
        self.nodes[curve]["keys"] = tuple(sorted((self.ticks(frame), float(value), 18, 18) for frame, value in keys.items()))
        self.sources[node + "." + attribute] = curve
        return curve

    def keys(self, plug):
        """Return frame -> value of an attribute's keys."""
        node, attribute = self.find(plug)
        curve = self.sources.get(node + "." + attribute)
        return {self.frame(key[0]): key[1] for key in self.nodes[curve]["keys"]} if curve else {}

    # Names.

    def path(self, name):
        """Return a DAG node's full path."""
        steps = []
        while name is not None:
            steps.append(name)
            name = self.nodes[name]["parent"]
        return "|" + "|".join(reversed(steps))

    def node(self, name):
        """Return the node that a name, path or UUID stands for."""
        if not isinstance(name, str):
            raise TypeError("Error: expected a node's name, not %r" % (name,))
        for there, values in self.nodes.items():
            if name in (there, values["uuid"]) or (name.startswith("|") and self.is_dag(there) and self.path(there) == name):
                return there
        raise ValueError("No object matches name: %s" % name)

    def is_dag(self, name):
        return self.nodes[name]["type"] in ("transform", "joint", "mesh")

    def find(self, plug):
        """Return (node, attribute as it is stored) of 'node.attribute', aliases followed."""
        if not isinstance(plug, str) or "." not in plug:
            raise TypeError("Error: expected node.attribute, not %r" % (plug,))
        name, attribute = plug.split(".", 1)
        node = self.node(name)
        aliases = self.nodes[node].get("aliases", ())
        if attribute in aliases:
            attribute = "weight[%d]" % aliases.index(attribute)
        compound = attribute in ("rotate", "jointOrient") and attribute + "X" in self.nodes[node]
        if attribute not in self.nodes[node] and not compound and not (attribute == "weight" and aliases):
            raise ValueError("No object matches name: %s" % plug)
        return node, attribute

    # Time.

    def ticks(self, frame):
        return round(Fraction(frame) / UNITS[self.time_unit] * TICKS)

    def frame(self, ticks):
        return float(Fraction(ticks, TICKS) * UNITS[self.time_unit])

    # Undo.

    def snapshot(self):
        return {name: dict(node) for name, node in self.nodes.items()}, dict(self.sources), self.selection

    def restore(self, snapshot):
        nodes, sources, self.selection = snapshot
        self.nodes, self.sources = {name: dict(node) for name, node in nodes.items()}, dict(sources)

    def remember(self, before, undo=None, redo=None):
        """Note something that can be undone, done just now; `undo` and `redo` for what a plug-in does itself."""
        self.undone = []
        if self.undo_on:
            record = (before, self.snapshot(), undo, redo)
            if self.chunk is None:
                self.done.append(("", [record]))
            else:
                self.chunk[1].append(record)

    def undo(self):
        name, records = self.done.pop()
        for before, after, undo, _ in reversed(records):
            if self.snapshot() != after:
                raise AssertionError("the scene is not as the command left it")
            if undo is None:
                self.restore(before)
            else:
                undo()
            if self.snapshot() != before:
                raise AssertionError("undoIt leaves the scene other than it was")
        self.undone.append((name, records))

    def redo(self):
        name, records = self.undone.pop()
        for _, after, _, redo in records:
            if redo is None:
                self.restore(after)
            else:
                redo()
            if self.snapshot() != after:
                raise AssertionError("redoIt does not do what doIt did")
        self.done.append((name, records))
