"""Review videos: frames a second, and CPU seconds for each second of video.

    python benchmarks/preview.py [--line 'en-US/*'] [--size 960x540]

The lines are the demo's, on the default head, drawn one after another (`--workers 1`), with sound. The command's own start is measured by
a tiny film of one frame a second, and taken off. A first run, not counted, has the drawing compiled.
"""

from __future__ import annotations

import json
import resource
import tempfile
from pathlib import Path

import click
from report import ROOT, run, timed


@click.command()
@click.option("--line", "pattern", default="*", show_default=True, help="Which lines, as for `a2f-batch preview`.")
@click.option("--size", default="960x540", show_default=True, help="Of the videos.")
def main(pattern: str, size: str) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "out"
        run("render", ROOT / "manifests/demo.csv", "--out", out, "--formats", "npz", "--only", pattern, "--workers", 0, "--no-report")
        done = [line for line in json.loads((out / "summary.json").read_text())["lines"] if line["status"] == "done"]
        frames, seconds = sum(line["frames"] for line in done), sum(line["duration_seconds"] for line in done)
        short = ("preview", out, "--line", "/".join(done[0][name] for name in ("locale", "character", "id")), "--workers", 1, "--fps", 1,
                 "--size", "160x160", "--mute")
        run(*short)
        start = timed(*short)
        wall, cpu = (whole - part for whole, part in zip(timed("preview", out, "--line", pattern, "--workers", 1, "--size", size), start,
                                                         strict=True))
    print("lines | frames | frames a second | CPU ms a frame | CPU s a second of video | peak memory, MiB")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{len(done)} | {frames} | {frames / wall:.1f} | {1000 * cpu / frames:.1f} | {cpu / seconds:.2f} | {peak:.0f}")


if __name__ == "__main__":
    main()
