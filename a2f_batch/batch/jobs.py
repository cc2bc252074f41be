"""Lines with the run's settings filled in: recipes to plan with, and jobs for workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.render import Job, Recipe
from a2f_batch.export import format_named
from a2f_batch.post import Profile
from a2f_batch.post import profile as shipped_profile

if TYPE_CHECKING:
    from a2f_batch.batch.manifest import Line
    from a2f_batch.export.options import ExportOptions


def row_profile(line: Line) -> Profile | None:
    """Return the profile that the line's row names, of those that ship; None if it names none."""
    return shipped_profile(line.profile) if line.profile else None


@dataclass(frozen=True)
class Own:
    """What lines, or their characters, have of their own; each returns None for what the run has.

    Attributes:
        profile, engine, rig_map: line -> its profile, engine, map file; asked once for all lines of a character that name one profile.
    """

    profile: Callable[[Line], Profile | None] = row_profile
    engine: Callable[[Line], EngineChoice | None] = lambda line: None
    rig_map: Callable[[Line], Path | None] = lambda line: None


def seed_of(line: Line, run_seed: int) -> int:
    """Return the line's seed: its row's own, or a hash of the run's and the identity."""
    return line.identity.seed(run_seed) if line.seed is None else line.seed


class Jobs:
    """Fills the run's settings into its lines. Nothing is kept a line: a run of a hundred thousand stays small.

    Args:
        defaults: where a row says nothing; `defaults.seed` is the run's seed, from which a line's is hashed.
        engine: the run's, pinned.
        own: see there.
        pin: makes an engine of a character's definite.
        out: output folder, absolute.
    """

    def __init__(self, defaults: Recipe, engine: EngineChoice, own: Own, pin: Callable[[EngineChoice], EngineChoice], out: Path) -> None:
        self._defaults, self._engine, self._own, self._pin, self._out = defaults, engine, own, pin, out
        self._known: dict[tuple[str | None, str], tuple[Profile, EngineChoice | None, ExportOptions]] = {}
        self._recipes: dict[tuple[object, ...], tuple[Recipe, EngineChoice]] = {}
        self._exports: dict[Path, ExportOptions] = {}
        self._engines: dict[EngineChoice, EngineChoice] = {}

    def shared(self, line: Line) -> tuple[Recipe, EngineChoice]:
        """Return recipe and engine as all lines have them that say the same: with the run's seed (see `seed`), and one object for all.

        A row's own fps, emotion and style win.

        Raises:
            EngineError: the character's engine has no description or weights.
        """
        # By object, which the recipe keeps: a manifest's reader makes one of all that are equal, and to hash a fraction takes microseconds.
        alike = line.profile, line.identity.character, id(line.fps), id(line.emotion), line.style
        found = self._recipes.get(alike)
        if found is None:
            defaults = self._defaults
            profile, engine, export = self._of(line)
            recipe = Recipe(
                fps=line.fps or defaults.fps,
                emotion=line.emotion or defaults.emotion,
                style=line.style or defaults.style,
                profile=profile,
                seed=defaults.seed,
                channel=defaults.channel,
                export=export,
            )
            found = self._recipes[alike] = recipe, engine or self._engine
        return found

    def resolve(self, line: Line) -> tuple[Recipe, EngineChoice]:
        """Return the line's own recipe, and its engine; see `shared`."""
        recipe, engine = self.shared(line)
        return replace(recipe, seed=seed_of(line, recipe.seed)), engine

    def own_engine(self, line: Line) -> EngineChoice | None:
        """Return the engine of the line's character, pinned; None = the run's."""
        return self._of(line)[1]

    def job(self, line: Line, where: str, formats: Sequence[str]) -> Job:
        """Return the line as a worker needs it.

        Args:
            where: the row, as messages name it.
            formats: names of those to be written.
        """
        recipe, _ = self.resolve(line)
        base = os.path.join(self._out, line.identity.locale, line.identity.character, line.identity.id)
        files = {name: base + format_named(name).suffix for name in formats}
        return Job(line, where, recipe, files, self.own_engine(line))

    def _of(self, line: Line) -> tuple[Profile, EngineChoice | None, ExportOptions]:
        alike = line.profile, line.identity.character
        if alike not in self._known:
            engine = self._own.engine(line)
            if engine is not None and engine not in self._engines:
                self._engines[engine] = self._pin(engine)
            self._known[alike] = (self._own.profile(line) or self._defaults.profile, self._engines[engine] if engine else None,
                                  self._export(line))
        return self._known[alike]

    def _export(self, line: Line) -> ExportOptions:
        export = self._defaults.export
        rig_map = self._own.rig_map(line) if export.character else None
        if rig_map is None:
            return export
        if rig_map not in self._exports:
            self._exports[rig_map] = replace(export, rig_map=Path(os.path.abspath(rig_map)))
        return self._exports[rig_map]
