"""What a run did, row by row: OUT/summary.json, and the figures for a person."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2f_batch.batch.manifest import Manifest, Problem
from a2f_batch.batch.render import STEPS, Job, LineResult
from a2f_batch.batch.takes import GROUPED, CharacterTakes
from a2f_batch.export.atomic import replacing

if TYPE_CHECKING:
    from a2f_batch.batch.run import Settings

SUMMARY_SCHEMA = 1
_PACKAGES = ("a2f-batch", "numpy", "soundfile", "soxr", "onnxruntime", "onnxruntime-gpu", "torch", "dask", "distributed")


@dataclass
class Report:
    """A run and how each of its rows ended; filled by `run`.

    Attributes:
        manifest, settings: what was asked for.
        engine: facts of the engine: name, weights and their checksum, device, precision.
        jobs: the good rows, resolved, by line number.
        results: how rows ended, by line number; a row without one was never started or not finished.
        stopped_by: what ended the run early, if an error or a second interrupt did.
        seconds: wall time of the rendering, workers' start included.
        takes: the characters' files, where lines are grouped by character.
        match: which channels drive which targets of the run's character, as JSON values; None without one.
    """

    manifest: Manifest
    settings: Settings
    engine: Mapping[str, Any]
    jobs: dict[int, Job] = field(default_factory=dict)
    results: dict[int, LineResult] = field(default_factory=dict)
    stopped_by: Problem | None = None
    seconds: float = 0.0
    takes: Sequence[CharacterTakes] = ()
    match: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Find rows by number once."""
        self._bad_rows = {row.number: row for row in self.manifest.bad_rows}

    def ordered(self) -> Iterator[LineResult]:
        """Yield one result for each row, in the manifest's order."""
        for number in sorted(self._bad_rows.keys() | self.jobs.keys()):
            yield self.results.get(number) or LineResult(number, "unfinished", (self._unfinished(number),))

    def _unfinished(self, number: int) -> Problem:
        where = self.manifest.where(number)
        if self.stopped_by:
            return Problem(self.stopped_by.code, f"{where}: {self.stopped_by.message}", self.stopped_by.remedy)
        return Problem("not-started", f"{where}: the run was stopped before this line.", "Run the same command again.")

    def failures(self) -> list[LineResult]:
        """Return the results of rows that are not done, in the manifest's order."""
        return [result for result in self.ordered() if result.status != "done"]

    def totals(self) -> dict[str, Any]:
        """Return counts of rows by status, seconds of audio rendered, of wall time and of each step summed over workers."""
        results = list(self.ordered())
        rendered = [result.rendered for result in results if result.rendered]
        audio_seconds = sum(one.duration for one in rendered)
        return {
            "rows": len(results),
            **{status: sum(result.status == status for result in results) for status in ("done", "failed", "unfinished")},
            "with_warnings": sum(bool(one.warnings) for one in rendered),
            "older_files": sum(map(len, self.older_files().values())),
            "audio_seconds": round(audio_seconds, 3),
            "wall_seconds": round(self.seconds, 3),
            "times_real_time": round(audio_seconds / self.seconds, 2) if self.seconds else None,
            "step_seconds": {step: round(sum(one.seconds[step] for one in rendered), 3) for step in STEPS},
        }

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON values: versions, parameters, totals, and one entry a row in the manifest's order."""
        settings, defaults = self.settings, self.settings.defaults
        older = self.older_files()
        return {
            "schema": SUMMARY_SCHEMA,
            "manifest": str(self.manifest.path),
            "versions": _versions(),
            "engine": dict(self.engine),
            "parameters": {
                "formats": [fmt.name for fmt in settings.formats], "fps": str(defaults.fps), "profile": defaults.profile.name,
                "emotion": str(defaults.emotion), "style": defaults.style, "seed": defaults.seed, "channel": defaults.channel,
                "group_by": settings.group_by, "workers": settings.workers, "scheduler": settings.scheduler,
                "project": str(settings.project) if settings.project else None, "export": defaults.export.as_json(),
            },
            **({"match": dict(self.match)} if self.match else {}),
            "totals": self.totals(),
            **({"takes": [one.to_json() for one in self.takes]} if settings.group_by == "character" else {}),
            "lines": [self._entry(result, older.get(result.number, ())) for result in self.ordered()],
        }

    def write(self, path: Path) -> None:
        """Write the summary as JSON, whole or not at all.

        Raises:
            ExportError: it can't be written (code 'output-unwritable').
        """
        with replacing(path) as file:
            # ASCII: a row may hold half a surrogate pair, which JSON can spell and UTF-8 can't.
            file.write(json.dumps(self.to_json(), indent=1, allow_nan=False).encode("ascii") + b"\n")

    def _entry(self, result: LineResult, older_files: Sequence[str]) -> dict[str, Any]:
        entry: dict[str, Any] = {"line": result.number, "status": result.status}
        job = self.jobs.get(result.number)
        if job is None:
            entry["row"] = dict(self._bad_rows[result.number].cells)
        else:
            line, recipe = job.line, job.recipe
            if job.engine:
                entry["engine"] = {"weights": job.engine.name, "weights_sha256": job.engine.sha256}
            entry |= {**asdict(line.identity), "audio": line.audio_text, "text": line.text, "fps": str(recipe.fps),
                      "emotion": str(recipe.emotion), "style": recipe.style, "profile": recipe.profile.name, "seed": recipe.seed,
                      "extra": dict(line.extra)}
        one = result.rendered
        if one and job:
            entry |= {"frames": one.frames, "duration_seconds": one.duration, "source": dict(one.source), "warnings": list(one.warnings),
                      "outputs": self._outputs(job),
                      "seconds": {step: round(seconds, 4) for step, seconds in one.seconds.items()}}
            # Where they are fewer: a key a frame and channel needs no count.
            if fewer := {name: {"before": before, "after": after} for name, (before, after) in one.keys.items() if after != before}:
                entry["keys"] = fewer
        else:
            entry |= {"code": result.problems[0].code, "problems": [asdict(problem) for problem in result.problems]}
        return entry | ({"older_files": list(older_files)} if older_files else {})

    def _outputs(self, job: Job) -> dict[str, str]:
        outputs = {fmt.name: str(job.line.identity.file(fmt.suffix)) for fmt in self.settings.formats}
        if self.settings.group_by == "character":
            del outputs[GROUPED]
            for one in self.takes:
                if job.line.number in one.lines:
                    outputs[GROUPED] = str(one.file)
        return outputs

    def older_files(self) -> dict[int, list[str]]:
        """Return, by line number, files of an earlier run that rows which were not rendered have left standing, relative to `out`."""
        identities = {row.number: row.identity for row in self.manifest.bad_rows if row.identity}
        identities |= {number: job.line.identity for number, job in self.jobs.items()}
        older = {}
        for result in self.failures():
            if result.number in identities:
                files = [identities[result.number].file(fmt.suffix) for fmt in self.settings.formats]
                older[result.number] = [str(file) for file in files if (self.settings.out / file).exists()]
        return {number: files for number, files in older.items() if files}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
