"""The FBX binary container: a header, nested records of typed properties, zlib-packed arrays, a footer.

Source: the format is not published; this is the layout of files that Maya 2020 (FBX 7.5, 7.7) and Blender 4.4 (7.4) wrote.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import ClipError, ExportError

# What a record can hold: bool (C), int (I, 32 bit), np.int64 (L), np.int16 (Y), float (D), np.float32 (F), str (S), bytes (R),
# and arrays of bool (b), int32 (i), int64 (l), float32 (f), float64 (d).
Property: TypeAlias = "bool | int | float | np.generic | str | bytes | npt.NDArray[Any]"

# FileId and the footer's first 16 bytes are a hash of CreationTime; a fixed time keeps the bytes the same from run to run.
CREATION_TIME = "1970-01-01 10:00:00:000"
FILE_ID = bytes.fromhex("28b32aebb624ccc2bfc8b02aa92bfcf1")
_FOOTER_ID = bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")
_FOOTER_END = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")
_MAGIC = b"Kaydara FBX Binary  \x00\x1a\x00"

# A record's header: where it ends, how many properties it has, their bytes, the length of its name.
_NARROW, _WIDE = struct.Struct("<IIIB"), struct.Struct("<QQQB")
_ENDS = {_NARROW: struct.Struct("<I"), _WIDE: struct.Struct("<Q")}
# Files from this version on have the wide headers.
WIDE_FROM = 7500
# Shorter arrays grow when packed.
_PACK_FROM_BYTES = 48
_ARRAY_CODES = {"b1": b"b", "i4": b"i", "i8": b"l", "f4": b"f", "f8": b"d"}
_ARRAY_TYPES = {code[0]: np.dtype(name).newbyteorder("<") for name, code in _ARRAY_CODES.items()}
_SCALARS: dict[int, tuple[struct.Struct, Any]] = {
    ord("C"): (struct.Struct("<B"), bool), ord("B"): (struct.Struct("<B"), bool), ord("Y"): (struct.Struct("<h"), np.int16),
    ord("I"): (struct.Struct("<i"), int), ord("L"): (struct.Struct("<q"), np.int64),
    ord("F"): (struct.Struct("<f"), np.float32), ord("D"): (struct.Struct("<d"), float),
}
_SCALAR_CODES: dict[type, bytes] = {bool: b"C", int: b"I", np.int64: b"L", np.int16: b"Y", float: b"D", np.float32: b"F"}

# What a file may ask of its reader: no real scene nests deeper than 8 records or holds more than this.
_MAX_DEPTH = 32
_MAX_UNPACKED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Node:
    """One record: a name, its properties (each a Property), and its children; None where it has no `{ }` block at all."""

    name: str
    properties: tuple[Any, ...] = ()
    children: tuple[Node | Block, ...] | None = None

    def all(self, name: str) -> Iterator[Node]:
        """Yield the children called `name`."""
        return (child for child in self.children or () if isinstance(child, Node) and child.name == name)

    def first(self, name: str) -> Node | None:
        """Return the first child called `name`, if there is one."""
        return next(self.all(name), None)


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Records that are encoded already, and may stand anywhere in a file, more than once.

    Attributes:
        content: their bytes; every record's end offset counts from the start of the block.
        ends: where in `content` those offsets are.
        wide: whether the headers are of 64 bits.
    """

    content: bytes
    ends: tuple[int, ...]
    wide: bool = False

    def put(self, out: bytearray, at: int) -> None:
        """Append the content to `out`, which begins `at` bytes into a file."""
        end, start = _ENDS[_WIDE if self.wide else _NARROW], len(out)
        out += self.content
        for place in self.ends:
            end.pack_into(out, start + place, end.unpack_from(self.content, place)[0] + start + at)


@dataclass(frozen=True, eq=False, slots=True)
class Stream:
    """A top-level record whose children are made one by one while the file is written: all of them need not have room in memory."""

    name: str
    children: Iterable[Node | Block]


def encode_block(records: Iterable[Node | Block], *, level: int = 6, wide: bool = False) -> Block:
    """Encode records, to be placed later.

    Args:
        level: zlib level of arrays, 0 (not packed) to 9.
        wide: with headers of 64 bits.
    """
    out = bytearray()
    ends: list[int] = []
    _put(out, ends, records, level, _WIDE if wide else _NARROW)
    return Block(bytes(out), tuple(ends), wide)


def write_file(file: BinaryIO, records: Iterable[Node | Block | Stream], *, version: int = 7400) -> None:
    """Write a whole FBX file that holds `records`; the same records give the same bytes (with the same zlib).

    Args:
        file: empty, and one that can be sought in.
        version: 7400, or 7500: the same but for record headers of 64 bits, which the blocks must have too.

    Raises:
        ExportError: over 4 GiB in a version before 7500 (code 'too-large').
    """
    header = _WIDE if version >= WIDE_FROM else _NARROW
    at = file.write(_MAGIC + struct.pack("<I", version))
    try:
        for record in records:
            if not isinstance(record, Stream):
                at += file.write(_placed(record, at, header))
                continue
            start, name = at, record.name.encode()
            at += file.write(bytes(header.size) + name)
            for child in record.children:
                at += file.write(_placed(child, at, header))
            at += file.write(bytes(header.size))
            file.seek(start)
            file.write(header.pack(at, 0, 0, len(name)))
            file.seek(at)
    except struct.error:
        raise ExportError(f"The FBX file is larger than version {version} can be: 4 GiB.", "Write it as version 7500 (--fbx-version).",
                          code="too-large") from None
    at += file.write(bytes(header.size) + _FOOTER_ID)
    # Aligned to 16 bytes; a full 16 where it is aligned already.
    file.write(bytes(16 - at % 16) + bytes(4) + struct.pack("<I", version) + bytes(120) + _FOOTER_END)


def encode(records: Iterable[Node | Block | Stream], *, version: int = 7400) -> bytes:
    """Return what `write_file` writes."""
    file = BytesIO()
    write_file(file, records, version=version)
    return file.getvalue()


def decode(content: bytes, source: str) -> tuple[int, Node]:
    """Return the version (7400, 7500 ...) of a binary FBX file and a nameless node that holds its top-level records.

    A hostile file costs little: nesting is bounded, and nothing is unpacked beyond its declared, bounded length.

    Args:
        source: the file's name, for messages.

    Raises:
        ClipError: not a binary FBX 7 file, cut, or broken inside (code 'clip-unreadable').
    """
    if content[:len(_MAGIC)] != _MAGIC or len(content) < len(_MAGIC) + 4:
        raise unreadable(source, "it does not begin like a binary FBX file")
    (version,) = struct.unpack_from("<I", content, len(_MAGIC))
    if not 7000 <= version < 8000:
        raise unreadable(source, f"its version is {version}, not 7000 to 7999")
    reader = _Reader(content, source, _WIDE if version >= WIDE_FROM else _NARROW)
    records, _ = reader.records(len(_MAGIC) + 4, len(content), 0)
    return version, Node("", (), records)


def unreadable(source: str, cause: str) -> ClipError:
    """Return the error for a file that is not the FBX file it should be."""
    return ClipError(f"Can't read '{source}' as FBX: {cause}.",
                     "Export the file again, as FBX binary of version 7.4 or later.", code="clip-unreadable")


def _placed(record: Node | Block, at: int, header: struct.Struct) -> bytearray:
    """Return a record as it stands `at` bytes into a file."""
    out = bytearray()
    _put(out, [], [record], 6, header, at)
    return out


def _put(out: bytearray, ends: list[int], records: Iterable[Node | Block], level: int, header: struct.Struct, at: int = 0) -> None:
    """Append records to `out`, which begins `at` bytes into a file, and the places of their end offsets to `ends`."""
    for record in records:
        start = len(out)
        if isinstance(record, Block):
            if record.wide != (header is _WIDE):
                raise ValueError("a block's headers are not those of the file")
            record.put(out, at)
            ends += [start + end for end in record.ends]
            continue
        name = record.name.encode()
        out += bytes(header.size) + name
        properties = len(out)
        for value in record.properties:
            out += _encoded(value, level)
        length = len(out) - properties
        if record.children is not None:
            _put(out, ends, record.children, level, header, at)
            out += bytes(header.size)
        header.pack_into(out, start, at + len(out), len(record.properties), length, len(name))
        ends.append(start)


def _encoded(value: Property, level: int) -> bytes:
    if isinstance(value, np.ndarray):
        raw = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        packed = zlib.compress(raw, level) if level and len(raw) >= _PACK_FROM_BYTES else raw
        is_packed = len(packed) < len(raw)
        content = packed if is_packed else raw
        return _ARRAY_CODES[value.dtype.str[1:]] + struct.pack("<III", value.size, is_packed, len(content)) + content
    if isinstance(value, str | bytes):
        content = value.encode(errors="replace") if isinstance(value, str) else value
        return (b"S" if isinstance(value, str) else b"R") + struct.pack("<I", len(content)) + content
    code = _SCALAR_CODES[type(value)]
    return code + _SCALARS[code[0]][0].pack(value)


class _Reader:
    """Records out of bytes that nobody vouches for."""

    def __init__(self, content: bytes, source: str, header: struct.Struct) -> None:
        self.content = content
        self.source = source
        self.header = header
        self.unpacked = 0

    def records(self, at: int, stop: int, depth: int) -> tuple[tuple[Node, ...], int]:
        """Return the records from `at` up to the null record, and where that ends."""
        if depth > _MAX_DEPTH:
            raise unreadable(self.source, f"its records are nested deeper than {_MAX_DEPTH}")
        found: list[Node] = []
        while True:
            if at + self.header.size > stop:
                raise unreadable(self.source, f"it is cut, or broken at byte {at}")
            end, count, length, name_length = self.header.unpack_from(self.content, at)
            start = at + self.header.size
            if end == 0:
                return tuple(found), start
            properties = start + name_length
            if not properties + length <= end <= stop or 2 * count > length:
                raise unreadable(self.source, f"it is cut, or broken at byte {at}")
            name = self.content[start:properties].decode("utf-8", "replace")
            children = None
            if properties + length < end:
                children, reached = self.records(properties + length, end, depth + 1)
                if reached != end:
                    raise unreadable(self.source, f"record '{name}' at byte {at} does not end where it says")
            found.append(Node(name, self.properties(properties, properties + length, count), children))
            at = end

    def properties(self, at: int, stop: int, count: int) -> tuple[Property, ...]:
        values: list[Property] = []
        for _ in range(count):
            try:
                value, at = self.property(at, stop)
            except struct.error:
                at = stop + 1
            if at > stop:
                raise unreadable(self.source, f"a property runs past its record at byte {stop}")
            values.append(value)
        return tuple(values)

    def property(self, at: int, stop: int) -> tuple[Property, int]:
        code, at = self.content[at], at + 1
        if code in _SCALARS:
            layout, kind = _SCALARS[code]
            return kind(layout.unpack_from(self.content, at)[0]), at + layout.size
        if code in b"SR":
            (length,) = struct.unpack_from("<I", self.content, at)
            raw = self.content[at + 4:min(at + 4 + length, stop)]
            return (raw.decode("utf-8", "replace") if code == ord("S") else raw), at + 4 + length
        if code in _ARRAY_TYPES:
            count, packing, length = struct.unpack_from("<III", self.content, at)
            at += 12
            return self.array(_ARRAY_TYPES[code], count, packing, self.content[at:min(at + length, stop)]), at + length
        raise unreadable(self.source, f"there is no property type {chr(code)!r} (byte {at - 1})")

    def array(self, dtype: np.dtype[Any], count: int, packing: int, raw: bytes) -> npt.NDArray[Any]:
        size = count * dtype.itemsize
        self.unpacked += size
        if self.unpacked > _MAX_UNPACKED_BYTES:
            raise unreadable(self.source, f"its arrays hold more than {_MAX_UNPACKED_BYTES >> 20} MiB")
        if packing == 1:
            try:
                unpacker = zlib.decompressobj()
                # A limit of 0 would mean none.
                raw = unpacker.decompress(raw, size + 1)
            except zlib.error:
                raise unreadable(self.source, "an array can't be unpacked") from None
        if packing not in (0, 1) or len(raw) != size:
            raise unreadable(self.source, f"an array that should hold {count} values does not")
        return np.frombuffer(raw, dtype)
