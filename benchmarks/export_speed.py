"""How fast the exporters are, how large their files and how much memory they take; beside Blender's own on the same mesh and clip.

    python benchmarks/export_speed.py [--frames 3600] [--fps 60] [--repeats 5] [--minutes 30] [--without-blender]

The mesh is the default head with its 52 targets, as our glTF brings it into Blender; the clip has a key on every frame of all 52, in
Blender baked into the shape keys' curves. Every measurement is one process on one core; times are medians, sizes are the files'.
Memory is how far the process grew over what it held before the export began (Linux).
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import numpy as np

import a2f_batch as a2f
from a2f_batch.export import FORMATS
from a2f_batch.export.fbx_keys import key_times
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ARKIT_52

# The issue's: these under 60 ms for 52 x 3600, Blender's two by ten times.
BARS = ("glb", "fbx", "csv", "anim", "npz")
BAR_MS = 60
MIB = 1 << 20
RIVALS = {"Blender fbx": "fbx", "Blender glb, sampled": "glb", "Blender glb, as keyed": "glb"}


@click.command()
@click.option("--frames", default=3600, show_default=True, help="Frames of the clip.")
@click.option("--fps", default=60, show_default=True, help="Its rate.")
@click.option("--repeats", default=5, show_default=True, help="Repeats of each measurement; the median is printed.")
@click.option("--minutes", default=30, show_default=True, help="Length of the line whose memory is measured; 0 leaves it out.")
@click.option("--without-blender", is_flag=True, help="Leave Blender out: its exporters take minutes.")
@click.option("--child", hidden=True, help="One measurement, in a process of its own: a format, or 'blender'.")
@click.option("--folder", hidden=True)
def main(frames: int, fps: int, repeats: int, minutes: int, without_blender: bool, child: str | None, folder: str | None) -> None:
    """Print the tables."""
    if child and folder:
        click.echo(json.dumps(in_blender(Path(folder), frames, fps, repeats) if child == "blender"
                              else ours(child, Path(folder), frames, fps, repeats)))
        return
    click.echo(f"{len(ARKIT_52)} channels x {frames} frames at {fps} fps, one core of {os.cpu_count()}, "
               f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, median of {repeats}\n")
    heading("format")
    with tempfile.TemporaryDirectory() as place:
        found = {name: row(name, measured(name, place, frames, fps, repeats), frames) for name in FORMATS}
        click.echo(f"{'fbx: its zlib alone':<24}{'':>9}{fbx_floor(frames, fps, repeats):9.1f}")
        late = [name for name in BARS if found[name]["cpu"] > BAR_MS]
        click.echo(f"\nunder {BAR_MS} ms of CPU: {', '.join(name for name in BARS if name not in late)}; over: {', '.join(late) or 'none'}")
        if not without_blender:
            click.echo()
            heading("Blender, same clip", f"{'x our CPU':>11}{'x our size':>11}")
            for name, theirs in measured("blender", place, frames, fps, repeats).items():
                mine = found[RIVALS[name]]
                row(name, theirs, frames, f"{theirs['cpu'] / mine['cpu']:11.0f}{theirs['size'] / mine['size']:11.2f}")
        if minutes:
            long = minutes * 60 * fps
            click.echo(f"\n{minutes} minutes, {long} frames, {clip_bytes(long) / MIB:.1f} MiB of curves; once")
            heading("format")
            for name in FORMATS:
                row(name, measured(name, place, long, fps, 1), long)


def heading(name: str, more: str = "") -> None:
    """Print what the columns of `row` are."""
    click.echo(f"{name:<24}{'ms':>9}{'CPU ms':>9}{'MB':>8}{'memory MiB':>12}{'x clip':>8}{more}")


def row(name: str, result: dict[str, float], frames: int, more: str = "") -> dict[str, float]:
    """Print one measurement."""
    click.echo(f"{name:<24}{result['wall']:9.1f}{result['cpu']:9.1f}{result['size'] / 1e6:8.2f}{result['grown'] / MIB:12.1f}"
               f"{result['grown'] / clip_bytes(frames):8.1f}{more}")
    return result


def measured(child: str, folder: str, frames: int, fps: int, repeats: int) -> Any:
    """Return what a process of its own, on one core, measures."""
    done = subprocess.run([sys.executable, __file__, "--child", child, "--folder", folder, "--frames", str(frames), "--fps", str(fps),
                           "--repeats", str(repeats)], stdout=subprocess.PIPE, text=True, check=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    return json.loads(done.stdout.splitlines()[-1])


def ours(name: str, folder: Path, frames: int, fps: int, repeats: int) -> dict[str, float]:
    """Measure one of our formats, as a run without options writes it."""
    on_one_core()
    fmt, options, path = FORMATS[name], ExportOptions(), folder / f"line{FORMATS[name].suffix}"
    clip = speech(frames, fps)
    options.export(speech(60, fps), path, fmt)  # imports, and what is made once for all lines
    return timed(lambda: options.export(clip, path, fmt), path, repeats)


def in_blender(folder: Path, frames: int, fps: int, repeats: int) -> dict[str, dict[str, float]]:
    """Measure Blender's exporters on the default head with the clip on all its meshes."""
    on_one_core()
    sys.stdout, spoken = sys.stderr, sys.stdout  # exporters speak
    a2f.export(speech(1, fps), folder / "head.glb")
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(folder / "head.glb"))
    scene = bpy.context.scene
    scene.render.fps, scene.frame_start, scene.frame_end = fps, 1, frames
    clip = speech(frames, fps)
    for thing in bpy.data.objects:
        keys = thing.data.shape_keys if thing.type == "MESH" else None
        if keys:
            bake(bpy, keys, clip)
    fbx, glb = folder / "blender.fbx", folder / "blender.glb"
    # Every frame's key is kept, as ours are; one action a mesh, not one take for each.
    as_keyed = {"bake_anim_simplify_factor": 0, "bake_anim_use_nla_strips": False, "bake_anim_use_all_actions": False}
    results = {
        "Blender fbx": timed(lambda: bpy.ops.export_scene.fbx(filepath=str(fbx), **as_keyed), fbx, repeats),
        "Blender glb, sampled": timed(lambda: bpy.ops.export_scene.gltf(filepath=str(glb)), glb, repeats),
        "Blender glb, as keyed": timed(lambda: bpy.ops.export_scene.gltf(filepath=str(glb), export_force_sampling=False), glb, repeats),
    }
    sys.stdout = spoken
    # Blender as a module may crash while Python tears it down.
    click.echo(json.dumps(results))
    sys.stdout.flush()
    os._exit(0)


def bake(bpy: Any, keys: Any, clip: a2f.FaceClip) -> None:
    """Key the clip on every frame of a mesh's shape keys."""
    keys.animation_data_clear()
    keys.animation_data_create()
    action = bpy.data.actions.new(keys.name)
    slot = action.slots.new("KEY", keys.name)
    curves = action.layers.new("take").strips.new(type="KEYFRAME").channelbag(slot, ensure=True).fcurves
    keys.animation_data.action, keys.animation_data.action_slot = action, slot
    linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    for block in keys.key_blocks[1:]:
        points = curves.new(block.path_from_id("value")).keyframe_points
        points.add(clip.n_frames)
        points.foreach_set("co", np.column_stack([np.arange(1, clip.n_frames + 1), clip[block.name]]).astype(np.float32).ravel())
        points.foreach_set("interpolation", np.full(clip.n_frames, linear))
    for curve in curves:
        curve.update()


def speech(frames: int, fps: int) -> a2f.FaceClip:
    """Return curves that move as speech does, all 52 on every frame, with the noise of a network's output; the same every time."""
    rng = np.random.default_rng(0)
    seconds, n = np.arange(frames)[:, None] / fps, len(ARKIT_52)
    moved = 0.4 + 0.4 * np.sin(rng.uniform(0, 6.28, n) + rng.uniform(1, 25, n) * seconds) + rng.normal(0, 0.01, (frames, n))
    return a2f.FaceClip(ARKIT_52, moved.clip(0, 1).astype(np.float32), Fraction(fps))


def clip_bytes(frames: int) -> int:
    """Return what a clip's values take."""
    return frames * len(ARKIT_52) * 4


def fbx_floor(frames: int, fps: int, repeats: int) -> float:
    """Return the CPU milliseconds of what no writer of compressed FBX can leave out: a float32 array a channel and one of times packed."""
    clip = speech(frames, fps)
    arrays = [*np.ascontiguousarray(clip.values.T * np.float32(100)), key_times(frames, clip.fps, clip.start)]
    return statistics.median(spent(lambda: [zlib.compress(array.tobytes(), 1) for array in arrays])[1] for _ in range(repeats))


def timed(work: Callable[[], object], path: Path, repeats: int) -> dict[str, float]:
    """Return milliseconds on the clock and of the processor, the file's bytes, and how far the process grew in the first run."""
    held = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts anew
    runs = [spent(work)]
    grown = status("VmHWM") - held
    runs += [spent(work) for _ in range(repeats - 1)]
    return {"wall": statistics.median(run[0] for run in runs), "cpu": statistics.median(run[1] for run in runs),
            "size": path.stat().st_size, "grown": grown}


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds that `work` takes, on the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def status(field: str) -> int:
    """Return a field of the process's status in bytes."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


def on_one_core() -> None:
    """Keep this process to one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main()
