"""Which engine a run uses, as a value that travels to workers, and its loading once a process."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from dataclasses import dataclass, replace
from typing import Any

from a2f_batch.engines import Description, Engine, describe, load_engine
from a2f_batch.engines.weights import weights_sha256
from a2f_batch.errors import EngineError

_loaded: dict[EngineChoice, Engine] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class EngineChoice:
    """What `load_engine` is to be asked for.

    Attributes:
        name: name of shipped weights, or the path of a weights description.
        device, precision: as `load_engine` takes them.
        sha256: what the weights must be, so that every worker has the same; None = not yet known.
    """

    name: str = "embedded"
    device: str = "auto"
    precision: str = "exact"
    sha256: str | None = None

    def loaded(self) -> Engine:
        """Return the engine, loaded at the first call in this process, with one CPU thread.

        Raises:
            EngineError: it can't be loaded, or this machine's weights are others than the run's (code 'engine-mismatch').
        """
        with _lock:
            if self not in _loaded:
                engine = load_engine(self.name, device=self.device, precision=self.precision, threads=1)
                if self.sha256 not in (None, engine.weights_sha256):
                    raise EngineError(f"The weights '{self.name}' have the checksum {engine.weights_sha256} on this worker, but "
                                      f"{self.sha256} where the run was started.",
                                      "Install the same weights everywhere.", code="engine-mismatch")
                _loaded[self] = engine
            return _loaded[self]

    def described(self) -> Description:
        """Return what the description of the weights says (channel names, rates); nothing is loaded.

        Raises:
            EngineError: there is none, or it is wrong.
        """
        return describe(self.name)

    def pinned(self, *, cluster: bool = False) -> EngineChoice:
        """Return the choice with nothing left open: the weights' checksum, an absolute path, and 'cpu' or a GPU for 'auto'.

        The engine is loaded only if 'auto' is asked for on a machine with an NVIDIA driver: it alone knows whether it can use the GPU.

        Args:
            cluster: for workers elsewhere; there 'auto' is the CPU, so that bytes never depend on which workers happen to be there.

        Raises:
            EngineError: the description or the weights are missing or wrong.
        """
        description = self.described()
        sha256 = weights_sha256(description)
        device = self.device
        if device == "auto":
            device = "cpu" if cluster or not _has_nvidia_driver() else self.loaded().device
            self.unload()
        # As `load_engine` tells a path from a name; a worker may have another current folder.
        is_path = self.name.endswith(".json") or bool(os.path.dirname(self.name))
        return replace(self, name=os.path.abspath(self.name) if is_path else self.name, device=device, sha256=sha256)

    @property
    def on_gpu(self) -> bool:
        """Whether the choice, once pinned, is for a GPU."""
        return self.device.startswith("cuda")

    def facts(self) -> dict[str, Any]:
        """Return what the report says about the engine; the choice must be pinned."""
        description = self.described()
        return {"engine": description.engine, "weights": description.name, "weights_sha256": self.sha256,
                "licence": description.licence, "device": self.device, "precision": self.precision}

    def unload(self) -> None:
        """Forget the engine in this process."""
        with _lock:
            _loaded.pop(self, None)


def _has_nvidia_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
