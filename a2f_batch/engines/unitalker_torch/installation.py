"""What this engine needs besides the library: torch, transformers and safetensors, and the device that torch runs on."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from a2f_batch.engines.base import Options, say_once
from a2f_batch.errors import EngineError

if TYPE_CHECKING:
    import torch

_INSTALL = "Run: pip install 'a2f-batch[torch]'."
_PACKAGES = ("torch", "transformers", "safetensors")


def check_installation() -> None:
    """Import what the engine needs.

    Raises:
        EngineError: a package is not installed or can't be imported (code 'runtime-missing').
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for name in _PACKAGES:
        try:
            lacking = find_spec(name) is None
        except ValueError:  # the package is there, but half imported
            lacking = False
        except ImportError:
            lacking = True
        if lacking:
            raise EngineError(f"The engine 'unitalker_torch' needs {name}, which is not installed.", _INSTALL, code="runtime-missing")
        try:
            __import__(name)
        except (ImportError, OSError) as error:
            raise EngineError(f"The engine 'unitalker_torch' needs {name}, which can't be imported: {error}.", _INSTALL,
                              code="runtime-missing") from error


def chosen_device(options: Options) -> torch.device:
    """Return the device that `options` ask for: with 'auto' the first GPU, or the CPU where there is none, said once.

    Raises:
        EngineError: a GPU is demanded, and torch does not find it (code 'device-missing').
    """
    import torch

    if not options.wants_gpu:
        return torch.device("cpu")
    if torch.version.cuda is None:
        reason = "the installed torch is built for the CPU only"
    elif not torch.cuda.is_available():
        reason = "torch finds no CUDA GPU; driver or GPU is missing"
    elif options.gpu_index >= torch.cuda.device_count():
        reason = f"there are {torch.cuda.device_count()} GPUs, counted from 0"
    else:
        return torch.device("cuda", options.gpu_index)
    if options.device != "auto":
        raise EngineError(f"Device '{options.device}' can't be used: {reason}.",
                          "Choose device='cpu' or 'auto', or install torch for CUDA: https://pytorch.org/get-started.",
                          code="device-missing")
    say_once(f"No GPU: {reason}. The CPU is used.")
    return torch.device("cpu")
