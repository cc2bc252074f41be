"""Joints of head and eyes: how they stand at rest is noted when they are chosen, so that a second bake turns from the same pose."""

import math

from maya import cmds

from .trouble import Trouble

JOINTS = ("Head", "LeftEye", "RightEye")
_ORDERS = ("xyz", "yzx", "zxy", "xzy", "yxz", "zyx")  # as the attribute rotateOrder counts them


def captured(node):
    """Return what is kept of a joint or transform: its identity, and its rest pose as the library wants it (radians)."""
    if not cmds.objExists(node) or not cmds.objectType(node, isAType="transform"):
        raise Trouble("'%s' is no joint and no transform." % node, "Select the joint, or the group, that turns the head or the eye.")
    orient = (0.0, 0.0, 0.0)
    if cmds.attributeQuery("jointOrient", node=node, exists=True):
        orient = cmds.getAttr(node + ".jointOrient")[0]
    return {"node": node, "uuid": cmds.ls(node, uuid=True)[0], "rest": {
        "rotate": _radians(cmds.getAttr(node + ".rotate")[0]), "order": _ORDERS[cmds.getAttr(node + ".rotateOrder")],
        "orient": _radians(orient), "parent": list(cmds.getAttr(node + ".parentMatrix[0]")), "up": cmds.upAxis(query=True, axis=True)}}


def found(kept):
    """Return the node of a kept joint, also where it was renamed or moved since."""
    there = cmds.ls(kept["uuid"], long=True) or cmds.ls(kept["node"], long=True)
    if len(there) != 1:
        raise Trouble("The joint '%s' is not in the scene%s." % (kept["node"], " alone" if there else ""), "Choose it again.")
    return there[0]


def _radians(angles):
    if cmds.currentUnit(query=True, angle=True) == "rad":
        return list(angles)
    return [math.radians(angle) for angle in angles]
