"""The bridge between the add-ons and the library: one JSON request, lines of JSON back; in process and by a real helper process."""

import base64
import copy
import importlib.util
import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import numpy as np
import psutil
import pytest
import soundfile

from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.dcc import bridge
from a2f_batch.dcc.bake import LineRequest, speak
from a2f_batch.dcc.fit import fit
from a2f_batch.errors import A2FError
from a2f_batch.names import ARKIT_52
from tests.dcc.maya_session import LINE, ROOT, helper

SCHEMA = json.loads((ROOT / "a2f_batch/dcc/bridge.schema.json").read_text("utf-8"))
MESHES = [["jawOpen", "Mouth_Close", "browDown_L", "hat"], ["Teeth.jawOpen"], []]
REST = {"rotate": [0.1, 0, 0], "order": "zyx", "orient": [0, 0, 1.5], "up": "z",
        "parent": [1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 3, 4, 5, 1]}


def validator(part):
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{part}", **SCHEMA})


@pytest.fixture(scope="module")
def client():
    spec = importlib.util.spec_from_file_location("a2f_client", ROOT / "dcc_plugins/shared/a2f_client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(folder, body):
    """Write a program that stands in for the helper's Python."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def refused(request):
    """Return the code with which a request is refused; None if it is answered."""
    try:
        bridge.answer(request)
    except A2FError as error:
        return error.code
    return None


def served(text):
    """Return the events and the exit code that `text` on standard input gives."""
    out = io.StringIO()
    code = bridge.serve(io.TextIOWrapper(io.BytesIO(text if isinstance(text, bytes) else text.encode()), encoding="utf-8"), out)
    return [json.loads(line) for line in out.getvalue().splitlines()], code


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("sound", ["mp3", pytest.param("wav", marks=pytest.mark.slow)])
def test_the_helper_says_what_this_process_says(sound, tmp_path, client):
    audio = tmp_path / f"Zeile – 台詞.{sound}"
    shutil.copy(LINE if sound == "wav" else ROOT / "manifests/audio/stall_offer.en-GB.mp3", audio)
    request = {"command": "bake", "audio": str(audio), "fps": "30000/1001", "emotion": "joy:0.6", "seed": 7, "meshes": MESHES,
               "map": {"jawOpen": {"jawOpen": 0.5, "hat": -0.25}}, "joints": {"Head": REST}}
    told = []
    by_helper = client.ask(request, helper(tmp_path), lambda text, share: told.append((text, share)))
    here = client.ask(request)
    assert {name: value for name, value in by_helper.items() if name != "event"} == here
    assert [share for _, share in told] == sorted(share for _, share in told) and len(told) == 4
    clip = speak(LineRequest(audio, "29.97", emotion="joy:0.6", seed=7)).clip
    for mesh, wanted in zip(here["meshes"], fit(clip, MESHES, user_map=request["map"]).meshes, strict=True):
        assert mesh["targets"] == list(wanted.targets)
        np.testing.assert_array_equal(np.array(client.floats(mesh["values"])).reshape(here["frames"], -1), wanted.values)
    assert set(here["angles"]) == {"Head"} and {"Head", "LeftEye"} <= set(here["rotations"])
    assert len(client.floats(here["angles"]["Head"])) == 3 * here["frames"]


def test_every_line_that_the_helper_says_is_as_the_schema_has_it(tmp_path):
    request = {"a2f_bridge": 1, "command": "bake", "audio": str(LINE), "meshes": MESHES, "joints": {"LeftEye": {}}}
    validator("request").validate(request)
    done = subprocess.run([sys.executable, "-m", "a2f_batch", "bridge"], input=json.dumps(request), capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    *progress, last = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0 and done.stderr == ""
    assert [event["step"] for event in progress] == ["load", "decode", "infer", "post"]
    for event in progress:
        validator("progress").validate(event)
    validator("baked").validate(last)
    assert len(base64.b64decode(last["meshes"][0]["values"])) == 4 * last["frames"] * len(last["meshes"][0]["targets"])


@pytest.mark.parametrize(("request_", "part"), [({"command": "describe"}, "describe"), ({"command": "match", "meshes": MESHES}, "matched")])
def test_short_questions_are_answered_as_the_schema_has_it(request_, part):
    (event,), code = served(json.dumps({"a2f_bridge": 1, **request_}))
    assert code == 0
    validator(part).validate(event)


def test_what_was_asked_and_not_done_is_told_in_sentences():
    asked = {"a2f_bridge": 1, "command": "bake", "audio": str(LINE), "meshes": MESHES}
    assert bridge.answer(asked)["warnings"] == []
    told = bridge.answer({**asked, "style": "shouted", "emotion": "joy", "profile": "raw"})["warnings"]
    assert [WARNINGS["style-not-honoured"], WARNINGS["emotion-not-honoured"]] == told


def test_the_menus_hold_a_project_s_own_profiles(tmp_path):
    (tmp_path / "a2f.toml").write_text('[profile.guard]\nextends = "default"\nwithout = ["accents"]\n')
    assert "guard" in bridge.answer({"a2f_bridge": 1, "command": "describe", "project": str(tmp_path / "a2f.toml")})["profiles"]
    assert bridge.answer({"a2f_bridge": 1, "command": "describe"})["time_units"]["29.97df"] == "30000/1001"


@pytest.mark.parametrize("text", [
    "", "\n", "no JSON", "[1]", "null", "[" * 100_000, b"\xff\xfe", '{"a2f_bridge": 1}', '{"a2f_bridge": 1, "command": ["bake"]}',
    '{"a2f_bridge": 1, "command": "bake", "meshes": [["a"]], "audio": "\\ud800.wav"}',
    '{"a2f_bridge": 1, "command": "bake", "meshes": [["a"]], "audio": "a\\u0000.wav"}',
    '{"a2f_bridge": 1, "command": "bake", "meshes": [["a"]], "fps": NaN}', '{"a2f_bridge": 1, "command": "match", "meshes": []}',
    '{"a2f_bridge": 1, "command": "match", "meshes": [["jawOpen"]], "map": {"jawOpen": {"jawOpen": Infinity}}}',
    '{"a2f_bridge": 1, "command": "rm"}', '{"a2f_bridge": 1, "command": "lines", "folder": 3}'])
def test_garbage_is_refused_with_a_word(text):
    (event,), code = served(text)
    validator("error").validate(event)
    assert code == 1 and event["code"] == "bridge-request"


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.5])
def test_another_version_is_refused(version):
    assert refused({"a2f_bridge": version, "command": "describe"}) == "bridge-version"


@pytest.mark.parametrize(("change", "code"), [
    ({"audio": "/none.wav"}, "audio-missing"), ({"audio": ""}, "audio-missing"), ({"profile": "loud"}, "profile-unknown"),
    ({"fps": "0"}, "fps"), ({"engine": "none"}, None), ({"emotion": "joy:7"}, None), ({"channel": "up"}, None),
    ({"project": "/none.toml"}, "project-unreadable"),
    ({"meshes": [["hat"]]}, "nothing-matched"), ({"map": {"jawOpen": "beard"}}, "map-target"), ({"map": {"hum": ""}}, "map-channel"),
    ({"joints": {"Head": {"parent": [0] * 16}}}, "joint-rest"), ({"joints": {"Head": {"rotate": [1]}}}, "joint-rest"),
    ({"joints": {"Head": {"order": "abc"}}}, "joint-rest")])
def test_what_is_wrong_has_its_own_code(change, code):
    found = refused({"a2f_bridge": 1, "command": "bake", "audio": str(LINE), "meshes": MESHES, **change})
    assert found == code if code else found not in (None, "internal", "bridge-request")


def test_the_bridge_takes_what_the_schema_takes():
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    # Sounds that are not there: what is well-formed gets as far as that.
    seeds = [{"command": "describe"}, {"command": "match", "meshes": [["jawOpen"]], "map": {"jawOpen": {"jawOpen": 1}}},
             {"command": "bake", "meshes": [["jawOpen"]], "audio": "/none.wav", "fps": 24, "seed": 3, "joints": {"Head": {"order": "xyz"}}},
             {"command": "lines", "folder": "/none"}, {"command": "open", "folder": "/none", "line": "a/b/c", "meshes": [[]]}]
    odd = [None, True, 0, -1, 1.5, 2**60, "", "x", [], [1], ["a"], [["a"]], [[1]], {}, {"a": 1}, {"jawOpen": "jawOpen"}, {"Head": {}},
           {"Head": {"order": 1}}, {"Head": {"parent": [1, "a"]}}, {"Nose": {}}, {"a": {"b": True}}]
    names = ["a2f_bridge", "command", *bridge._MEMBERS, "unheard_of"]
    taken = 0
    for _ in range(600):
        request = {"a2f_bridge": 1, **copy.deepcopy(rng.choice(seeds))}
        for _ in range(rng.randrange(3)):
            request.pop(rng.choice(list(request)), None)
        for _ in range(rng.randrange(3)):
            request[rng.choice(names)] = rng.choice(odd)
        valid = validator_of_requests.is_valid(request)
        code = refused(request)
        assert valid == (code not in ("bridge-request", "bridge-version")), (code, request)
        taken += valid
    assert taken > 50


validator_of_requests = validator("request")


# The client, and helpers that misbehave.

def test_a_python_that_is_not_there_is_told(client, tmp_path):
    with pytest.raises(client.Failed, match="can't be started") as caught:
        client.ask({"command": "describe"}, str(tmp_path / "none"))
    assert caught.value.code == "helper-missing"


def test_a_python_without_the_library_is_told(client, tmp_path):
    with pytest.raises(client.Failed, match="No module named") as caught:
        client.ask({"command": "describe"}, script(tmp_path, "sys.exit('/bin/python: No module named a2f_batch')"))
    assert caught.value.code == "helper-lost" and "-m a2f_batch --version" in caught.value.remedy


@pytest.mark.parametrize("body", ["import os; os.abort()", "", "print('{\"event\": \"progress\", \"step\": \"load\", \"share\": 0}')",
                                  "sys.stdout.buffer.write(b'\\xff\\xfe\\n[1]\\n\"done\"\\n{\"event\": 3}\\n')"])
def test_a_helper_that_dies_is_told(body, client, tmp_path):
    with pytest.raises(client.Failed) as caught:
        client.ask({"command": "describe"}, script(tmp_path, body))
    assert caught.value.code == "helper-lost"


def test_what_libraries_print_is_no_answer_and_a_long_line_is_one(client, tmp_path):
    body = "print('Warning: slow'); print('{\"event\": \"done\", \"long\": \"' + 'x' * 30_000_000 + '\"}')"
    assert len(client.ask({"command": "describe"}, script(tmp_path, body))["long"]) == 30_000_000


def test_an_older_helper_s_error_is_told(client, tmp_path):
    body = "print('{\"event\": \"error\", \"code\": \"bridge-version\", \"problem\": \"old\", \"remedy\": \"update\"}'); sys.exit(1)"
    with pytest.raises(client.Failed, match="old\nupdate") as caught:
        client.ask({"command": "describe"}, script(tmp_path, body))
    assert caught.value.code == "bridge-version"


def test_to_cancel_kills_the_helper_even_one_that_never_reads(client, tmp_path):
    pid = tmp_path / "pid"
    program = script(tmp_path, f"import os; open({str(pid)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(client.Cancelled):  # the request is larger than a pipe
        client.ask({"command": "match", "meshes": [["x" * 3_000_000]]}, program, cancelled=lambda: pid.exists() and "." in pid.read_text())
    assert time.monotonic() - start < 10
    assert not psutil.pid_exists(int(pid.read_text()[:-1]))


def test_to_cancel_at_a_progress_line_leaves_no_process(client, tmp_path):
    stop, before = threading.Event(), set(psutil.Process().children(recursive=True))
    with pytest.raises(client.Cancelled):
        client.ask({"command": "bake", "audio": str(LINE), "meshes": MESHES}, helper(tmp_path), lambda text, share: stop.set(), stop.is_set)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_to_cancel_in_this_process_stops_at_the_next_step(client):
    told = []
    with pytest.raises(client.Cancelled):
        client.ask({"command": "bake", "audio": str(LINE), "meshes": MESHES}, None, lambda text, share: told.append(text),
                   lambda: len(told) == 2)
    assert len(told) == 2


def test_a_host_that_is_gone_is_no_error(tmp_path):
    reading, writing = os.pipe()
    with subprocess.Popen([sys.executable, "-m", "a2f_batch", "bridge"], stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        os.close(reading)
        os.close(writing)
        _, said = process.communicate(b'{"a2f_bridge": 1, "command": "describe"}\n', timeout=60)
    assert b"Traceback" not in said and process.returncode == 1


def test_the_host_s_python_variables_are_not_the_helper_s(client, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/maya/python")
    monkeypatch.setenv("MAYA_LOCATION", "/maya")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/maya/lib")
    program = Path(tmp_path / "python")
    program.write_text('#!/bin/sh\nread line\necho "{\\"event\\": \\"done\\", \\"seen\\": \\"$PYTHONHOME$LD_LIBRARY_PATH\\"}"\n')
    program.chmod(0o755)
    assert client.ask({"command": "describe"}, str(program))["seen"] == ""


def test_the_host_s_interface_gets_its_turn_while_the_library_works(tmp_path, client):
    """One thread wakes up every 5 ms, as an interface would, while another bakes two minutes of speech onto four meshes."""
    wave, rate = soundfile.read(LINE)
    soundfile.write(tmp_path / "long.wav", np.resize(wave, 120 * rate), rate)
    request = {"command": "bake", "audio": str(tmp_path / "long.wav"), "meshes": [list(ARKIT_52)] * 4}
    speak(LineRequest(LINE))  # the library is loaded
    longest = []
    while not longest or (min(longest) >= 0.1 and len(longest) < 3):  # another program can hold up both
        worker = threading.Thread(target=client.ask, args=(request,))
        worker.start()
        woken = [time.perf_counter()]
        while worker.is_alive():
            time.sleep(0.005)
            woken.append(time.perf_counter())
        longest.append(max(np.diff(woken)))
        assert len(woken) > 20
    print(f"the longest waits of {len(longest)} bakes: {', '.join(f'{one:.3f} s' for one in longest)}")
    assert min(longest) < 0.1
