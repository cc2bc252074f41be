"""The errors of a2f_batch: each says what went wrong, and what to do now."""

from __future__ import annotations


class A2FError(Exception):
    """Base of every error that a2f_batch raises on purpose.

    Args:
        problem: what was being done, to what, and what went wrong.
        remedy: what the user can do now.
        code: stable reason code (kebab case), for summaries and scripts.
    """

    def __init__(self, problem: str, remedy: str, *, code: str) -> None:
        super().__init__(problem, remedy, code)
        self.problem = problem
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive pickling by default, and Dask pickles errors.
        return _rebuild, (type(self), self.problem, self.remedy, self.code)


def _rebuild(kind: type[A2FError], problem: str, remedy: str, code: str) -> A2FError:
    return kind(problem, remedy, code=code)


class AudioError(A2FError):
    """A sound file can't be read as the line it should be."""


class ClipError(A2FError):
    """A clip, or a file that holds one, is malformed or was asked for what it has not."""


class EmotionError(A2FError):
    """An emotion, or how it changes over a line, can't be understood."""


class EngineError(A2FError):
    """An engine can't be loaded or run: runtime, device, weights, arguments."""


class ExportError(A2FError):
    """A clip can't be written in the format or to the place asked for."""


class ManifestError(A2FError):
    """A manifest, or a row of it, can't be used."""


class ProfileError(A2FError):
    """A post-processing profile or stage is unknown or wrongly configured."""


class BatchError(A2FError):
    """A run can't start or go on: output folder, scheduler, workers."""
