"""Review films as players have them: decoded by another FFmpeg than the one that wrote them."""

import os
import re
import struct
import subprocess
from fractions import Fraction

import imageio_ffmpeg
import numpy as np
import pytest

from a2f_batch.preview.film import write_film
from a2f_batch.preview.sound import Sound

BITS = 12
SEED = int(os.environ.get("A2F_SEED") or np.random.default_rng().integers(1 << 31))


def ffmpeg(*arguments):
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *map(str, arguments)], capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def numbered(count):
    """Frames whose picture is their number, a bar a bit."""
    for i in range(count):
        bars = np.array([255 * (i >> bit & 1) for bit in range(BITS)], np.uint8)
        yield np.broadcast_to(np.repeat(bars, 16)[None, :, None], (160, 16 * BITS, 3)).copy()


def shown(path):
    """(time in seconds, number) of each frame that a player shows."""
    table = ffmpeg("-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framecrc", "-").decode()
    unit = Fraction(re.search(r"#tb 0: (\S+)", table)[1])
    times = [int(row.split(",")[2]) * unit for row in table.splitlines() if not row.startswith("#")]
    raw = ffmpeg("-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
    pixels = np.frombuffer(raw, np.uint8)
    rows = pixels.reshape(-1, 160, BITS, 16)[:, 80, :, 8] > 127
    return list(zip(times, (rows @ (1 << np.arange(BITS))).tolist(), strict=True))


def boxes(content, *path):
    """The contents of MP4 boxes at `path`, in order: a reader of our own, of the container alone."""
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        body = content[at + 8:at + size]
        if kind.decode() == path[0]:
            if len(path) == 1:
                yield body
            else:
                yield from boxes(body, *path[1:])
        at += size


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001), Fraction(60)])
def test_frame_i_is_shown_at_i_over_fps_of_the_sound(tmp_path, fps):
    print(f"A2F_SEED={SEED}")
    count, rate = 47, 24_000
    noise = np.random.default_rng(SEED).normal(0, 0.1, (round(count / fps * rate), 1)).astype(np.float32)
    # Speech-like: what AAC keeps well.
    noise = np.apply_along_axis(lambda one: np.convolve(one, np.ones(8) / 3, "same"), 0, noise).astype(np.float32)
    write_film(tmp_path / "film.mp4", numbered(count), fps, (16 * BITS, 160), Sound(noise, rate))
    assert shown(tmp_path / "film.mp4") == [(i / fps, i) for i in range(count)]
    heard = np.frombuffer(ffmpeg("-i", tmp_path / "film.mp4", "-map", "0:a", "-f", "f32le", "-"), np.float32)
    lags = range(-50, 51)
    middle = heard[2000:len(noise) - 2000]
    likeness = [np.corrcoef(middle, noise[2000 + lag:len(noise) - 2000 + lag, 0])[0, 1] for lag in lags]
    assert lags[int(np.argmax(likeness))] == 0 and max(likeness) > 0.8


def test_the_container_itself_has_exact_times_and_the_index_in_front(tmp_path):
    sound = Sound(np.zeros((16_000, 2), np.float32), 48_000)
    write_film(tmp_path / "film.mp4", numbered(20), Fraction(30_000, 1001), (16 * BITS, 160), sound)
    content = (tmp_path / "film.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    (video, audio) = boxes(content, "moov", "trak", "mdia", "mdhd")
    scale, = struct.unpack_from(">I", video, 12)
    (durations, _) = boxes(content, "moov", "trak", "mdia", "minf", "stbl", "stts")
    kinds, frames, ticks = struct.unpack_from(">III", durations, 4)
    assert (kinds, frames, Fraction(ticks, scale)) == (1, 20, Fraction(1001, 30_000))
    assert struct.unpack_from(">I", audio, 12) == (48_000,)
    # No frame waits for a later one: there is no table of composition offsets.
    assert not list(boxes(content, "moov", "trak", "mdia", "minf", "stbl", "ctts"))


def test_the_same_film_has_the_same_bytes(tmp_path):
    sound = Sound(np.random.default_rng(3).normal(0, 0.1, (9000, 1)).astype(np.float32), 16_000)
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / name, numbered(12), Fraction(25), (16 * BITS, 160), sound)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_film_that_fails_leaves_nothing(tmp_path):
    def breaking():
        yield from numbered(3)
        raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError, match="drawing failed"):
        write_film(tmp_path / "film.mp4", breaking(), Fraction(25), (16 * BITS, 160), None)
    assert not list(tmp_path.iterdir())
