"""What the tests of the add-ons share: a running Blender, an empty file with a head in it, a short line."""

import blender_host
import pytest
import soundfile

from a2f_batch.dcc.blender import build
from a2f_batch.dcc.wheels import this_platform

CONSTRAINTS = blender_host.ROOT / "requirements/constraints.txt"


@pytest.fixture(scope="session", params=["source", pytest.param("4.5", marks=pytest.mark.slow), *(
    pytest.param(version, marks=pytest.mark.blender) for version in ("3.4", "4.2", "5.0"))])
def running(request, tmp_path_factory):
    """The add-on from the checkout in this environment's bpy, or from its zip in a Blender that has nothing else."""
    version, folder = request.param, tmp_path_factory.mktemp("blender")
    if version == "source":
        blender = blender_host.from_source(folder)
    elif version == "3.4":
        blender = blender_host.debians(folder, request.getfixturevalue("legacy_zip"))
    else:
        other = None if version == "4.5" else blender_host.other_bpy(version)
        blender = blender_host.isolated(folder, ("install", request.getfixturevalue("extension_zip")), other)
    assert version in ("source", blender.version[:3]) and "FINISHED" in blender.installed, blender.reports
    yield blender
    blender.close()


@pytest.fixture()
def blender(running):
    """An empty file with a head, made the active object."""
    running.clean()
    running.character("Hero", blender_host.MESHES)
    return running


@pytest.fixture()
def sequencer(blender):
    """A Blender that has sound strips."""
    if not blender.plays_sound():
        pytest.skip("PyPI's bpy 4.2 is built without sound; the same code is tested with 3.4, 4.5 and 5.0")
    return blender


@pytest.fixture(scope="session")
def line(tmp_path_factory):
    """A second of the demo's speech."""
    wave, rate = soundfile.read(blender_host.ROOT / "manifests/audio/gate_halt.en-US.wav", dtype="float32")
    path = tmp_path_factory.mktemp("sounds") / "halt.wav"
    soundfile.write(path, wave[:rate], rate)
    return path


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory):
    """The extension for this platform, as the command builds it."""
    path = tmp_path_factory.mktemp("built") / "a2f_batch_blender.zip"
    told = build(path, platforms=[this_platform()], constraints=CONSTRAINTS)
    assert "Extension for Blender 4.2" in told[0]
    return path


@pytest.fixture(scope="session")
def legacy_zip(tmp_path_factory):
    """The legacy add-on for this platform, as the command builds it."""
    path = tmp_path_factory.mktemp("built") / "a2f_batch_blender_legacy.zip"
    told = build(path, legacy=True, constraints=CONSTRAINTS)
    assert "Legacy add-on" in told[0]
    return path
