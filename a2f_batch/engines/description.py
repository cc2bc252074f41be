"""The description of a weights file: a small JSON beside it that says what the network is, read and checked, never executed.

The file is ``<name>.json``; the weights lie in the same folder. An example for a network with the contract of `engines.unitalker`::

    {
      "name": "embedded_v2",
      "engine": "unitalker",
      "weights": "embedded_v2.onnx",
      "sha256": "64 lower-case hex digits, or null = not checked",
      "licence": "CC-BY-4.0",
      "source": "a2f_batch.train on ..., see the model card",
      "sample_rate": 16000,
      "channels": "unitalker51",
      "fps": {"min": 20, "max": 60},
      "emotions": {"neutral": 10},
      "batch": false,
      "inputs": {"audio": "audio", "emo_id": "emo_id", "time_steps": "time_steps"},
      "output": null
    }

========== ======================================= ===============================================================================
key        type                                    meaning; default
========== ======================================= ===============================================================================
name       text                                    what the weights are called in reports; the JSON file's stem
engine     text                                    which engine runs them; see `engine_kind`
weights    file name, without a folder             the weights file beside the JSON; ``<stem>.onnx``, ``<stem>.safetensors`` where
                                                   torch runs them
sha256     64 hex digits or null                   checksum of the weights file; null = not checked
licence    text                                    under which terms the weights may be used; ``""``
source     text                                    where they come from; ``""``
sample_rate whole number, Hz                       rate of the audio that the network takes; 16000
channels   a vocabulary's name, or a list of names the output's last axis, in order. The names of a vocabulary (`a2f_batch.names`)
                                                   are mapped to ARKit's; a list is taken as it stands; none
fps        object ``min``, ``max``                 rates that the network may be asked for, both included; numbers or text such as
                                                   "30000/1001"; 1 and 240
emotions   object word -> whole number             the ``emo_id`` of each of `emotion.EMOTIONS` that the network knows; must hold
                                                   neutral when given; ``{"neutral": 10}``
batch      true or false                           whether the network takes several lines at once; false
whole_lines true or false                          whether a line of one piece is given with all its samples, first frame on the first and
                                                   last on the last, as UniTalker was trained; or cut to its frames, frame i at sample
                                                   i N / T; false
inputs     object role -> tensor name              how the network calls its inputs; each role's own name
output     tensor name or null                     which output holds the curves; null = the first
========== ======================================= ===============================================================================

Every further key is kept in `Description.content` for the engine that knows it, and otherwise ignored; those of the networks that
torch runs are in `engines.unitalker_torch.architecture`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from types import MappingProxyType
from typing import Any, NoReturn

from a2f_batch.errors import ClipError, EngineError
from a2f_batch.names import vocabulary
from a2f_batch.rates import MAX_FPS, MIN_FPS, parse_fps

NEUTRAL_ID = 10  # the seed service's neutral, and what it always sends
_SUFFIXES = {"unitalker_torch": ".safetensors"}  # engine -> its weights files' suffix, where that is not .onnx


@dataclass(frozen=True)
class Description:
    """What the JSON says, checked, with the defaults filled in.

    Attributes:
        path: the JSON file.
        name, engine, sha256, licence, source, sample_rate, batch, whole_lines, output: as in the table above.
        weights: path of the weights file, in the folder of `path`; not yet opened.
        names: ARKit (hub) names of the network's channels, in the network's order; empty when the JSON names none.
        min_fps, max_fps: frames per second, both included.
        emotions: word -> emo_id, with 'neutral'.
        inputs: role -> tensor name; a role that is not there has its own name.
        content: the whole JSON object, with the keys that no field stands for.
    """

    path: Path
    name: str
    engine: str
    weights: Path
    sha256: str | None
    licence: str
    source: str
    sample_rate: int
    names: tuple[str, ...]
    min_fps: Fraction
    max_fps: Fraction
    emotions: Mapping[str, int]
    batch: bool
    whole_lines: bool
    inputs: Mapping[str, str]
    output: str | None
    content: Mapping[str, Any]


def read_description(path: Path) -> Description:
    """Read and check the description at `path`.

    Raises:
        EngineError: there is no such file (code 'description-missing'); it is not JSON, or a key has a value that it can't have
            (code 'description-invalid'; the message names the key).
    """
    content = _read_object(path)
    keys = _Keys(path, content)
    fps = _Keys(path, keys.object("fps"), within="fps.")
    sha256 = keys.text_or_none("sha256")
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        keys.refuse("sha256", "64 hexadecimal digits, or null for 'not checked'")
    engine = engine_kind(path, content)
    description = Description(
        path=path,
        name=keys.text("name", path.stem),
        engine=engine,
        weights=path.parent / keys.file_name("weights", path.stem + _SUFFIXES.get(engine, ".onnx")),
        sha256=sha256.lower() if sha256 else None,
        licence=keys.text("licence", ""),
        source=keys.text("source", ""),
        sample_rate=keys.whole("sample_rate", 16000),
        names=keys.channels("channels"),
        min_fps=fps.rate("min", MIN_FPS),
        max_fps=fps.rate("max", MAX_FPS),
        emotions=MappingProxyType(keys.numbers("emotions", {"neutral": NEUTRAL_ID})),
        batch=keys.yes_or_no("batch", False),
        whole_lines=keys.yes_or_no("whole_lines", engine == "unitalker_torch"),
        inputs=MappingProxyType(keys.texts("inputs")),
        output=keys.text_or_none("output"),
        content=MappingProxyType(content),
    )
    if description.min_fps > description.max_fps:
        fps.refuse("min", f"at most fps.max ({description.max_fps})")
    if "neutral" not in description.emotions:
        keys.refuse("emotions", "an object that holds at least 'neutral'")
    return description


def engine_kind(path: Path, content: Mapping[str, Any]) -> str:
    """Return which engine the description is for: its key 'engine'; one with the key 'encoder' is a UniTalker to be built in torch.

    Raises:
        EngineError: neither key is there (code 'description-invalid').
    """
    if "engine" in content:
        return _Keys(path, content).text("engine", "")
    if "encoder" in content:
        return "unitalker_torch"
    raise EngineError(f"The weights description {path} lacks the key 'engine'.",
                      'Add which engine runs the weights, such as "engine": "unitalker".', code="description-invalid")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise EngineError(f"The weights description {path} does not exist.",
                          "Give the path of a .json description, or the name of one in weights/.", code="description-missing") from None
    except OSError as error:
        raise EngineError(f"The weights description {path} can't be read: {error.strerror}.",
                          "Give the path of a .json file that you may read.", code="description-missing") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested without end
        raise EngineError(f"The weights description {path} is not JSON: {error}.",
                          "Give the .json description, not the weights file itself; weights/README.md shows one.",
                          code="description-invalid") from None
    if not isinstance(content, dict):
        raise EngineError(f"The weights description {path} holds a {type(content).__name__}, not an object.",
                          "Write one JSON object; weights/README.md shows one.", code="description-invalid")
    return content


class _Keys:
    """The typed reading of one JSON object's keys; a value of the wrong kind is refused by name."""

    def __init__(self, path: Path, content: Mapping[str, Any], within: str = "") -> None:
        self.path, self.content, self.within = path, content, within

    def refuse(self, key: str, expected: str) -> NoReturn:
        found = json.dumps(self.content.get(key))
        raise EngineError(f"The weights description {self.path} has {self.within}{key} = {found[:80]}; it must be {expected}.",
                          "Correct that key; weights/README.md shows a description.", code="description-invalid")

    def text(self, key: str, default: str) -> str:
        value = self.content.get(key, default)
        if not isinstance(value, str) or (not value and key in ("name", "engine")):
            self.refuse(key, "text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return None if self.content.get(key) is None else self.text(key, "")

    def file_name(self, key: str, default: str) -> str:
        value = self.text(key, default)
        # PureWindowsPath knows both separators and drive letters: a description means the same on every system.
        if value in ("", ".", "..") or ":" in value or "\0" in value or PureWindowsPath(value).name != value:
            self.refuse(key, "a file name without a folder: the weights lie beside their description")
        return value

    def whole(self, key: str, default: int) -> int:
        value = self.content.get(key, default)
        if type(value) is not int or value <= 0:
            self.refuse(key, "a whole number above 0")
        return int(value)

    def yes_or_no(self, key: str, default: bool) -> bool:
        value = self.content.get(key, default)
        if type(value) is not bool:
            self.refuse(key, "true or false")
        return bool(value)

    def object(self, key: str) -> dict[str, Any]:
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            self.refuse(key, "an object")
        return value

    def numbers(self, key: str, default: dict[str, int]) -> dict[str, int]:
        value = self.object(key) if key in self.content else default
        if not all(type(number) is int and 0 <= number < 2**31 for number in value.values()):
            self.refuse(key, "an object of words and whole numbers from 0")
        return dict(value)

    def texts(self, key: str) -> dict[str, str]:
        value = self.object(key)
        if not all(isinstance(text, str) and text for text in value.values()):
            self.refuse(key, "an object of roles and tensor names")
        return dict(value)

    def rate(self, key: str, default: Fraction) -> Fraction:
        value = self.content.get(key, default)
        if type(value) is bool or not isinstance(value, int | float | str | Fraction):
            self.refuse(key, "a frame rate")
        try:
            return parse_fps(value)
        except ClipError as error:
            self.refuse(key, f"a frame rate from {MIN_FPS} to {MAX_FPS} ({error.problem})")

    def channels(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key, [])
        if isinstance(value, str):
            try:
                words = vocabulary(value)
            except ClipError as error:
                self.refuse(key, f"a known vocabulary or a list of names. {error.remedy}")
            return tuple(words.to_hub.get(channel, channel) for channel in words.channels)
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value) or len(set(value)) < len(value):
            self.refuse(key, "a vocabulary's name, or a list of names, each given once")
        return tuple(value)
