"""The FBX container: what is written comes back, and bytes that nobody vouches for do no harm."""

import random
import struct
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
from export_fixtures import fresh_seed

from a2f_batch import ClipError, ExportError
from a2f_batch.export.fbx_binary import Node, Stream, decode, encode, encode_block, write_file

ALL_KINDS = Node("Kinds", (True, False, -7, np.int64(2**40), np.int16(-300), 0.1, np.float32(0.1), "Lippe\x00\x01Model", b"\x00\xff"), ())


def random_tree(rng, depth=0):
    arrays = [rng.normal(size=rng.integers(0, 200)).astype(kind) for kind in ("f4", "f8", "i4", "i8", "?")]
    nothing = rng.integers(3) if depth < 3 else 0
    children = None if nothing == 0 else tuple(random_tree(rng, depth + 1) for _ in range(rng.integers(0, 4)))
    return Node(f"N{rng.integers(1e6)}", (*arrays, int(rng.integers(-9, 9)), "å" * rng.integers(4)), children)


def same(left, right):
    assert left.name == right.name and len(left.properties) == len(right.properties)
    for a, b in zip(left.properties, right.properties, strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
    # A record without a block, and one with an empty block, are two things.
    assert (left.children is None) == (right.children is None)
    for a, b in zip(left.children or (), right.children or (), strict=True):
        same(a, b)


def refused(content):
    """Decode what may be broken: it either gives records or is refused with a ClipError; anything else fails the test."""
    try:
        decode(content, "broken.fbx")
    except ClipError as error:
        assert error.code == "clip-unreadable" and "broken.fbx" in error.problem
        return True
    return False


def test_records_of_every_kind_come_back():
    rng = np.random.default_rng(fresh_seed())
    records = (ALL_KINDS, *(random_tree(rng) for _ in range(20)))
    version, root = decode(encode(records), "x.fbx")
    assert version == 7400
    same(Node("", (), records), root)


def test_a_block_gives_the_bytes_of_its_records_wherever_it_stands():
    rng = np.random.default_rng(fresh_seed())
    inner = (random_tree(rng), ALL_KINDS)
    plain = encode([ALL_KINDS, Node("Outer", (1,), (*inner, Node("Between", ("x" * 99,)), *inner)), *inner])
    block = encode_block([encode_block(inner[:1]), inner[1]])
    assert encode([ALL_KINDS, Node("Outer", (1,), (block, Node("Between", ("x" * 99,)), block)), block]) == plain


def test_a_record_whose_children_are_streamed_gives_the_bytes_of_a_whole_one():
    rng = np.random.default_rng(fresh_seed())
    children = [random_tree(rng) for _ in range(5)]
    for version in (7400, 7500):
        block = encode_block(children[2:3], wide=version == 7500)
        streamed = encode([ALL_KINDS, Stream("Objects", iter([*children[:2], block, *children[3:]])), ALL_KINDS], version=version)
        assert streamed == encode([ALL_KINDS, Node("Objects", (), tuple(children)), ALL_KINDS], version=version)


def test_a_file_over_4_gib_is_refused_where_offsets_have_32_bits():
    class Far(BytesIO):
        """A file whose first write took it near 4 GiB."""

        def write(self, content):
            return super().write(content) + (2**32 - 50 if self.tell() == len(content) else 0)

    write_file(Far(), [ALL_KINDS], version=7500)
    with pytest.raises(ExportError) as caught:
        write_file(Far(), [ALL_KINDS], version=7400)
    assert caught.value.code == "too-large" and "7500" in caught.value.remedy


def test_the_file_ends_as_autodesks_do():
    for length in range(40):
        content = encode([Node("N", ("x" * length,))])
        assert len(content) % 16 == 0
        # In Maya's and Blender's files the last 160 bytes, the version and zeros and a constant, begin on a multiple of 16.
        assert content[-16:] == bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")
        assert content[-144:-16] == bytes(4) + struct.pack("<I", 7400) + bytes(120)
        assert 1 <= len(content) - 144 - (content.rindex(bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")) + 16) <= 16


def test_the_64_bit_records_of_version_7500_are_read():
    def record(name, properties, count, children=b""):
        body = name + properties + children
        return lambda at: struct.pack("<QQQB", at + 25 + len(body), count, len(properties), len(name)) + body

    start = 27
    inner = record(b"Inner", b"I" + struct.pack("<i", 5), 1)
    outer_head = 25 + len(b"Outer") + 9
    outer = record(b"Outer", b"L" + struct.pack("<q", 2**40), 1, inner(start + outer_head) + bytes(25))
    _, root = decode(b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", 7500) + outer(start) + bytes(25), "x.fbx")
    same(Node("", (), (Node("Outer", (np.int64(2**40),), (Node("Inner", (5,)),)),)), root)


def test_a_cut_file_is_refused_at_every_length():
    content = encode([ALL_KINDS, Node("A", (np.arange(100.0),), (ALL_KINDS,))])
    body = len(content) - 144 - 16 - 16  # cuts behind the last record lose the footer only
    assert all(refused(content[:length]) for length in range(body - 13))


def test_broken_bytes_are_refused_or_read_but_never_crash_the_reader():
    rng = random.Random(fresh_seed())
    content = encode([ALL_KINDS, Node("A", (np.arange(100.0), np.zeros(500, np.int32)), (ALL_KINDS, Node("B", (), (ALL_KINDS,))))])
    outcomes = []
    for _ in range(3000):
        broken = bytearray(content)
        for _ in range(rng.choice((1, 1, 4))):
            broken[rng.randrange(len(broken))] = rng.choice((0, 1, 255, rng.randrange(256)))
        outcomes.append(refused(bytes(broken)))
    assert any(outcomes) and not all(outcomes)


def array_record(declared, packing, content):
    return b"d" + struct.pack("<III", declared, packing, len(content)) + content


def file_with(properties, count=1):
    head = struct.pack("<IIIB", 27 + 14 + len(properties), count, len(properties), 1) + b"N"
    return b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", 7400) + head + properties + bytes(13)


@pytest.mark.parametrize("content", [
    file_with(array_record(10, 1, zlib.compress(bytes(50_000_000)))),
    file_with(array_record(2**32 - 1, 1, zlib.compress(bytes(1000)))),
    file_with(array_record(2**32 - 1, 0, bytes(1000))),
    file_with(array_record(100, 2, bytes(800))),
    file_with(array_record(100, 1, b"no zlib")),
    file_with(array_record(1, 0, bytes(8)) * 3, count=2**31),
    file_with(b"S" + struct.pack("<I", 2**32 - 1)),
    file_with(b"?1234567"),
    b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", 6100) + bytes(200),
    b"; FBX 7.7.0 project file\n", b"", b"Kaydara FBX Binary  \x00\x1a\x00",
], ids=["bomb", "declared too much", "declared too much, plain", "unknown packing", "no zlib", "too many properties", "endless text",
        "unknown type", "old version", "text", "empty", "magic alone"])
def test_a_hostile_file_is_refused_at_once(content):
    began = time.process_time()
    assert refused(content)
    assert time.process_time() - began < 1


def test_endless_nesting_is_refused():
    node = Node("N")
    for _ in range(500):
        node = Node("N", (), (node,))
    assert refused(encode([node]))
