"""Pictures of the report for docs/report.md: python docs/render_report.py (needs what `make test` installs, for Chromium)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs/images/report"
LINE = "fr-FR/merchant/stall_offer"
READY = "document.documentElement.dataset.ready === 'all'"
DRAWN = f"{READY} && [...document.querySelectorAll('.body canvas')].some((one) => one.width !== 300)"
HEAD = f"document.getElementById('drawer').dataset.line === '{LINE}' && document.getElementById('drawer').dataset.head"


def main() -> None:
    """Render the demo with two rows that can't be rendered, and photograph its report."""
    sys.path.append(str(ROOT / "tests/browser"))
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, import_module("chromium").Chromium() as browser:
        out = Path(temporary) / "drop_12"
        drop(Path(temporary), out)
        for scheme in ("light", "dark"):
            browser.open(out / "report/index.html", scheme=scheme)
            browser.wait(DRAWN, 60)
            browser.screenshot(PICTURES / f"page_{scheme}.png")
            line(browser)
            browser.screenshot(PICTURES / f"line_{scheme}.png")
        browser.open(out / "report/index.html", width=1060, height=749)
        browser.wait(READY, 60)
        browser.js("dispatchEvent(new Event('beforeprint')); 0")
        browser.wait("[...document.querySelectorAll('#printed canvas')].length > 5", 60)
        browser.paper(PICTURES / "print.png")


def drop(folder: Path, out: Path) -> None:
    """Render the demo and two rows more."""
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    manifest = folder / "manifests/demo.csv"
    with manifest.open("a", encoding="utf-8") as file:
        file.write("gate_closed,audio/gate_closed.en-US.wav,guard,en-US,anger,We are closed.\n"
                   "stall_price,audio/stall_price.en-GB.wav,merchant,en-GB,joy,Three coppers!\n")
    shutil.copy(manifest, folder / "manifests/audio/stall_price.en-GB.wav")  # text, where a sound should be
    subprocess.run([sys.executable, "-m", "a2f_batch", "render", manifest, "--out", out, "--workers", "0"], check=False,
                   env=os.environ | {"PYTHONPATH": str(ROOT)})


def line(browser: Any) -> None:
    """Open a line, and stop where the mouth is open."""
    browser.js(f"location.hash = '#{LINE}'")
    browser.wait(HEAD, 60)
    x, y, width = browser.js("(({ left, top, width }) => [left, top, width])(document.querySelector('.field').getBoundingClientRect())")
    browser.drag([x + width * 0.449, y + 40], [x + width * 0.449, y + 40])
    browser.wait("!document.querySelector('audio').seeking")
    browser.move(x + width * 0.7, y + 130)


if __name__ == "__main__":
    main()
