"""`POST /bake?format=glb`: a sound in, an animation file out, the same bytes as from `a2f-batch bake`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response

from a2f_batch.export import FORMATS, format_named
from a2f_batch.export.options import ExportOptions
from a2f_batch.export.tolerance import parse_tolerance
from a2f_batch.serve.lines import LineOptions
from a2f_batch.serve.rendering import bake
from a2f_batch.serve.service import Service
from a2f_batch.serve.uploads import FORM, received, safe_name

_MEDIA_TYPES = {"glb": "model/gltf-binary", "gltf": "model/gltf+json", "csv": "text/csv", "csv-plain": "text/csv", "csv-long": "text/csv",
                "metahuman": "text/csv", "visemes": "application/json", "anim": "text/plain; charset=utf-8"}


@dataclass(frozen=True)
class FileOptions:
    """Options of the formats; those that would name a file of the server's are not for clients."""

    mesh: Annotated[Literal["default", "proxy", "none"], Query(description="Default head, the small one, or curves alone.")] = "default"
    tolerance: Annotated[str | None, Query(max_length=32, description="Key only what keeps weights within this: 0.002, 0.5mm.")] = None
    interpolation: Annotated[Literal["linear", "cubic"], Query(description="Between keys.")] = "linear"
    rotations: Annotated[bool, Query(description="Head and eye rotations as node animation (glb, gltf).")] = False
    audio: Annotated[Literal["none", "embed"], Query(description="The sound inside the file (glb, gltf).")] = "none"
    compact: Annotated[bool | None, Query(description="16-bit weights where they fit (glb, gltf); the default.")] = None
    timecode_start: Annotated[str | None, Query(max_length=32, description="Timecode of the first frame (csv).")] = None
    drop_constant: Annotated[bool | None, Query(description="Leave out curves that never move (fbx).")] = None

    def export(self) -> ExportOptions:
        """Return them as the library has them.

        Raises:
            ExportError: one that can't be used.
        """
        return ExportOptions(mesh=self.mesh, tolerance=None if self.tolerance is None else parse_tolerance(self.tolerance),
                             interpolation=self.interpolation, rotations=self.rotations, audio_mode=self.audio, compact=self.compact,
                             timecode_start=self.timecode_start, drop_constant=self.drop_constant)


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.post("/bake", openapi_extra=FORM, response_class=Response, summary="A sound in, an animation file out")
    async def post(request: Request, options: Annotated[LineOptions, Depends()], file_options: Annotated[FileOptions, Depends()],
                   format: Annotated[str, Query(description=f"One of {', '.join(FORMATS)}.")] = "glb") -> Response:
        """The file is called like the sound. `X-A2F-Frames`, `X-A2F-Fps`, `X-A2F-Duration` and `X-A2F-Warnings` say what is in it."""
        chosen, export = format_named(format), file_options.export()
        export.check([chosen])
        recipe = service.lines.recipe(options, export)
        with service.workers.admitted():
            async with received(request, service.settings, service.folder) as upload:
                baked = await service.workers.run(bake, upload.path, chosen.name, recipe, service.settings.engine,
                                                  service.settings.max_seconds)
        figures = baked.rendered
        return Response(baked.content, media_type=_MEDIA_TYPES.get(chosen.name, "application/octet-stream"), headers={
            "Content-Disposition": _attachment(PurePath(safe_name(upload.name)).stem + chosen.suffix),
            "X-A2F-Frames": str(figures.frames), "X-A2F-Fps": str(recipe.fps), "X-A2F-Duration": str(figures.duration),
            "X-A2F-Warnings": ",".join(figures.warnings)})

    return routes


def _attachment(name: str) -> str:
    """Return the header that names a file (RFC 6266): for all in ASCII, and as it is for those who know UTF-8."""
    return f'attachment; filename="{name.encode("ascii", "replace").decode().replace("?", "_")}"; filename*=UTF-8\'\'{quote(name, safe="")}'
