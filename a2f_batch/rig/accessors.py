"""Arrays out of a character's glTF document: accessors, dense or sparse, of floats or of normalised integers."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import ExportError
from a2f_batch.rig.character import Character, natural

Json = dict[str, Any]

_DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# What moves a view's bytes elsewhere, packed.
_PACKED = ("EXT_meshopt_compression", "KHR_meshopt_compression")


def accessor_array(character: Character, index: int, count: int | None = None) -> npt.NDArray[Any]:
    """Return an accessor's elements, shape (count, width): float32 for floats and normalised integers, else as stored.

    Args:
        count: how many there must be; None takes what the document says.

    Raises:
        ExportError: it is out of its buffer or of a kind that glTF 2.0 has not (code 'character-format'), or its bytes are packed
            by an extension (code 'character-packed').

    Source: glTF 2.0 specification, 3.6.2 (accessors), 3.11 (normalised integers: f = max(c / 127, -1) and so on).
    """
    document = character.document
    try:
        accessor = document["accessors"][natural(index)]
        if count is not None and accessor["count"] != count:
            raise ValueError(f"{accessor['count']} elements, not {count}")
        dtype, width, count = np.dtype(_DTYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]], natural(accessor["count"])
        if "bufferView" in accessor:
            values = _elements(character, accessor["bufferView"], accessor.get("byteOffset", 0), count, dtype, width)
        else:
            values = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            several, at = natural(sparse["count"]), sparse["indices"]
            places = _elements(character, at["bufferView"], at.get("byteOffset", 0), several, np.dtype(_DTYPES[at["componentType"]]), 1)
            over = sparse["values"]
            values = values.copy()
            values[places[:, 0]] = _elements(character, over["bufferView"], over.get("byteOffset", 0), several, dtype, width)
        if dtype.kind != "f" and accessor.get("normalized"):
            values = np.maximum(values.astype(np.float32) / np.float32(np.iinfo(dtype).max), np.float32(-1))
        return values
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # The document is somebody else's: any key may be missing, of another type, or point outside.
        raise ExportError(f"Can't read accessor {index} of the character '{character.path}' ({type(error).__name__}: {error}).",
                          "Export it again; the Khronos glTF validator names the fault.", code="character-format") from None


def _elements(character: Character, view_index: int, offset: int, count: int, dtype: np.dtype[Any], width: int) -> npt.NDArray[Any]:
    view: Json = character.document["bufferViews"][natural(view_index)]
    if any(name in view.get("extensions", {}) for name in _PACKED):
        raise ExportError(f"The character '{character.path}' has its meshes packed by meshopt.", "Export it without compression.",
                          code="character-packed")
    packed = dtype.itemsize * width
    stride = natural(view.get("byteStride", packed))
    first, length = natural(view.get("byteOffset", 0)) + natural(offset), stride * (count - 1) + packed if count else 0
    if natural(offset) + length > natural(view["byteLength"]):
        raise ValueError(f"{count} elements do not fit view {view_index}")
    content = _buffer(character, view["buffer"])
    if first + length > len(content):
        raise ValueError(f"view {view_index} ends behind its buffer")
    return np.ndarray((count, width), dtype, content, first, (stride, dtype.itemsize))


def _buffer(character: Character, index: int) -> bytes:
    if index == 0:
        return character.content
    uri: str = character.document["buffers"][natural(index)]["uri"]  # made a data: address when the character was read
    return base64.b64decode(uri.partition(",")[2], validate=True)
