"""`a2f-batch serve`: a small local service over HTTP."""

from __future__ import annotations

import os
from pathlib import Path

import click

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.cli.errors import DONE, reported
from a2f_batch.cli.log import LoggedCommand, current, log_options
from a2f_batch.cli.options import engine_options, project_option
from a2f_batch.errors import BatchError


@click.command("serve", cls=LoggedCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 lets other machines in.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that render. [default: one a core]")
@click.option("--waiting", default=64, show_default=True, type=click.IntRange(0, 10_000), help="Requests that may wait for a worker.")
@click.option("--max-mb", default=100.0, show_default=True, type=click.FloatRange(0.01), help="Largest upload, MiB.")
@click.option("--max-seconds", default=600.0, show_default=True, type=click.FloatRange(0.1), help="Longest sound or stream.")
@click.option("--upload-seconds", default=60.0, show_default=True, type=click.FloatRange(0.1),
              help="How long an upload may take, and a stream be silent.")
@click.option("--render-seconds", default=300.0, show_default=True, type=click.FloatRange(0.1), help="How long a rendering may take.")
@click.option("--allow-origin", "origins", multiple=True, metavar="ORIGIN",
              help="Let web pages of this origin use the service, such as https://tool.example; may be repeated.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A further name that the service is called by; may be repeated.")
@project_option
@engine_options
@log_options
@reported
def command(host: str, port: int, workers: int | None, waiting: int, max_mb: float, max_seconds: float, upload_seconds: float,
            render_seconds: float, origins: tuple[str, ...], hosts: tuple[str, ...], project: Path | None, engine: str, device: str,
            precision: str) -> int:
    """Render sounds that programs send over HTTP; GET /docs says how.

    GET /health and /blendshape-names, POST /process-audio (JSON) and /bake (a file), a WebSocket stream, and a page to try it.
    Runs until Ctrl+C or SIGTERM.

    \b
    Exit codes: 0 ended; 2 it could not start.
    """
    try:
        from a2f_batch.serve.server import address_of, listen, serve
        from a2f_batch.serve.service import Service
        from a2f_batch.serve.settings import Settings
    except ImportError as error:
        raise BatchError(f"The service needs packages that are not installed ({error}).", "Run: pip install 'a2f-batch[serve]'.",
                         code="serve-missing") from error
    log = current()
    settings = Settings(EngineChoice(engine, device, precision).pinned(), host, port, project, workers or os.cpu_count() or 1, waiting,
                        int(max_mb * 2 ** 20), max_seconds, upload_seconds, render_seconds, origins,
                        tuple(name.lower() for name in hosts))
    with listen(settings) as listener, Service.start(settings, log.tell, log.warning) as service:
        url = address_of(listener)
        serve(service, listener, lambda: log.tell("listening", f"{url}  (Ctrl+C ends it)", url=url, workers=settings.workers,
                                                  weights=service.engine_facts["weights"]))
    return DONE
