"""Looking into an ONNX file without opening it: is it whole, and does it ask for other files.

An ONNX network may keep tensors in other files, named by any path. onnxruntime checks some of these names and reads some; which ones
depends on its version and on the current folder. So that a weights file can never make us read another file, its tensors are looked
through first, at the level of protobuf's wire format, which needs no further package.

Source: onnx.proto (field numbers), protobuf's encoding guide (wire types).
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Which fields of a message lead to tensors: field number -> the message in it.
_LEADS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_MODEL_GRAPH, _TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 7, 8, 13, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


class NotOnnxError(ValueError):
    """The bytes are not those of a whole ONNX file."""


def external_tensors(content: bytes) -> list[tuple[str, str]]:
    """Return (tensor name, file it is kept in) of every tensor whose values are outside the file.

    Raises:
        NotOnnxError: the bytes are no protobuf, end early, or hold no graph.
    """
    found: list[tuple[str, str]] = []
    waiting = [("model", memoryview(content))]  # a list, not recursion: a hostile file nests without end
    has_graph = False
    while waiting:
        kind, message = waiting.pop()
        if kind == "tensor":
            found += _external(message)
            continue
        leads = _LEADS[kind]
        for field, value in _fields(message):
            has_graph |= kind == "model" and field == _MODEL_GRAPH
            if field in leads and isinstance(value, memoryview):
                waiting.append((leads[field], value))
    if not has_graph:
        raise NotOnnxError("it holds no graph")
    return found


def _external(tensor: memoryview) -> list[tuple[str, str]]:
    name, outside, place = "", False, ""
    for field, value in _fields(tensor):
        if field == _TENSOR_NAME and isinstance(value, memoryview):
            name = _text(value)
        elif field == _TENSOR_LOCATION:
            outside |= value != 0
        elif field == _TENSOR_EXTERNAL_DATA and isinstance(value, memoryview):
            outside = True
            entry = {key: _text(text) for key, text in _fields(value) if isinstance(text, memoryview)}
            if entry.get(_ENTRY_KEY) == "location":
                place = entry.get(_ENTRY_VALUE, "")
    return [(name, place)] if outside else []


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8", "replace")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of a message: an int for the number types, the bytes for the others."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise NotOnnxError("it is not in protobuf's format")
        if length > end - at:
            raise NotOnnxError("it ends early, or is not in protobuf's format")
        yield tag >> 3, message[at:at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise NotOnnxError("it ends early, or is not in protobuf's format")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise NotOnnxError("it is not in protobuf's format")
