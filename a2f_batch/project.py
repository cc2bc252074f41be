"""The project file a2f.toml: own profiles, which character has which, how manifests call their columns, what of a line deserves a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2f_batch.batch.identity import folded
from a2f_batch.batch.manifests.columns import Columns
from a2f_batch.batch.manifests.project_columns import read_columns
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52
from a2f_batch.post import Profile, pipeline
from a2f_batch.post.pipeline import Draft, Step, nearest, read_step
from a2f_batch.post.trial import check_channels
from a2f_batch.qc.checks import LEVELS, Levels
from a2f_batch.qc.project_levels import read_levels
from a2f_batch.toml_file import TomlFile
from a2f_batch.toml_lines import KeyPath

FILE_NAME = "a2f.toml"
TABLES = ("profile", "character", "manifest", "qc")
PROFILE_KEYS = ("description", "stages", "extends", "override", "without", "add")
CHARACTER_KEYS = ("profile", "engine", "rig_map")
CHANGES = ("override", "without", "add")


@dataclass(frozen=True)
class Project:
    """Every profile that a run may use, and who uses which.

    Attributes:
        path: the project file; None where there is none.
        drafts: all profiles, those that ship and the project's own, by name.
        characters: character, as names are compared (without case) -> name of a profile.
        engines: character -> its engine: a name of weights, or the path of a description.
        rig_maps: character -> the map file from channels to its targets, for `--character`.
        columns: how manifests call their columns, and what stands in empty ones.
        qc: where the flags of a line's figures begin.
    """

    path: Path | None = None
    drafts: Mapping[str, Draft] = field(default_factory=pipeline.drafts)
    characters: Mapping[str, str] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)
    rig_maps: Mapping[str, Path] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    qc: Levels = LEVELS
    _built: dict[str, Profile] = field(default_factory=dict, repr=False, compare=False)

    def profile(self, name: str) -> Profile:
        """Return the profile `name`.

        Raises:
            ProfileError: there is none (code 'profile-unknown').
        """
        if name not in self._built:
            self._built[name] = self.draft(name).built()
        return self._built[name]

    def draft(self, name: str) -> Draft:
        """Return the profile `name` with the places of its steps.

        Raises:
            ProfileError: there is none (code 'profile-unknown').
        """
        if name not in self.drafts:
            raise ProfileError(f"There is no profile '{name}'{f' in {self.path}' if self.path else ''}.", nearest(name, self.drafts),
                               code="profile-unknown")
        return self.drafts[name]

    def profile_for(self, asked: str | None, character: str) -> Profile | None:
        """Return the profile of a line: what its row asks for, else its character's; None if neither says.

        Raises:
            ProfileError: there is none of the name asked for (code 'profile-unknown').
        """
        name = asked or self.characters.get(folded(character))
        return self.profile(name) if name else None

    def engine_for(self, character: str) -> str | None:
        """Return the character's own engine; None = the run's."""
        return self.engines.get(folded(character))

    def rig_map_for(self, character: str) -> Path | None:
        """Return the character's own map file; None = the run's."""
        return self.rig_maps.get(folded(character))


def load_project(path: Path | None = None, *, channels: Sequence[str] = ()) -> Project:
    """Return the project of `path`, or of the a2f.toml in the current folder or its nearest parent, or one with what ships.

    Every profile is built and tried on a still face, so that what is wrong is told now, with its line.

    Args:
        channels: those that the engine gives, for names beside ARKit's 52 and the rotations that profiles may use.

    Raises:
        ProfileError: the file can't be read (code 'project-unreadable'), is no TOML ('project-malformed'); an unknown table or key
            ('project-key'), a value of the wrong type ('profile-type'), a profile that has no stages or extends wrongly
            ('profile-empty', 'profile-cycle', 'profile-reserved'), an unknown profile or a stage that the extended one has not, or
            twice ('profile-unknown', 'stage-unknown', 'stage-ambiguous'); a character named twice ('character-duplicate'); a column named
            twice ('column-duplicate') or with a default that is wrong ('default', and the codes of its column); a level of [qc] that
            would flag every line ('qc-level'); and what `pipeline.parse_profile` and `trial.check_channels` raise.
    """
    path = path or find_project(Path.cwd())
    return _Reader(TomlFile(path, _read(path))).project(tuple(dict.fromkeys((*ARKIT_52, *channels)))) if path else Project()


def find_project(folder: Path) -> Path | None:
    """Return the a2f.toml in `folder` or its nearest parent; None if there is none."""
    return next((parent / FILE_NAME for parent in (folder, *folder.parents) if (parent / FILE_NAME).is_file()), None)


def _read(path: Path) -> str:
    try:
        # Windows' Notepad begins a file with a mark, which TOML does not allow; its line ends count as TOML's.
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is no UTF-8 text ({error})"
        raise ProfileError(f"Can't read the project file '{path}': {reason}.", "Give its path with --project, and save it as UTF-8.",
                           code="project-unreadable") from None


class _Reader:
    """Reads one project file; every error names its line."""

    def __init__(self, file: TomlFile) -> None:
        self._file = file
        self._profiles: Mapping[str, Any] = {}
        self._drafts: dict[str, Draft] = {}

    def project(self, channels: Sequence[str]) -> Project:
        """Return what the file says, checked."""
        self._file.keys(self._file.content, (), TABLES)
        self._profiles = self._file.table(self._file.content, ("profile",))
        for name in self._profiles:
            check_channels(self._draft(name, ()), channels)
        drafts = {**pipeline.drafts(), **self._drafts}
        return Project(self._file.path, drafts, *self._characters(), read_columns(self._file, drafts), read_levels(self._file))

    def _characters(self) -> tuple[dict[str, str], dict[str, str], dict[str, Path]]:
        """Return the characters' profiles, engines and rig maps."""
        seen: set[str] = set()
        profiles: dict[str, str] = {}
        engines: dict[str, str] = {}
        rig_maps: dict[str, Path] = {}
        for name, table in self._file.table(self._file.content, ("character",)).items():
            path: KeyPath = ("character", name)
            self._file.typed(table, Mapping, path, f'a table: [character.{name}] with profile = "..."')
            self._file.keys(table, path, CHARACTER_KEYS)
            if not table:
                raise self._file.error(path, f"the character '{name}' has no profile, engine or rig_map.", 'Write profile = "...".',
                                       "profile-unknown")
            if folded(name) in seen:
                raise self._file.error(path, f"the character '{name}' is there twice (compared without case).", "Remove one of the two.",
                                       "character-duplicate")
            seen.add(folded(name))
            if "profile" in table:
                profile = self._file.typed(table["profile"], str, (*path, "profile"), 'a name in quotes: profile = "default"')
                known = {**pipeline.drafts(), **self._drafts}
                if profile not in known:
                    raise self._file.error((*path, "profile"), f"there is no profile '{profile}'.", nearest(profile, known),
                                           "profile-unknown")
                profiles[folded(name)] = profile
            if "engine" in table:
                engine = self._file.typed(table["engine"], str, (*path, "engine"), 'a name in quotes: engine = "embedded"')
                # A path starts from the project file's folder, wherever the command is run; a name stays one.
                engines[folded(name)] = str(self._file.path.parent / engine) if engine.endswith(".json") else engine
            if "rig_map" in table:
                named = self._file.typed(table["rig_map"], str, (*path, "rig_map"), 'a file in quotes: rig_map = "map.toml"')
                rig_map = self._file.path.absolute().parent / named
                if not rig_map.is_file():
                    raise self._file.error((*path, "rig_map"), f"there is no file '{rig_map}'.", "Put the file there, or correct the path.",
                                           "map-unreadable")
                rig_maps[folded(name)] = rig_map
        return profiles, engines, rig_maps

    def _draft(self, name: str, waiting: tuple[str, ...]) -> Draft:
        """Return the project's own profile `name`; `waiting` are those that extend it."""
        if name in self._drafts:
            return self._drafts[name]
        path: KeyPath = ("profile", name)
        table = self._file.typed(self._profiles[name], Mapping, path, f"a table: [profile.{name}] with stages = [...]")
        self._file.keys(table, path, PROFILE_KEYS)
        if name == "raw":
            raise self._file.error(path, "the profile 'raw' is what the engine gave, and stays so.", "Choose another name.",
                                   "profile-reserved")
        description = self._file.typed(table.get("description", ""), str, (*path, "description"), "a text in quotes")
        if ("stages" in table) == ("extends" in table):
            problem = f"the profile '{name}' has {'both stages and extends' if 'stages' in table else 'neither stages nor extends'}."
            raise self._file.error(path, problem, 'Write stages = [...] for a list of its own, or extends = "default" for changes to '
                                   'another.', "profile-empty")
        steps = self._extended(name, table, waiting) if "extends" in table else self._listed(table, path)
        self._drafts[name] = Draft(name, description, tuple(steps))
        return self._drafts[name]

    def _listed(self, table: Mapping[str, Any], path: KeyPath) -> list[Step]:
        for change in CHANGES:
            if change in table:
                raise self._file.error((*path, change), f"'{change}' changes the stages of another profile, and none is named.",
                                       'Write extends = "default" instead of stages.', "profile-empty")
        entries = self._file.typed(table["stages"], list, (*path, "stages"),
                                   'a list of tables: [{ stage = "smooth" }, { stage = "clamp" }]')
        return [read_step(entry, self._file.where(*path, "stages", i)) for i, entry in enumerate(entries)]

    def _extended(self, name: str, table: Mapping[str, Any], waiting: tuple[str, ...]) -> list[Step]:
        path: KeyPath = ("profile", name)
        base = self._file.typed(table["extends"], str, (*path, "extends"), 'a name in quotes: extends = "default"')
        steps = list(self._base(name, base, waiting).steps)
        for stage, parameters in self._file.table(table, (*path, "override")).items():
            place: KeyPath = (*path, "override", stage)
            self._file.typed(parameters, Mapping, place, f"a table of parameters: override.{stage} = {{ ... }}")
            i = self._only(stage, steps, base, place)
            where = self._file.where(*place)
            steps[i] = steps[i].changed(parameters, {key: where(key) for key in parameters})
        for i, stage in enumerate(self._file.names(table, (*path, "without"))):
            self._among(stage, steps, base, (*path, "without", i))
            steps = [step for step in steps if step.stage != stage]
        entries = self._file.typed(table.get("add", []), list, (*path, "add"), 'a list of tables: [{ stage = "shift", after = "smooth" }]')
        for i, entry in enumerate(entries):
            step = read_step(entry, self._file.where(*path, "add", i))
            beside = [key for key in ("before", "after") if key in step.parameters]
            if len(beside) != 1:
                raise self._file.error((*path, "add", i), f"the place of the stage '{step.stage}' to add is given {len(beside)} times.",
                                       'Write before = "..." or after = "...", the name of a stage that is there.', "stage-place")
            other = self._file.typed(step.parameters[beside[0]], str, (*path, "add", i, beside[0]), "a stage's name in quotes")
            at = self._only(other, steps, base, (*path, "add", i, beside[0])) + (beside[0] == "after")
            steps.insert(at, Step(step.stage, {key: value for key, value in step.parameters.items() if key not in beside}, step.places))
        return steps

    def _base(self, name: str, base: str, waiting: tuple[str, ...]) -> Draft:
        place = ("profile", name, "extends")
        if base == name and base in pipeline.drafts():  # a project's own default builds on the one that ships
            return pipeline.drafts()[base]
        if base in (name, *waiting):
            chain = (*waiting, name)
            circle = " extends ".join(f"'{one}'" for one in (*chain[chain.index(base):], base))
            raise self._file.error(place, f"{circle}: that goes in a circle.", "Let one of them list its stages.", "profile-cycle")
        if base in self._profiles:
            return self._draft(base, (*waiting, name))
        if base not in pipeline.drafts():
            known = dict.fromkeys((*pipeline.drafts(), *self._profiles))
            raise self._file.error(place, f"there is no profile '{base}' to extend.", nearest(base, known), "profile-unknown")
        return pipeline.drafts()[base]

    def _among(self, stage: str, steps: Sequence[Step], base: str, path: KeyPath) -> list[int]:
        found = [i for i, step in enumerate(steps) if step.stage == stage]
        if not found:
            there = dict.fromkeys(step.stage for step in steps)
            raise self._file.error(path, f"the profile '{base}' has no stage '{stage}'.", nearest(stage, there), "stage-unknown")
        return found

    def _only(self, stage: str, steps: Sequence[Step], base: str, path: KeyPath) -> int:
        first, *more = self._among(stage, steps, base, path)
        if more:
            raise self._file.error(path, f"the profile '{base}' has the stage '{stage}' {len(more) + 1} times.",
                                   "Name another stage, or write stages = [...] instead of extends, and list them all.", "stage-ambiguous")
        return first
