"""The Maya module and its stand-in, against the field's stubs of Maya's commands: every command, flag and class that they use is there."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import threading
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.dcc import fake_maya
from tests.dcc.fake_maya import commands, interface

ROOT = Path(__file__).parents[2]
PLUGIN = sorted((ROOT / "dcc_plugins/maya").rglob("*.py"))
OLD_PYTHON = sorted([*PLUGIN, *(ROOT / "dcc_plugins/shared").glob("*.py"), *(ROOT / "tests/dcc/fake_maya").glob("*.py")])
STUBS = Path(str(distribution("maya-stubs").locate_file("maya-stubs")))


@cache
def stub_commands():
    """Return command -> its flags."""
    found = {}
    for node in ast.parse((STUBS / "cmds/__init__.pyi").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, set()).update(argument.arg for argument in node.args.kwonlyargs)
    return found


@cache
def stub_classes(module):
    """Return class -> its members, those of its bases in the module too."""
    body = ast.parse((STUBS / f"api/{module}.pyi").read_text("utf-8")).body
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}

    def members(node):
        own = {item.name if isinstance(item, ast.FunctionDef) else getattr(getattr(item, "target", None), "id", "") for item in node.body}
        return own.union(*(members(classes[base.id]) for base in node.bases if isinstance(base, ast.Name) and base.id in classes))

    return {name: members(node) for name, node in classes.items()}


def calls():
    """Yield (where, command, flags) of every call of `cmds` in the module."""
    for path in PLUGIN:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "cmds":
                yield f"{path.name}:{node.lineno}", node.func.attr, [keyword.arg for keyword in node.keywords]


def fake_flags():
    return {**commands.Commands._flags(), **{kind: tuple(flags) for kind, flags in interface.KINDS.items()}}


def test_every_command_and_flag_that_the_module_uses_is_maya_s():
    used = list(calls())
    assert len({command for _, command, _ in used}) > 40
    for where, command, flags in used:
        if command != "a2fSetKeys":  # the module's own
            assert command in stub_commands(), f"{where}: Maya has no {command}"
            assert set(flags) <= stub_commands()[command], f"{where}: {command} has no {set(flags) - stub_commands()[command]}"


def test_every_command_and_flag_of_the_stand_in_is_maya_s():
    for command, flags in fake_flags().items():
        if command == "redo":
            continue  # `cmds.redo` is there; the stubs' too, without flags
        wrong = set(flags) - stub_commands()[command]
        # A control's `exists`, `edit`, `query`, `parent` and `annotation` are stated once for all kinds.
        assert wrong <= ({"exists", "edit", "query", "parent", "annotation", "label", "adjustableColumn", "changeCommand"}
                         if command in interface.KINDS else set()), f"{command}: {wrong}"


def test_the_stand_in_has_no_command_that_the_module_does_not_use():
    assert set(fake_flags()) - {command for _, command, _ in calls()} == {"redo"}


def test_every_class_and_member_of_the_stand_in_s_api_is_maya_s():
    fake = fake_maya.Fake()
    for name, module in (("OpenMaya", fake_maya.openmaya.module(fake)), ("OpenMayaAnim", fake_maya.openmayaanim.module(fake))):
        for kind in [kind for kind in vars(module).values() if isinstance(kind, type)]:
            members = {member for member in vars(kind) if not member.startswith("_")}
            # What the stand-in keeps for itself.
            members -= {"attribute", "key", "kind"} if kind.__name__ in ("MPlug", "MTimeArray", "MDoubleArray") else set()
            assert members <= stub_classes(name)[kind.__name__] | ({"redoIt"} if kind.__name__ == "MPxCommand" else set()), kind


def test_constants_are_maya_s():
    stub = (STUBS / "api/OpenMayaAnim.pyi").read_text("utf-8") + (STUBS / "api/OpenMaya.pyi").read_text("utf-8")
    curve = fake_maya.openmayaanim.module(fake_maya.Fake()).MFnAnimCurve
    for name in ("kAnimCurveTA", "kAnimCurveTU", "kAnimCurveUnknown", "kTangentGlobal", "kTangentLinear"):
        assert re.search(rf"\b{name}: int = {getattr(curve, name)}\b", stub)
    for unit, name in (("film", "kFilm"), ("pal", "kPALFrame"), ("ntsc", "kNTSCFrame"), ("29.97fps", "k29_97FPS"), ("game", "kGames")):
        assert re.search(rf"\b{name}: int = {fake_maya.openmaya.UI_UNITS[unit]}\b", stub)


@pytest.fixture
def cmds():
    fake = fake_maya.install()
    fake.scene.add_mesh("Head", ["jawOpen"])
    yield fake.cmds
    for name in [name for name in sys.modules if name.split(".")[0] == "maya"]:
        del sys.modules[name]


@pytest.mark.parametrize("wrong", [
    lambda cmds: cmds.makeCoffee(), lambda cmds: cmds.objExists("Head", q=True), lambda cmds: cmds.objExists(3),
    lambda cmds: cmds.cutKey("Head_blend.jawOpen", time=3, clear=True), lambda cmds: cmds.undoInfo(openChunk="yes"),
    lambda cmds: cmds.getAttr("Head_blend.nose"), lambda cmds: cmds.nodeType("nobody"), lambda cmds: cmds.loadPlugin("none"),
    lambda cmds: cmds.button(label="outside of a window"), lambda cmds: cmds.textFieldGrp("nobody", query=True, text=True),
    lambda cmds: cmds.window("w", colour=3), lambda cmds: cmds.undo(), lambda cmds: cmds.a2fSetKeys(),
    lambda cmds: cmds.sound(file="/none.wav"), lambda cmds: cmds.file("x.anim", i=True, type="animImport")])
def test_the_stand_in_refuses_what_maya_refuses(wrong, cmds, monkeypatch):
    monkeypatch.setenv("MAYA_PLUG_IN_PATH", "")
    with pytest.raises((RuntimeError, TypeError, ValueError, AttributeError)):
        wrong(cmds)


def test_the_stand_in_refuses_commands_from_another_thread(cmds):
    caught = []

    def run():
        try:
            cmds.objExists("Head")
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "not thread-safe" in str(caught[0])


@pytest.mark.parametrize("path", OLD_PYTHON, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_module_s_syntax_is_python_3_7_s(path):
    ast.parse(path.read_text("utf-8"), feature_version=(3, 7))


@pytest.mark.slow
def test_the_module_uses_nothing_newer_than_python_3_7():
    command = [sys.executable, "-c", "import vermin; vermin.main()", "--target=3.7-", "--eval-annotations", "--no-tips", "--violations"]
    done = subprocess.run([*command, *map(str, OLD_PYTHON)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_mypy_has_no_word_against_the_module(tmp_path):
    # The stubs state as a command's result the union of all that its queries give, which fits nothing: results are left open here.
    stubs = tmp_path / "typings/maya"
    for path in STUBS.rglob("*.pyi"):
        text = path.read_text("utf-8")
        if path.parent.name == "cmds":
            text = re.sub(r"\) -> (?:Union|List|Any|str|int|bool|float|None)\b.*?: \.\.\.\n", ") -> Any: ...\n", text, flags=re.DOTALL)
            # Names are taken in lists too, says Maya's help; the stubs know single ones.
            text = text.replace("def select(\n    *args: str,", "def select(\n    *args: Any,")
        place = stubs / path.relative_to(STUBS)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\ncheck_untyped_defs = true\nwarn_unreachable = true\n")
    paths = [str(tmp_path / "typings"), str(ROOT / "dcc_plugins/maya/a2f_batch/scripts"), str(ROOT / "dcc_plugins/shared"), str(ROOT)]
    done = subprocess.run([sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"), *map(str, PLUGIN)], cwd=tmp_path,
                          env={**os.environ, "MYPYPATH": os.pathsep.join(paths)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_icon_is_as_its_script_draws_it():
    spec = importlib.util.spec_from_file_location("draw_icon", ROOT / "dcc_plugins/maya/draw_icon.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "dcc_plugins/maya/a2f_batch/icons/a2f_batch.png").read_bytes() == module.png()
