"""Open Job Description: a job bundle, that is a template (jobtemplate-2023-09) and the values of its parameters.

Paths are parameters of type PATH, so that a farm can map them and Deadline Cloud can bring the files; a template may have no absolute paths
as defaults, therefore they stand beside it. Programs are called without a shell: nothing is quoted, and Windows does as well.

Source: https://github.com/OpenJobDescription/openjd-specifications/wiki/2023-09-Template-Schemas; the bundle's files as Deadline Cloud's
developer guide has them ("Open Job Description templates for Deadline Cloud").
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from a2f_batch.batch.shard import MAX_SHARDS
from a2f_batch.errors import BatchError
from a2f_batch.farm.job import FarmJob, RenderOption

_DRAIN_SECONDS = 60  # from the farm's SIGTERM to its SIGKILL: the lines in flight are finished meanwhile


def files(job: FarmJob) -> dict[str, str]:
    """Return the bundle's files, by name.

    Raises:
        BatchError: an argument would be read as one of the template's expressions (code 'farm-argument').
    """
    return {"template.json": _json(_template(job)), "parameter_values.json": _json({"parameterValues": _values(job)})}


def hint(job: FarmJob, place: str) -> str:
    """Return how to submit the bundle in the folder `place`."""
    return (f"Submit it with: deadline bundle submit {shlex.quote(place)}\n"
            "Another farm's OpenJD reader takes template.json and the values of parameter_values.json.")


def _template(job: FarmJob) -> dict[str, Any]:
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": job.name,
        "description": "A manifest of voice lines rendered in shards, then their merge. Written by `a2f-batch farm openjd`.",
        "parameterDefinitions": [
            _path("Manifest", "DIRECTORY" if job.from_folder else "FILE", "IN", "The manifest, or a folder of sound files."),
            *([_path("AudioRoot", "DIRECTORY", "IN", "Folder that the manifest's audio paths start from.")] if _audio_root(job) else ()),
            _path("Out", "DIRECTORY", "OUT", "Output folder, the same for all shards."),
            {"name": "Shards", "type": "INT", "default": job.shards, "minValue": 1, "maxValue": MAX_SHARDS,
             "description": "How many parts. Another number splits the manifest anew."},
            *(_path(_parameter(option), "FILE", "IN", f"What {option.flag} is given.") for option in _other_paths(job)),
        ],
        "steps": [
            {"name": "Render",
             "parameterSpace": {"taskParameterDefinitions": [{"name": "Shard", "type": "INT", "range": "1-{{Param.Shards}}"}]},
             **_requirements(job),
             "script": {"actions": {"onRun": {
                 "command": _literal(job.program),
                 "args": ["render", *(["--from-folder"] if job.from_folder else ()), "{{Param.Manifest}}", "--out", "{{Param.Out}}",
                          *(["--audio-root", "{{Param.AudioRoot}}"] if _audio_root(job) else ()),
                          "--shard", "{{Task.Param.Shard}}/{{Param.Shards}}", *_arguments(job)],
                 **({"timeout": job.seconds} if job.seconds else {}),
                 "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": _DRAIN_SECONDS}}}}},
            {"name": "Merge",
             "dependencies": [{"dependsOn": "Render"}],
             "script": {"actions": {"onRun": {"command": _literal(job.program), "args": ["merge", "{{Param.Out}}"]}}}},
        ],
    }


def _values(job: FarmJob) -> list[dict[str, Any]]:
    root = _audio_root(job)
    values = {"Manifest": str(job.manifest), **({"AudioRoot": root} if root else {}), "Out": str(job.out), "Shards": job.shards,
              **{_parameter(option): option.value for option in _other_paths(job)}}
    return [{"name": name, "value": value} for name, value in values.items()]


def _audio_root(job: FarmJob) -> str | None:
    """Return the folder of sounds, said also where `render` would take it by itself: a farm that brings files must know of it."""
    given = next((option.value for option in job.options if option.flag == "--audio-root"), None)
    return given or (None if job.from_folder else str(job.manifest.parent))


def _other_paths(job: FarmJob) -> list[RenderOption]:
    return [option for option in job.options if option.path and option.flag != "--audio-root"]


def _arguments(job: FarmJob) -> list[str]:
    words = []
    for option in job.all_options():
        if option.flag == "--audio-root":
            continue
        words.append(option.flag)
        if option.value is not None:
            words.append(f"{{{{Param.{_parameter(option)}}}}}" if option.path else _literal(option.value))
    return words


def _requirements(job: FarmJob) -> dict[str, Any]:
    asked = (("amount.worker.vcpu", job.cores), ("amount.worker.memory", job.memory_mib), ("amount.worker.gpu", job.gpus))  # MiB
    amounts = [{"name": name, "min": amount} for name, amount in asked if amount]
    return {"hostRequirements": {"amounts": amounts}} if amounts else {}


def _path(name: str, kind: str, flow: str, description: str) -> dict[str, Any]:
    return {"name": name, "type": "PATH", "objectType": kind, "dataFlow": flow, "description": description}


def _parameter(option: RenderOption) -> str:
    return "".join(word.capitalize() for word in option.flag.strip("-").split("-"))


def _literal(text: str) -> str:
    if "{{" in text:
        raise BatchError(f"OpenJD would read '{{{{' in the argument {text!r} as an expression.", "Give it without '{{'.",
                         code="farm-argument")
    return text


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
