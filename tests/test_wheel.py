"""The built wheel, in a clean environment somewhere else."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]


def run(*command, cwd, **environment):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env={**clean, **environment}, capture_output=True, text=True,
                          timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("a2f_batch-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A new environment with the wheel and what it asks for, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", folder / "env", cwd=folder)
    binaries = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "requirements/constraints.txt",
        f"{wheel}[cpu]", cwd=folder)
    return binaries


def test_the_wheel_carries_weights_names_profiles_demo_and_plugins_but_no_foreign_weights(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in ("_weights/embedded_v2.onnx", "_weights/embedded_v2.json", "_weights/embedded_v2.md", "_weights/unitalker_v0.4.0_base.json",
                 "names/unitalker51.json", "names/livelinkface.json", "post/profiles.toml", "_manifests/demo.csv", "py.typed",
                 "report/web/index.html", "report/web/report.js", "report/web/report.css", "report/viewer/built/viewer.js"):
        assert f"a2f_batch/{name}" in names
    assert any(name.startswith("a2f_batch/_dcc_plugins/blender/") for name in names)
    assert any(name.startswith("a2f_batch/_dcc_plugins/maya/") for name in names)
    assert not any("node_modules" in name for name in names)
    assert [name for name in names if name.endswith(".onnx")] == ["a2f_batch/_weights/embedded_v2.onnx"]


@pytest.mark.slow  # installs
def test_a_line_is_baked_with_nothing_but_the_wheel(environment, tmp_path):
    times = np.arange(32000) / 16000
    soundfile.write(tmp_path / "line.wav", 0.3 * np.sin(2 * np.pi * 150 * times) * (np.sin(2 * np.pi * 2 * times) > 0), 16000)
    for suffix in ("glb", "fbx", "anim", "csv", "npz"):
        run(environment / "a2f-batch", "bake", "line.wav", f"line.{suffix}", cwd=tmp_path)
        facts = json.loads(run(environment / "a2f-batch", "info", f"line.{suffix}", "--json", cwd=tmp_path))
        assert facts["frames"] == 60
    assert "a2f_batch" in run(environment / "python", "-c", "import a2f_batch; print(a2f_batch.__file__)", cwd=tmp_path)


@pytest.mark.slow  # installs
def test_the_default_path_imports_neither_torch_nor_dask_nor_transformers(environment, tmp_path):
    soundfile.write(tmp_path / "line.wav", np.full(16000, 0.1), 16000)
    script = ("import sys, a2f_batch as a2f\nwave = a2f.load_audio('line.wav')\nclip = a2f.load_engine().infer([wave])[0]\n"
              "a2f.export(a2f.post(clip, wave=wave), 'line.glb')\n"
              "print(sorted({'torch', 'transformers', 'distributed', 'dask', 'scipy', 'onnx'} & set(sys.modules)))")
    assert run(environment / "python", "-c", script, cwd=tmp_path).strip() == "[]"


@pytest.mark.slow  # installs
def test_without_a_runtime_the_message_says_what_to_install(environment, tmp_path):
    run(environment / "python", "-m", "pip", "uninstall", "--yes", "--quiet", "onnxruntime", cwd=tmp_path)
    soundfile.write(tmp_path / "line.wav", np.full(16000, 0.1), 16000)
    done = subprocess.run([environment / "a2f-batch", "bake", "line.wav", "line.glb"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2
    assert "pip install 'a2f-batch[cpu]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "line.glb").exists()
