"""`a2f-batch info`: what a clip or an exported animation holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from a2f_batch.cli.errors import DONE, reported
from a2f_batch.clip import FaceClip
from a2f_batch.export import format_named, format_of, read_clip


@click.command("info")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "format_name", help="Format, where the file's ending does not tell.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reported
def command(file: Path, format_name: str | None, as_json: bool) -> int:
    """Show what FILE, of any format that is written, holds: rate, frames, and the range of every channel."""
    chosen = format_named(format_name) if format_name else format_of(file)
    facts = _facts(read_clip(file, format=chosen.name), chosen.name)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        click.echo(_table(file, facts))
    return DONE


def _facts(clip: FaceClip, format_name: str) -> dict[str, Any]:
    channels: list[dict[str, Any]] = [{"name": name} for name in clip.names]
    if clip.n_frames:
        for channel, curve in zip(channels, clip.values.T, strict=True):
            channel |= {"min": float(curve.min()), "max": float(curve.max()), "mean": float(curve.mean())}
    return {"format": format_name, "fps": str(clip.fps), "frames": clip.n_frames, "start_seconds": float(clip.start),
            "duration_seconds": float(clip.duration), "channels": channels, "meta": dict(clip.meta)}


def _table(file: Path, facts: dict[str, Any]) -> str:
    width = max((len(channel["name"]) for channel in facts["channels"]), default=7)
    head = (f"{file}: {facts['format']}, {facts['frames']} frames at {facts['fps']} fps = {facts['duration_seconds']:.3f} s"
            f" from {facts['start_seconds']:g} s, {len(facts['channels'])} channels")
    rows = []
    if facts["frames"]:
        rows.append(f"{'channel':{width}}     min     max    mean")
        rows += [f"{one['name']:{width}} {one['min']:7.4f} {one['max']:7.4f} {one['mean']:7.4f}" for one in facts["channels"]]
    return "\n".join([head, *(f"{key}: {value}" for key, value in facts["meta"].items()), *rows])
