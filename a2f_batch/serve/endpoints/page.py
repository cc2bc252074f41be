"""`GET /`: drop a sound in, see its curves and the head, and take the files away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, Response

# What the page may load: its own files, and no script from anywhere else.
_POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
           "connect-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
_FILES = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript")}


def router() -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)
    for path, (name, media_type) in _FILES.items():
        routes.add_api_route(path, _giving(name, media_type), methods=["GET"])
    return routes


def _giving(name: str, media_type: str) -> Callable[..., Awaitable[Response]]:
    async def give() -> Response:
        content = files("a2f_batch.serve").joinpath("page", name).read_bytes()
        return Response(content, media_type=media_type, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})

    return give
