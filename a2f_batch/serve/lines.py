"""How a sound is to be spoken, as requests say it in their query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from a2f_batch.batch.channel import read_channel
from a2f_batch.batch.manifest import MAX_SEED
from a2f_batch.batch.render import Recipe
from a2f_batch.emotion import Envelope
from a2f_batch.export.options import ExportOptions
from a2f_batch.post.trial import check_channels
from a2f_batch.project import Project
from a2f_batch.rates import parse_fps

_TEXT = 2000  # longest option, characters


@dataclass(frozen=True)
class LineOptions:
    """The options of `a2f-batch bake` that decide the curves, under the same names."""

    fps: Annotated[str, Query(max_length=32, description="Frames per second: 30, 29.97, 30000/1001.")] = "30"
    profile: Annotated[str, Query(max_length=_TEXT, description="Post-processing profile.")] = "default"
    emotion: Annotated[str, Query(max_length=_TEXT, description="'joy', 'joy:0.6', or over time: '0 neutral; 1.2 anger:0.8'.")] = "neutral"
    style: Annotated[str | None, Query(max_length=_TEXT, description="The engine's own way of speaking.")] = None
    seed: Annotated[int, Query(ge=0, le=MAX_SEED, description="The line's seed.")] = 0
    channel: Annotated[str, Query(max_length=8, description="Channel of the sound: mix, left, right or an index from 0.")] = "mix"


class Lines:
    """Turns options into recipes.

    Args:
        project: the profiles.
        raw_names: channels of the engine.
    """

    def __init__(self, project: Project, raw_names: tuple[str, ...]) -> None:
        self._project, self._raw_names = project, raw_names
        self._names: dict[str, tuple[str, ...]] = {}

    def recipe(self, options: LineOptions, export: ExportOptions | None = None) -> Recipe:
        """Return what `options` ask for.

        Raises:
            A2FError: an option that can't be used.
        """
        self.names(options.profile)
        return Recipe(parse_fps(options.fps), Envelope.parse(options.emotion), options.style, self._project.profile(options.profile),
                      options.seed, read_channel(options.channel), export or ExportOptions())

    def names(self, profile: str) -> tuple[str, ...]:
        """Return the channels of a finished clip.

        Raises:
            ProfileError: there is no such profile, or it can't be used with this engine.
        """
        if profile not in self._names:
            self._names[profile] = check_channels(self._project.draft(profile), self._raw_names)
        return self._names[profile]

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles."""
        return tuple(self._project.drafts)
