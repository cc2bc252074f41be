"""The Maya module in a strict stand-in: Maya itself can't run here."""

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a2f_batch.dcc.bake import LineRequest, speak
from a2f_batch.dcc.fit import fit
from tests.dcc.maya_session import LINE, ROOT, START, head, helper, session


@pytest.fixture
def maya(tmp_path):
    with session(tmp_path / "maya home") as fake:
        yield fake


@pytest.fixture(scope="module")
def spoken():
    return speak(LineRequest(LINE, "24")).clip


def settings(nodes, **options):
    from a2f_batch_maya import baking

    return baking.Settings(nodes, audio=str(LINE), start=START, **options)


def bake(nodes, **options):
    from a2f_batch_maya import baking

    return baking.bake(settings(nodes, **options))


def assert_keyed(maya, nodes, clip, start=START, step=1.0):
    meshes = fit(clip, [maya.cmds.listAttr(node + ".weight", multi=True) for node in nodes]).meshes
    for node, mesh in zip(nodes, meshes, strict=True):
        for i, target in enumerate(mesh.targets):
            frames, values = zip(*maya.scene.keys(f"{node}.{target}").items(), strict=True)
            np.testing.assert_allclose(frames, start + step * np.arange(clip.n_frames), atol=1e-6)  # a tick is 2e-7 of a frame
            np.testing.assert_array_equal(np.float32(values), mesh.values[:, i])
            curve = maya.scene.nodes[maya.scene.sources[node + "." + maya.scene.find(f"{node}.{target}")[1]]]
            assert {key[2:] for key in curve["keys"]} == {(2, 2)}  # linear


def test_a_line_is_keyed_on_every_mesh_of_the_character_as_the_library_says(maya, spoken):
    from a2f_batch_maya import faces

    nodes = head(maya)
    assert faces.of_selection() == nodes  # the teeth are selected: the whole character is meant
    report = bake(nodes)
    assert_keyed(maya, nodes, spoken)
    assert f"{spoken.n_frames} frames on 52 curves" in report.text
    assert report.match["unmatched_targets"] == ["TongueOut", "Teeth_extra", "brim", "weight[1]"]


def test_one_undo_takes_the_line_back_and_redo_brings_it_again(maya):
    nodes = head(maya)
    maya.scene.set_keys("Head_blend.JawOpen", {1: 0.3, 15: 0.4, 500: 0.5})
    before = maya.scene.snapshot()
    bake(nodes, sound=True)
    after = maya.scene.snapshot()
    for _ in range(2):
        maya.cmds.undo()
        assert maya.scene.snapshot() == before
        maya.cmds.redo()
        assert maya.scene.snapshot() == after
    assert len(maya.scene.done) == 1


def test_a_second_bake_does_not_pile_up(maya, spoken):
    nodes = head(maya)
    bake(nodes, sound=True)
    once = {plug: maya.scene.nodes[curve]["keys"] for plug, curve in maya.scene.sources.items()}
    bake(nodes, sound=True)
    assert {plug: maya.scene.nodes[curve]["keys"] for plug, curve in maya.scene.sources.items()} == once
    assert len(maya.cmds.ls(type="audio")) == 1


@pytest.mark.parametrize("existing", ["replace", "move"])
def test_keys_that_are_there_give_way_or_move_behind_the_line(existing, maya, spoken):
    nodes, plug = head(maya), "Head_blend.JawOpen"
    end = START + spoken.n_frames - 1
    maya.scene.set_keys(plug, {1: 0.1, START: 0.2, end: 0.3, end + 1: 0.4, 900: 0.5})
    bake(nodes, existing=existing)
    found = maya.scene.keys(plug)
    line = {START + i: float(value) for i, value in enumerate(spoken["jawOpen"])}
    length = spoken.n_frames
    others = {1: 0.1, end + 1: 0.4, 900: 0.5} if existing == "replace" else {
        1: 0.1, START + length: 0.2, end + length: 0.3, end + 1 + length: 0.4, 900 + length: 0.5}
    assert found == pytest.approx({**others, **line})


def test_keys_of_another_rate_lie_at_their_times_in_the_scene(maya):
    nodes = head(maya)
    maya.scene.time_unit = "ntsc"
    bake(nodes, fps="29.97")
    assert_keyed(maya, nodes, speak(LineRequest(LINE, "29.97")).clip, step=1001 / 1000)


def test_a_scene_without_a_frame_rate_is_refused(maya):
    nodes = head(maya)
    maya.scene.time_unit = "millisec"
    with pytest.raises(Exception, match="time unit 'millisec'"):
        bake(nodes)


def test_what_is_locked_or_driven_is_left_alone_and_told(maya):
    nodes = head(maya)
    maya.scene.nodes["Head_blend"]["lock:weight[17]"] = True
    maya.scene.add("combinationShape", "combo")
    maya.scene.sources["Head_blend.weight[18]"] = "combo"
    report = bake(nodes)
    assert not maya.scene.keys("Head_blend.JawOpen") and maya.scene.sources["Head_blend.weight[18]"] == "combo"
    assert report.warnings == [
        "Left alone: Head_blend.JawOpen is locked, Head_blend.MouthClose is driven by combo (combinationShape)."]


def test_if_a_key_can_not_be_set_nothing_is(maya, monkeypatch):
    from a2f_batch_maya import keys

    nodes = head(maya)
    maya.scene.set_keys("Head_blend.JawOpen", {1: 0.1, START: 0.2})
    before = maya.scene.snapshot()
    hand_over = keys.hand_over
    monkeypatch.setattr(keys, "hand_over", lambda job: hand_over(keys.Job(job.frames, [*job.curves[:9], ("Head_blend.gone", [0.0])])))
    with pytest.raises(RuntimeError, match="gone"):
        bake(nodes)
    assert maya.scene.snapshot() == before


def test_the_command_by_hand_says_who_calls_it(maya):
    head(maya)
    maya.cmds.loadPlugin("a2f_set_keys.py", quiet=True)
    with pytest.raises(RuntimeError, match="not by hand"):
        maya.cmds.a2fSetKeys()


# Joints.

def world(angles, kept):
    """Return the world rotation of a joint, by another's arithmetic."""
    rest = kept["rest"]
    own = Rotation.from_euler(rest["order"], [angles["xyz".index(axis)] for axis in rest["order"]])
    return Rotation.from_matrix(np.reshape(rest["parent"], (4, 4))[:3, :3].T) * Rotation.from_euler("xyz", rest["orient"]) * own


def test_head_and_eyes_turn_on_top_of_their_rest_pose(maya, spoken):
    from a2f_batch_maya import joints, mapping

    seed = random.randrange(2**32)
    print("seed", seed)
    rng = np.random.default_rng(seed)
    nodes = head(maya)
    parent = np.eye(4)
    parent[:3, :3] = 2 * Rotation.random(random_state=seed).as_matrix().T
    parent[3, :3] = rng.normal(size=3)
    maya.scene.add_joint("neck_joint", "Hero", rotate=rng.uniform(-40, 40, 3).tolist(), orient=rng.uniform(-90, 90, 3).tolist(),
                         order=int(rng.integers(6)), matrix=parent.ravel().tolist())
    maya.scene.add_joint("eye_group", "Hero", kind="transform")
    kept = {"Head": joints.captured("neck_joint"), "LeftEye": joints.captured("eye_group")}
    mapping.save(nodes, {}, kept)
    maya.scene.nodes["neck"] = maya.scene.nodes.pop("neck_joint")  # renamed since
    before = maya.scene.snapshot()
    for _ in range(2):  # the second bake turns from the same pose
        bake(nodes, rotations=True)
        for node, joint, name in (("neck", "Head", "Head"), ("eye_group", "LeftEye", "LeftEye")):
            keyed = np.array([list(maya.scene.keys(f"{node}.rotate{axis}").values()) for axis in "XYZ"]).T
            assert len(keyed) == spoken.n_frames
            assert np.ptp(keyed, axis=0).max() > math.radians(0.2) or joint != "Head"
            rest = world(kept[joint]["rest"]["rotate"], kept[joint])
            turns = spoken.select([name + angle for angle in ("Yaw", "Pitch", "Roll")], missing=0.0).values
            for frame in rng.integers(0, spoken.n_frames, 8):
                wanted = Rotation.from_euler("zxy", turns[frame][[2, 1, 0]]) * rest
                assert (world(keyed[frame], kept[joint]) * wanted.inv()).magnitude() < 1e-5  # float32 angles
    maya.cmds.undo()
    maya.cmds.undo()
    assert maya.scene.snapshot() == before


def test_a_joint_that_is_constrained_is_left_alone(maya):
    from a2f_batch_maya import joints, mapping

    nodes = head(maya)
    maya.scene.add_joint("neck_joint", "Hero")
    mapping.save(nodes, {}, {"Head": joints.captured("neck_joint")})
    maya.scene.add("orientConstraint", "aim")
    maya.scene.sources["neck_joint.rotateY"] = "aim"
    assert bake(nodes, rotations=True).warnings == ["Left alone: |Hero|neck_joint.rotateY is driven by aim (orientConstraint)."]
    assert maya.scene.keys("neck_joint.rotateX") == {}


def test_angles_of_a_scene_in_radians_are_understood(maya):
    from a2f_batch_maya import joints

    maya.scene.add_joint("neck_joint", rotate=(0.5, 0, 0))
    in_degrees = joints.captured("neck_joint")["rest"]["rotate"]
    maya.scene.angle_unit = "rad"
    assert in_degrees[0] == pytest.approx(math.radians(0.5)) and joints.captured("neck_joint")["rest"]["rotate"][0] == 0.5


# The window.

@pytest.fixture
def window(maya):
    from a2f_batch_maya import show

    nodes = head(maya)
    shown = show()
    maya.ui.press("From selection")
    maya.ui.chosen_files.append(str(LINE))
    maya.ui.press_beside("Sound")
    maya.ui.type("floatFieldGrp", "Start frame", START)
    assert shown.chosen_nodes() == nodes
    return shown


def test_the_button_bakes_in_a_helper_process_while_maya_stays_alive(maya, window, spoken, tmp_path):
    maya.ui.type("textFieldGrp", "Helper's Python", helper(tmp_path))
    maya.ui.press("Bake")
    assert maya.ui.progress is not None and not maya.scene.keys("Head_blend.JawOpen")
    with pytest.raises(Exception, match="being baked"):
        from a2f_batch_maya import baking

        baking.start(window.settings(), None)
    assert maya.idle.until(lambda: maya.ui.progress is None) > 5  # idle moments in which Maya answers
    assert_keyed(maya, window.chosen_nodes(), spoken)
    assert maya.ui.dialogues == []
    shares = [share for share, _ in maya.ui.progress_told]
    assert shares == sorted(shares) and "Loading the network" in {text for _, text in maya.ui.progress_told}
    rows = maya.ui.controls[window.table.list]["items"]
    assert {"jawOpen  ->  JawOpen  (spelling)", "jawOpen  ->  Jaw_Open  (spelling)"} <= set(rows)
    assert maya.ui.controls[window.table.idle]["label"] == "Driven by nothing: TongueOut, Teeth_extra, brim, weight[1]"


@pytest.mark.parametrize("how", ["Esc", "the button"])
def test_to_cancel_ends_a_bake_and_leaves_nothing(how, maya, window):
    before = maya.scene.snapshot()
    maya.ui.press("Bake")
    if how == "Esc":
        maya.ui.cancelled = True
    else:
        maya.ui.press("Cancel")
    maya.idle.until(lambda: maya.ui.progress is None)
    assert maya.scene.snapshot() == before
    assert any("cancelled" in warning for warning in maya.warnings)
    maya.ui.cancelled = False
    maya.ui.press("Bake")  # the next one starts
    maya.idle.until(lambda: maya.ui.progress is None)
    assert maya.scene.keys("Head_blend.JawOpen")


def test_a_face_that_changes_meanwhile_is_not_written_on(maya, window):
    maya.ui.press("Bake")
    aliases = maya.scene.nodes["Head_blend"]["aliases"]
    maya.scene.nodes["Head_blend"]["aliases"] = ("renamed", *aliases[1:])
    maya.idle.until(lambda: maya.ui.progress is None)
    assert "was changed" in maya.ui.dialogues[0] and not maya.scene.keys("Teeth_blend.Jaw_Open")


def test_the_mapping_is_changed_in_the_table_and_saved_with_the_face(maya, window, spoken):
    row = next(i for i, (channel, *_) in enumerate(window.table.rows) if channel == "jawOpen")
    maya.ui.mark(window.table.list, row)
    maya.ui.type("textFieldGrp", "Target", "brim")
    maya.ui.type("floatFieldGrp", "Gain", 0.5)
    maya.ui.press("Drive one more target with this channel")
    saved = json.loads(maya.cmds.getAttr("Head_blend.a2fMapping"))
    assert saved["map"]["jawOpen"]["brim"] == 0.5 and saved["map"]["jawOpen"]["JawOpen"] == 1.0
    maya.ui.press("Bake")
    maya.idle.until(lambda: maya.ui.progress is None)
    np.testing.assert_allclose(list(maya.scene.keys("Hat_blend.brim").values()), spoken["jawOpen"] * np.float32(0.5), rtol=1e-6)
    maya.cmds.undo()
    maya.cmds.undo()
    assert not maya.scene.nodes["Head_blend"].get("a2fMapping")


def test_a_target_that_the_face_lacks_is_refused_and_not_saved(maya, window):
    maya.ui.mark(window.table.list, 0)
    maya.ui.type("textFieldGrp", "Target", "browny")
    maya.ui.press("Change the row")
    assert "'browny', which the character has not" in maya.ui.dialogues[0]
    assert "a2fMapping" not in maya.scene.nodes["Head_blend"]


@pytest.mark.parametrize("text", ["{", "[]", '{"map": {}}', '{"map": {}, "joints": {"Head": {}}}', '{"map": [1], "joints": {}}'])
def test_a_saved_mapping_that_is_none_is_told(text, maya, window):
    maya.cmds.addAttr("Teeth_blend", longName="a2fMapping", dataType="string")
    maya.cmds.setAttr("Teeth_blend.a2fMapping", text, type="string")
    maya.ui.press("Bake")
    assert "saved on 'Teeth_blend' can't be read" in maya.ui.dialogues[0]


def test_a_joint_is_chosen_from_the_selection_and_forgotten_without_one(maya, window):
    maya.scene.add_joint("neck_joint", "Hero")
    maya.scene.selection = ("neck_joint",)
    maya.ui.press("Head: from selection")
    assert maya.ui.controls[window.joints]["label"] == "Head: neck_joint"
    maya.scene.selection = ()
    maya.ui.press("Head: from selection")
    assert maya.ui.controls[window.joints]["label"] == ""


@pytest.mark.parametrize(("kind", "field", "value", "told"), [
    ("textFieldGrp", "Profile", "loud", "no profile 'loud'"), ("textFieldGrp", "Emotion", "hangry", "hangry"),
    ("textFieldButtonGrp", "Sound", "/none.wav", "none.wav"), ("textFieldButtonGrp", "Sound", "", "No sound is chosen"),
    ("textFieldGrp", "Keys a second", "many", "'many' is not a number"), ("textFieldGrp", "Engine", "none.json", "none.json")])
def test_what_is_wrong_is_told_in_a_dialogue(kind, field, value, told, maya, window):
    before = maya.scene.snapshot()
    maya.ui.type(kind, field, value)
    maya.ui.press("Bake")
    maya.idle.until(lambda: maya.ui.progress is None)
    assert told in maya.ui.dialogues[0] and "Traceback" not in maya.ui.dialogues[0]
    assert maya.scene.snapshot() == before


def test_no_python_with_the_library_is_told(maya, monkeypatch):
    import a2f_client
    from a2f_batch_maya import library

    monkeypatch.setattr(a2f_client, "importable", lambda: False)
    assert library.helper_python() == sys.executable  # what the installer left
    monkeypatch.delenv("A2F_BATCH_PYTHON")
    with pytest.raises(Exception, match="neither in this Maya's Python"):
        library.helper_python()


def test_in_batch_mode_a_script_bakes_at_once(tmp_path, spoken):
    with session(tmp_path / "maya", batch=True) as fake:
        from a2f_batch_maya import baking

        nodes, reports = head(fake), []
        baking.start(settings(nodes), lambda report, error: reports.append((report, error)))
        assert reports[0][1] is None
        assert_keyed(fake, nodes, spoken)


# Installed by hand; in an old Python.

def test_a_dropped_file_installs_the_module_and_adds_one_button(tmp_path):
    with session(tmp_path / "first") as maya:
        sys.path.pop(0)
        os.environ.pop("MAYA_PLUG_IN_PATH")
        home = tmp_path / "second"
        maya.options["userAppDir"] = str(home)
        for _ in range(2):
            scope = {"__file__": str(ROOT / "dcc_plugins/maya/drop_into_maya.py"), "__name__": "drop_into_maya"}
            exec(compile((ROOT / "dcc_plugins/maya/drop_into_maya.py").read_bytes(), scope["__file__"], "exec"), scope)
            scope["onMayaDroppedPythonFile"]("")
        assert (home / "modules/a2f_batch.mod").is_file() and (home / "modules/a2f_batch/scripts/a2f_client.py").is_file()
        assert maya.cmds.shelfLayout("Custom", query=True, childArray=True) == [maya.ui.find("shelfButton", "a2f_batch")]
        assert "Installed in" in maya.ui.dialogues[0] and "a2f_set_keys" in maya.plugins
        exec(maya.ui.controls[maya.ui.find("shelfButton", "a2f_batch")]["command"], {})
        assert maya.cmds.window("a2fBatchWindow", exists=True)


PYTHON37 = """
import json, sys
sys.path[:0] = [{scripts!r}, {tests!r}]
import fake_maya
fake = fake_maya.install()
from a2f_batch_maya import baking, library, window
blend = fake.scene.add_mesh("Head", ["jawOpen", "mouthClose"])
fake.scene.selection = ("Head",)
window.show()
fake.ui.press("From selection")
fake.ui.type("textFieldButtonGrp", "Sound", {line!r})
fake.ui.press("Bake")
fake.idle.until(lambda: fake.ui.progress is None)
assert not fake.ui.dialogues, fake.ui.dialogues
print("KEYS", json.dumps(list(fake.scene.keys(blend + ".jawOpen").values())))
"""


def python37():
    """Return a Python 3.7, as Maya 2022 has.

    Raises:
        AssertionError: this machine has none.
    """
    for name in ("python3.7", *map(str, Path.home().glob(".pyenv/versions/3.7.*/bin/python"))):
        try:
            if subprocess.run([name, "--version"], capture_output=True, check=False).returncode == 0:
                return name
        except OSError:
            pass
    raise AssertionError("Install what this test needs, a Python 3.7: pyenv install 3.7")


@pytest.mark.python37
def test_in_maya_2022_s_python_the_library_answers_from_a_helper_process(tmp_path, spoken):
    with session(tmp_path / "maya") as maya:
        scripts = str(tmp_path / "maya/modules/a2f_batch/scripts")
        plugins, program = os.environ["MAYA_PLUG_IN_PATH"], helper(tmp_path)
        assert maya.plugins == {}
    done = subprocess.run([python37(), "-c", PYTHON37.format(scripts=scripts, tests=str(ROOT / "tests/dcc"), line=str(LINE))], timeout=120,
                          env={**os.environ, "A2F_BATCH_PYTHON": program, "MAYA_PLUG_IN_PATH": plugins, "PYTHONPATH": ""},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    keyed = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("KEYS"))[5:])
    np.testing.assert_array_equal(np.float32(keyed), spoken["jawOpen"])
