"""What the artist changed about the mapping, and the joints of head and eyes: kept on a blendShape node, saved with the scene."""

import json

from maya import cmds

from .trouble import Trouble

ATTRIBUTE = "a2fMapping"

_KEPT = (("node", str), ("uuid", str), ("rest", dict))  # of a joint, see joints.py


def load(nodes):
    """Return (map, joints) of the first of `nodes` that has any: channel -> {target: gain}, joint -> rest (see joints.py)."""
    node = _holder(nodes)
    text = cmds.getAttr(node + "." + ATTRIBUTE) if node else ""
    if not text:
        return {}, {}
    try:
        content = json.loads(text)
        user_map, joints = dict(content["map"]), dict(content["joints"])
        if not all(isinstance(joint[name], kind) for joint in joints.values() for name, kind in _KEPT):
            raise TypeError
        return user_map, joints
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Trouble("The mapping saved on '%s' can't be read." % node, "Delete its attribute %s." % ATTRIBUTE) from None


def save(nodes, user_map, joints):
    """Keep both on the node that has them, or on the first of `nodes`."""
    node = _holder(nodes)
    if node is None:
        node = nodes[0]
        cmds.addAttr(node, longName=ATTRIBUTE, dataType="string")
    cmds.setAttr(node + "." + ATTRIBUTE, json.dumps({"map": user_map, "joints": joints}, sort_keys=True), type="string")


def rows(match):
    """Return an answer's match as rows (channel, target, gain, by whom); a channel that drives nothing has the target ''."""
    found = []
    for channel, mix in match["pairs"].items():
        for target, gain in list(mix.items()) or [("", 1.0)]:
            found.append((channel, target, gain, match["by"][channel]))
    return found + [(channel, "", 1.0, "") for channel in match["unmatched_channels"]]


def _holder(nodes):
    for node in nodes:
        if cmds.attributeQuery(ATTRIBUTE, node=node, exists=True):
            return node
    return None
