"""`GET /docs`: the OpenAPI description as a page without a script, which needs no network."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from a2f_batch.serve.endpoints.stream import PATH

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; font-family: ui-monospace, monospace; font-size: 1.1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }
code, pre { font-family: ui-monospace, monospace; }
pre { background: #8882; padding: .6rem .8rem; overflow-x: auto; }
"""


def router(app: FastAPI) -> APIRouter:
    """Return the route, for the endpoints of `app`."""
    routes = APIRouter()

    @routes.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Return the page."""
        return HTMLResponse(page(app.openapi()))

    return routes


def page(api: dict[str, Any]) -> str:
    """Return an OpenAPI description as HTML."""
    parts = [_endpoint(path, method.upper(), facts) for path, methods in api["paths"].items() for method, facts in methods.items()]
    title = escape(f"{api['info']['title']} {api['info']['version']}")
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style>
<h1>{title}</h1>
<p>{escape(api['info']['description'])} For programs: <a href="openapi.json">openapi.json</a>.</p>
{''.join(parts)}
<h2>WS {escape(PATH)}</h2>
<p>Sound in as it is spoken, frames out at every silence: the messages of <a href="stream.proto">stream.proto</a>.</p>
</html>
"""


def _endpoint(path: str, method: str, facts: dict[str, Any]) -> str:
    options = "".join(f"<tr><td><code>{escape(one['name'])}</code><td>{escape(_default(one['schema']))}"
                      f"<td>{escape(one.get('description', ''))}" for one in facts.get("parameters", []))
    table = f"<table><tr><th>Query<th>Default<th>Meaning{options}</table>" if options else ""
    upload = " -F file=@line.wav" if "requestBody" in facts else ""
    out = " -OJ" if path == "/bake" else ""
    query = "?format=fbx" if path == "/bake" else ""
    return (f"<h2>{method} {escape(path)}</h2><p><b>{escape(facts['summary'])}</b> {escape(facts.get('description', ''))}</p>"
            f"<pre>curl{out}{upload} 'http://127.0.0.1:8000{escape(path)}{query}'</pre>{table}")


def _default(schema: dict[str, Any]) -> str:
    return "" if schema.get("default") is None else str(schema["default"])
