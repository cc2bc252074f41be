"""Render the default head from an exported file with Blender's Workbench: a sheet of its 52 targets, a row of mouth shapes, three views.

    python docs/render_head.py docs/images

The pictures show what a user gets: every tile is a frame of one animation that this project exports as .glb and Blender imports.
Needs bpy (the [test] extra); no GPU.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch import FaceClip, export
from a2f_batch.names import ARKIT_52

MOUTH_SHAPES: dict[str, dict[str, float]] = {
    "rest": {},
    "p": {"mouthPressLeft": 0.7, "mouthPressRight": 0.7, "mouthRollLower": 0.35, "mouthRollUpper": 0.35},
    "f": {"jawOpen": 0.06, "mouthRollLower": 0.8, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5, "mouthShrugLower": 0.35},
    "a": {"jawOpen": 0.75, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
    "i": {"jawOpen": 0.12, "mouthStretchLeft": 0.5, "mouthStretchRight": 0.5, "mouthSmileLeft": 0.45, "mouthSmileRight": 0.45,
          "mouthLowerDownLeft": 0.45, "mouthLowerDownRight": 0.45, "mouthUpperUpLeft": 0.35, "mouthUpperUpRight": 0.35},
    "u": {"jawOpen": 0.07, "mouthPucker": 1.0, "mouthFunnel": 0.1},
    "o": {"jawOpen": 0.35, "mouthFunnel": 0.75, "mouthPucker": 0.2},
}
# Seen alone these would hide behind closed lips.
_HELPED = {"mouthClose": {"jawOpen": 1.0}, "tongueOut": {"jawOpen": 0.6}}


@dataclass(frozen=True)
class Frame:
    """What a tile shows: width and height in metres round (0, `middle`), and its width in pixels."""

    width: float
    height: float
    middle: float
    pixels: int


Tile = tuple[str, Mapping[str, float], float]
"""Label, weights, turn of the head in degrees."""


def main(folder: Path) -> None:
    """Write head_targets.png, head_visemes.png and head_views.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    face = Frame(0.165, 0.21, -0.05, 116)
    sheet([(name, {**_HELPED.get(name, {}), name: 1.0}, 0.0) for name in ARKIT_52], 9, face, folder / "head_targets.png")
    shapes = [(name, weights, turn) for turn in (0.0, 40.0) for name, weights in MOUTH_SHAPES.items()]
    sheet(shapes, len(MOUTH_SHAPES), replace(face, width=0.185, pixels=180), folder / "head_visemes.png")
    views: list[Tile] = [("front", {}, 0.0), ("three-quarter", {}, 40.0), ("side", {}, 90.0)]
    sheet(views, 3, Frame(0.25, 0.31, -0.02, 330), folder / "head_views.png")


def sheet(tiles: Sequence[Tile], columns: int, frame: Frame, path: Path) -> None:
    """Export `tiles` as an animation on the default head, a frame each, and render what Blender imports row by row into one picture."""
    import bpy

    rows = -(-len(tiles) // columns)
    height = round(frame.pixels * frame.height / frame.width)
    pixels = np.ones((rows * height, columns * frame.pixels, 4), dtype=np.float32)
    with TemporaryDirectory() as folder:
        _import(export(_clip(tiles), Path(folder) / "tiles.glb", rotations=True))
        letters = _stage(frame, height)
        for at, (label, _, _) in enumerate(tiles):
            y, x = at // columns * height, at % columns * frame.pixels
            bpy.context.scene.frame_set(at)
            letters.body = label
            pixels[y:y + height, x:x + frame.pixels] = _rendered(frame.pixels, height, Path(folder) / "tile.png")
    image = bpy.data.images.new("sheet", pixels.shape[1], pixels.shape[0])
    # Few levels a channel: half of the file's size, and hardly to be seen.
    image.pixels.foreach_set((np.round(pixels[::-1] * 39) / 39).ravel())
    bpy.context.scene.render.image_settings.color_mode = "RGB"
    image.file_format = "PNG"
    image.save_render(str(path.resolve()), scene=bpy.context.scene)


def _clip(tiles: Sequence[Tile]) -> FaceClip:
    """Return a clip whose frame i is tile i."""
    names = (*ARKIT_52, "HeadYaw")
    rows = [{**weights, "HeadYaw": math.radians(turn)} for _, weights, turn in tiles]
    return FaceClip(names, np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=np.float32), Fraction(30))


def _import(path: Path) -> None:
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.import_scene.gltf(filepath=str(path))


def _stage(frame: Frame, height: int) -> Any:
    """Set camera, light and a strip for the label; return the label's text."""
    import bpy

    scene = bpy.context.scene
    text = bpy.data.curves.new("label", "FONT")
    text.size, text.align_x = 0.0145, "CENTER"
    text.materials.append(_material("text", (0.01, 0.01, 0.01)))
    letters = bpy.data.objects.new("label", text)
    letters.location, letters.rotation_euler = (0, -0.3, frame.middle - frame.height / 2 + 0.004), (math.pi / 2, 0, 0)
    scene.collection.objects.link(letters)
    low, high = frame.middle - frame.height / 2 - 0.001, frame.middle - frame.height / 2 + 0.0165
    strip = bpy.data.meshes.new("strip")
    strip.from_pydata([(x, -0.29, z) for x, z in ((-1, low), (1, low), (1, high), (-1, high))], [], [(0, 1, 2, 3)])
    strip.materials.append(_material("strip", (0.95, 0.97, 1.0)))
    scene.collection.objects.link(bpy.data.objects.new("strip", strip))
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type, camera.data.ortho_scale = "ORTHO", max(frame.width, frame.height)
    camera.location, camera.rotation_euler = (0, -2, frame.middle), (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "BLENDER_WORKBENCH"
    shading = scene.display.shading
    shading.light, shading.color_type, shading.show_cavity, shading.cavity_type = "STUDIO", "MATERIAL", True, "WORLD"
    scene.display.matcap_ssao_samples = 128  # of the cavity's shade: fewer are noise, which does not compress
    shading.studio_light = "paint.sl"  # soft, from above and in front: the default one makes skin muddy
    shading.show_specular_highlight = False  # a studio's many lamps would whiten the pupils
    scene.world = bpy.data.worlds.new("world")
    scene.world.color = (0.75, 0.77, 0.80)
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x, scene.render.resolution_y = frame.pixels, height
    scene.render.dither_intensity = 0.0
    return text


def _rendered(width: int, height: int, path: Path) -> npt.NDArray[np.float32]:
    """Return the current frame's picture, rows from the top, RGBA 0..1."""
    import bpy

    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]


def _material(name: str, color: tuple[float, float, float]) -> Any:
    import bpy

    material = bpy.data.materials.new(name)
    material.diffuse_color = (*color, 1.0)
    return material


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # bpy may crash while Python shuts down
