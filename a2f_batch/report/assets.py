"""What the page is made of: HTML, style and scripts that ship with the package, and the 3D view that npm builds (`make viewer`)."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

_WEB = files(__package__) / "web"
VIEWER = files(__package__) / "viewer" / "built" / "viewer.js"

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?(function|const|class|let) )", re.MULTILINE)


def style() -> bytes:
    """Return the style sheet."""
    return (_WEB / "report.css").read_bytes()


def viewer() -> bytes | None:
    """Return the script of the 3D view; None if it was not built."""
    return VIEWER.read_bytes() if VIEWER.is_file() else None


@cache
def joined(entry: str) -> bytes:
    """Return the module `entry` of `web/` and those that it imports as one classic script.

    Browsers load no modules from the disk. Ours import each other by plain names and from this folder alone, so to put them one after
    another into one scope, the imported first, is all there is to do; tests/report/test_assets.py sees that no name is taken twice.
    """
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = (_WEB / f"{name}.js").read_text(encoding="utf-8")
        done[name] = ""  # a circle ends here
        for imported in _IMPORT.findall(text):
            add(imported)
        del done[name]  # behind those that it imports
        done[name] = _EXPORT.sub("", _IMPORT.sub("", text))

    add(entry)
    return ("(() => {\n\"use strict\";\n" + "\n".join(done.values()) + "})();\n").encode()


def page(title: str, mark: str, scripts: Sequence[str]) -> bytes:
    """Return the HTML.

    Args:
        title: any text.
        mark: of the journal that the page was made from.
        scripts: files beside the page, loaded in this order without holding up the first paint.
    """
    tags = "\n".join(f'<script defer src="{html.escape(one)}"></script>' for one in scripts)
    template = (_WEB / "index.html").read_text(encoding="utf-8")
    filled = template.replace("{{scripts}}", tags).replace("{{mark}}", html.escape(mark)).replace("{{title}}", html.escape(title))
    return filled.encode("utf-8", "backslashreplace")
