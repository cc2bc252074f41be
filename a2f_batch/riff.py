"""WAV and AIFF headers: what they declare, against the bytes that are really there."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

UNKNOWN_32 = 0xFFFFFFFF


@dataclass(frozen=True)
class SoundHeader:
    """What the header of a sound file says about it.

    Args:
        missing: bytes that the header declares and the file has not; 0 for a whole file.
        streamed: the writer could not go back to fill in the length (declared 0 or 0xFFFFFFFF).
        empty: the header is complete and declares no sound at all.
        rate: samples per second, None where the header was not read for it.
        frames: samples per channel by the 'fact' chunk, None if there is none.
        block_frames: samples per channel of one compressed block, 1 for plain PCM.
        unended: the last Ogg page lacks the end-of-stream mark.
        endless: an MP3 that states no length, or only that of its first part.
        blank_length_at: position of a streamed WAV's length that is 0.
    """

    missing: int = 0
    streamed: bool = False
    empty: bool = False
    rate: int | None = None
    frames: int | None = None
    block_frames: int = 1
    unended: bool = False
    endless: bool = False
    blank_length_at: int | None = None


def read_wav_header(file: BinaryIO) -> SoundHeader:
    """Return what a WAV (RIFF, RIFX, RF64 or BW64) declares.

    Args:
        file: at any position; its first 12 bytes are a WAVE header.

    Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF, WAVE), EBU Tech 3306 and
    ITU-R BS.2088 (RF64, BW64, 'ds64'). Checked against the writers of libsndfile and ffmpeg.
    """
    size = _size(file)
    file.seek(0)
    magic, riff_size = struct.unpack("<4sI", file.read(8))
    order = ">" if magic == b"RIFX" else "<"
    if order == ">":
        riff_size = int.from_bytes(struct.pack("<I", riff_size), "big")
    rate: int | None = None
    frames: int | None = None
    block_frames = 1
    wide_length: int | None = None
    position = 12
    while len(head := _at(file, position, 8)) == 8:
        name, length = struct.unpack(f"{order}4sI", head)
        body = position + 8
        if name == b"ds64" and len(sizes := _at(file, body, 16)) == 16:
            wide_length = struct.unpack("<QQ", sizes)[1]
        elif name == b"fmt " and len(fmt := _at(file, body, 20)) >= 16:
            rate = struct.unpack_from(f"{order}I", fmt, 4)[0]
            if length >= 20 and len(fmt) == 20 and struct.unpack_from(f"{order}H", fmt)[0] in (0x0002, 0x0011):  # MS and IMA ADPCM
                block_frames = struct.unpack_from(f"{order}H", fmt, 18)[0]
        elif name == b"fact" and len(fact := _at(file, body, 4)) == 4:
            frames = struct.unpack(f"{order}I", fact)[0]
        elif name == b"data":
            declared = wide_length if wide_length is not None and length == UNKNOWN_32 else length
            present = size - body
            if declared == 0 and riff_size != UNKNOWN_32 and riff_size + 8 >= size:
                return SoundHeader(empty=True, rate=rate)  # the outer length was filled in, so this one is meant
            streamed = declared in (0, UNKNOWN_32, 0xFFFFFFFFFFFFFFFF)
            missing = 0 if streamed else max(0, declared - present)
            return SoundHeader(missing=missing, streamed=streamed, rate=rate, frames=frames, block_frames=block_frames,
                               blank_length_at=body - 4 if length == 0 else None)
        position = _next_chunk(file, body, length)
    # No sound chunk before the end: the header itself is cut. At least the 8 bytes of a chunk head are missing.
    return SoundHeader(missing=max(8, position + 8 - size), rate=rate)


def read_aiff_header(file: BinaryIO) -> SoundHeader:
    """Return what an AIFF or AIFF-C declares. Source: Apple, Audio Interchange File Format 1.3."""
    size = _size(file)
    position = 12
    while len(head := _at(file, position, 8)) == 8:
        name, length = struct.unpack(">4sI", head)
        if name == b"SSND":
            return SoundHeader(missing=max(0, length - (size - position - 8)))
        if name == b"COMM" and len(frames := _at(file, position + 10, 4)) == 4 and frames == bytes(4):
            return SoundHeader(empty=True)  # an AIFF without samples needs no SSND chunk
        position += 8 + length + length % 2
    return SoundHeader(missing=max(8, position + 8 - size))


def _next_chunk(file: BinaryIO, body: int, length: int) -> int:
    """Return where the next chunk starts. Some writers leave out the pad byte; a chunk name never starts with 0."""
    after = body + length
    return after + 1 if length % 2 and _at(file, after, 1) in (b"\0", b"") else after


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)
