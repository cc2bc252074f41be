"""A line to its review video: the head on the left, the panel on the right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.batch.lines import LineRow
from a2f_batch.errors import BatchError
from a2f_batch.preview.actor import Camera
from a2f_batch.preview.extra import need
from a2f_batch.preview.film import write_film
from a2f_batch.preview.panel import draw_panel
from a2f_batch.preview.sound import Sound, read_sound
from a2f_batch.preview.take import Take

Pixels = npt.NDArray[np.uint8]

MIN_SIZE, MAX_SIZE = 160, 4096
_TOP, _BOTTOM = np.array([47, 53, 61.0]), np.array([19, 22, 26.0])


@dataclass(frozen=True)
class Size:
    """A video's size in pixels, both even."""

    width: int = 960
    height: int = 540

    @classmethod
    def parse(cls, text: str) -> Size:
        """Return the size written '960x540'.

        Raises:
            BatchError: it is none, odd, or out of bounds (code 'preview-size').
        """
        sides = text.lower().split("x")
        numbers = [int(side) for side in sides if side.isascii() and side.isdigit() and len(side) < 6]
        if len(sides) != 2 or len(numbers) != 2 or not all(MIN_SIZE <= one <= MAX_SIZE and one % 2 == 0 for one in numbers):
            raise BatchError(f"A video can't be of the size '{text}'.",
                             f"Give width x height, even, {MIN_SIZE} to {MAX_SIZE}, such as 960x540.", code="preview-size")
        return cls(*numbers)


class Stage:
    """Where heads are drawn: a picture of one size."""

    def __init__(self, width: int, height: int) -> None:
        raster = need("a2f_batch.preview.raster", "numba", "A preview")
        down = np.linspace(0, 1, height)[:, None, None]
        around = 1 - 0.25 * np.linspace(-1, 1, width)[None, :, None] ** 2
        ground = np.round((_TOP * (1 - down) + _BOTTOM * down) * around).astype(np.uint8)
        self._raster = raster.Raster(width, height, ground)

    def shoot(self, take: Take, frame: int) -> Pixels:
        """Return the head at a frame; the picture is overwritten by the next."""
        actor = take.actor
        camera = Camera.framing(actor.face, self._raster.width, self._raster.height)
        vertices, normals = take.pose(frame)
        picture: Pixels = self._raster.draw(camera.project(vertices), camera.turn(normals), actor.triangles, actor.material, actor.colors,
                                            actor.gloss, camera.depth, both_sides=actor.both_sides)
        return picture


def film_line(line: LineRow, take: Take, path: Path, size: Size, *, audio: Path | None,
              on_frame: Callable[[], None] = lambda: None) -> None:
    """Write the review video of a line.

    Args:
        audio: its sound; None = a silent film.
        on_frame: called after each frame.

    Raises:
        AudioError: the sound can't be read.
        ExportError: a package of the extra is missing (code 'preview-missing'), or the film can't be written.
    """
    sound = read_sound(audio) if audio else None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_film(path, _frames(line, take, size, sound, on_frame), take.clip.fps, (size.width, size.height), sound)


def _frames(line: LineRow, take: Take, size: Size, sound: Sound | None, on_frame: Callable[[], None]) -> Iterator[Pixels]:
    # The panel keeps its proportions; the head gets what is left, at least half.
    beside = min(size.height * 480 // 540, size.width // 2)
    stage, panel = Stage(size.width - beside, size.height), draw_panel(line, take.clip, sound, beside, size.height)
    picture = np.empty((size.height, size.width, 3), np.uint8)
    for frame in range(take.clip.n_frames):
        picture[:, :-beside] = stage.shoot(take, frame)
        picture[:, -beside:] = panel.at(frame, take.clip.n_frames, take.clip.fps, take.clip.start)
        yield picture
        on_frame()
