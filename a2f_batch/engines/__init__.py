"""The engines: networks that turn voice lines into face clips, loaded by the name or path of their weights' description."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from a2f_batch.emotion import EMOTIONS
from a2f_batch.engines.base import Engine, Options
from a2f_batch.engines.description import Description, read_description
from a2f_batch.errors import EngineError
from a2f_batch.resources import resource_folder

__all__ = ["EMOTIONS", "Description", "Engine", "Options", "available_weights", "describe", "description_path", "load_engine", "register"]

Loader: TypeAlias = Callable[[Description, Options], Engine]

ALIASES = {"embedded": "embedded_v2"}  # the default weights, whichever version they have reached


def load_engine(name_or_path: str | os.PathLike[str] = "embedded", *, device: str = "auto", precision: str = "exact",
                threads: int = 1) -> Engine:
    """Load an engine with its weights.

    Args:
        name_or_path: 'embedded', the name of a description in the weights folder, or the path of a description (.json).
        device: 'auto' (a GPU if there is one), 'cpu', 'cuda' or 'cuda:<index>'.
        precision: 'exact' (float32) or 'fast', as far as the engine has it.
        threads: CPU threads of one inference; 1 where many workers run side by side.

    Raises:
        EngineError: there are no such weights (code 'weights-unknown', 'description-missing'), the description is wrong
            ('description-invalid'), no engine runs it ('engine-unknown'), an argument is wrong ('device', 'precision', 'threads'),
            or the engine itself refuses the weights, the device or the installation: see there.
    """
    options = Options(device, precision, threads)
    description = describe(name_or_path)
    if description.engine not in _LOADERS:
        raise EngineError(f"The weights description {description.path} is for the engine '{description.engine}', which there is not.",
                          f"There are: {', '.join(sorted(_LOADERS))}.", code="engine-unknown")
    return _LOADERS[description.engine](description, options)


def describe(name_or_path: str | os.PathLike[str]) -> Description:
    """Return the description of weights, without opening them.

    Raises:
        EngineError: there are no such weights (code 'weights-unknown', 'description-missing'), or it is wrong ('description-invalid').
    """
    return read_description(description_path(name_or_path))


def register(kind: str, loader: Loader) -> None:
    """Let `loader` make the engines of descriptions whose engine is `kind`."""
    _LOADERS[kind] = loader


def available_weights() -> list[str]:
    """Return the names of the descriptions in the weights folder."""
    return sorted(path.stem for path in resource_folder("weights").glob("*.json"))


def description_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the path of the description that `load_engine` means by `name_or_path`.

    Raises:
        EngineError: there are no weights of that name (code 'weights-unknown').
    """
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, os.PathLike) or text.endswith(".json") or os.path.dirname(text):
        return Path(text)
    path = resource_folder("weights") / f"{ALIASES.get(text, text)}.json"
    if not path.is_file():
        raise EngineError(f"There are no weights named '{text}' in {path.parent}.",
                          f"Give the path of a description (.json), or one of: {', '.join([*ALIASES, *available_weights()])}.",
                          code="weights-unknown")
    return path


def _load_unitalker(description: Description, options: Options) -> Engine:
    from a2f_batch.engines.unitalker import UniTalker

    return UniTalker(description, options)


def _load_unitalker_torch(description: Description, options: Options) -> Engine:
    from a2f_batch.engines.unitalker_torch.architecture import read_architecture
    from a2f_batch.engines.unitalker_torch.installation import check_installation

    architecture = read_architecture(description)  # what is wrong there is told without torch
    check_installation()
    from a2f_batch.engines.unitalker_torch.engine import UniTalkerTorch

    return UniTalkerTorch(description, architecture, options)


_LOADERS: dict[str, Loader] = {"unitalker": _load_unitalker, "unitalker_torch": _load_unitalker_torch}
