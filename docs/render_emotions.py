"""Render every emotion of the library at full level on the default head, and write the table of docs/emotions.md.

    python docs/render_emotions.py docs

Needs bpy (the [test] extra); no GPU.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.emotion import EMOTIONS, Envelope
from a2f_batch.names import ARKIT_52
from a2f_batch.post.context import Context
from a2f_batch.post.emotion import EmotionOffset
from a2f_batch.post.emotion_library import library, units
from a2f_batch.rig import Mesh, default_head

BEGIN, END = "<!-- made by render_emotions.py -->\n", "<!-- end -->\n"
P = {"jawOpen": 0.12, "mouthClose": 0.12, "mouthPressLeft": 0.5, "mouthPressRight": 0.5}
A = {"jawOpen": 0.6, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2}


def main(folder: Path) -> None:
    """Write images/emotions.png and the tables of emotions.md into `folder`."""
    page = folder / "emotions.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(before + BEGIN + tables() + END + rest.split(END)[1], encoding="utf-8")

    import render_head

    mesh = default_head()
    tiles = [(f"{word}{' ' + sound if sound else ''}", felt(mesh, word, speech), 0.0)
             for word in EMOTIONS for sound, speech in (("", {}), ("p", P), ("a", A))]
    render_head.sheet(tiles, 9, render_head.Frame(0.165, 0.205, -0.045, 120), folder / "images" / "emotions.png")


def felt(mesh: Mesh, word: str, speech: dict[str, float]) -> dict[str, float]:
    """Return the weights of a face that says `speech` with an emotion, as the stage makes them; at rest, the library's own offsets."""
    if not speech:
        return dict(library()[word].weights)
    clip = FaceClip(ARKIT_52, np.array([[speech.get(name, 0.0) for name in ARKIT_52]], dtype=np.float32), Fraction(30))
    made = EmotionOffset().apply(clip, Context(None, 0, Envelope.parse(word)))
    return {name: float(made[name][0]) for name in mesh.targets if made[name][0]}


def tables() -> str:
    """Return the library as Markdown tables."""
    lines = ["", "| emotion | action units at level 4 (intensity) | from | blinks: rate, length, amount |", "| --- | --- | --- | --- |"]
    for word, emotion in library().items():
        combination = ", ".join(f"{unit[2:]} ({intensity:g})" for unit, intensity in emotion.units.items()) or "none"
        lines.append(f"| {word} | {combination} | {emotion.sources} | {', '.join(f'{value:g}' for value in emotion.blink.values())} |")
    lines += ["", "| emotion | ARKit weights at level 4 (left = right where one number) | radians |", "| --- | --- | --- |"]
    for word, emotion in library().items():
        turns = ", ".join(f"{name} {radians:+.2f}" for name, radians in emotion.rotations.items()) or "none"
        lines.append(f"| {word} | {', '.join(_paired(emotion.weights)) or 'none'} | {turns} |")
    lines += ["", "| unit | what FACS calls it | ARKit weights at full intensity | radians |", "| --- | --- | --- | --- |"]
    for key, unit in units().items():
        turns = ", ".join(f"{name} {radians:+g}" for name, radians in unit.rotations.items()) or "none"
        lines.append(f"| {key} | {unit.name} | {', '.join(_paired(unit.weights)) or 'none'} | {turns} |")
    return "\n".join(lines) + "\n\n"


def _paired(table: Mapping[str, float]) -> list[str]:
    """Return 'mouthSmile 0.71' where both sides have it, else 'mouthSmileLeft 0.71'."""
    words = []
    for name, weight in table.items():
        base = name.removesuffix("Left")
        if name.endswith("Left") and table.get(f"{base}Right") == weight:
            words.append(f"{base} {weight:.2f}")
        elif not (name.endswith("Right") and table.get(f"{name.removesuffix('Right')}Left") == weight):
            words.append(f"{name} {weight:.2f}")
    return words


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # bpy may crash while Python shuts down
