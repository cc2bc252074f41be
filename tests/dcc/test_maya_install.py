"""`a2f-batch dcc install maya`: the module where Maya looks for it, and away again."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from a2f_batch import __version__
from a2f_batch.cli import main
from a2f_batch.dcc import maya
from a2f_batch.errors import ExportError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("MAYA_APP_DIR", raising=False)
    return maya.app_folder()


def run(*arguments):
    return CliRunner().invoke(main, ["dcc", *arguments])


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("platform", "environment", "folder"), [
    ("linux", {"HOME": "/home/ada"}, "/home/ada/maya/2025/modules"),
    ("darwin", {"HOME": "/Users/ada"}, "/Users/ada/Library/Preferences/Autodesk/maya/2025/modules"),
    ("win32", {"USERPROFILE": "C:/Users/ada"}, "C:/Users/ada/Documents/maya/2025/modules"),
    ("win32", {"USERPROFILE": "C:/Users/ada", "MAYA_APP_DIR": "D:/maya"}, "D:/maya/2025/modules"),
    ("linux", {"HOME": "/home/ada", "MAYA_APP_DIR": "/net/maya"}, "/net/maya/2025/modules")])
def test_maya_looks_for_a_version_s_modules_there(platform, environment, folder):
    assert maya.modules_folder("2025", platform, environment) == Path(folder)
    assert maya.modules_folder(None, platform, environment) == Path(folder.replace("2025/", ""))


def test_the_module_is_copied_whole_and_told(home):
    done = run("install", "maya", "--version", "2025")
    assert done.exit_code == 0, done.output
    modules = home / "2025/modules"
    assert str(modules / "a2f_batch.mod") in done.output and sys.executable in done.output
    assert (modules / "a2f_batch.mod").read_text().splitlines() == [
        f"+ a2f_batch {__version__} ./a2f_batch", f"A2F_BATCH_PYTHON={sys.executable}"]
    found = files(modules / "a2f_batch")
    assert found == sorted(name for name, _ in maya.module_files())
    assert {"icons/a2f_batch.png", "plug-ins/a2f_set_keys.py", "scripts/a2f_batch_maya/window.py", "scripts/a2f_client.py"} <= set(found)
    assert files(modules) == ["a2f_batch.mod", *(f"a2f_batch/{name}" for name in found)]


def test_without_a_version_every_maya_finds_it(home):
    assert run("install", "maya").exit_code == 0
    assert (home / "modules/a2f_batch.mod").is_file()


def test_an_earlier_one_gives_way_whole(home):
    run("install", "maya")
    (home / "modules/a2f_batch/scripts/a2f_batch_maya/removed_since.py").write_text("")
    (home / "modules/other.mod").write_text("+ other 1 .\n")
    assert run("install", "maya").exit_code == 0
    assert not (home / "modules/a2f_batch/scripts/a2f_batch_maya/removed_since.py").exists()
    assert (home / "modules/other.mod").is_file()


def test_a_linked_module_is_this_installation_s(home):
    done = run("install", "maya", "--link")
    assert done.exit_code == 0 and not (home / "modules/a2f_batch").exists()
    first, path, _ = (home / "modules/a2f_batch.mod").read_text().splitlines()
    assert (Path(first.split(" ", 3)[3]) / "scripts/a2f_batch_maya/__init__.py").is_file()
    assert (Path(path.removeprefix("PYTHONPATH+=")) / "a2f_client.py").is_file()


def test_it_is_taken_away_from_wherever_it_is(home):
    for version in ("2024", "2026"):
        run("install", "maya", "--version", version)
    run("install", "maya", "--link")
    done = run("uninstall", "maya", "--version", "2024")
    assert done.exit_code == 0 and files(home / "2024") == []
    done = run("uninstall", "maya")
    assert done.output.count("Removed") == 2 and files(home) == []
    done = run("uninstall", "maya")
    assert done.exit_code == 0 and "nothing to remove" in done.output


@pytest.mark.parametrize("version", ["2021", "20x5", "../2025", "4.5", ""])
def test_a_version_that_maya_has_not_is_refused(version, home):
    done = run("install", "maya", "--version", version)
    assert done.exit_code == 2 and "host-version" in done.output and not home.exists()


def test_a_place_that_can_not_be_written_is_told_and_nothing_is_lost(home, monkeypatch):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file, no folder")
    with pytest.raises(ExportError, match="can't be put") as caught:
        maya.install(None)
    assert caught.value.code == "output-unwritable" and home.read_text() == "a file, no folder"


def test_versions_are_stated_alike():
    assert (ROOT / "dcc_plugins/maya/a2f_batch.mod").read_text() == f"+ a2f_batch {__version__} ./a2f_batch\n"
    plugin = (ROOT / "dcc_plugins/maya/a2f_batch/plug-ins/a2f_set_keys.py").read_text()
    assert re.search(r'"a2f_batch", "([^"]+)"', plugin)[1] == __version__
