"""Sound of containers that libsndfile does not know (m4a, aac, wma, video), by pydub and ffmpeg."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import AudioError

if TYPE_CHECKING:
    from pydub import AudioSegment

# Files that are sound or video themselves. Playlists (HLS, DASH, ffconcat) are not: they name other files and addresses, which a file from
# elsewhere is not to open.
_DEMUXERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf", "avi", "flv", "aac", "ac3", "eac3", "dts", "mpegts", "mpeg", "amr", "amrnb",
             "amrwb", "ogg", "caf", "ape", "wv", "tta", "wav", "w64", "mp3", "flac", "aiff", "au")

INSTALL_FFMPEG = "Install ffmpeg so that it is on PATH, or run 'pip install imageio-ffmpeg', or save the sound as WAV or FLAC."


def find_ffmpeg() -> str | None:
    """Return the path of ffmpeg: on PATH, else that of the package imageio-ffmpeg, else None."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # the package was installed without a binary for this machine
        return None


def decode(path: str, *, max_seconds: float) -> tuple[npt.NDArray[np.int16], int, str]:
    """Return the sound of the track that ffmpeg plays by default.

    Args:
        path: a file that exists.
        max_seconds: refuse a file that declares to be longer.

    Returns:
        Samples of shape (frames, channels), full scale 32768; samples per second; the codec's name.

    Raises:
        AudioError: no ffmpeg (code 'audio-no-ffmpeg'), no pydub or audioop ('audio-no-pydub'), a video without sound
            ('audio-no-track'), too long ('audio-too-long'), not to be decoded ('audio-unreadable').
    """
    what = f"Audio file '{path}'"
    executable = find_ffmpeg()
    if executable is None:
        raise AudioError(f"{what}: this format needs ffmpeg, and there is none.", INSTALL_FFMPEG, code="audio-no-ffmpeg")
    decoder, seconds = _probe(executable, path)
    if seconds > max_seconds:
        raise AudioError(f"{what}: {seconds:.0f} s long; the limit is {max_seconds:.0f} s.", "Cut it into lines.", code="audio-too-long")
    segment = _read_with_pydub(executable, path, decoder)
    samples = np.frombuffer(segment.raw_data, dtype="<i2").reshape(-1, segment.channels)
    return samples, int(segment.frame_rate), decoder


def _probe(executable: str, path: str) -> tuple[str, float]:
    """Return the decoder that ffmpeg takes for the file's default sound track, and the declared length in seconds (0: not stated).

    pydub asks ffprobe for this, which imageio-ffmpeg does not carry; it does not ask when it is given the decoder.
    """
    command = [executable, "-nostdin", "-hide_banner", "-protocol_whitelist", "file", "-format_whitelist", ",".join(_DEMUXERS),
               "-i", os.path.abspath(path), "-vn", "-t", "0", "-f", "null", "-"]
    try:
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise AudioError(f"Audio file '{path}': ffmpeg at '{executable}' does not start ({error.strerror}).", INSTALL_FFMPEG,
                         code="audio-no-ffmpeg") from None
    text = answer.stderr.decode("utf-8", "replace")
    mapping = re.search(r"Stream #\S+ -> #0:0 \((\S+) \((\S+)\)", text)
    if answer.returncode == 0 and mapping is not None:
        codec, decoder = mapping.groups()
        declared = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
        seconds = int(declared[1]) * 3600 + int(declared[2]) * 60 + float(declared[3]) if declared else 0.0
        return codec if decoder == "native" else decoder, seconds
    if re.search(r"Stream #0:\d+.*: Video:", text) and " Audio: " not in text:
        raise AudioError(f"Audio file '{path}': a video without a sound track.", "Give the file that has the voice.", code="audio-no-track")
    raise _unreadable(path, text)


def _read_with_pydub(executable: str, path: str, decoder: str) -> AudioSegment:
    try:
        with warnings.catch_warnings():
            # pydub warns at import when no ffmpeg is on PATH; it is told below where ffmpeg is.
            warnings.simplefilter("ignore")
            from pydub import AudioSegment
            from pydub.exceptions import CouldntDecodeError
    except ImportError as error:
        raise AudioError(f"Audio file '{path}': this format needs pydub, which does not load ({error}).",
                         "Run 'pip install pydub'; from Python 3.13 on also 'pip install audioop-lts'.", code="audio-no-pydub") from None
    # A class of its own: setting AudioSegment.converter would change it for the whole process.
    segment_type: type[AudioSegment] = type("_Segment", (AudioSegment,), {"converter": executable})
    try:
        # Not from_file: there ffmpeg shares our standard input and eats what a shell loop meant for us.
        return segment_type.from_file_using_temporary_files(os.path.abspath(path), codec=decoder).set_sample_width(2)
    except CouldntDecodeError as error:
        raise _unreadable(path, str(error)) from None


def _unreadable(path: str, output: str) -> AudioError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if "rror" in line or "nvalid" in line), lines[-1] if lines else "no output")
    return AudioError(f"Audio file '{path}': ffmpeg can't decode it ({reason[:200]}).",
                      "Check that it is a sound or video file and plays elsewhere; export it again.", code="audio-unreadable")
