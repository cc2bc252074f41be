"""UniTalker's contract on onnxruntime: one line's audio in, curves at any frame rate out.

The contract, of the seed service's ``unitalker_v0.4.0_base.onnx`` and of the embedded network:

============ ======= ========= =====================================================================================================
tensor       type    shape     meaning
============ ======= ========= =====================================================================================================
audio        float32 [1, N]    16 kHz; the line has zero mean and unit variance
emo_id       int32   [1]       emotion; 10 is neutral
time_steps   int32   [1]       T: how many frames to make of the N samples
first output float32 [1, T, C] raw weights of the channels in the description's order; frame i is at sample i * N / T
============ ======= ========= =====================================================================================================

A description with ``"batch": true`` means the same for several lines: ``audio`` [B, N], ``emo_id`` and ``time_steps`` [B], and ``samples``
int32 [B], how many of N are each line's own. On this engine a line is such a batch by itself.

A line of more than 25 s goes through in pieces (`a2f_batch.segment`), which are normalised as one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import Values
from a2f_batch.engines.base import Engine, Options, Request, line_name
from a2f_batch.engines.description import Description
from a2f_batch.engines.onnx_file import NotOnnxError, external_tensors
from a2f_batch.engines.pieces import Samples, feeds, join, normalised
from a2f_batch.engines.runtime import OnnxError, Session
from a2f_batch.engines.weights import read_weights
from a2f_batch.errors import EngineError

if TYPE_CHECKING:
    from a2f_batch.audio import Waveform

_FLOAT, _INT = "tensor(float)", "tensor(int32)"
# role -> type and shape; None is a length that has to be free.
_Inputs: TypeAlias = dict[str, tuple[str, tuple[int | None, ...]]]
_INPUTS: _Inputs = {"audio": (_FLOAT, (1, None)), "emo_id": (_INT, (1,)), "time_steps": (_INT, (1,))}
_BATCH_INPUTS: _Inputs = {"audio": (_FLOAT, (None, None)), "samples": (_INT, (None,)), "emo_id": (_INT, (None,)),
                          "time_steps": (_INT, (None,))}
_TYPE_NAMES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}


class UniTalker(Engine):
    """A network of UniTalker's contract. It draws nothing: the seed is only recorded.

    Args:
        description: of the weights.
        options: where and how to run.

    Raises:
        EngineError: onnxruntime or the GPU is missing (codes 'runtime-missing', 'runtime-twice', 'device-missing'), a precision
            that this engine does not have ('precision'), or weights that don't fit: 'weights-missing', 'weights-checksum',
            'weights-not-onnx', 'weights-external', 'weights-inputs', 'weights-outputs', 'description-invalid'.
    """

    def __init__(self, description: Description, options: Options) -> None:
        if options.precision != "exact":
            raise EngineError(f"The engine 'unitalker' has no precision '{options.precision}'.", "Choose precision='exact'.",
                              code="precision")
        if not description.names:
            raise EngineError(f"The weights description {description.path} lacks the key 'channels'.",
                              "Name the output's channels: a vocabulary such as \"unitalker51\", or a list of names.",
                              code="description-invalid")
        content, sha256 = read_weights(description)
        _self_contained(description, content)
        try:
            self._session = Session(content, options)
        except OnnxError as error:
            raise _bad_weights(description, f"is refused by onnxruntime: {error}", "not-onnx") from error
        super().__init__(description, device=self._session.device, precision=options.precision, weights_sha256=sha256)
        contract = _BATCH_INPUTS if description.batch else _INPUTS
        self._inputs = {role: description.inputs.get(role, role) for role in contract}
        _check_inputs(description, contract, self._inputs, self._session.inputs)
        self._output = _checked_output(description, self._session.outputs)
        self._try_out()

    def _curves(self, waves: Sequence[Waveform], counts: Sequence[int], request: Request) -> list[Values]:
        # One line after another: the contract has no batch, and a line alone can't depend on its mates.
        return [self._line_curves(wave, count, request) for wave, count in zip(waves, counts, strict=True)]

    def _line_curves(self, wave: Waveform, n_frames: int, request: Request) -> Values:
        emotion = self.description.emotions[request.emotion]
        fed = feeds(wave.samples, n_frames, self.sample_rate, request.fps, whole_lines=self.description.whole_lines)
        curves = []
        for piece, audio, time_steps in fed:
            try:
                values = self._network(audio, emotion, time_steps)
            except OnnxError as error:
                raise EngineError(f"{self.description.name} failed on {line_name(wave)}, from frame {piece.first}: {error}.",
                                  "Check the sound; if it is in order, choose other weights.", code="engine-failed") from error
            expected = 1, time_steps, len(self.names)
            if values.shape != expected:
                raise EngineError(f"{self.description.name} made an output of shape {values.shape} for {line_name(wave)}; it must be "
                                  f"{expected}.", "Choose other weights.", code="engine-output")
            curves.append(values[0])
        return join([piece for piece, _, _ in fed], curves)

    def _network(self, audio: Samples, emotion: int, time_steps: int) -> npt.NDArray[np.float32]:
        values = {"audio": audio[None], "samples": np.array([audio.size], np.int32), "emo_id": np.array([emotion], np.int32),
                  "time_steps": np.array([time_steps], np.int32)}
        return self._session.run(self._output, {name: values[role] for role, name in self._inputs.items()})

    def _try_out(self) -> None:
        """Run the network once on a tone of half a second: shapes that the file leaves open, and weights that are not numbers, show."""
        time_steps = 12
        tone = normalised(np.sin(np.arange(self.sample_rate // 2, dtype=np.float32) * np.float32(0.17)))
        expected = 1, time_steps, len(self.names)
        try:
            values = self._network(tone, self.description.emotions["neutral"], time_steps)
        except OnnxError as error:
            raise _bad_weights(self.description, f"does not run: {error}", "outputs") from error
        if values.shape != expected:
            raise _bad_weights(self.description, f"gives output '{self._output}' of shape {list(values.shape)} for {time_steps} frames of "
                               f"{len(self.names)} channels; it must be {list(expected)}", "outputs")
        if not np.isfinite(values).all():
            raise _bad_weights(self.description, f"gives values in output '{self._output}' that are no finite numbers", "outputs")


def _self_contained(description: Description, content: bytes) -> None:
    """Refuse bytes that are no whole ONNX file, or that ask for other files."""
    path = description.weights
    try:
        external = external_tensors(content)
    except NotOnnxError as error:
        raise _bad_weights(description, f"is no whole ONNX file: {error}", "not-onnx") from error
    if external:
        tensor, place = external[0]
        raise EngineError(f"The weights file {path} keeps {len(external)} of its tensors in other files: '{tensor}' in '{place}'. "
                          "No other file is opened.", "Save the network as one file (onnx.save with save_as_external_data=False).",
                          code="weights-external")


def _check_inputs(description: Description, contract: _Inputs, names: dict[str, str], inputs: Sequence[Any]) -> None:
    found = {node.name: f"{_type(node.type)} {_shape(node.shape)}" for node in inputs}
    nodes = {node.name: node for node in inputs}
    listing = "; ".join(f"'{name}' {kind}" for name, kind in found.items()) or "none"
    for role, (kind, shape) in contract.items():
        expected = f"'{names[role]}' {_type(kind)} {_shape(['N' if length is None else length for length in shape])}"
        node = nodes.get(names[role])
        if node is None:
            raise _bad_weights(description, f"lacks the input {expected}; its inputs are: {listing}", "inputs")
        fits = len(node.shape) == len(shape) and not any(
            isinstance(length, int) and length != wanted for length, wanted in zip(node.shape, shape, strict=True))
        if node.type != kind or not fits:
            raise _bad_weights(description, f"has the input '{node.name}' {found[node.name]} where {expected} is needed", "inputs")
    further = sorted(set(found) - set(names.values()))
    if further:
        raise _bad_weights(description, f"needs an input '{further[0]}' that the contract has not; its inputs are: {listing}", "inputs")


def _checked_output(description: Description, outputs: Sequence[Any]) -> str:
    nodes = {node.name: node for node in outputs}
    name = description.output or outputs[0].name
    if name not in nodes:
        raise _bad_weights(description, f"lacks the output '{name}'; its outputs are: {', '.join(nodes)}", "outputs")
    node, channels = nodes[name], len(description.names)
    # A shape that the file does not give reads as []; the try-out shows it.
    fits = not node.shape or (len(node.shape) == 3 and not (isinstance(node.shape[2], int) and node.shape[2] != channels))
    if node.type != _FLOAT or not fits:
        raise _bad_weights(description, f"has the output '{name}' {_type(node.type)} {_shape(node.shape)}; the {channels} channels of "
                           f"{description.path.name} need float32 [1, T, {channels}]", "outputs")
    return name


def _type(name: str) -> str:
    return _TYPE_NAMES.get(name, name.removeprefix("tensor(").removesuffix(")"))


def _shape(lengths: Sequence[int | str | None]) -> str:
    return f"[{', '.join('?' if length is None else str(length) for length in lengths)}]"


def _bad_weights(description: Description, fault: str, code: str) -> EngineError:
    return EngineError(f"The weights file {description.weights} {fault}.",
                       f"Put the right file there, or correct {description.path}; the contract is in weights/README.md.",
                       code=f"weights-{code}")
