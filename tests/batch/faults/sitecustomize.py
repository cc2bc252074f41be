"""Faults for the batch's tests: every Python process that has this folder on PYTHONPATH imports this file at its start.

What befalls a line is told by its sound file's name: 'poison' ends the process as a crash in C would, 'killed2' has it killed from outside
the first two times, 'slow' waits $FAULTS_SECONDS, or until there is a file $FAULTS_UNTIL.
Every line whose sound is opened, and every inference, is noted in $FAULTS_LOG with the process. The engine kind 'pretend-gpu' is a
UniTalker on the CPU that says it is on a GPU.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
import time
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ClassVar


def note(word: str, what: object) -> None:
    with open(os.environ["FAULTS_LOG"], "a") as log:
        log.write(f"{word} {os.getpid()} {what}\n")


def change_steps(steps: ModuleType) -> None:
    load = steps.load_audio

    def load_audio(path: Any, **options: Any) -> Any:
        name = os.path.basename(path)
        note("decode", name)
        if "slow" in name:
            end = time.monotonic() + float(os.environ["FAULTS_SECONDS"])
            while (left := end - time.monotonic()) > 0 and not os.path.exists(os.environ["FAULTS_UNTIL"]):
                time.sleep(min(left, 0.05))
        if "poison" in name:
            os.abort()
        if killed := re.search(r"killed(\d)", name):
            with open(os.environ["FAULTS_LOG"]) as log:
                tries = sum(line.endswith(f" {name}\n") for line in log)
            if tries <= int(killed[1]):
                os.kill(os.getpid(), signal.SIGKILL)
        return load(path, **options)

    steps.load_audio = load_audio  # type: ignore[attr-defined]


def change_engines(engines: ModuleType) -> None:
    def load(description: Any, options: Any) -> Any:
        from dataclasses import replace

        from a2f_batch.engines.unitalker import UniTalker

        class PretendGpu(UniTalker):
            def infer(self, waves: Any, **options: Any) -> Any:
                note("infer", len(waves))
                return super().infer(waves, **options)

        note("load", options.device)
        engine = PretendGpu(description, replace(options, device="cpu"))
        engine.device = "cuda:0"
        return engine

    engines.register("pretend-gpu", load)


class Changed(MetaPathFinder):
    """Changes a module right after it was imported."""

    changes: ClassVar = {"a2f_batch.batch.steps": change_steps, "a2f_batch.engines": change_engines}

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        change = self.changes.pop(name, None)
        spec = importlib.util.find_spec(name) if change else None
        if change and spec and spec.loader:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                change(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Changed())
