"""A clip's channels matched to a character's morph targets: by exact name, by spelling, by known vocabulary, by the user's map."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeAlias
from unicodedata import normalize

import numpy as np

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ExportError
from a2f_batch.names import ARKIT_52, ROTATIONS, Vocabulary, vocabularies, vocabulary
from a2f_batch.rig.map_file import read_map

UserMap: TypeAlias = "Mapping[str, str | Mapping[str, float]]"
Pairs: TypeAlias = "tuple[tuple[str, float], ...]"
Bind: TypeAlias = "tuple[int, str, float]"

BY_USER, BY_NAME, BY_SPELLING = "your map", "name", "spelling"


@dataclass(frozen=True)
class Match:
    """Which targets each channel drives.

    Attributes:
        pairs: channel -> its (target, gain) pairs; a target's weight is the sum of gain x value over its channels.
        by: channel -> how it was found: 'your map', 'name', 'spelling' or a vocabulary's name.
        unmatched_channels: the clip's channels that drive nothing, rotations left out.
        unmatched_targets: the character's targets that no channel drives: they stay as the character has them.
        joints: where rotations were asked for: joint -> the name of the node that turns, '' if there is none.
    """

    pairs: Mapping[str, Pairs]
    by: Mapping[str, str]
    unmatched_channels: tuple[str, ...] = ()
    unmatched_targets: tuple[str, ...] = ()
    joints: Mapping[str, str] = field(default_factory=dict)

    def weights(self, clip: FaceClip, targets: Sequence[str], rest: Sequence[float] | None = None) -> Values:
        """Return one weight a frame and target, shape (frames, targets), float32; targets that no channel drives keep `rest` (0)."""
        shown = np.tile(np.asarray(rest if rest is not None else np.zeros(len(targets)), dtype=np.float32), (clip.n_frames, 1))
        sources: dict[str, list[tuple[int, float]]] = {}
        for i, channel in enumerate(clip.names):
            for target, gain in self.pairs.get(channel, ()):
                sources.setdefault(target, []).append((i, gain))
        mixes = [(k, sources[target]) for k, target in enumerate(targets) if target in sources]
        # All targets' first channel, then all second ones: a matrix product's order of summing, and so its last bit, differs by machine.
        for turn in range(max((len(mix) for _, mix in mixes), default=0)):
            here = [(k, mix[turn]) for k, mix in mixes if turn < len(mix)]
            at = [k for k, _ in here]
            added = clip.values[:, [i for _, (i, _) in here]] * np.array([gain for _, (_, gain) in here], dtype=np.float32)
            shown[:, at] = added if turn == 0 else shown[:, at] + added
        return shown

    def table(self) -> str:
        """Return the match as lines of text for people."""
        turned = {f"{joint} rotation": f"node {node}" if node else "no node" for joint, node in self.joints.items()}
        width = max((len(channel) for channel in (*self.pairs, *turned)), default=0)
        drives = {channel: ", ".join(target if gain == 1 else f"{gain:g} x {target}" for target, gain in pairs) or "(nothing)"
                  for channel, pairs in self.pairs.items()}
        right = max((len(text) for text in drives.values()), default=0)
        lines = [f"{channel:<{width}}  ->  {text:<{right}}  ({self.by[channel]})" for channel, text in drives.items()]
        lines += [f"{joint:<{width}}  ->  {node}" for joint, node in turned.items()]
        if self.unmatched_channels:
            lines.append(f"channels without a target ({len(self.unmatched_channels)}): {', '.join(self.unmatched_channels)}")
        if self.unmatched_targets:
            lines.append(f"targets without a channel ({len(self.unmatched_targets)}): {', '.join(self.unmatched_targets)}")
        return "\n".join(lines)

    def report(self) -> dict[str, Any]:
        """Return the match as JSON values."""
        return {"pairs": {channel: dict(pairs) for channel, pairs in self.pairs.items()}, "by": dict(self.by),
                "unmatched_channels": list(self.unmatched_channels), "unmatched_targets": list(self.unmatched_targets),
                **({"joints": {joint: node or None for joint, node in self.joints.items()}} if self.joints else {})}


def match(channels: Sequence[str], targets: Sequence[str], *, user_map: UserMap | None = None) -> Match:
    """Match channels to the targets of one mesh.

    A channel is matched by the first of: the user's map; the same name; the same name but for case, separators, a prefix
    ending in '.' or ':' and the spelling of its side (`eyeBlinkLeft`, `EyeBlink_L`, `left eye blink`); the vocabularies, the
    one that knows most of the targets first.

    Raises:
        ExportError: no channel drives anything (code 'nothing-matched'), a user's map that names a channel or target that
            does not exist (codes 'map-channel', 'map-target').
    """
    return match_meshes(channels, [targets], user_map=user_map)[0]


def match_meshes(channels: Sequence[str], meshes: Sequence[Sequence[str]], *, user_map: UserMap | None = None,
                 expressions: Mapping[str, Sequence[Bind]] | None = None) -> tuple[Match, tuple[Match, ...]]:
    """Match channels to the targets of each of a character's meshes alone: they may spell the same target differently.

    Args:
        meshes: the target names of each mesh.
        expressions: VRM's named mixes of targets, for channels that fit no target itself: name -> (index of mesh, target, gain).

    Returns:
        the match over all, for people and reports, and each mesh's own, in order.

    Raises:
        ExportError: as `match`.
    """
    expressions = expressions or {}
    every_target = tuple(dict.fromkeys(target for targets in meshes for target in targets))
    chosen = _checked(user_map or {}, channels, (*every_target, *expressions))
    moving = tuple(channel for channel in dict.fromkeys(channels) if channel not in ROTATIONS or channel in chosen)
    frozen = tuple((channel, tuple(mix.items())) for channel, mix in chosen.items())
    each = [_match(moving, tuple(targets), frozen) for targets in meshes]
    left = tuple(channel for channel in moving if not any(channel in one.pairs for one in each))
    expressed = _match(left, tuple(expressions), frozen)
    for index, targets in enumerate(meshes):
        each[index] = merged(moving, targets, [each[index], _bound(expressed, expressions, index)])
    over_all = merged(moving, every_target, each)
    if not any(over_all.pairs.values()):
        raise ExportError(f"No channel of the clip ({_some(moving)}) fits any of the targets ({_some(every_target)}): the face would "
                          "stand still.",
                          "Give a clip of ARKit's channels and a character with named face targets, or a map file (channel = target).",
                          code="nothing-matched")
    return over_all, tuple(each)


def merged(channels: Iterable[str], targets: Iterable[str], matches: Iterable[Match]) -> Match:
    """Return several matches of the same channels as one."""
    pairs: dict[str, dict[str, float]] = {}
    by: dict[str, str] = {}
    matches = tuple(matches)
    for channel in channels:
        found = [one for one in matches if channel in one.pairs]
        if found:
            pairs[channel] = {target: gain for one in found for target, gain in one.pairs[channel]}
            by[channel] = " + ".join(dict.fromkeys(one.by[channel] for one in found))
    driven = {target for mix in pairs.values() for target in mix}
    # Plain dictionaries: a mapping proxy does not pickle, and Dask brings matches back from workers.
    return Match({channel: tuple(mix.items()) for channel, mix in pairs.items()}, by,
                 tuple(channel for channel in channels if channel not in pairs),
                 tuple(target for target in targets if target not in driven))


def load_user_map(path: Path) -> UserMap:
    """Read a map file, TOML or JSON by its suffix: channel = target, or channel = {target = gain}; "" leaves a channel out.

    Raises:
        ExportError: missing, not TOML or JSON, another shape (code 'map-unreadable').
    """
    remedy = 'Write lines such as  jawOpen = "Mouth_Open"  or  cheekPuff = { Puff_L = 1.0, Puff_R = 1.0 }  in a .toml file.'
    content: UserMap = read_map(path, remedy)
    if not all(_is_entry(entry) for entry in content.values()):
        raise ExportError(f"The map '{path}' is not a table of channel = target or channel = {{target = gain}}.", remedy,
                          code="map-unreadable")
    return content


@dataclass(frozen=True)
class _Spellings:
    """A mesh's targets by how they are spelled, each under its whole name and under its name less a prefix."""

    by_key: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, targets: Sequence[str]) -> _Spellings:
        found: dict[str, dict[str, None]] = {}
        for target in targets:
            for key in (spelling(target), spelling(target, prefix=False)):
                found.setdefault(key, {})[target] = None
        return cls({key: tuple(names) for key, names in found.items()})

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.by_key.get(spelling(name), ())


@lru_cache(maxsize=256)  # the lines of a batch have the same channels and few characters
def _match(channels: tuple[str, ...], targets: tuple[str, ...], user_map: tuple[tuple[str, Pairs], ...]) -> Match:
    spelled, present, chosen = _Spellings.of(targets), set(targets), dict(user_map)
    pairs: dict[str, Pairs] = {}
    by: dict[str, str] = {}
    left = []
    for channel in channels:
        if channel in chosen:
            mix = tuple((target, gain) for target, gain in chosen[channel] if target in present)
            if mix or not chosen[channel]:
                pairs[channel], by[channel] = mix, BY_USER
        elif channel in present:
            pairs[channel], by[channel] = ((channel, 1.0),), BY_NAME
        elif spelled[channel]:
            pairs[channel], by[channel] = tuple((target, 1.0) for target in spelled[channel]), BY_SPELLING
        else:
            left.append((channel, _hub_names().get(spelling(channel), channel)))
    for words in _known(spelled) if left else ():
        for channel, name in left:
            direct = _present(words, spelled, {words.from_hub[name]: 1.0}) if name in words.from_hub else {}
            mix = tuple((direct or _present(words, spelled, words.from_hub_weights.get(name, {}))).items())
            if mix and channel not in pairs:
                pairs[channel], by[channel] = mix, words.name
    return merged(channels, targets, [Match(pairs, by)])


def _bound(expressed: Match, expressions: Mapping[str, Sequence[Bind]], mesh: int) -> Match:
    """Return a match to expressions as a match to the targets of one mesh that they bind."""
    pairs: dict[str, Pairs] = {}
    for channel, mix in expressed.pairs.items():
        total: dict[str, float] = {}
        for name, gain in mix:
            for index, target, bound in expressions[name]:
                if index == mesh:
                    total[target] = total.get(target, 0.0) + gain * bound
        if total or not mix:
            pairs[channel] = tuple(total.items())
    return Match(pairs, {channel: expressed.by[channel] for channel in pairs})


def _known(spelled: _Spellings) -> list[Vocabulary]:
    """Return the vocabularies of which the mesh has targets, the one with most of them first.

    A lone name of one or two letters is no sign of one: `A` may be anything.
    """
    counted = []
    for words in _every_vocabulary():
        present = [channel for channel in words.channels if _present(words, spelled, {channel: 1.0})]
        if len(present) > 1 or any(len(channel) > 2 for channel in present):
            counted.append((-len(present), words.name, words))
    return [words for _, _, words in sorted(counted, key=lambda entry: entry[:2])]


@cache
def _every_vocabulary() -> tuple[Vocabulary, ...]:
    return tuple(vocabulary(name) for name in vocabularies())


@cache
def _spelled_out(name: str) -> dict[str, tuple[str, ...]]:
    """Return channel -> all its spellings of a vocabulary."""
    words = vocabulary(name)
    return {channel: (channel, *(alias for alias, of in words.aliases.items() if of == channel)) for channel in words.channels}


def _present(words: Vocabulary, spelled: _Spellings, mix: Mapping[str, float]) -> dict[str, float]:
    """Return `mix` in the mesh's own names, without what the mesh lacks."""
    spellings = _spelled_out(words.name)
    return {target: float(gain) for channel, gain in mix.items() for spelling in spellings[channel] for target in spelled[spelling]}


def _checked(user_map: UserMap, channels: Sequence[str], targets: Sequence[str]) -> dict[str, Mapping[str, float]]:
    known = {spelling(name): name for name in (*ARKIT_52, *ROTATIONS, *channels)}
    chosen: dict[str, Mapping[str, float]] = {}
    for channel, entry in user_map.items():
        if spelling(channel) not in known:
            raise ExportError(f"The map names the channel '{channel}', which neither the clip nor ARKit has.",
                              f"The clip has: {', '.join(channels)}.", code="map-channel")
        mix = {entry: 1.0} if isinstance(entry, str) else dict(entry)
        mix.pop("", None)
        lacking = [target for target in mix if target not in targets]
        if lacking:
            raise ExportError(f"The map sends '{channel}' to '{lacking[0]}', which the character has not.",
                              f"It has: {', '.join(targets)}.", code="map-target")
        chosen[known[spelling(channel)]] = {target: float(gain) for target, gain in mix.items()}
    return chosen


def _is_entry(entry: object) -> bool:
    return isinstance(entry, str) or (isinstance(entry, dict) and all(
        isinstance(gain, int | float) and not isinstance(gain, bool) and math.isfinite(gain) for gain in entry.values()))


_PREFIX = re.compile(r"^.*[.:](?=..)")  # 'Face.jawOpen', 'head:jawOpen'; not 'jawOpen.L'
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}


@cache
def spelling(name: str, *, prefix: bool = True) -> str:
    """Return what names that differ only in case, separators and the place and spelling of their side have in common.

    Args:
        prefix: keep what stands before a dot or a colon.
    """
    words = [word.lower() for word in _words(normalize("NFKC", name if prefix else _PREFIX.sub("", name)))]
    side = next((i for i in reversed(range(len(words))) if words[i] in _SIDES), None) if len(words) > 1 else None
    return "".join(words if side is None else [*words[:side], *words[side + 1:], _SIDES[words[side]]])


def _words(name: str) -> list[str]:
    """Cut a name at separators and where camel case does: `eyeBlink_L` -> eye, Blink, L; `UVMap` -> UV, Map."""
    cut = []
    for before, here, after in zip(" " + name, name, name[1:] + " ", strict=False):
        starts = (here.isupper() and (before.islower() or after.islower())) or here.isdigit() != before.isdigit()
        cut.append((" " if starts else "") + (here if here.isalnum() else " "))
    return "".join(cut).split()


@cache
def _hub_names() -> dict[str, str]:
    """ARKit's names and what other engines call them, by key -> ARKit name."""
    engines = {channel: hub for name in ("unitalker51", "livelinkface") for channel, hub in vocabulary(name).to_hub.items()}
    return {spelling(name): hub for name, hub in {**engines, **{name: name for name in ARKIT_52}}.items()}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "none"
