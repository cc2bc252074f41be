"""What a service is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from a2f_batch.batch.engine_choice import EngineChoice


@dataclass(frozen=True)
class Settings:
    """Everything that decides how a service behaves; nothing of it can be changed by a request.

    Attributes:
        host, port: where it listens; port 0 = a free one.
        engine: pinned, so that all workers have the same.
        project: an a2f.toml with more profiles; None = the nearest one, if there is any.
        workers: processes that render.
        waiting: requests that may wait for a worker beside those that are rendered; one more is told to come again (503). As many
            streams may be open.
        max_bytes: of an upload.
        max_seconds: of a sound or a stream.
        upload_seconds: until an upload has to be there, and between two messages of a stream.
        render_seconds: until a rendering has to be done; then its process is ended.
        origins: web pages' origins that may use the service from a browser ('https://tool.example'), beside its own.
        hosts: further names by which the service may be called, lower case.
    """

    engine: EngineChoice = field(default_factory=EngineChoice)
    host: str = "127.0.0.1"
    port: int = 8000
    project: Path | None = None
    workers: int = 2
    waiting: int = 64
    max_bytes: int = 100 * 1024 * 1024
    max_seconds: float = 600.0
    upload_seconds: float = 60.0
    render_seconds: float = 300.0
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
