"""onnxruntime: is it installed the right way, which device can it use, and a session on that device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.engines.base import Options, say_once
from a2f_batch.errors import EngineError

# Each of these distributions installs the same package `onnxruntime`; of two, the files of one overwrite the other's.
_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
_INSTALL = "pip install 'a2f-batch[cpu]' (or 'a2f-batch[gpu]' for NVIDIA GPUs)"


def onnxruntime() -> ModuleType:
    """Return the package onnxruntime.

    Raises:
        EngineError: it is not installed, or can't be imported (code 'runtime-missing'); two of its distributions are installed at
            once (code 'runtime-twice').
    """
    installed = [name for name in _DISTRIBUTIONS if _is_installed(name)]
    if len(installed) > 1:
        raise EngineError(f"{' and '.join(installed)} are both installed: they overwrite each other's files, and the GPU vanishes.",
                          f"Run: pip uninstall -y {' '.join(installed)}; then {_INSTALL}.", code="runtime-twice")
    try:
        import onnxruntime as package
    except ImportError as error:
        cause = f"can't be imported: {error}" if installed else "is not installed"
        raise EngineError(f"The engine needs onnxruntime, which {cause}.", f"Run: {_INSTALL}.", code="runtime-missing") from error
    return package  # type: ignore[no-any-return]


class OnnxError(Exception):
    """onnxruntime refuses a network, or fails to run it; says why in one line."""


class Session:
    """An ONNX file's network, ready to run.

    Args:
        content: the bytes of the file.
        options: device and threads.
        weights: values of the tensors that the file names as kept elsewhere; shared, not copied.

    Attributes:
        device: where it runs: 'cpu' or 'cuda:<index>'.
        inputs, outputs: onnxruntime's nodes, each with `name`, `type` and `shape`.

    Raises:
        EngineError: onnxruntime is not installed rightly (see `onnxruntime`), or a GPU is demanded and can't be used
            (code 'device-missing').
        OnnxError: onnxruntime refuses the network.
    """

    def __init__(self, content: bytes, options: Options, weights: Mapping[str, npt.NDArray[np.float32]] | None = None) -> None:
        self._session, self.device = _open(onnxruntime(), content, options, weights or {})
        self.inputs = tuple(self._session.get_inputs())
        self.outputs = tuple(self._session.get_outputs())

    def run(self, output: str, feeds: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Return the network's `output` for `feeds` (input name -> array).

        Raises:
            OnnxError: the run failed.
        """
        with _faults():
            return np.asarray(self._session.run([output], dict(feeds))[0])


def _open(package: ModuleType, content: bytes, options: Options, weights: Mapping[str, npt.NDArray[np.float32]]) -> tuple[Any, str]:
    if not options.wants_gpu:
        return _session(package, content, options, [], weights), "cpu"
    session, reason = _gpu_session(package, content, options)
    if session is not None:
        return session, f"cuda:{options.gpu_index}"
    session = _session(package, content, options, [])  # first, so that a bad network is not taken for a missing GPU
    if options.device != "auto":
        raise EngineError(f"Device '{options.device}' can't be used: {reason}.",
                          "Choose device='cpu' or 'auto', or run: pip uninstall -y onnxruntime; pip install 'a2f-batch[gpu]'.",
                          code="device-missing")
    say_once(f"No GPU: {reason}. The CPU is used.")
    return session, "cpu"


def _gpu_session(package: ModuleType, content: bytes, options: Options) -> tuple[Any, str]:
    """Return a session on the GPU and "", or None and why there is none."""
    if "CUDAExecutionProvider" not in package.get_available_providers():
        return None, "the installed onnxruntime has no CUDA provider"
    preload: Callable[[], None] | None = getattr(package, "preload_dlls", None)  # since onnxruntime 1.21
    if preload is not None:
        preload()
    provider = "CUDAExecutionProvider", {
        "device_id": str(options.gpu_index),
        "use_tf32": "0",  # 10-bit mantissas are not 'exact'
        "cudnn_conv_algo_search": "DEFAULT",  # the other ways time the algorithms: another run, another one, other bytes
    }
    try:
        session = _session(package, content, options, [provider])
    except OnnxError as error:
        return None, f"CUDA did not start: {error}"
    # onnxruntime goes on without a provider that does not start.
    if "CUDAExecutionProvider" not in session.get_providers():
        return None, "CUDA did not start; driver, CUDA or cuDNN is missing, or there is no such GPU"
    return session, ""


def _session(package: ModuleType, content: bytes, options: Options, providers: list[Any],
             weights: Mapping[str, npt.NDArray[np.float32]] | None = None) -> Any:
    settings = package.SessionOptions()
    if weights:
        settings.add_external_initializers(list(weights), [package.OrtValue.ortvalue_from_numpy(value) for value in weights.values()])
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = package.ExecutionMode.ORT_SEQUENTIAL
    settings.graph_optimization_level = package.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.use_deterministic_compute = True
    settings.log_severity_level = 4  # errors reach the user as exceptions, once
    # Spinning steals time from other workers; an engine of several threads has the machine to itself.
    for pool in ("intra_op", "inter_op"):
        settings.add_session_config_entry(f"session.{pool}.allow_spinning", "1" if options.threads > 1 else "0")
    with _faults():
        # Without onnxruntime's own fallback, which moves to the CPU in the middle of a run and tells only stdout.
        return package.InferenceSession(content, settings, providers=[*providers, "CPUExecutionProvider"], enable_fallback=0)


@contextmanager
def _faults() -> Iterator[None]:
    """Turn what onnxruntime raises into an `OnnxError`; its own error classes have no common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    own = [kind for kind in vars(native).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    kinds: tuple[type[Exception], ...] = (*own, RuntimeError, ValueError)
    try:
        yield
    except kinds as error:
        raise OnnxError(str(error).partition("\n")[0].strip().rstrip(".")) from error


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True

