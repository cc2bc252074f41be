"""A character's head and eyes: which of its nodes a clip's rotation channels turn, and by what rotation of the node's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import ExportError
from a2f_batch.rig.character import Character
from a2f_batch.rig.hierarchy import Quaternion, as_parts, conjugate, multiply, parents, world_rotation
from a2f_batch.rig.matching import spelling

Json = dict[str, Any]
Joint: TypeAlias = Literal["Head", "LeftEye", "RightEye"]

JOINTS: tuple[Joint, ...] = get_args(Joint)

# What tools call these bones, spelled as `spelling` has it: Mixamo and Ready Player Me (Head, LeftEye), Blender (eye.L), Daz (lEye),
# VRoid (J_Bip_C_Head, J_Adj_L_FaceEye), Character Creator (CC_Base_Head, CC_Base_L_Eye), MetaHuman (head, FACIAL_L_Eye), 3ds Max's
# Biped (Bip001 Head), MMD. From those tools' own pages and forums; no file of theirs was at hand.
_NAMES: Mapping[Joint, tuple[str, ...]] = {
    "Head": ("Head", "mixamorigHead", "J_Bip_C_Head", "CC_Base_Head", "Bip01 Head", "Bip001 Head", "頭"),
    "LeftEye": ("LeftEye", "mixamorigLeftEye", "J_Adj_L_FaceEye", "CC_Base_L_Eye", "FACIAL_L_Eye", "左目"),
    "RightEye": ("RightEye", "mixamorigRightEye", "J_Adj_R_FaceEye", "CC_Base_R_Eye", "FACIAL_R_Eye", "右目")}
_VRM_BONES: Mapping[Joint, str] = {"Head": "head", "LeftEye": "leftEye", "RightEye": "rightEye"}
# VRM 0.x characters look along -Z, all others along +Z: half a turn about Y.
_BACKWARDS = np.array([0.0, 1.0, 0.0, 0.0])


@dataclass(frozen=True, eq=False)
class CharacterJoint:
    """A node that turns with the head or an eye.

    Attributes:
        node: its index in the document.
        name: its name.
        rest: its own rotation at rest, x, y, z, w.
        frame: how its parent is turned, as the face sees it.
    """

    node: int
    name: str
    rest: Quaternion
    frame: Quaternion

    def turned(self, rotations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the node's own rotations, shape (frames, 4), that turn it in the face's axes (see `rotations.quaternions`)."""
        seen = multiply(multiply(conjugate(self.frame), rotations.astype(np.float64)), multiply(self.frame, self.rest))
        return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=4)
def find_joints(character: Character) -> dict[Joint, CharacterJoint]:
    """Return the joints that the character has: those its VRM humanoid names, else bones, else other nodes, by what they are called.

    A skinned mesh is none: its node's place has no meaning. Nodes that stand for the same are taken in the document's order.

    Raises:
        ExportError: the nodes are no tree, or one is sheared (code 'character-format').
    """
    document = character.document
    nodes: list[Json] = list(document["nodes"])
    try:
        above = parents(nodes)
        humanoid = _humanoid(document)
        bones = {joint for skin in document.get("skins", ()) for joint in skin["joints"]}
        found: dict[Joint, CharacterJoint] = {}
        for joint in JOINTS:
            at = humanoid.get(joint, _named(nodes, bones, _NAMES[joint]))
            if at is not None:
                frame = world_rotation(nodes, above, above[at])
                found[joint] = CharacterJoint(at, str(nodes[at].get("name") or f"node {at}"), as_parts(nodes[at])[1],
                                              multiply(conjugate(_BACKWARDS), frame) if _is_vrm0(document) else frame)
        return found
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"Can't find the head and the eyes of the character '{character.path}' ({type(error).__name__}: {error}).",
                          "Export it again; the Khronos glTF validator names the fault.", code="character-format") from None


def animatable(document: Json, nodes: Sequence[int]) -> Json:
    """Return the document with `nodes` placed by translation, rotation and scale: glTF animates no node that has a matrix."""
    changed = list(document["nodes"])
    for index in nodes:
        if "matrix" in changed[index]:
            translation, rotation, scale = as_parts(changed[index])
            changed[index] = {**{key: value for key, value in changed[index].items() if key != "matrix"},
                              "translation": translation.tolist(), "rotation": rotation.tolist(), "scale": scale.tolist()}
    return {**document, "nodes": changed} if changed != document["nodes"] else document


def _named(nodes: list[Json], bones: set[int], names: Sequence[str]) -> int | None:
    wanted = {spelling(name) for name in names}
    called = [index for index, node in enumerate(nodes) if isinstance(node.get("name"), str) and not ("mesh" in node and "skin" in node)
              and {spelling(node["name"]), spelling(node["name"], prefix=False)} & wanted]
    # A mesh that is called Head hangs on a bone or a node of that name, or is its own.
    return min(called, key=lambda index: (index not in bones, "mesh" in nodes[index], index), default=None)


def _humanoid(document: Json) -> dict[Joint, int]:
    extensions = document.get("extensions", {})
    bones = extensions.get("VRMC_vrm", {}).get("humanoid", {}).get("humanBones", {})
    at = {name: bone["node"] for name, bone in bones.items()}
    at |= {bone["bone"]: bone["node"] for bone in extensions.get("VRM", {}).get("humanoid", {}).get("humanBones", ())}
    found: dict[Joint, int] = {joint: at[name] for joint, name in _VRM_BONES.items() if name in at}
    for node in found.values():
        if not isinstance(node, int) or not 0 <= node < len(document["nodes"]):
            raise ValueError(f"the humanoid has the node {node!r}")
    return found


def _is_vrm0(document: Json) -> bool:
    return "VRM" in document.get("extensions", {})
