"""A Blender that tests talk to: a process that runs in_blender.py in a clean user folder; and what the library says it should show."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from a2f_batch.dcc.bake import LineRequest, speak
from a2f_batch.dcc.blender import MODULE, sources
from a2f_batch.dcc.fit import fit

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# As artists name them: one spelling a mesh, and two targets that are no face's.
MESHES = {"Head": ["EyeBlink_L", "EyeBlink_R", "JawOpen", "mouth_close", "Mouth Funnel", "MouthSmile.R", "Age", "brow-inner-up"],
          "Teeth": ["jawOpen", "Tooth Gap"], "Lashes": ["left_eye_blink", "right_eye_blink"]}
DRIVEN = {"Head": 7, "Teeth": 1, "Lashes": 2}
TOLERANCE = 1e-6  # of the issue; the curves are float32 on both sides
APT = "apt-get install --no-install-recommends blender xvfb xauth python3-numpy libgl1-mesa-dri"
# What bpy itself needs; an isolated Blender sees nothing else of this environment.
BPY_NEEDS = ("bpy", "numpy", "numpy.libs", "requests", "urllib3", "certifi", "idna", "charset_normalizer", "zstandard", "Cython")


class Blender:
    """A running Blender; `blender.curves("Hero")` calls that function of in_blender.py."""

    def __init__(self, command, folder, *how, environment=None):
        resources = {"BLENDER_USER_RESOURCES": str(folder), "BLENDER_USER_SCRIPTS": str(folder / "scripts"),
                     "BLENDER_USER_CONFIG": str(folder / "config"), "OMP_NUM_THREADS": "1", **(environment or {})}
        self._process = subprocess.Popen([*map(str, command), *map(str, how)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
                                         env={**os.environ, **resources})
        self.said = []
        self.version, self.installed = self._answer()

    def _answer(self):
        patience = threading.Timer(120, self._process.kill)
        patience.start()
        try:
            return self._read()
        finally:
            patience.cancel()

    def _read(self):
        self.said = []
        for line in self._process.stdout:
            if line.startswith("RESULT "):
                answer = json.loads(line[7:])
                if "error" in answer:
                    raise AssertionError(answer["error"] + "\n" + "".join(self.said))
                return answer["answer"]
            self.said.append(line)
        raise AssertionError("Blender ended:\n" + "".join(self.said[-40:]))

    def __getattr__(self, name):
        def call(*args, **options):
            self._process.stdin.write(json.dumps({"do": name, "args": args, "options": options}) + "\n")
            self._process.stdin.flush()
            return self._answer()
        return call

    @property
    def reports(self):
        """What Blender told its user since the last call."""
        return "".join(self.said)

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.stdout.close()


def from_source(folder):
    """PyPI's bpy of this environment with the add-on as it stands in the checkout."""
    addon = folder / "scripts" / "addons" / MODULE
    addon.mkdir(parents=True)
    for name, content in sources():
        (addon / name).write_bytes(content)
    return Blender([sys.executable, HERE / "in_blender.py"], folder, "enable", MODULE, environment={"PYTHONPATH": str(ROOT)})


def isolated(folder, how, packages=None):
    """A bpy that sees neither this environment nor the checkout.

    Args:
        how: what in_blender.py is told: how to come by the add-on.
        packages: folder with another bpy; None = this environment's.
    """
    if packages is None:
        site, packages = Path(np.__file__).parents[1], folder / "site"
        packages.mkdir(parents=True)
        for name in BPY_NEEDS:
            if (site / name).exists():
                (packages / name).symlink_to(site / name)
    start = f"import sys; sys.path.insert(0, {str(packages)!r}); sys.path.append({str(HERE)!r}); import in_blender; in_blender.main()"
    return Blender([sys.executable, "-I", "-S", "-c", start], folder, *how)


def debians(folder, zipped):
    """The system's Blender, without its window, with the legacy add-on installed from its zip."""
    return Blender([program(), "--background", "--factory-startup", "--python", HERE / "in_blender.py", "--"], folder,
                   "install-legacy", zipped)


def program():
    """The Blender with a window, from the system's packages.

    Raises:
        AssertionError: it is not installed.
    """
    found = shutil.which("blender")
    assert found and shutil.which("xvfb-run"), f"Install what these tests need: {APT}"
    return found


def library(audio, fps="24", user_map=None, **wanted):
    """Mesh -> target -> values, as the library makes them without Blender."""
    clip = speak(LineRequest(Path(audio), fps=fps, **wanted)).clip
    face = fit(clip, list(MESHES.values()), user_map=user_map)
    return {mesh: dict(zip(curves.targets, curves.values.T, strict=True)) for mesh, curves in zip(MESHES, face.meshes, strict=True)}


def assert_baked(keys_of_meshes, wanted, frames):
    """Every key of every target at its frame, with the library's value."""
    for mesh, targets in wanted.items():
        keys = keys_of_meshes[mesh]
        assert set(keys) == set(targets) and len(keys) == DRIVEN[mesh]
        for target, values in targets.items():
            points = np.array(keys[target])
            np.testing.assert_allclose(points[:, 0], frames, rtol=0, atol=1e-4)  # frames are float32
            np.testing.assert_allclose(points[:, 1], values, rtol=0, atol=TOLERANCE)


def keys(blender, name="Hero"):
    return {mesh.removeprefix(f"{name} "): one["keys"] for mesh, one in blender.curves(name).items()}


def bake(blender, **settings):
    blender.settings(**{name: str(value) if isinstance(value, Path) else value for name, value in settings.items()})
    return blender.operator("a2f.bake")


def other_bpy(version):
    """The folder with PyPI's bpy of another version, as `make test-blender` puts it there.

    Raises:
        AssertionError: it is not there.
    """
    folder = ROOT / ".cache" / f"bpy-{version}"
    assert (folder / "bpy").is_dir(), f"Install what this test needs: make .cache/bpy-{version}"
    return folder
