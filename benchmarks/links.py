"""Very many rendered lines in a minute: a real run, in which the rendering alone is replaced by links to files rendered before."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from unittest import mock

from drops import Drop, Line, write

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.render import Job, LineResult, OutputFile, Rendered
from a2f_batch.cli import main


def run_with_links(source: Drop, rendered: Path, folder: Path, count: int, arguments: Sequence[str]) -> Drop:
    """Run `render` over `count` lines into `folder`/out, with all that a run notes in its journal; return their drop.

    Args:
        source: lines that are repeated; every line has a path of its own, a hard link, to its sound.
        rendered: the output folder of those lines.
        arguments: of the command, as `rendered` was made with.
    """
    lines = []
    for i in range(count):
        line = source.lines[i % len(source.lines)]
        lines.append(Line(line.locale, line.character, f"line{i:06}", f"{line.locale}/line{i:06}.wav", line.seconds))
        (folder / line.locale).mkdir(parents=True, exist_ok=True)
        os.link(source.folder / line.audio, folder / lines[i].audio)
    drop = write(folder, "planned", lines)

    @cache
    def files(number: int) -> dict[str, tuple[Path, OutputFile]]:
        line = source.lines[number]
        paths = sorted((rendered / line.locale / line.character).glob(f"{line.id}.*"))
        return {path.suffix[1:]: (path, OutputFile.of(path)) for path in paths}

    def link(jobs: Sequence[Job], choice: EngineChoice) -> list[LineResult]:
        results = []
        for job in jobs:
            found = files(int(job.line.identity.id.removeprefix("line")) % len(source.lines))
            os.makedirs(os.path.dirname(next(iter(job.files.values()))), exist_ok=True)
            for name, path in job.files.items():
                os.link(found[name][0], path)
            outputs = {name: found[name][1] for name in job.files}
            figures = Rendered(30, 1.0, {}, (), {}, outputs=outputs, device="cpu", precision="exact")
            results.append(LineResult(job.line.number, "done", rendered=figures))
        return results

    with mock.patch("a2f_batch.batch.run.render_batch", link), redirect_stdout(io.StringIO()) as told:
        try:
            main(["render", str(drop.manifest), "--out", str(folder / "out"), *arguments, "--workers", "0", "--log-every", "3600"])
        except SystemExit as end:  # as every call of the command ends
            if end.code:
                raise RuntimeError(f"The run over links ended with {end.code}: {told.getvalue()}") from None
    return drop
