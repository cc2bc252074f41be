"""The promise of RENDER_SCHEMA: as long as it stands, the same inputs give the same files, so that a plan may skip them.

When a change of the code is meant to change files: count RENDER_SCHEMA up, and write both records anew with
``python -m tests.batch.test_render_schema``.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from a2f_batch import FaceClip, load_audio, load_engine, post
from a2f_batch.batch.keys import RENDER_SCHEMA
from a2f_batch.export import FORMATS, export
from a2f_batch.export.fbx_binary import Node, decode
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ARKIT_52
from a2f_batch.resources import resource_folder

RECORD = Path(__file__).with_name("render_schema.json")
CURVES = Path(__file__).with_name("render_schema.npz")
ADVICE = "Files differ from what RENDER_SCHEMA stands for: if that is meant, count it up (see this file's first lines)."
# usd-core writes its own version and layout.
OURS = [name for name, fmt in FORMATS.items() if fmt.module != "usd"]


def clip() -> FaceClip:
    """Return curves that every machine holds exactly: sixteenths."""
    values = (np.arange(20)[:, None] * 7 + np.arange(52)[None] * 3) % 17 / 16
    return FaceClip(ARKIT_52, values.astype(np.float32), Fraction(30), meta={"line": "schema"})


def digests(folder: Path) -> dict[str, str]:
    """Return format name -> hash of the file that the clip becomes."""
    files = {name: export(clip(), folder / f"line{FORMATS[name].suffix}", format=name).read_bytes() for name in OURS}
    for name in ("glb", "fbx"):
        ExportOptions(mesh="proxy").export(clip(), folder / f"proxy.{name}", FORMATS[name])
        files[f"{name} on the proxy"] = (folder / f"proxy.{name}").read_bytes()
    return {name: hashlib.sha256(unpacked(content) if name.startswith("fbx") else content).hexdigest() for name, content in files.items()}


def unpacked(fbx: bytes) -> bytes:
    """Return an FBX file's records as text, its arrays unpacked: another machine's zlib may pack them to other bytes."""
    lines = []

    def tell(node: Node) -> None:
        values = [value.tolist() if isinstance(value, np.ndarray) else value for value in node.properties]
        lines.append(f"{node.name} {values}")
        for child in node.children or ():
            tell(child)

    tell(decode(fbx, "line.fbx")[1])
    return "\n".join(lines).encode()


def curves() -> FaceClip:
    """Return a demo line as the embedded engine and the default profile make it."""
    wave = load_audio(resource_folder("manifests") / "audio/gate_halt.en-US.wav")
    (raw,) = load_engine("embedded", device="cpu").infer([wave], fps=30)
    return post(raw, "default", wave=wave, seed=7, emotion="joy:0.5")


def test_a_clip_becomes_the_recorded_files(tmp_path: Path) -> None:
    recorded = json.loads(RECORD.read_text())
    assert recorded["schema"] == RENDER_SCHEMA, "Write the records anew (see this file's first lines)."
    assert digests(tmp_path) == recorded["files"], ADVICE


def test_a_sound_becomes_the_recorded_curves() -> None:
    made = curves()
    with np.load(CURVES) as recorded:
        assert list(recorded["names"]) == list(made.names), ADVICE
        # Half precision keeps 5e-4 of a weight; another machine type's rounding is a hundredth of that.
        assert made.values == pytest.approx(recorded["values"].astype(np.float32), abs=1e-3), ADVICE


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        RECORD.write_text(json.dumps({"schema": RENDER_SCHEMA, "files": digests(Path(folder))}, indent=1) + "\n")
    made = curves()
    np.savez_compressed(CURVES, names=np.array(made.names), values=made.values.astype(np.float16))
