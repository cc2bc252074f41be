"""The nodes of a glTF document at rest: whose child each is, where it stands, how it is turned."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Json = dict[str, Any]
Matrix = npt.NDArray[np.float64]
Quaternion = npt.NDArray[np.float64]

_IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


def parents(nodes: list[Json]) -> list[int | None]:
    """Return each node's parent.

    Raises:
        ValueError: a child that is none, or that has two parents or itself above it.
    """
    above: list[int | None] = [None] * len(nodes)
    for index, node in enumerate(nodes):
        for child in node.get("children", ()):
            if not isinstance(child, int) or not 0 <= child < len(nodes) or above[child] is not None:
                raise ValueError(f"node {index} has the child {child!r}")
            above[child] = index
    for index in range(len(nodes)):
        at, steps = above[index], 0
        while at is not None:
            at, steps = above[at], steps + 1
            if steps > len(nodes):
                raise ValueError(f"node {index} is above itself")
    return above


def world_matrix(nodes: list[Json], above: list[int | None], index: int) -> Matrix:
    """Return what brings a node's points into the scene, shape (4, 4)."""
    matrix, at = local_matrix(nodes[index]), above[index]
    while at is not None:
        matrix, at = local_matrix(nodes[at]) @ matrix, above[at]
    return matrix


def world_rotation(nodes: list[Json], above: list[int | None], index: int | None) -> Quaternion:
    """Return how a node is turned in the scene: the product of its own and its parents' rotations, whatever their scales."""
    turned = _IDENTITY
    while index is not None:
        turned, index = multiply(as_parts(nodes[index])[1], turned), above[index]
    unit: Quaternion = turned / np.linalg.norm(turned)
    return unit


def local_matrix(node: Json) -> Matrix:
    """Return what brings a node's points into its parent, shape (4, 4)."""
    if "matrix" in node:
        return _matrix(node)
    translation, rotation, scale = as_parts(node)
    x, y, z, w = rotation
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                               [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                               [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]) * scale
    matrix[:3, 3] = translation
    return matrix


def as_parts(node: Json) -> tuple[Matrix, Quaternion, Matrix]:
    """Return a node's translation, rotation (x, y, z, w; unit length) and scale.

    Raises:
        ValueError: its matrix is sheared, which glTF forbids, or flat.
    """
    if "matrix" not in node:
        rotation = np.array(node.get("rotation", _IDENTITY), dtype=np.float64).reshape(4)
        length = float(np.linalg.norm(rotation))
        if not length > 0:
            raise ValueError(f"the rotation {node['rotation']} is none")
        return (np.array(node.get("translation", (0, 0, 0)), dtype=np.float64).reshape(3), rotation / length,
                np.array(node.get("scale", (1, 1, 1)), dtype=np.float64).reshape(3))
    matrix = _matrix(node)
    scale = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (scale > 0).all():
        raise ValueError("a node's matrix is flat")
    if np.linalg.det(matrix[:3, :3]) < 0:
        scale[0] = -scale[0]
    turned = matrix[:3, :3] / scale
    if np.abs(turned.T @ turned - np.eye(3)).max() > 1e-3:
        raise ValueError("a node's matrix is sheared")
    return matrix[:3, 3], _quaternion(turned), scale


def multiply(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the rotation `second` followed by `first`; quaternions x, y, z, w on the last axis, of any shapes that broadcast."""
    (ax, ay, az, aw), (bx, by, bz, bw) = np.moveaxis(first, -1, 0), np.moveaxis(second, -1, 0)
    product: npt.NDArray[np.float64] = np.stack([aw * bx + ax * bw + ay * bz - az * by, aw * by - ax * bz + ay * bw + az * bx,
                                                 aw * bz + ax * by - ay * bx + az * bw, aw * bw - ax * bx - ay * by - az * bz], axis=-1)
    return product


def conjugate(rotation: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the rotation back."""
    return np.asarray(rotation * np.array([-1.0, -1.0, -1.0, 1.0]), dtype=np.float64)


def _matrix(node: Json) -> Matrix:
    matrix: Matrix = np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T  # glTF has columns
    return matrix


def _quaternion(matrix: Matrix) -> Quaternion:
    """Return a rotation matrix as x, y, z, w: the eigenvector that no case of signs upsets."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = matrix
    # Bar-Itzhack, 2000: the rotation is the eigenvector of the largest eigenvalue.
    found = np.linalg.eigh(np.array([[xx - yy - zz, xy + yx, xz + zx, zy - yz], [xy + yx, yy - xx - zz, yz + zy, xz - zx],
                                     [xz + zx, yz + zy, zz - xx - yy, yx - xy], [zy - yz, xz - zx, yx - xy, xx + yy + zz]]) / 3)[1][:, -1]
    rotation: Quaternion = found if found[3] >= 0 else -found
    return rotation
