"""The helper process of hosts whose Python can't hold the library: one JSON request in, lines of JSON out.

A request is one JSON object on standard input, ended by a line break or the end of the stream::

    {"a2f_bridge": 1, "command": "bake", "audio": "line.wav", "fps": "24", "meshes": [["jawOpen", "mouthClose"], ["Teeth_open"]]}

The answer is JSON Lines on standard output: any number of `{"event": "progress", "step": ..., "share": 0..1}`, then one last line, either
`{"event": "done", ...}` or `{"event": "error", "code": ..., "problem": ..., "remedy": ...}`. The exit code is 0 or 1. Weights are float32,
little endian, frames x targets, in base64; `rotations` are quaternions x, y, z, w, `angles` (of the joints whose rest pose was asked with)
radians about x, y, z. `bridge.schema.json` beside this file states every member.
"""

from __future__ import annotations

import base64
import json
import math
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from a2f_batch import __version__
from a2f_batch.batch.manifest import MAX_SEED
from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.clip import FaceClip, Values
from a2f_batch.dcc.bake import LineRequest, speak
from a2f_batch.dcc.batch_folder import BatchFolder, read_batch_folder, read_line
from a2f_batch.dcc.fit import JOINTS, fit
from a2f_batch.dcc.joints import Rest, angles
from a2f_batch.emotion import EMOTIONS
from a2f_batch.errors import A2FError, BatchError
from a2f_batch.export.maya_anim import TIME_UNITS
from a2f_batch.names import ARKIT_52
from a2f_batch.post.pipeline import profiles
from a2f_batch.project import load_project
from a2f_batch.rig.matching import match_meshes

BRIDGE_VERSION = 1

Answer = dict[str, Any]
Tell = Callable[[Mapping[str, Any]], None]


def serve(stdin: TextIO, stdout: TextIO) -> int:
    """Answer the one request on `stdin`; return the exit code."""

    def tell(event: Mapping[str, Any]) -> None:
        stdout.write(json.dumps(event, allow_nan=False) + "\n")
        stdout.flush()

    try:
        tell({"event": "done", **answer(_request(stdin), tell)})
    except A2FError as error:
        tell({"event": "error", "code": error.code, "problem": error.problem, "remedy": error.remedy})
    except BrokenPipeError:
        pass  # the host is gone: nobody is left to tell
    except Exception as error:  # a host shows a message, never a traceback
        tell({"event": "error", "code": "internal", "problem": f"{type(error).__name__}: {error}",
              "remedy": "Please report this with the detail.", "detail": traceback.format_exc()})
    else:
        return 0
    return 1


def _request(stdin: TextIO) -> dict[str, Any]:
    try:
        request = json.loads(stdin.readline())
    except (ValueError, RecursionError) as error:  # no UTF-8 is a ValueError too
        raise _malformed(f"it is no JSON ({error})") from error
    if not isinstance(request, dict):
        raise _malformed("it is no JSON object")
    return request


def answer(request: Mapping[str, Any], tell: Tell = lambda event: None) -> Answer:
    """Answer a request in this process.

    Args:
        request: as `serve` reads it.
        tell: told of progress; what it raises passes through, and cancels.

    Raises:
        A2FError: of the step that failed.
    """
    version, command = request.get("a2f_bridge"), request.get("command")
    if version != BRIDGE_VERSION or isinstance(version, bool):
        raise BatchError(f"The add-on speaks version {version!r} of the bridge; this a2f-batch {__version__} speaks {BRIDGE_VERSION}.",
                         "Install the add-on and a2f-batch of the same release.", code="bridge-version")
    if not isinstance(command, str) or command not in _COMMANDS:
        raise _malformed(f"there is no command {command!r}; there are {', '.join(_COMMANDS)}")
    wanted = {name: value for name, value in request.items() if name not in ("a2f_bridge", "command")}
    carry_out, required, optional = _COMMANDS[command]
    for name in required:
        if name not in wanted:
            raise _malformed(f"'{name}' is missing")
    for name, value in wanted.items():
        if name not in (*required, *optional):
            raise _malformed(f"'{command}' has no member {_shortened(name)}")
        if not (_MEMBERS[name](value) or (value is None and name in optional)):
            raise _malformed(f"'{name}' can't be {_shortened(value)}")
    return carry_out({name: value for name, value in wanted.items() if value is not None}, tell)


def _describe(request: dict[str, Any], tell: Tell) -> Answer:
    """What a host offers in its menus."""
    known = list(load_project(Path(request["project"])).drafts if request.get("project") else profiles())
    units = {unit: str(fps) for fps, unit in TIME_UNITS.items()}
    units["29.97df"] = units["29.97fps"]  # drop frame: other labels, the same rate
    return {"version": __version__, "profiles": known, "emotions": list(EMOTIONS), "channels": list(ARKIT_52), "time_units": units}


def _match(request: dict[str, Any], tell: Tell) -> Answer:
    """Which channels would drive which targets."""
    over_all, _ = match_meshes(request.get("channels") or ARKIT_52, request["meshes"], user_map=request.get("map"))
    return {"match": over_all.report()}


def _bake(request: dict[str, Any], tell: Tell) -> Answer:
    # Empty words are what empty fields of a host's window give.
    told: dict[str, Any] = {name: value for name, value in request.items() if name not in ("meshes", "map", "joints") and value != ""}
    if not told.get("audio"):
        raise BatchError("No sound is given.", "Choose a sound file, or a sound strip.", code="audio-missing")
    told |= {name: Path(told[name]) for name in ("audio", "project") if name in told}
    line = speak(LineRequest(**told), lambda step, share: tell({"event": "progress", "step": step, "share": share}))
    return {**_curves(line.clip, request), "duration": line.duration,
            "warnings": [WARNINGS[code] for code in line.warnings]}


def _lines(request: dict[str, Any], tell: Tell) -> Answer:
    """The lines of a batch folder."""
    found = _found(request)
    return {"lines": [{"name": line.name, "fps": str(line.fps), "frames": line.frames, "text": line.text,
                       "audio": str(line.audio) if line.audio else None} for line in found.lines], "missing": list(found.missing)}


def _open(request: dict[str, Any], tell: Tell) -> Answer:
    """One line of a batch folder on the host's meshes."""
    line = next((line for line in _found(request).lines if line.name == request["line"]), None)
    if line is None:
        raise BatchError(f"The folder has no rendered line '{request['line']}'.", "Read the folder again.", code="line-unknown")
    return _curves(read_line(line), request)


def _found(request: dict[str, Any]) -> BatchFolder:
    root = request.get("audio_root")
    return read_batch_folder(Path(request["folder"]), audio_root=Path(root) if root else None)


def _curves(clip: FaceClip, request: dict[str, Any]) -> Answer:
    face = fit(clip, request["meshes"], user_map=request.get("map"))
    rests = {joint: Rest(**rest) for joint, rest in request.get("joints", {}).items()}
    return {"fps": str(clip.fps), "start": str(clip.start), "frames": clip.n_frames, "match": face.match.report(),
            "meshes": [{"targets": list(mesh.targets), "values": _coded(mesh.values)} for mesh in face.meshes],
            "rotations": {joint: _coded(values) for joint, values in face.rotations.items()},
            "angles": {joint: _coded(angles(values, rests[joint])) for joint, values in face.rotations.items() if joint in rests}}


def _coded(values: Values) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def _malformed(why: str) -> BatchError:
    return BatchError(f"The add-on's request can't be understood: {why}.", "Install the add-on and a2f-batch of the same release.",
                      code="bridge-request")


def _shortened(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _is_text(value: object) -> bool:
    # A lone half of a surrogate pair can be spelled in JSON, but names no file.
    return isinstance(value, str) and value.isprintable()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEED


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(entry, str) or (isinstance(entry, dict) and all(map(_is_number, entry.values()))) for entry in value.values())


def _is_joints(value: object) -> bool:
    return isinstance(value, dict) and value.keys() <= set(JOINTS) and all(
        isinstance(rest, dict) and all(
            (name in ("rotate", "orient", "parent") and isinstance(part, list) and all(map(_is_number, part)))
            or (name in ("order", "up") and isinstance(part, str)) for name, part in rest.items()) for rest in value.values())


_MEMBERS: dict[str, Callable[[object], bool]] = {
    "audio": _is_text, "fps": lambda value: _is_text(value) or _is_number(value), "profile": _is_text, "emotion": _is_text,
    "style": _is_text, "seed": _is_whole, "channel": lambda value: _is_text(value) or _is_whole(value), "engine": _is_text,
    "project": _is_text, "folder": _is_text, "audio_root": _is_text, "line": _is_text, "channels": _is_names,
    "meshes": lambda value: isinstance(value, list) and bool(value) and all(map(_is_names, value)), "map": _is_map, "joints": _is_joints}

# Command -> what carries it out, the members that it needs, those that it takes; a `null` of these is as if it were not there.
_COMMANDS: dict[str, tuple[Callable[[dict[str, Any], Tell], Answer], tuple[str, ...], tuple[str, ...]]] = {
    "describe": (_describe, (), ("project",)),
    "match": (_match, ("meshes",), ("channels", "map")),
    "bake": (_bake, ("meshes",), ("audio", "fps", "profile", "emotion", "style", "seed", "channel", "engine", "project", "map", "joints")),
    "lines": (_lines, ("folder",), ("audio_root",)),
    "open": (_open, ("folder", "line", "meshes"), ("audio_root", "map", "joints"))}
