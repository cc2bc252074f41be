"""What the tests of the add-ons share: a running Blender, an empty file with a head in it, a short line."""

import blender_host
import pytest
import soundfile

from a2f_batch.dcc.blender import build
from a2f_batch.dcc.wheels import this_platform

CONSTRAINTS = blender_host.ROOT / "requirements/constraints.txt"


BLENDERS = {"source": (), "4.5": pytest.mark.slow, "3.4": pytest.mark.window, "4.2": pytest.mark.blender, "5.0": pytest.mark.blender}
# What a Blender can't do is not asked of it.
MUTE = "4.2"  # PyPI's is built without sound: no sound strips
NO_SPEED = ("source", "4.5", "5.0")  # strips have retiming keys, and bpy crashes when one is added without a window


def pytest_generate_tests(metafunc):
    """Run a test in all Blenders that can do what it asks for."""
    if "running" in metafunc.fixturenames:
        unable = {*([MUTE] if "sequencer" in metafunc.fixturenames else []), *(NO_SPEED if "with_speed" in metafunc.fixturenames else [])}
        able = [pytest.param(version, marks=marks) for version, marks in BLENDERS.items() if version not in unable]
        metafunc.parametrize("running", able, indirect=True, scope="session")


@pytest.fixture(scope="session")
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
    assert blender.plays_sound()
    return blender


@pytest.fixture()
def with_speed(sequencer):
    """A Blender whose strips have a speed."""
    return sequencer


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
