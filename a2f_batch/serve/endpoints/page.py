"""`GET /`: drop a sound in, see its curves and the head, and take the files away. Player, time line and head are the report's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, Response

from a2f_batch.report import assets
from a2f_batch.serve.answers import RequestError

# What the page may load: its own files, and no script from anywhere else.
_POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
           "connect-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
_HTML, _CSS, _JS = "text/html", "text/css", "text/javascript"


def router() -> APIRouter:
    """Return the routes: the page's own files and the report's, by name; no client's word becomes a path."""
    page, web = files("a2f_batch.serve").joinpath("page"), files(assets.__package__).joinpath("web")
    given = {"/": (_HTML, page.joinpath("page.html").read_bytes), "/page.css": (_CSS, page.joinpath("page.css").read_bytes),
             "/page.js": (_JS, page.joinpath("page.js").read_bytes), "/report.css": (_CSS, assets.style), "/viewer.js": (_JS, _viewer)}
    given |= {f"/web/{one.name}": (_JS, one.read_bytes) for one in web.iterdir() if one.name.endswith(".js")}
    routes = APIRouter(include_in_schema=False)
    for path, (media_type, read) in given.items():
        routes.add_api_route(path, _giving(read, media_type), methods=["GET"])
    return routes


def _giving(read: Callable[[], bytes], media_type: str) -> Callable[[], Awaitable[Response]]:
    async def give() -> Response:
        return Response(read(), media_type=media_type, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})

    return give


def _viewer() -> bytes:
    content = assets.viewer()
    if content is None:
        raise RequestError("The 3D view was not built.", "In a checkout, run `make viewer`.", code="not-found")
    return content
