"""The application: endpoints, errors, and what stands between them and the network."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp

from a2f_batch import __version__
from a2f_batch.serve.access import Access
from a2f_batch.serve.answers import tell_errors
from a2f_batch.serve.endpoints import bake, curves, page, reference, state, stream
from a2f_batch.serve.guard import Guard
from a2f_batch.serve.service import Service


def make_app(service: Service) -> ASGIApp:
    """Return the application that serves with `service`."""
    app = FastAPI(title="a2f-batch serve", version=__version__, description="Voice lines in; glTF, FBX, CSV and Maya .anim out.",
                  docs_url=None, redoc_url=None)  # FastAPI's own pages load their scripts from elsewhere
    tell_errors(app)
    for group in (state, curves, bake, stream):
        app.include_router(group.router(service))
    app.include_router(page.router())
    app.include_router(reference.router(app))

    @app.get("/stream.proto", include_in_schema=False)
    async def proto() -> PlainTextResponse:
        return PlainTextResponse(files(__package__).joinpath("stream.proto").read_text(encoding="utf-8"))

    if service.settings.origins:
        app.add_middleware(CORSMiddleware, allow_origins=service.settings.origins, allow_methods=["GET", "POST"], allow_headers=["*"],
                           expose_headers=["Content-Disposition", "X-A2F-Frames", "X-A2F-Fps", "X-A2F-Duration", "X-A2F-Warnings"])
    return Access(Guard(app, service.settings), service.tell)
