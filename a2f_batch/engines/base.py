"""What every engine has in common: its arguments, their meaning and their errors, and the clips it returns."""

from __future__ import annotations

import difflib
import logging
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from a2f_batch.clip import FaceClip, Values
from a2f_batch.emotion import EMOTIONS
from a2f_batch.engines.description import Description
from a2f_batch.errors import EngineError
from a2f_batch.rates import Rate, parse_fps

if TYPE_CHECKING:
    from a2f_batch.audio import Waveform

PRECISIONS = ("exact", "fast")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How an engine is to be run.

    Args:
        device: 'auto', 'cpu', 'cuda' or 'cuda:<index>'.
        precision: 'exact' (float32, the same bytes on one machine type) or 'fast'.
        threads: CPU threads of one inference.

    Raises:
        EngineError: none of these (codes 'device', 'precision', 'threads').
    """

    device: str = "auto"
    precision: str = "exact"
    threads: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.device, str) or not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", self.device):
            raise EngineError(f"There is no device {self.device!r}.", "Give 'auto', 'cpu', 'cuda' or 'cuda:0'.", code="device")
        if self.precision not in PRECISIONS:
            raise EngineError(f"There is no precision {self.precision!r}.", f"Give one of: {', '.join(PRECISIONS)}.", code="precision")
        if type(self.threads) is not int or self.threads < 1:
            raise EngineError(f"An engine can't run on {self.threads!r} threads.", "Give a whole number from 1.", code="threads")

    @property
    def wants_gpu(self) -> bool:
        """Whether a GPU is to be used if there is one."""
        return self.device != "cpu"

    @property
    def gpu_index(self) -> int:
        """Which GPU: 0 unless the device says another."""
        return int(self.device.partition(":")[2] or 0)


@dataclass(frozen=True)
class Request:
    """What a call of `Engine.infer` asks for, checked.

    Attributes:
        fps: within the network's range.
        emotion: one of `EMOTIONS` that the network knows.
        style: a style that the network knows, or None for its default.
        seeds: of each line, for engines that draw.
        head: one of the network's output heads; None where it has one output, without a name.
    """

    fps: Fraction
    emotion: str
    style: str | int | None
    seeds: tuple[int, ...]
    head: str | None


class Engine(ABC):
    """A loaded network: voice lines in, raw face curves out.

    Attributes:
        description: what its weights' JSON says.
        names: channel names of its clips, of the default head where there are several: ARKit's for those that have one.
        heads: head -> channel names of the clips that it gives, the default head first; empty if there is one output, without a name.
        sample_rate: of the audio that it takes, Hz.
        device: where it runs: 'cpu' or 'cuda:<index>'.
        precision: 'exact' or 'fast'.
        weights_sha256: of the weights file as it was read.
        styles: names of its styles; empty if it has none.
    """

    styles: tuple[str, ...] = ()
    heads: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def __init__(self, description: Description, *, device: str, precision: str, weights_sha256: str) -> None:
        self.description = description
        self.names = description.names
        self.sample_rate = description.sample_rate
        self.device = device
        self.precision = precision
        self.weights_sha256 = weights_sha256
        self._said: set[str] = set()

    def infer(self, waves: Sequence[Waveform], *, fps: Rate = 30, emotion: str = "neutral", style: str | int | None = None,
              seed: int | Sequence[int] = 0, head: str | None = None) -> list[FaceClip]:
        """Return the curves of each line, in the same order; a line's result never depends on the others.

        Args:
            waves: lines of any length from half a frame on, at `sample_rate`.
            fps: frames per second, within the description's range: an int, a Fraction, or text such as '30000/1001'.
            emotion: one of `EMOTIONS`. What the network does not know becomes neutral: the engine says so once, and the clips'
                meta lists it under 'not_honoured'.
            style: one of `styles`; None = the network's default. Not honoured like an emotion where there are none.
            seed: of engines that draw, for all lines or one for each; recorded in the clips' meta in any case.
            head: one of `heads`, which decides the clips' channels; None = the first.

        Returns:
            one clip a line of round(duration * fps) frames, ties to even; values as the network gave them, never clamped. `meta`:
            engine, weights, weights_sha256, device, precision, emotion, style, seed (as asked for), not_honoured; head, if it has one.

        Raises:
            EngineError: a line has no frame (code 'too-short'); an unknown word ('emotion-unknown', 'style-unknown', 'head-unknown');
                a rate or audio that the network does not take ('fps-range', 'sample-rate'); the network failed ('engine-failed') or
                gave what is no curve ('engine-output').
            ClipError: `fps` is no frame rate (code 'fps').
        """
        not_honoured: list[str] = []
        request = Request(self._known_rate(parse_fps(fps)), self._known_emotion(emotion, not_honoured),
                          self._known_style(style, not_honoured),
                          tuple(map(operator.index, seed if isinstance(seed, Sequence) else [seed] * len(waves))), self._known_head(head))
        names = self.names if request.head is None else self.heads[request.head]
        counts = [self._count(wave, request.fps) for wave in waves]
        meta: dict[str, Any] = {
            "engine": self.description.engine, "weights": self.description.name, "weights_sha256": self.weights_sha256,
            "device": self.device, "precision": self.precision,
            "emotion": emotion, "style": style, "seed": seed, "not_honoured": not_honoured,
            **({} if request.head is None else {"head": request.head}),
        }
        clips = []
        for wave, count, values, one in zip(waves, counts, self._curves(waves, counts, request), request.seeds, strict=True):
            self._check_curves(wave, values, count, names)
            clips.append(FaceClip(names, values, request.fps, meta={**meta, "seed": one}))
        return clips

    @abstractmethod
    def _curves(self, waves: Sequence[Waveform], counts: Sequence[int], request: Request) -> list[Values]:
        """Return the network's curves for each of `waves`, shape (count, channels)."""

    def _known_rate(self, fps: Fraction) -> Fraction:
        low, high = self.description.min_fps, self.description.max_fps
        if not low <= fps <= high:
            raise EngineError(f"{self.description.name} can't make curves at {fps} frames per second.",
                              f"It takes {low} to {high}. Infer at such a rate, then resample the clip.", code="fps-range")
        return fps

    def _known_emotion(self, emotion: str, not_honoured: list[str]) -> str:
        if emotion not in EMOTIONS:
            raise _unknown("emotion", emotion, EMOTIONS)
        if emotion in self.description.emotions:
            return emotion
        not_honoured.append("emotion")
        self._say_once(f"emotion '{emotion}'", "neutral is used")
        return "neutral"

    def _known_style(self, style: str | int | None, not_honoured: list[str]) -> str | int | None:
        if style is None or style in self.styles:
            return style
        if self.styles:
            raise _unknown("style", str(style), self.styles)
        not_honoured.append("style")
        self._say_once("styles", "its only way of speaking is used")
        return None

    def _known_head(self, head: str | None) -> str | None:
        if head is None:
            return next(iter(self.heads), None)
        if head in self.heads:
            return head
        if self.heads:
            raise _unknown("head", head, tuple(self.heads))
        raise EngineError(f"{self.description.name} has no head {head!r}: it has one output, without a name.", "Leave the head out.",
                          code="head-unknown")

    def _say_once(self, what: str, instead: str) -> None:
        if what not in self._said:
            self._said.add(what)
            _logger.warning("%s does not know %s: %s. (Said once.)", self.description.name, what, instead)

    def _count(self, wave: Waveform, fps: Fraction) -> int:
        problem = f"No curves can be made for {line_name(wave)}: "
        if wave.rate != self.sample_rate:
            raise EngineError(f"{problem}it is at {wave.rate} Hz, {self.description.name} takes {self.sample_rate} Hz.",
                              "Read it with load_audio, or choose other weights.", code="sample-rate")
        count: int = wave.frame_count(fps)
        if count == 0:
            raise EngineError(f"{problem}it lasts {float(wave.duration):.4g} s, which is no frame at {fps} frames per second.",
                              "Give a longer line, or leave this one out.", code="too-short")
        return count

    def _check_curves(self, wave: Waveform, values: Values, count: int, names: tuple[str, ...]) -> None:
        expected = count, len(names)
        if values.shape != expected:
            fault = f"curves of shape {values.shape} where {expected} were asked for"
        elif not np.isfinite(values).all():
            frame, channel = np.argwhere(~np.isfinite(values))[0]
            fault = f"{values[frame, channel]} in channel '{names[channel]}' at frame {frame}"
        else:
            return
        raise EngineError(f"{self.description.name} made {fault} for {line_name(wave)}.",
                          "Check the sound; if it is in order, the weights are not: choose others.", code="engine-output")


@cache
def say_once(message: str) -> None:
    """Log a warning, once a process."""
    _logger.warning(message)


def line_name(wave: Waveform) -> str:
    """Return how a message calls the line: by its file, if it has one."""
    return f"the sound {wave.source.path}" if wave.source.path else "the line"


def _unknown(what: str, word: str, known: Sequence[str]) -> EngineError:
    near = difflib.get_close_matches(str(word), known, n=1)
    question = f"Did you mean '{near[0]}'? " if near else ""
    return EngineError(f"There is no {what} {word!r}.", f"{question}There are: {', '.join(known)}.", code=f"{what}-unknown")
