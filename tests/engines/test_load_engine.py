"""Loading an engine: what is found by name, and what every bad file, argument or installation is told."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from importlib import metadata

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import a2f_batch.engines
from a2f_batch.engines import available_weights, load_engine, register
from a2f_batch.engines.description import read_description
from a2f_batch.engines.onnx_file import NotOnnxError, external_tensors
from a2f_batch.errors import EngineError
from a2f_batch.resources import resource_folder
from tests.engines import tiny_onnx


@pytest.fixture
def write(tmp_path):
    """A function that writes a description and its network, and returns the description's path."""

    def write(model=None, **keys):
        (tmp_path / "tiny.json").write_text(json.dumps({"engine": "unitalker", "channels": "unitalker51", **keys}))
        tiny_onnx.save(model or tiny_onnx.network(), tmp_path / "tiny.onnx")
        return tmp_path / "tiny.json"

    return write


def refusal(path, **options):
    """The error that loading `path` ends in; it has to have a remedy, and no traceback's worth of lines."""
    with pytest.raises(EngineError) as caught:
        load_engine(path, **{"device": "cpu", **options})
    assert caught.value.remedy
    assert len(str(caught.value).splitlines()) == 2
    return caught.value


def test_the_shipped_descriptions_are_in_order():
    for path in resource_folder("weights").glob("*.json"):
        description = read_description(path)
        assert description.name == path.stem
        assert description.licence
        assert description.source


def test_the_description_of_unitalker_base_is_there_for_whoever_owns_the_file(tmp_path):
    name = "unitalker_v0.4.0_base"
    assert name in available_weights()
    shutil.copy(resource_folder("weights") / f"{name}.json", tmp_path)
    error = refusal(tmp_path / f"{name}.json")
    assert error.code == "weights-missing"
    assert f"{name}.onnx" in error.remedy
    tiny_onnx.save(tiny_onnx.network(), tmp_path / f"{name}.onnx")  # a network of that contract
    engine = load_engine(tmp_path / f"{name}.json", device="cpu")
    assert len(engine.names) == 51
    assert engine.description.sha256 is None


def test_a_name_is_looked_up_in_the_weights_folder_and_embedded_is_its_alias(write, monkeypatch):
    path = write()
    for stem in ("embedded_v2", "mine"):
        shutil.copy(path, path.with_name(f"{stem}.json"))
        shutil.copy(path.with_suffix(".onnx"), path.with_name(f"{stem}.onnx"))
    monkeypatch.setattr(a2f_batch.engines, "resource_folder", lambda name: path.parent)
    assert load_engine(device="cpu").description.name == "embedded_v2"
    assert load_engine("embedded", device="cpu").description.name == "embedded_v2"
    assert load_engine("mine", device="cpu").description.name == "mine"


def test_an_unknown_name_is_told_what_there_is():
    error = refusal("embeded")
    assert error.code == "weights-unknown"
    assert "embedded" in error.remedy
    assert "unitalker_v0.4.0_base" in error.remedy


def test_keys_that_nobody_knows_are_kept(write):
    assert read_description(write(mood={"a": [1]})).content["mood"] == {"a": [1]}


def test_every_default_is_filled_in(write):
    description = read_description(write())
    assert (description.name, description.weights.name, description.sha256, description.sample_rate) == ("tiny", "tiny.onnx", None, 16000)
    assert (description.min_fps, description.max_fps, dict(description.emotions), description.batch) == (1, 240, {"neutral": 10}, False)


@pytest.mark.parametrize(("content", "code", "word"), [
    (None, "description-missing", "does not exist"),
    (b"", "description-invalid", "not JSON"),
    (b"\x08\x08\x00weights", "description-invalid", "not JSON"),
    (b"\xff\xfe\xfa", "description-invalid", "not JSON"),
    (b"[" * 100000, "description-invalid", "not JSON"),
    (b"[1]", "description-invalid", "list"),
    (b"{}", "description-invalid", "'engine'"),
    (b'{"engine": "unitalker"}', "description-invalid", "'channels'"),
    (b'{"engine": "pixiedust"}', "engine-unknown", "pixiedust"),
    (b'{"encoder": "wavlm"}', "description-invalid", "heads"),
])
def test_a_description_that_is_none_is_refused(tmp_path, content, code, word):
    path = tmp_path / "net.json"
    if content is not None:
        path.write_bytes(content)
    error = refusal(path)
    assert error.code == code
    assert word in error.problem
    assert "net.json" in error.problem


@pytest.mark.parametrize(("key", "value"), [
    ("name", ""), ("name", 3), ("engine", None), ("licence", []), ("sha256", "12"), ("sha256", 7), ("sample_rate", 0),
    ("sample_rate", True), ("sample_rate", "16000"), ("channels", "pixies"), ("channels", ["jawOpen", "jawOpen"]), ("channels", [1]),
    ("channels", {}), ("fps", 30), ("fps", {"min": 0}), ("fps", {"max": "x"}), ("fps", {"min": 60, "max": 24}), ("fps", {"min": True}),
    ("emotions", {}), ("emotions", {"joy": 1}), ("emotions", {"neutral": "10"}), ("emotions", [10]), ("emotions", {"neutral": 2**40}),
    ("batch", 1), ("inputs", {"audio": 0}), ("inputs", "audio"), ("output", 0),
])
def test_a_wrong_value_is_refused_with_its_key(write, key, value):
    error = refusal(write(**{key: value}))
    assert error.code == "description-invalid"
    assert key in error.problem


@pytest.mark.parametrize("place", ["../tiny.onnx", "/etc/passwd", "sub/tiny.onnx", "..\\tiny.onnx", "C:tiny.onnx", "..", "", "a\0b",
                                   "x.onnx:s"])
def test_weights_lie_beside_their_description_and_nowhere_else(write, place):
    error = refusal(write(weights=place))
    assert error.code == "description-invalid"
    assert "weights" in error.problem


def test_a_checksum_is_checked(write):
    path = write()
    right = hashlib.sha256(path.with_suffix(".onnx").read_bytes()).hexdigest()
    assert load_engine(write(sha256=right.upper()), device="cpu").weights_sha256 == right
    error = refusal(write(sha256="0" * 64))
    assert error.code == "weights-checksum"
    assert right in error.problem
    assert "0" * 64 in error.problem


def test_a_file_that_is_no_whole_onnx_file_is_refused(write):
    path = write()
    whole = path.with_suffix(".onnx").read_bytes()
    contents = [b"", b"\0" * 100, b"not a network " * 50, bytes(range(256)) * 20, b"PK\x03\x04" + bytes(500),
                *(whole[:len(whole) * part // 17] for part in range(1, 17)), whole[:-1]]
    for content in contents:
        path.with_suffix(".onnx").write_bytes(content)
        error = refusal(path)
        assert error.code == "weights-not-onnx", content[:20]
        assert "tiny.onnx" in error.problem


def test_a_network_that_onnxruntime_does_not_know_is_refused(write):
    model = tiny_onnx.network()
    model.graph.node[0].op_type = "Pixie"
    error = refusal(write(model))
    assert error.code == "weights-not-onnx"
    assert "Pixie" in error.problem


@pytest.mark.parametrize(("changes", "words"), [
    ({"audio": "input"}, ["'audio' float32 [1, N]", "'input' float32 [1, N]"]),
    ({"time_steps": "frames"}, ["'time_steps' int32 [1]", "'frames'"]),
    ({"emo_id": "style"}, ["'emo_id' int32 [1]", "'style'"]),
    ({"audio_type": TensorProto.DOUBLE}, ["'audio' float64 [1, N]", "'audio' float32 [1, N]"]),
    ({"int_type": TensorProto.INT64}, ["'emo_id' int64 [1]", "'emo_id' int32 [1]"]),
    ({"audio_shape": (1, 8000)}, ["[1, 8000]", "[1, N]"]),
    ({"audio_shape": (4, "N")}, ["[4, N]", "[1, N]"]),
])
def test_inputs_that_differ_from_the_contract_are_named_with_type_and_shape(write, changes, words):
    error = refusal(write(tiny_onnx.network(**changes)))
    assert error.code == "weights-inputs"
    for word in words:
        assert word in error.problem


def test_an_input_beyond_the_contract_is_refused(write):
    model = tiny_onnx.network()
    model.graph.input.append(helper.make_tensor_value_info("style", TensorProto.INT64, [1]))
    error = refusal(write(model))
    assert error.code == "weights-inputs"
    assert "'style'" in error.problem


def test_a_description_can_give_the_inputs_other_names(write):
    path = write(tiny_onnx.network(audio="wav", time_steps="frames"), inputs={"audio": "wav", "time_steps": "frames"}, output="output")
    assert load_engine(path, device="cpu").names[0] == "eyeBlinkLeft"


@pytest.mark.parametrize("declared", [None, "C"])
def test_another_number_of_channels_is_refused_whether_the_file_declares_it_or_not(write, declared):
    error = refusal(write(tiny_onnx.network(channels=52, declared_channels=declared)))
    assert error.code == "weights-outputs"
    assert "52" in error.problem
    assert "51" in error.problem


def test_a_list_of_names_stands_as_it_is(write):
    names = ["jawOpen", "a", "b", "c", "d", "mine"]
    assert load_engine(write(tiny_onnx.network(channels=6), channels=names), device="cpu").names == tuple(names)


def test_weights_that_are_not_numbers_are_refused(write):
    error = refusal(write(tiny_onnx.network(factor=float("nan"))))
    assert error.code == "weights-outputs"
    assert "finite" in error.problem


def test_a_network_that_gives_too_few_frames_is_refused(write):
    error = refusal(write(tiny_onnx.network(frames_lost=1)))
    assert error.code == "weights-outputs"
    assert "[1, 11, 51]" in error.problem


def test_an_output_that_is_not_there_is_refused(write):
    error = refusal(write(output="curves"))
    assert error.code == "weights-outputs"
    assert "'curves'" in error.problem


def with_external_tensor(place: str, length: int) -> onnx.ModelProto:
    model = tiny_onnx.network()
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "gains")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return model


@pytest.mark.parametrize("place", ["gains.bin", "../gains.bin", "{folder}/gains.bin", "*/_ORT_MEM_ADDR_/*"])
def test_a_network_that_keeps_tensors_in_other_files_is_refused_and_they_stay_closed(write, tmp_path, monkeypatch, place):
    secret = np.ones(51).tobytes()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for spot in (tmp_path, folder, folder / ".."):
        (spot / "gains.bin").write_bytes(secret)
    monkeypatch.chdir(folder)
    place = place.format(folder=tmp_path)
    error = refusal(write(with_external_tensor(place, len(secret))))
    assert error.code == "weights-external"
    assert "'gains'" in error.problem
    assert place in error.problem


def test_external_tensors_are_found_wherever_a_network_can_hide_them():
    tensor = onnx.TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    inner = helper.make_graph([constant], "inner", [], [])
    sparse = onnx.SparseTensorProto(values=tensor, dims=[1])
    graphs = {
        "initializer": helper.make_graph([], "g", [], [], [tensor]),
        "sparse": helper.make_graph([], "g", [], [], sparse_initializer=[sparse]),
        "constant": helper.make_graph([constant], "g", [], []),
        "branch": helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)], "g", [], []),
        "list": helper.make_graph([helper.make_node("Mine", [], ["y"], tensors=[tensor])], "g", [], []),
        "graphs": helper.make_graph([helper.make_node("Mine", [], ["y"], graphs=[inner])], "g", [], []),
        "sparse constant": helper.make_graph([helper.make_node("Constant", [], ["y"], sparse_value=sparse)], "g", [], []),
    }
    models = {place: helper.make_model(graph) for place, graph in graphs.items()}
    function = helper.make_function("own", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)])
    models["function"] = helper.make_model(helper.make_graph([], "g", [], []), functions=[function])
    for place, model in models.items():
        found = external_tensors(model.SerializeToString())
        assert found, place
        assert set(found) == {("hidden", "/etc/passwd")}, place
    # Only the list, without the flag: onnx.proto lets a reader take either as the sign.
    tensor.ClearField("data_location")
    flagless = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    assert external_tensors(flagless.SerializeToString()) == [("hidden", "/etc/passwd")]
    assert external_tensors(tiny_onnx.network().SerializeToString()) == []


def test_random_bytes_never_break_the_look_into_a_file():
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    random = np.random.default_rng(seed)
    whole = tiny_onnx.network().SerializeToString()
    for _ in range(300):
        content = bytearray(whole)
        for at in random.integers(0, len(whole), 5):
            content[at] = random.integers(256)
        with contextlib.suppress(NotOnnxError):  # the one error it may raise
            assert all(len(pair) == 2 for pair in external_tensors(bytes(content)))


@pytest.mark.parametrize(("options", "code", "word"), [
    ({"device": "gpu"}, "device", "'cuda:0'"), ({"device": "cuda:x"}, "device", "'cuda:0'"), ({"device": None}, "device", "'cuda:0'"),
    ({"precision": "sloppy"}, "precision", "exact, fast"), ({"precision": "fast"}, "precision", "precision='exact'"),
    ({"threads": 0}, "threads", "from 1"), ({"threads": True}, "threads", "from 1"),
])
def test_a_wrong_option_is_refused(write, options, code, word):
    error = refusal(write(), **options)
    assert error.code == code
    assert word in error.remedy


def test_a_missing_gpu_is_an_error_when_demanded_and_said_once_otherwise(write, caplog, monkeypatch):
    import onnxruntime

    from a2f_batch.engines.base import say_once

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    for device in ("cuda", "cuda:1"):
        error = refusal(write(), device=device)
        assert error.code == "device-missing"
        assert "a2f-batch[gpu]" in error.remedy
    say_once.cache_clear()
    with caplog.at_level(logging.WARNING, "a2f_batch"):
        assert [load_engine(write(), device="auto").device for _ in range(2)] == ["cpu", "cpu"]
    assert [record.getMessage() for record in caplog.records] == [
        "No GPU: the installed onnxruntime has no CUDA provider. The CPU is used."]


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider' is not in available")
def test_a_cuda_provider_that_does_not_start_is_a_missing_gpu(write, monkeypatch):
    """onnxruntime leaves such a provider out and goes on; so does this machine's when asked for one that it has not."""
    import onnxruntime

    preloaded = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: preloaded.append(True), raising=False)
    error = refusal(write(), device="cuda")
    assert error.code == "device-missing"
    assert "did not start" in error.problem
    assert preloaded == [True]
    assert refusal(write(tiny_onnx.network(channels=52)), device="auto").code == "weights-outputs"


def fake_distributions(monkeypatch, *installed):
    """Make importlib.metadata know exactly `installed` of onnxruntime's distributions."""
    real = metadata.distribution

    def distribution(name):
        if name.startswith("onnxruntime") and name not in installed:
            raise metadata.PackageNotFoundError(name)
        return real("onnxruntime" if name.startswith("onnxruntime") else name)

    monkeypatch.setattr(metadata, "distribution", distribution)


def test_two_onnxruntimes_are_refused_with_the_one_to_remove(write, monkeypatch):
    fake_distributions(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    error = refusal(write())
    assert error.code == "runtime-twice"
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in error.remedy
    assert "a2f-batch[gpu]" in error.remedy


def test_without_onnxruntime_the_remedy_is_to_install_it(write, monkeypatch):
    fake_distributions(monkeypatch)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # import fails as if it were not there
    error = refusal(write())
    assert error.code == "runtime-missing"
    assert "is not installed" in error.problem
    assert "pip install 'a2f-batch[cpu]'" in error.remedy


def test_importing_the_library_imports_no_onnxruntime():

    code = "import sys, a2f_batch; print([name for name in ('onnxruntime', 'torch', 'transformers') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_another_kind_of_engine_can_be_registered(tmp_path, monkeypatch):
    monkeypatch.setattr(a2f_batch.engines, "_LOADERS", dict(a2f_batch.engines._LOADERS))
    path = tmp_path / "golden.json"
    path.write_text('{"encoder": "wavlm", "heads": {"a": 52}}')
    seen = []

    class SeenError(Exception):
        pass

    def loader(description, options):
        seen.append((description, options))
        raise SeenError

    register("unitalker_torch", loader)
    with pytest.raises(SeenError):
        load_engine(path, device="cpu", threads=2)
    description, options = seen[0]
    assert description.content["heads"] == {"a": 52}
    assert description.weights == tmp_path / "golden.safetensors"
    assert options.threads == 2
