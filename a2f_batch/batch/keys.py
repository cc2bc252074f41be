"""What decides the bytes of a line's files, as short hashes: two lines with the same ones have the same files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from a2f_batch.export import Format
from a2f_batch.export.options import ExportOptions
from a2f_batch.post import STAGES, Profile

if TYPE_CHECKING:
    from a2f_batch.batch.engine_choice import EngineChoice
    from a2f_batch.batch.manifest import Line
    from a2f_batch.batch.render import Recipe

RENDER_SCHEMA = 2
"""Counts up when the same inputs give other bytes than before: a stage, a format, the default head. It stands in every key, so everything
is rendered again then. The version of the package would do that at every release, also where nothing changed;
tests/batch/test_render_schema.py fails when bytes change and this number does not."""

Parts: TypeAlias = dict[str, str]

#: Part of a line's key -> how a person calls it.
PART_NAMES = {"audio": "audio", "channel": "channel", "engine": "engine description", "weights": "weights", "precision": "precision",
              "device": "device", "fps": "fps", "emotion": "emotion", "style": "style", "seed": "seed", "profile": "profile",
              "render": "a2f-batch's rendering", "link": "audio's place"}

# How a path of an option is told where its own key would be no word.
_FILES = {"character": "character", "rig_map": "rig map"}


class Keys:
    """The keys of a run's lines; what many lines share is hashed once.

    Args:
        hash_of: path -> sha256 of the file, hexadecimal.
        out: the output folder.

    Attributes:
        settings: hash -> the JSON that it stands for: profiles, engines' descriptions, options of formats.
    """

    def __init__(self, hash_of: Callable[[str], str], out: Path) -> None:
        self._hash_of = hash_of
        self._out = os.fspath(out)
        self._profiles: dict[int, tuple[Profile, str]] = {}
        self._engines: dict[EngineChoice, Parts] = {}
        self._options: dict[int, tuple[ExportOptions, Mapping[str, str]]] = {}  # with the object, so that its id stays its own
        self._texts: dict[tuple[Any, ...], tuple[Recipe, EngineChoice, str]] = {}  # likewise
        self.settings: dict[str, str] = {}

    def parts(self, line: Line, recipe: Recipe, engine: EngineChoice, seed: int) -> str:
        """Return everything that decides the line's curves as a JSON object: names of `PART_NAMES` -> short text or hashes.

        Args:
            recipe: the line's, or all alike lines' (see `Jobs.shared`): its seed does not count.
            engine: pinned.
            seed: the line's.

        Raises:
            OSError: the line's sound can't be read.
            EngineError: the engine's description can't be.
        """
        link = ""
        if recipe.export.audio_mode != "none":  # the file names the sound, or where it is
            folder = os.path.join(self._out, line.identity.locale, line.identity.character)
            link = os.path.basename(line.audio) if recipe.export.audio_mode == "embed" else os.path.relpath(line.audio, folder)
            link = f', "link": {json.dumps(link)}'
        # Put together as text: of a hundred thousand lines, all but these parts are the same.
        return f'{{"audio": "{self._hash_of(line.audio)}", "seed": "{seed}"{link}, {self._shared(recipe, engine)}'

    def options(self, export: ExportOptions, formats: Sequence[Format]) -> Mapping[str, str]:
        """Return format name -> the hash of what decides, beside the curves, the bytes of a file of that format.

        Raises:
            OSError: a character or a map can't be read.
            ExportError: the character is none.
        """
        cached = self._options.get(id(export))
        if cached is None:
            cached = self._options[id(export)] = export, {fmt.name: self.option(fmt, export) for fmt in formats}
        return cached[1]

    def option(self, fmt: Format, export: ExportOptions) -> str:
        """Return the same for one format, anew; see `options`."""
        taken = {name: value for name, value in export.as_json().items() if name in fmt.options}
        if fmt.character and export.character:
            taken["character"] = self._character(export.character)
            if export.rig_map:
                taken["rig_map"] = self._hash_of(os.path.abspath(export.rig_map))
        return self._named({"format": fmt.name, **taken})

    def _shared(self, recipe: Recipe, engine: EngineChoice) -> str:
        # By object, for equal ones are the same, of as many lines as there may be, and a fraction's hash takes microseconds.
        same = id(recipe.profile), id(engine), id(recipe.fps), id(recipe.emotion), recipe.style, recipe.channel
        cached = self._texts.get(same)
        if cached is None:
            cached = self._texts[same] = recipe, engine, json.dumps({
                "channel": str(recipe.channel), **self._engine(engine), "fps": str(recipe.fps), "emotion": str(recipe.emotion),
                "style": recipe.style or "", "profile": self._profile(recipe.profile), "render": str(RENDER_SCHEMA)})[1:]
        return cached[2]

    def _engine(self, choice: EngineChoice) -> Parts:
        if choice not in self._engines:
            description = choice.described()
            told = {name: value for name, value in description.content.items() if name not in ("licence", "source", "sha256", "weights")}
            self._engines[choice] = {"engine": self._named({**told, "name": description.name}), "weights": str(choice.sha256),
                                     "precision": choice.precision, "device": choice.device.partition(":")[0]}
        return self._engines[choice]

    def _profile(self, profile: Profile) -> str:
        cached = self._profiles.get(id(profile))
        if cached is None:
            cached = self._profiles[id(profile)] = profile, self._named(profile_json(profile))
        return cached[1]

    def _character(self, path: Path) -> str:
        from a2f_batch.rig.character import read_character

        files = [path, *sorted(file for file, _ in read_character(path).beside)]
        return hashlib.sha256("".join(self._hash_of(os.path.abspath(file)) for file in files).encode()).hexdigest()

    def _named(self, value: Mapping[str, Any]) -> str:
        # In the given order: of a mapping that renames channels, the order may count.
        text = json.dumps(value, default=_plain)
        name = short_hash(text)
        self.settings[name] = text
        return name


def line_key(parts: str) -> str:
    """Return the key of a line whose parts are the JSON text `parts`."""
    return short_hash(parts)


def short_hash(text: str) -> str:
    """Return 128 bits of hash, hexadecimal."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def profile_json(profile: Profile) -> dict[str, Any]:
    """Return a resolved profile as JSON values: its name, which files hold, and every stage with all parameters."""
    names = {kind: name for name, kind in STAGES.items()}
    return {"name": profile.name,
            "stages": [{"stage": names.get(type(stage), type(stage).__qualname__),
                        **{field.name: getattr(stage, field.name) for field in fields(stage)}}  # type: ignore[arg-type]
                       for stage in profile.stages]}


def changed_options(before: str, after: str) -> list[str]:
    """Return what differs between the options of two files, as a person calls it, given the JSON that their hashes stand for."""
    old, new = json.loads(before), json.loads(after)
    names = [_FILES.get(name, f"option {name}") for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    return list(dict.fromkeys(names))


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
