"""The heads that talk in the page: an exported .glb without its animations, or the default head, as a script."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from a2f_batch.report.curves import CurveFile
from a2f_batch.report.scripts import call, packed, write_changed

_DEFAULT_SCHEMA = 1  # counts up when the default head is laid out another way

# Who points at an accessor, in a mesh or a skin; `attributes` and `targets` name many.
_MANY = ("attributes", "targets")
_ONE = ("indices", "inverseBindMatrices")


def exported_head(file: CurveFile) -> bytes:
    """Return the head of an exported file as a .glb: what takes added to it, an animation and perhaps a sound, is left out.

    Raises:
        ClipError: the file can't be read.
    """
    from a2f_batch.export.gltf_reader import read_document

    document, buffer = read_document(Path(file.path))
    return bare(document, buffer)


def write_default_head(folder: Path) -> str:
    """Write the default head's script unless it is there; return its name: a hash of what the head is made from, which is quick to find."""
    from importlib.resources import files

    from a2f_batch.rig import head

    made_from = files(head.__package__).joinpath(head.ASSET).read_bytes() + str(_DEFAULT_SCHEMA).encode()
    name = hashlib.sha256(made_from).hexdigest()[:16]
    if not (folder / f"{name}.js").exists():
        from a2f_batch.export.gltf_mesh import mesh_rig

        rig = mesh_rig(None)
        _write(folder, name, bare({**rig.document, "buffers": [{"byteLength": len(rig.content)}]}, rig.content))
    return name


def bare(document: Mapping[str, Any], buffer: bytes) -> bytes:
    """Return a document as a .glb without animations, and without what only they needed at the ends of its lists and its buffer."""
    from a2f_batch.export.gltf_file import write_glb

    kept = {key: value for key, value in document.items() if key != "animations"}
    used = set(_accessors(kept))
    accessors = list(kept.get("accessors", ()))
    while accessors and len(accessors) - 1 not in used:
        accessors.pop()
    kept["accessors"] = accessors
    seen = set(_views(kept))
    views = list(kept.get("bufferViews", ()))
    while views and len(views) - 1 not in seen:
        views.pop()
    kept["bufferViews"] = views
    length = max((view.get("byteOffset", 0) + view["byteLength"] for view in views if view.get("buffer", 0) == 0), default=0)
    buffers = list(kept.get("buffers", ()))
    kept["buffers"] = [{"byteLength": length}, *buffers[1:]]
    written = BytesIO()
    write_glb(written, kept, [buffer[:length]], length)
    return written.getvalue()


def write_head(folder: Path, glb: bytes) -> str:
    """Write a head's script unless it is there; return the name that lines call it by: a hash of its bytes."""
    name = hashlib.sha256(glb).hexdigest()[:16]
    if not (folder / f"{name}.js").exists():
        _write(folder, name, glb)
    return name


def _write(folder: Path, name: str, glb: bytes) -> None:
    write_changed(folder / f"{name}.js", call("head", name, packed(glb)))


def _accessors(value: Any) -> Iterator[int]:
    """Yield the numbers of accessors that meshes, skins and the like use."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key in _MANY:
                yield from _numbers(one)
            elif key in _ONE and isinstance(one, int):
                yield one
            else:
                yield from _accessors(one)
    elif isinstance(value, list):
        for one in value:
            yield from _accessors(one)


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(one)


def _views(value: Any) -> Iterator[int]:
    """Yield the numbers of all buffer views that are spoken of: of accessors, images and extensions."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key == "bufferView" and isinstance(one, int):
                yield one
            else:
                yield from _views(one)
    elif isinstance(value, list):
        for one in value:
            yield from _views(one)
