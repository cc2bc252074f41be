"""Which engine a run uses, as a value that travels to workers, and its loading once a process."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import Any

from a2f_batch.engines import Engine, load_engine
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

    def pinned(self) -> EngineChoice:
        """Return the choice with the checksum of the weights as they are here, and a path made absolute; the engine is loaded."""
        engine = self.loaded()
        # As `load_engine` tells a path from a name; a worker may have another current folder.
        is_path = self.name.endswith(".json") or bool(os.path.dirname(self.name))
        choice = replace(self, name=os.path.abspath(self.name) if is_path else self.name, sha256=engine.weights_sha256)
        with _lock:
            _loaded[choice] = _loaded.pop(self)
        return choice

    def facts(self) -> dict[str, Any]:
        """Return what the report says about the engine; it must be loaded."""
        engine = self.loaded()
        return {"engine": engine.description.engine, "weights": engine.description.name, "weights_sha256": engine.weights_sha256,
                "licence": engine.description.licence, "device": engine.device, "precision": engine.precision}

    def unload(self) -> None:
        """Forget the engine in this process."""
        with _lock:
            _loaded.pop(self, None)
