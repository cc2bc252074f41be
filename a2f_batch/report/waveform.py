"""The outline of a sound file, where the journal has none: of lines rendered before it kept them, or whose sound is another by now."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from a2f_batch.qc.outline import edges, in_bytes, levels

_BLOCK_SAMPLES = 1 << 18


def outline(path: Path) -> bytes:
    """Return the largest level of each stretch of a sound file over all its channels; see `a2f_batch.qc.outline`.

    Raises:
        AudioError: it can't be read.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:  # nothing is resampled, and of a long file no more than a block is held
            stretches = edges(file.frames, file.samplerate)
            step = max(1, _BLOCK_SAMPLES // max(1, int(np.diff(stretches).max())))
            # Whole numbers of no more bits than a picture needs, where the file has such: of float files they would be cut off.
            kind = "int16" if file.subtype.startswith("PCM_") else "float32"
            peaks = [levels(file.read(int(some[-1] - some[0]), dtype=kind, always_2d=True), some - some[0])
                     for some in (stretches[i:i + step + 1] for i in range(0, len(stretches) - 1, step))]
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError):
        from a2f_batch.audio import load_audio  # ffmpeg may read it, or else there is a message to give

        wave = load_audio(path)
        peaks = [levels(wave.samples[:, np.newaxis], edges(len(wave.samples), wave.rate))]
    return in_bytes(np.concatenate(peaks))
