"""NumPy archives, lossless: the npz form of XRMogen and of the audio2face service, which read these and are read here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.timing import assume_fps
from a2f_batch.export.tracks import check_names
from a2f_batch.rates import fps_text, parse_fps

# Every other array of such a file is a channel: that is how the service reads it.
_RESERVED = ("n_frames", "BlendShapeCount", "Timecode")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LONGEST_COMMENT = 65_535


def write(clip: FaceClip, path: Path) -> None:
    """Write `clip`: one float32 array of shape (frames,) a channel, `n_frames`, `BlendShapeCount`, `Timecode` = 0..frames-1.

    The form has no place for rate, start and meta, and its readers take every further array for a channel; so these
    stand, as JSON, in the zip archive's comment, which other readers pass over. Stored, not deflated: the bytes of a
    deflated file depend on the machine's zlib.

    Raises:
        ExportError: a channel with a reserved name, another's name with '.npy' at its end, or a control character (code
            'channel-name'), meta that is not JSON or over 64 KB (code 'meta-unwritable').
    """
    # numpy takes the name of an archive's member for that of an array: beside `x`, `x.npy` would be `x` again.
    check_names(clip, reserved=(*_RESERVED, *(f"{name}.npy" for name in clip.names)), format="npz")
    try:
        facts = {"fps": fps_text(clip.fps), "start": str(clip.start), "meta": dict(clip.meta)}
        comment = json.dumps(facts, allow_nan=False, sort_keys=True, separators=(",", ":")).encode("ascii")
        if len(comment) > _LONGEST_COMMENT:
            raise ValueError(f"{len(comment)} bytes of JSON where {_LONGEST_COMMENT} have room")
    except (TypeError, ValueError) as error:
        raise ExportError(f"Can't write the clip's meta into '{path}': {error}.", "Keep meta to a few JSON values.",
                          code="meta-unwritable") from None
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        for name, array in _arrays(clip):
            member = BytesIO()
            np.save(member, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.create_system = 3  # else the file would tell Windows from the rest
            archive.writestr(entry, member.getvalue())


def _arrays(clip: FaceClip) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield "n_frames", np.array(clip.n_frames, dtype="<i8")
    for name, curve in zip(clip.names, clip.values.T, strict=True):
        yield name, np.ascontiguousarray(curve, dtype="<f4")
    yield "BlendShapeCount", np.array(len(clip.names), dtype="<i8")
    yield "Timecode", np.arange(clip.n_frames, dtype="<i8")


def read(path: Path) -> FaceClip:
    """Read such a file; one of another program has no rate: 30 is assumed, with a warning in the log.

    Raises:
        ClipError: not such a file, cut, or with arrays that don't agree (codes 'clip-unreadable', 'clip-format').
    """
    try:
        with zipfile.ZipFile(path) as archive:
            comment = archive.comment
            arrays = {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ClipError(f"Can't read '{path}': {reason}.", "Give the path of a whole .npz clip.", code="clip-unreadable") from None
    missing = [name for name in _RESERVED[:1] if name not in arrays]
    names = tuple(name for name in arrays if name not in _RESERVED)
    if missing or not names:
        raise ClipError(f"'{path}' is no clip: it has no {' or '.join(missing) or 'channel'}.",
                        "A clip's npz has n_frames and one array a channel.", code="clip-format")
    frames = arrays["n_frames"]
    if frames.shape != () or frames.dtype.kind not in "iu":
        raise ClipError(f"'{path}': n_frames is no whole number.", "Export the clip again.", code="clip-format")
    wrong = [name for name in names if arrays[name].shape != (int(frames),) or arrays[name].dtype.kind not in "fiu"]
    if wrong:
        curve = arrays[wrong[0]]
        raise ClipError(f"'{path}': the channel '{wrong[0]}' is {curve.dtype} of shape {curve.shape}, not {int(frames)} numbers.",
                        "Give every channel one number a frame.", code="clip-format")
    fps, start, meta = _facts(comment, path)
    return FaceClip(names, np.stack([arrays[name].astype(np.float32) for name in names], axis=1), fps, start, meta)


def _array(content: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(BytesIO(content), allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("it holds an archive in an archive")
    return array


def _facts(comment: bytes, path: Path) -> tuple[Fraction, Fraction, dict[str, Any]]:
    """Return rate, start and meta from an archive's comment; the assumed rate if it has none of ours."""
    if not comment:
        return assume_fps(path), Fraction(0), {}
    try:
        facts = json.loads(comment)
        return parse_fps(facts["fps"]), Fraction(facts["start"]), dict(facts["meta"])
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ClipError(f"'{path}': the archive's comment tells no rate and start: {error!r}.",
                        "Export the clip again, or remove the comment.", code="clip-format") from None
