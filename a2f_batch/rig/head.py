"""The default head: 52 ARKit targets on a head made by `a2f_batch.rig.sculpt` and kept as an array file beside this module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

ASSET = "default_head.npz"


@cache
def default_head() -> Mesh:
    """Return the default head: about 0.24 m tall, origin between the ears, all targets of `names.ARKIT_52`.

    Parts: head (skin), lips, mouth (its inside), left_ and right_ eye, iris and pupil, brows, lashes, ears, hair,
    upper_teeth, lower_teeth, tongue. Left and right are the face's own; right-hand targets are exact mirror images.
    It is read from a file and not computed, so that every machine writes the same bytes.
    """
    with np.load(BytesIO(files(__package__).joinpath(ASSET).read_bytes()), allow_pickle=False) as arrays:
        return unpack({name: arrays[name] for name in arrays.files})


def pack(mesh: Mesh) -> dict[str, npt.NDArray[Any]]:
    """Return `mesh` as plain arrays; the morphs of a part lie one after another."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    described = []
    for part in mesh.parts:
        morphs = list(part.morphs.values())
        described.append({"name": part.name, "material": [part.material.name, list(part.material.color), part.material.roughness],
                          "morphs": {name: len(morph.indices) for name, morph in part.morphs.items()}})
        arrays |= {f"{part.name}/vertices": part.vertices, f"{part.name}/normals": part.normals, f"{part.name}/uv": part.uv,
                   # A triangle is a quad that ends in -1.
                   f"{part.name}/polygons": np.array([(*face, -1)[:4] for face in part.polygons], dtype=np.int16)}
        if morphs:
            arrays |= {f"{part.name}/indices": np.concatenate([morph.indices for morph in morphs]).astype(np.int16),
                       f"{part.name}/offsets": np.concatenate([morph.offsets for morph in morphs]),
                       f"{part.name}/normal_offsets": np.concatenate([morph.normal_offsets for morph in morphs])}
    text = json.dumps({"name": mesh.name, "parts": described}, allow_nan=False)
    return {"description": np.frombuffer(text.encode(), dtype=np.uint8), **arrays}


def unpack(arrays: Mapping[str, npt.NDArray[Any]]) -> Mesh:
    """Return the mesh that `pack` was given; its arrays are read-only."""
    description = json.loads(arrays["description"].tobytes())
    parts = []
    for described in description["parts"]:
        name = described["name"]
        get = {key: _frozen(arrays[f"{name}/{key}"]) for key in ("vertices", "normals", "uv", "polygons")}
        material, color, roughness = described["material"]
        morphs, start = {}, 0
        for target, count in described["morphs"].items():
            some = slice(start, start + count)
            start += count
            morphs[target] = Morph(_frozen(arrays[f"{name}/indices"][some].astype(np.int32)), _frozen(arrays[f"{name}/offsets"][some]),
                                   _frozen(arrays[f"{name}/normal_offsets"][some]))
        polygons = tuple(tuple(corner for corner in face if corner >= 0) for face in get["polygons"].tolist())
        parts.append(Part(name, get["vertices"], get["normals"], get["uv"], polygons, Material(material, tuple(color), roughness), morphs))
    return Mesh(description["name"], tuple(parts))


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array
