"""The report of a large drop: how long it takes to make, how much the browser loads first, and how soon something is to be seen.

The lines are real ones: the demo's, rendered once, their files linked under new names (`--lines`); each has its own row and script. Of the
many copies the disk's cache holds one, so reading is not what is measured. CPU seconds are those of the command and its processes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]


@click.command()
@click.option("--lines", default=20_000, show_default=True, type=click.IntRange(8))
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the folder there, to be looked at; nothing is made that is there.")
@click.option("--seconds", default=1.0, show_default=True, help="Length that the demo's sounds are cut to; 0 = as they are, about six.")
def main(lines: int, keep: Path | None, seconds: float) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as temporary:
        out = (keep or Path(temporary)).absolute() / "out"
        if not out.exists():
            drop(out, lines, seconds)
        shutil.rmtree(out / "report", ignore_errors=True)
        print(f"{lines} lines | wall s | CPU s")
        print("first report | {:.1f} | {:.1f}".format(*timed("report", out)))
        print("second, nothing changed | {:.1f} | {:.1f}".format(*timed("report", out)))
        first = [out / "report" / name for name in ("index.html", "report.js", "report.css", "data/page.js")]
        size = sum(path.stat().st_size for path in (*first, *(out / "report/data").glob("rows-*.js")))
        whole = sum(path.stat().st_size for path in (out / "report").rglob("*.js"))
        print(f"first page | {size / 1e6:.2f} MB")
        print(f"the whole report | {whole / 1e6:.0f} MB")
        if hasattr(os, "sync"):
            os.sync()  # a browser's own caches would wait for what the disk still writes of the drop
        print(json.dumps(painted(out / "report/index.html")))


def timed(*arguments: object) -> tuple[float, float]:
    """Run the command line; return wall and CPU seconds."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(*arguments: object) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "a2f_batch", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"PYTHONPATH": str(ROOT)})


def drop(out: Path, lines: int, seconds: float) -> None:
    """Render the demo into `out`, and give its lines `lines` names."""
    import soundfile

    manifests = out.parent / "manifests"
    shutil.copytree(ROOT / "manifests", manifests)
    for path in (manifests / "audio").iterdir() if seconds else ():
        samples, rate = soundfile.read(path)
        start = len(samples) // 4
        soundfile.write(path, samples[start:start + round(rate * seconds)], rate)
    run("render", manifests / "demo.csv", "--out", out, "--mesh", "proxy", "--workers", 0, "--no-report")
    with sqlite3.connect(out / "journal.sqlite") as journal:
        rows = journal.execute("SELECT line, locale, character, id, outputs FROM lines ORDER BY line").fetchall()
        columns = [name for _, name, *_ in journal.execute("PRAGMA table_info(lines)") if name not in ("line", "id")]
        suffixes = {"glb": ".glb", "fbx": ".fbx", "csv": ".csv", "anim": ".anim"}
        for number in range(lines - len(rows)):
            line, locale, character, name, outputs = rows[number % len(rows)]
            copy = f"{name}_{number:05}"
            for fmt in json.loads(outputs):
                os.link(out / f"{line}{suffixes[fmt]}", out / locale / character / f"{copy}{suffixes[fmt]}")
            same = ", ".join(columns)
            journal.execute(f"INSERT INTO lines (line, id, {same}) SELECT ?, ?, {same} FROM lines WHERE line = ?",
                            (f"{locale}/{character}/{copy}", copy, line))


def painted(page: Path) -> dict[str, float]:
    """Open the page in Chromium; return milliseconds to the first paint, to all rows, of a sort, and of pictures while it scrolls.

    Of pictures both: from one to the next, as they were seen, and what the page itself did for one, the CPU time of its main thread. The
    rest is the browser's: above all, a renderer without a GPU compiles its shaders when it first draws with them.
    """
    sys.path.append(str(ROOT / "tests/browser"))
    with import_module("chromium").Chromium() as browser:
        browser.open(page)
        browser.wait("'ready' in document.documentElement.dataset", 60)
        first = browser.js("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        ready = browser.js("performance.now()")
        browser.wait("document.documentElement.dataset.ready === 'all'", 60)
        found = {"first_paint_ms": first, "all_rows_ms": ready}
        found["sort_ms"] = browser.js(_timed("document.querySelector('[data-column=line]').click()"))
        frames = sorted(browser.js(
            "(async () => { const found = []; let last = performance.now();"
            " for (let i = 0; i < 60; i++) { scrollBy(0, 900); await new Promise(requestAnimationFrame);"
            " const now = performance.now(); found.push(now - last); last = now; } return found; })()"))
        found["scroll_frame_ms"], found["scroll_slowest_ms"] = statistics.median(frames), frames[-1]
        works = []
        for _ in range(60):
            before = browser.busy()
            browser.js("scrollBy(0, 900), new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            works.append(1000 * (browser.busy() - before))
        found["scroll_cpu_ms"], found["scroll_slowest_cpu_ms"] = statistics.median(works), max(works)
        assert not browser.messages(), browser.messages()
    return {name: round(value, 1) for name, value in found.items()}


def _timed(code: str) -> str:
    return f"(() => {{ const from = performance.now(); {code}; document.body.offsetHeight; return performance.now() - from; }})()"


if __name__ == "__main__":
    main()
