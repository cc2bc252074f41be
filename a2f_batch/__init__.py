"""Batch offline facial animation: voice lines in; glTF, FBX, CSV and Maya .anim out.

::

    import a2f_batch as a2f

    wave = a2f.load_audio("line.wav")
    engine = a2f.load_engine("embedded")
    clip = a2f.post(engine.infer([wave], fps=30)[0], profile="default", wave=wave)
    a2f.export(clip, "line.glb")
"""

from __future__ import annotations

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.clip import FaceClip, concat
from a2f_batch.engines import load_engine
from a2f_batch.errors import A2FError, AudioError, BatchError, ClipError, EngineError, ExportError, ManifestError, ProfileError
from a2f_batch.export import export, read_clip
from a2f_batch.post import post

__version__ = "0.1.0"

__all__ = [
    "A2FError",
    "AudioError",
    "BatchError",
    "ClipError",
    "EngineError",
    "ExportError",
    "FaceClip",
    "ManifestError",
    "ProfileError",
    "Waveform",
    "concat",
    "export",
    "load_audio",
    "load_engine",
    "post",
    "read_clip",
]
