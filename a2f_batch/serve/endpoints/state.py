"""`GET /health` and `GET /blendshape-names`: is it alive, and what the numbers of a frame stand for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from a2f_batch import __version__
from a2f_batch.serve.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.get("/health", summary="Is it alive, and how busy?")
    async def health() -> dict[str, Any]:
        """`status` and `sdk_loaded` are as the audio2face-mvp service has them."""
        return {"status": "healthy", "sdk_loaded": True, "version": __version__, "workers": service.settings.workers,
                "inside": service.workers.inside, "places": service.workers.places, "engine": service.engine_facts,
                "profiles": service.lines.profiles}

    @routes.get("/blendshape-names", summary="The channels of a frame, in order")
    async def blendshape_names(profile: Annotated[str, Query(max_length=2000)] = "default") -> dict[str, list[str]]:
        """The order of every list in `blendshapes` that /process-audio gives for the same profile."""
        return {"blendshape_names": list(service.lines.names(profile))}

    return routes
