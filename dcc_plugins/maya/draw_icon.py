"""Draws the shelf's icon, 32 x 32: lips over a sound wave. `python draw_icon.py` writes a2f_batch/icons/a2f_batch.png."""

import math
import os
import struct
import zlib

SIZE = 32
_BACK, _LIPS, _MOUTH, _WAVE = (0, 0, 0, 0), (226, 96, 86, 255), (70, 20, 24, 255), (120, 190, 235, 255)


def _colour(x, y):
    """Return the RGBA of a point; both from -1 to 1, y down."""
    level = 0.28 * math.sin(9 * x) * math.exp(-2 * x * x)
    if abs(y - 0.68 - level) < 0.09:
        return _WAVE
    y += 0.25
    lips = (x / 0.9) ** 2 + (y / (0.5 - 0.08 * math.cos(7 * x))) ** 2
    mouth = (x / 0.6) ** 2 + (y / 0.2) ** 2
    return _MOUTH if mouth < 1 else _LIPS if lips < 1 else _BACK


def png():
    """Return the picture's file, four samples a pixel and side averaged."""
    rows = []
    for row in range(SIZE):
        line = bytearray([0])
        for column in range(SIZE):
            samples = [_colour((column + (i + 0.5) / 4) * 2.0 / SIZE - 1, (row + (j + 0.5) / 4) * 2.0 / SIZE - 1)
                       for i in range(4) for j in range(4)]
            opacity = sum(sample[3] for sample in samples)
            line += bytes(sum(sample[k] * sample[3] for sample in samples) // opacity if opacity else 0 for k in range(3))
            line.append(opacity // 16)
        rows.append(bytes(line))
    # Stored, not squeezed: how zlib squeezes differs by its version.
    raw = b"".join(rows)
    stored = b"\x78\x01" + b"\x01" + struct.pack("<HH", len(raw), len(raw) ^ 0xFFFF) + raw + struct.pack(">I", zlib.adler32(raw))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", stored), (b"IEND", b"")))


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "a2f_batch", "icons", "a2f_batch.png"), "wb") as picture:
        picture.write(png())
