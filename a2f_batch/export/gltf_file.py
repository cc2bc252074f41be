"""glTF's two containers: .glb, and .gltf with its buffer inside."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from a2f_batch.errors import ExportError

Json = dict[str, Any]

_JSON, _BIN = 0x4E4F534A, 0x004E4942
_MAX_GLB = 2**32 - 1  # its lengths are 32 bits
_DATA_URI = "data:application/octet-stream;base64,"


def write_glb(file: BinaryIO, document: Json, content: Iterable[bytes], length: int, chunks: Sequence[tuple[int, bytes]] = ()) -> None:
    """Write a .glb of JSON, buffer 0 and somebody's further chunks.

    Args:
        content: buffer 0's bytes, in pieces.
        length: how many they are together.
        chunks: (type, bytes), their lengths multiples of four.

    Raises:
        ExportError: it would be over 4 GiB (code 'too-large').
    """
    text = _encode(document)
    text += b" " * (-len(text) % 4)
    padding = bytes(-length % 4)
    whole = 12 + 8 + len(text) + 8 + length + len(padding) + sum(8 + len(chunk) for _, chunk in chunks)
    if whole > _MAX_GLB:
        raise ExportError(f"A .glb of {whole} bytes can't be written: its lengths are 32 bits.", "Put fewer lines into one file.",
                          code="too-large")
    file.write(struct.pack("<4sIIII", b"glTF", 2, whole, len(text), _JSON) + text)
    file.write(struct.pack("<II", length + len(padding), _BIN))
    for piece in content:
        file.write(piece)
    file.write(padding + b"".join(struct.pack("<II", len(chunk), kind) + chunk for kind, chunk in chunks))


def write_gltf(file: BinaryIO, document: Json, content: Iterable[bytes]) -> None:
    """Write a .gltf that holds buffer 0 as base64: one file, whole or not there."""
    buffers = document["buffers"]
    # The JSON around the address of buffer 0, which is far too long for it: no address holds a NUL.
    around = _encode({**document, "buffers": [{**buffers[0], "uri": f"{_DATA_URI}\0"}, *buffers[1:]]})
    before, _, after = around.partition(f'{_DATA_URI}\\u0000"'.encode("ascii"))
    file.write(before + _DATA_URI.encode("ascii"))
    left = b""
    for piece in content:
        left += piece
        whole = len(left) // 3 * 3  # base64 has four characters for three bytes
        file.write(base64.b64encode(left[:whole]))
        left = left[whole:]
    file.write(base64.b64encode(left) + b'"' + after)


def _encode(document: Json) -> bytes:
    # Escapes: a lone half of a surrogate pair, which JSON allows and UTF-8 does not, stays what it was.
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
