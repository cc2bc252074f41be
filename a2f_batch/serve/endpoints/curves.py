"""`POST /process-audio`: a sound in, its frames as JSON out, as the audio2face-mvp service answers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from a2f_batch.audio import SAMPLE_RATE
from a2f_batch.batch.render import SpokenLine
from a2f_batch.serve.lines import LineOptions
from a2f_batch.serve.rendering import speak
from a2f_batch.serve.service import Service
from a2f_batch.serve.uploads import FORM, received


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.post("/process-audio", openapi_extra=FORM, response_class=JSONResponse, summary="A sound in, frames as JSON out")
    async def process_audio(request: Request, options: Annotated[LineOptions, Depends()]) -> Response:
        """`data.blendshapes` has a list a frame, in the order of /blendshape-names; `data.timestamps` are seconds from the start."""
        recipe = service.lines.recipe(options)
        with service.workers.admitted():
            async with received(request, service.settings, service.folder) as upload:
                spoken = await service.workers.run(speak, upload.path, recipe, service.settings.engine, service.settings.max_seconds)
        return JSONResponse(_answer(spoken, upload.name))

    return routes


def _answer(spoken: SpokenLine, name: str) -> dict[str, Any]:
    clip = spoken.clip
    fps = int(clip.fps) if clip.fps.denominator == 1 else float(clip.fps)
    return {
        "success": True,
        "data": {"blendshapes": clip.values.tolist(), "timestamps": clip.times().tolist(), "fps": fps, "duration": spoken.duration,
                 "num_frames": clip.n_frames, "blendshape_count": len(clip.names)},
        "metadata": {"original_filename": name, "audio_duration": spoken.duration, "sample_rate": SAMPLE_RATE,
                     "fps": str(clip.fps), "warnings": spoken.warnings},
    }
