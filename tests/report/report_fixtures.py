"""What the report's tests share: a rendered folder, and what its scripts say."""

import base64
import json
import re

import numpy as np

from tests.batch.batch_fixtures import ROOT, a2f_batch


def render(manifest, out, *more):
    """Render `manifest` in this process's manner: no workers."""
    return a2f_batch("render", manifest, "--out", out, "--workers", "0", *more)


def render_demo(out, *more):
    """Render the demo's eight lines on the small head."""
    done = render(ROOT / "manifests/demo.csv", out, "--formats", "glb", "--mesh", "proxy", *more)
    assert done.returncode == 0, done.stderr
    return done


def told(script):
    """Return the arguments that a data script gives to the page."""
    lines = script.read_text(encoding="ascii").splitlines()
    match = re.fullmatch(r"a2f\.(\w+)\((.*)\);", lines[-1])
    return json.loads(f"[{match[2]}]")


def line(out, name):
    """Return what the page is told of a line."""
    found, content = told(out / "report/lines" / f"{name}.js")
    assert found == name
    return content


def curves(content):
    """Return channel -> values, decoded here by the rule that docs/report.md states."""
    told_, all_ = content["animation"], np.frombuffer(base64.b64decode(content["animation"]["values"]), np.uint8)
    rows = all_.reshape(len(told_["names"]), told_["frames"]) / 255
    ranges = {name: told_["ranges"].get(name, [0, 1]) for name in told_["names"]}
    return {name: row * (ranges[name][1] - ranges[name][0]) + ranges[name][0] for name, row in zip(told_["names"], rows, strict=True)}
