"""The face: blendShape nodes, their targets, and which of these may be keyed."""

from maya import cmds

from .trouble import Trouble


class Face:
    """What a line is keyed on.

    Attributes:
        nodes: blendShape nodes.
        targets: for each node the names of the targets that may be keyed.
        left_alone: attributes that may not, and why.
    """

    def __init__(self, nodes):
        missing = [node for node in nodes if not cmds.objExists(node)]
        if missing or not nodes:
            raise Trouble("There is no blendShape node %s." % ", ".join(missing) if missing else "No blendShape node is chosen.",
                          "Select the character and press 'From selection'.")
        self.nodes, self.targets, self.left_alone = list(nodes), [], {}
        for node in nodes:
            if cmds.nodeType(node) != "blendShape":
                raise Trouble("'%s' is no blendShape node." % node, "Choose blendShape nodes.")
            self.targets.append([target for target in all_targets(node) if self._is_free(node + "." + target)])
        if not any(self.targets):
            raise Trouble("No target of %s may be keyed: %s." % (", ".join(nodes), self.why() or "they have none"),
                          "Unlock the weights, or break their connections.")

    def _is_free(self, plug):
        why = obstacle(plug)
        if why:
            self.left_alone[plug] = why
        return not why

    def why(self, most=3):
        """Return in words which attributes are left alone."""
        told = ["%s %s" % entry for entry in list(self.left_alone.items())[:most]]
        return ", ".join(told + (["and %d more" % (len(self.left_alone) - most)] if len(self.left_alone) > most else []))


def all_targets(node):
    """Return the names of a node's targets; one without a name is called weight[<index>]."""
    return cmds.listAttr(node + ".weight", multi=True) or []


def obstacle(plug):
    """Return why an attribute can't be keyed, in words that follow its name; None if it can."""
    if cmds.getAttr(plug, lock=True):
        return "is locked"
    for source in cmds.listConnections(plug, source=True, destination=False, skipConversionNodes=True) or []:
        kind = cmds.nodeType(source)
        if kind not in ("animCurveTU", "animCurveTA"):
            return "is driven by %s (%s)" % (source, kind)
        if cmds.referenceQuery(source, isNodeReferenced=True):
            return "is keyed in a referenced file (%s)" % source
    return None


def of_selection():
    """Return the blendShape nodes of all that hangs together with the selection: of the whole character, where its head is selected."""
    roots = []
    for one in cmds.ls(selection=True, long=True, objectsOnly=True):
        root = one[:one.find("|", 1)] if one.find("|", 1) > 0 else one
        if root not in roots:
            roots.append(root)
    found: list = []
    for root in roots:
        if cmds.nodeType(root) == "blendShape":
            shapes = [root]
        else:
            shapes = cmds.listRelatives(root, allDescendents=True, fullPath=True, noIntermediate=True, type="mesh") or []
        for shape in shapes:
            # Pruned at DAG objects: the history of sculpted target meshes is not this face's.
            history = cmds.listHistory(shape, pruneDagObjects=True) or []
            found.extend(node for node in history if cmds.nodeType(node) == "blendShape" and node not in found)
    return found
