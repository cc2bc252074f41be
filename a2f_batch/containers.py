"""Sound and video containers: known by their first bytes, and checked for a cut end."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from a2f_batch.riff import SoundHeader, read_aiff_header, read_wav_header

# What only ffmpeg opens, known by its first bytes (offset, bytes) ...
_FFMPEG_MAGIC = (
    (0, b"\x1a\x45\xdf\xa3"), (0, b"\x30\x26\xb2\x75"), (0, b"FLV"), (0, b"#!AMR"), (0, b"caff"), (0, b"OggS"), (0, b"\x0b\x77"),
    (8, b"AVI "), (0, b"\xff\xf1"), (0, b"\xff\xf9"), (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (4, b"free"),
)
# ... or, where these vary, by its suffix.
_FFMPEG_SUFFIXES = (
    ".m4a", ".m4b", ".m4v", ".mp4", ".mov", ".3gp", ".3g2", ".aac", ".ac3", ".eac3", ".wma", ".wmv", ".asf", ".mkv", ".mka", ".webm",
    ".avi", ".flv", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".amr", ".ogv", ".caf", ".ape", ".wv", ".tta",
)

# Endings of what can be read at all, for telling sounds from the other files of a folder.
SOUND_SUFFIXES = frozenset({".wav", ".wave", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
                            ".snd", *_FFMPEG_SUFFIXES})

_MP3_BIT_RATES = {True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # kbit/s of layer III, ISO/IEC 11172-3
                  False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)}  # and its low sample rates, ISO/IEC 13818-3
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MP3_LEAST_FRAME = 24  # bytes of the shortest layer III frame: 8 kbit/s at 24 kHz


def needs_ffmpeg(start: bytes, suffix: str) -> bool:
    """Return whether a file that libsndfile refused is one for ffmpeg, by its first 16 bytes or its suffix."""
    return suffix.lower() in _FFMPEG_SUFFIXES or any(start[at:at + len(magic)] == magic for at, magic in _FFMPEG_MAGIC)


def read_header(file: BinaryIO) -> SoundHeader:
    """Return what the header of a sound or video file declares; an empty SoundHeader for formats without such a statement.

    WAV, AIFF, AU, CAF, Wave64, Ogg, MP3, MP4/MOV, Matroska/WebM, ASF/WMA and AVI are checked. FLAC checks itself while it is
    decoded. An MP3 without a Xing header shows a cut inside a frame only; raw AAC, AMR and MPEG transport streams state no length,
    so a cut one can't be told from a short one.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(64)
    if start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE":
        return read_wav_header(file)
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return read_aiff_header(file)
    if start[:4] == b"OggS":
        return _ogg(file, size)
    declared = 0
    if start[:4] == b".snd" and len(start) >= 12:  # Sun AU: offset and length of the sound
        offset, length = struct.unpack(">II", start[4:12])
        declared = 0 if length == 0xFFFFFFFF else offset + length
    elif start[:4] == b"riff" and len(start) >= 24:  # Sony Wave64: the 16-byte name, then the length of the whole file
        declared = struct.unpack("<Q", start[16:24])[0]
    elif start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        declared = struct.unpack("<I", start[4:8])[0] + 8
    elif start[:4] == b"\x30\x26\xb2\x75":
        declared = _asf_length(file)
    elif start[:4] == b"\x1a\x45\xdf\xa3":
        declared = _matroska_length(start)
    elif start[:4] == b"caff":
        declared = _caf_length(file, size)
    elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        declared = _mp4_length(file, size)
    elif (mp3 := _read_mp3(file, size)) is not None:
        return SoundHeader(missing=max(0, mp3.declared_end - size), endless=mp3.endless)
    return SoundHeader(missing=max(0, declared - size))


def mended(file: BinaryIO, header: SoundHeader) -> BinaryIO | None:
    """Return the file in memory with a length that makes libsndfile read all of it; None if it does so anyway."""
    if header.endless:
        return _endless_mp3(file)
    if header.blank_length_at is None:
        return None
    file.seek(0)
    whole = io.BytesIO(file.read())
    present = len(whole.getbuffer()) - header.blank_length_at - 4
    whole.seek(header.blank_length_at)
    whole.write(struct.pack(">I" if bytes(whole.getbuffer()[:4]) == b"RIFX" else "<I", min(present, 0xFFFFFFFE)))
    whole.seek(0)
    return whole


def _endless_mp3(file: BinaryIO) -> BinaryIO:
    """Return an MP3 that states no length as one that states more than it has.

    libsndfile (mpg123) guesses the length from the first frame's bit rate, and stops there: a variable bit rate file without a Xing
    header, or two files joined to one, would lose its second half without a word.
    """
    size = file.seek(0, os.SEEK_END)
    mp3 = _read_mp3(file, size)
    assert mp3 is not None, "only for files whose header says endless"
    file.seek(mp3.sound)
    sound = file.read()
    mpeg1, mono = mp3.mpeg1, mp3.head[3] >> 6 == 3
    # The same kind of frame, at the bit rate of index 9, without padding and checksum.
    head = bytes((mp3.head[0], mp3.head[1] | 1, (mp3.head[2] & 0x0D) | 0x90, mp3.head[3]))
    frame = bytearray(_mp3_frame_length(head))
    tag = 4 + _side_length(mpeg1, mono)
    frame[:4] = head
    frame[tag:tag + 12] = b"Xing" + struct.pack(">II", 1, len(sound) // _MP3_LEAST_FRAME + 1)
    return io.BytesIO(bytes(frame) + sound)


@dataclass(frozen=True)
class _Mp3:
    head: bytes  # the first frame's four bytes
    sound: int  # where the first frame of sound starts
    declared_end: int  # where the sound ends by the Xing header or, without one, the last frame; 0 if neither says
    endless: bool

    @property
    def mpeg1(self) -> bool:
        return (self.head[1] >> 3) & 3 == 3


def _read_mp3(file: BinaryIO, size: int) -> _Mp3 | None:
    """Return the first frame's facts of an MPEG layer III file, or None. Xing header: as LAME's VbrTag.c writes it."""
    file.seek(0)
    tag = file.read(10)
    first = 0
    if tag[:3] == b"ID3" and len(tag) == 10:  # ID3v2: a length of four 7-bit bytes
        first = 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    file.seek(first)
    frame = file.read(4096)
    if len(frame) < 4 or not _is_layer_3(frame):
        return None
    head = frame[:4]
    at = 4 + _side_length((head[1] >> 3) & 3 == 3, head[3] >> 6 == 3)
    if frame[at:at + 4] not in (b"Xing", b"Info"):
        return _Mp3(head, sound=first, declared_end=_last_frame_end(file, first), endless=True)
    sound = first + _mp3_frame_length(head)
    flags = int.from_bytes(frame[at + 4:at + 8], "big")
    if flags & 3 != 3:  # bit 0: number of frames; bit 1: number of bytes
        return _Mp3(head, sound=sound, declared_end=0, endless=not flags & 1)
    end = first + int.from_bytes(frame[at + 12:at + 16], "big")
    file.seek(end)
    following = file.read(4)
    joined = end < size and (following[:3] == b"ID3" or (len(following) == 4 and _is_layer_3(following)))
    return _Mp3(head, sound=sound, declared_end=end, endless=joined)


def _last_frame_end(file: BinaryIO, first: int) -> int:
    """Return where the last frame of an unbroken run of frames should end."""
    file.seek(first)
    sound = file.read()
    position = 0
    while position + 4 <= len(sound) and _is_layer_3(head := sound[position:position + 4]):
        position += _mp3_frame_length(head)
    return first + position


def _is_layer_3(head: bytes) -> bool:
    return (head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and (head[1] >> 3) & 3 != 1
            and 0 < head[2] >> 4 < 15 and (head[2] >> 2) & 3 != 3)


def _side_length(mpeg1: bool, mono: bool) -> int:
    return (17 if mono else 32) if mpeg1 else (9 if mono else 17)


def _mp3_frame_length(head: bytes) -> int:
    version = (head[1] >> 3) & 3
    bit_rate = _MP3_BIT_RATES[version == 3][head[2] >> 4] * 1000
    rate = _MP3_RATES[version][(head[2] >> 2) & 3]
    return (144 if version == 3 else 72) * bit_rate // rate + ((head[2] >> 1) & 1)


def _ogg(file: BinaryIO, size: int) -> SoundHeader:
    """Look at the last page: 27 bytes, a table of segment lengths, the segments (RFC 3533, section 6)."""
    file.seek(max(0, size - 65307))  # the longest page
    tail = file.read()
    page = tail[tail.rfind(b"OggS"):]
    table = page[27:27 + page[26]] if len(page) > 26 else b""
    complete = len(page) > 26 and len(table) == page[26]
    missing = 27 + page[26] + sum(table) - len(page) if complete else 1
    unended = complete and not page[5] & 4
    if unended and missing < 0:  # what follows is the start of another page, cut within its first four bytes
        missing = 27 + missing
    return SoundHeader(missing=max(0, missing), unended=unended)


def _mp4_length(file: BinaryIO, size: int) -> int:
    """Return where the last top-level box ends (ISO/IEC 14496-12, section 4.2)."""
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            return position + 8
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: to the end of the file
            return size
        position += length
    return position


def _caf_length(file: BinaryIO, size: int) -> int:
    """Return where the last chunk ends, 0 if it does not say (Apple Core Audio Format 1.0: 8 bytes, then chunks)."""
    position = 8
    while position < size:
        file.seek(position)
        head = file.read(12)
        length = struct.unpack(">4sq", head)[1] if len(head) == 12 else 0
        if length < 0:  # to the end of the file
            return 0
        position += 12 + length
    return position


def _matroska_length(start: bytes) -> int:
    """Return where the segment ends, 0 if it does not say (RFC 8794, sections 4 and 6.2)."""
    head_length, used = _ebml_number(start[4:])
    segment = 4 + used + head_length
    if start[segment:segment + 4] != b"\x18\x53\x80\x67":
        return 0
    length, used = _ebml_number(start[segment + 4:])
    unknown = length == (1 << 7 * used) - 1
    return 0 if unknown else segment + 4 + used + length


def _ebml_number(octets: bytes) -> tuple[int, int]:
    """Return a variable-length number and the bytes it takes."""
    if not octets or not octets[0]:
        return 0, 1
    used = 9 - octets[0].bit_length()
    return int.from_bytes(octets[:used], "big") & ((1 << 7 * used) - 1), used


def _asf_length(file: BinaryIO) -> int:
    """Return the file size that the File Properties Object states (ASF specification 01.20.05, section 3.2), 0 if none."""
    file.seek(0)
    header = file.read(65536)
    at = header.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    return int.from_bytes(header[at + 40:at + 48], "little") if at >= 0 else 0
