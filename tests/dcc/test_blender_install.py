"""The add-on as a zip, and put where Blender looks for it."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import blender_host
import numpy as np
import pytest
from blender_host import MESHES, assert_baked, bake, keys, library
from click.testing import CliRunner

from a2f_batch.cli import main
from a2f_batch.dcc import blender, wheels
from a2f_batch.errors import ExportError


def dcc(*arguments):
    done = CliRunner().invoke(main, ["dcc", *map(str, arguments)], catch_exceptions=False)
    return done.exit_code, done.output


@pytest.fixture()
def home(tmp_path, monkeypatch):
    """A user's empty home."""
    for name in ("BLENDER_USER_RESOURCES", "BLENDER_USER_SCRIPTS", "BLENDER_USER_EXTENSIONS", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("platform", "environment", "version", "folder"), [
    ("linux", {"HOME": "/home/ada"}, (4, 5), "/home/ada/.config/blender/4.5/extensions/user_default/a2f_batch_blender"),
    ("linux", {"HOME": "/home/ada"}, (4, 1), "/home/ada/.config/blender/4.1/scripts/addons/a2f_batch_blender"),
    ("linux", {"HOME": "/home/ada", "XDG_CONFIG_HOME": "/cfg"}, (3, 4), "/cfg/blender/3.4/scripts/addons/a2f_batch_blender"),
    ("darwin", {"HOME": "/Users/ada"}, (5, 0),
     "/Users/ada/Library/Application Support/Blender/5.0/extensions/user_default/a2f_batch_blender"),
    ("win32", {"APPDATA": "C:/Users/ada/AppData/Roaming"}, (4, 2),
     "C:/Users/ada/AppData/Roaming/Blender Foundation/Blender/4.2/extensions/user_default/a2f_batch_blender"),
    ("linux", {"HOME": "/home/ada", "BLENDER_USER_RESOURCES": "/r"}, (4, 5), "/r/extensions/user_default/a2f_batch_blender"),
    ("linux", {"HOME": "/home/ada", "BLENDER_USER_EXTENSIONS": "/e"}, (4, 5), "/e/user_default/a2f_batch_blender"),
    ("linux", {"HOME": "/home/ada", "BLENDER_USER_SCRIPTS": "/s"}, (3, 4), "/s/addons/a2f_batch_blender")])
def test_the_add_on_goes_where_that_blender_looks(platform, environment, version, folder):
    assert blender.addon_folder(version, platform, environment) == Path(folder)


def test_a_linked_add_on_is_installed_replaced_and_taken_away(home):
    (home / ".config/blender/4.5").mkdir(parents=True)
    (home / ".config/blender/4.2").mkdir()
    code, said = dcc("install", "blender", "--link")
    folder = home / ".config/blender/4.5/extensions/user_default/a2f_batch_blender"
    assert code == 0 and str(folder) in said and "tick a2f_batch" in said
    assert (folder / "helper_python.txt").read_text() == sys.executable
    assert {"__init__.py", "bake.py", "a2f_client.py", "blender_manifest.toml"} <= {path.name for path in folder.iterdir()}
    (folder / "of_an_older_release.py").touch()
    assert dcc("install", "blender", "--link", "--version", "4.5.3")[0] == 0
    assert not (folder / "of_an_older_release.py").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing half-written is left
    code, said = dcc("uninstall", "blender")
    assert code == 0 and said == f"Removed {folder}.\n" and not folder.exists()
    code, said = dcc("uninstall", "blender", "--version", "4.2")
    assert code == 0 and "nothing to remove" in said


def test_a_blender_with_another_python_gets_the_helper_process_and_is_told(home):
    code, said = dcc("install", "blender", "--version", "3.6")
    assert code == 0 and "another Python than 3.11" in said
    folder = home / ".config/blender/3.6/scripts/addons/a2f_batch_blender"
    assert (folder / "helper_python.txt").is_file() and not (folder / "lib").exists()


def test_what_can_not_be_installed_is_told(home):
    for arguments, word in ((("--version", "2.79"), "from 3.4 on"), (("--version", "four"), "from 3.4 on"), ((), "Start Blender once")):
        code, said = dcc("install", "blender", "--link", *arguments)
        assert code == 2 and word in said and "[host-version]" in said
    addon = home / ".config/blender/4.5/extensions/user_default/a2f_batch_blender"
    (addon / ".git").mkdir(parents=True)
    code, said = dcc("install", "blender", "--link", "--version", "4.5")
    assert code == 2 and "[add-on-foreign]" in said and (addon / ".git").is_dir()


def test_what_can_not_be_built_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "_pip", lambda *arguments: pytest.fail("pip was called"))
    for arguments, code in (((tmp_path / "none" / "out.zip",), "output-unwritable"),
                            ((tmp_path / "out.zip", "--platform", "amiga"), "platform-unknown"),
                            ((tmp_path / "out.zip", "--legacy", "--platform", "linux-x64", "--platform", "windows-x64"), "platform-one")):
        exit_code, said = dcc("build", "blender", *arguments)
        assert exit_code == 2 and f"[{code}]" in said
    assert list(tmp_path.iterdir()) == []


def test_a_set_of_wheels_with_numpy_or_without_a_part_is_refused():
    whole = [Path(f"{name.replace('-', '_')}-1.0-py3-none-any.whl") for name in (*wheels.REQUIREMENTS, "a2f-batch")]
    wheels.check(whole)
    for wrong, code in (([*whole, Path("numpy-1.26.4-cp311-cp311-win_amd64.whl")], "wheel-forbidden"), (whole[1:], "wheel-missing")):
        with pytest.raises(ExportError) as error:
            wheels.check(wrong)
        assert error.value.code == code


@pytest.mark.slow
def test_the_zip_for_all_platforms_is_whole_and_blenders_own_checker_accepts_it(tmp_path):
    zipped = tmp_path / "a2f_batch_blender.zip"
    code, said = dcc("build", "blender", zipped, "--constraints", blender_host.ROOT / "requirements/constraints.txt")
    assert code == 0 and "linux-x64, windows-x64, macos-arm64" in said
    with zipfile.ZipFile(zipped) as packed:
        names, manifest = packed.namelist(), tomllib.loads(packed.read("blender_manifest.toml").decode())
    listed = {wheel.removeprefix("./") for wheel in manifest["wheels"]}
    assert listed == {name for name in names if name.endswith(".whl")} and manifest["platforms"] == list(wheels.PLATFORMS)
    assert not any("numpy" in name for name in names)
    for tag in ("manylinux", "win_amd64", "macosx"):
        assert {name.split("-")[0].removeprefix("wheels/") for name in listed if tag in name} >= {"onnxruntime", "soundfile", "soxr"}
    checker = next((Path(np.__file__).parents[1] / "bpy").glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    done = subprocess.run([sys.executable, checker, "validate", zipped], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_an_installed_extension_bakes_in_a_blender_that_has_nothing_else(tmp_path, line, monkeypatch):
    monkeypatch.setenv("BLENDER_USER_RESOURCES", str(tmp_path))
    code, said = dcc("install", "blender", "--version", "4.5")
    assert code == 0 and "with the library" in said
    monkeypatch.delenv("BLENDER_USER_RESOURCES")
    running = blender_host.isolated(tmp_path, ("enable", "bl_ext.user_default.a2f_batch_blender"))
    try:
        assert "FINISHED" in running.installed, running.reports
        running.clean()
        running.character("Hero", MESHES)
        assert bake(running, audio=line) == ["FINISHED"]
        assert_baked(keys(running), library(line), 1 + np.arange(24))
        where = running.python("import a2f_batch, numpy, json\nanswer = [a2f_batch.__file__, numpy.__file__]")
        assert str(tmp_path / "extensions") in where[0] and str(tmp_path / "extensions") not in where[1], json.dumps(where)
    finally:
        running.close()
