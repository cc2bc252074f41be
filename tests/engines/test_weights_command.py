"""`a2f-batch weights`: conversion of checkpoints, export to ONNX, list and verification, as a user calls them."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

import a2f_batch as a2f
from a2f_batch.cli import main
from a2f_batch.resources import resource_folder
from tests.engines.unitalker_networks import GOLDEN, HEADS, STEMS, copied, noise


@pytest.fixture
def random():
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def weights(*words, code=0):
    """Run the command; return what it printed."""
    done = CliRunner().invoke(main, ["weights", *map(str, words)])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.output


def checkpoint(folder, stem="wavlm_conv", *, old_spelling=False, change=None, wrap=None):
    """A .pt file as it would be published, of a golden network."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(str(GOLDEN / f"{stem}.safetensors"))
    if old_spelling:
        for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
            place = "audio_encoder.encoder.pos_conv_embed.conv."
            tensors[place + old] = tensors.pop(f"{place}parametrizations.weight.{new}")
    if change:
        change(tensors)
    path = folder / f"{stem}.pt"
    torch.save(tensors if wrap is None else {wrap: tensors}, path)
    return path


def described(folder, stem="wavlm_conv"):
    """The golden description, where the converted file will be."""
    return shutil.copy(GOLDEN / f"{stem}.json", folder / "out.json")


def test_list_tells_of_every_description_and_whether_its_file_is_there():
    output = weights("list")
    assert "embedded_v2.onnx" in output
    assert "CC-BY-4.0" in output
    assert "(unitalker_v0.4.0_base.onnx is not there)" in output


def test_verify_checks_what_ships_and_fails_for_what_is_named_and_missing():
    output = weights("verify")
    assert "as the description says" in output
    assert "51 channels" in output
    assert "unitalker_v0.4.0_base.onnx is not there" in output
    assert "[weights-missing]" in weights("verify", "unitalker_v0.4.0_base", code=1)
    assert "[weights-unknown]" in weights("verify", "embeded", code=1)


def test_verify_names_a_wrong_checksum(tmp_path):
    for suffix in (".json", ".onnx"):
        shutil.copy(resource_folder("weights") / f"embedded_v2{suffix}", tmp_path)
    path = tmp_path / "embedded_v2.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0" * 64}))
    assert "[weights-checksum]" in weights("verify", path, code=1)


@pytest.mark.torch
def test_verify_says_when_no_checksum_is_recorded():
    output = weights("verify", GOLDEN / "wavlm_conv.json")
    assert "records none" in output
    assert "not stated" in output
    assert "3DETF_blendshape_weight (52), inhouse_blendshape_weight (51), 9 styles" in output


@pytest.mark.torch
@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("old_spelling", [False, True])
def test_a_converted_checkpoint_gives_the_golden_bytes(tmp_path, random, stem, old_spelling):
    described(tmp_path, stem)
    weights("convert", checkpoint(tmp_path, stem, old_spelling=old_spelling, wrap="state_dict" if old_spelling else None),
            tmp_path / "out.safetensors")
    line = noise(random, 20000)
    found, expected = (a2f.load_engine(path, device="cpu").infer([line], fps=25)[0].values
                       for path in (tmp_path / "out.json", GOLDEN / f"{stem}.json"))
    assert found.tobytes() == expected.tobytes()


@pytest.mark.torch
@pytest.mark.parametrize("stem", ["wavlm_conv", "wavlm_transformer"])
def test_without_a_description_one_is_written_from_the_tensors(tmp_path, random, stem):
    output = weights("convert", checkpoint(tmp_path, stem), tmp_path / "out.safetensors")
    assert "conv_stride, max_bucket_distance" in output
    content = json.loads((tmp_path / "out.json").read_text())
    golden = json.loads((GOLDEN / f"{stem}.json").read_text())
    assert content["heads"] == golden["heads"]
    assert next(iter(content["heads"])) == HEADS[1]  # the head that the seed service uses comes first
    for key in ("encoder", "decoder_type", "identity_num", "decoder_dimension"):
        assert content[key] == golden[key]
    for key, value in content["encoder_config"].items():
        assert golden["encoder_config"][key] == value
    assert content["sha256"]
    content["encoder_config"]["max_bucket_distance"] = golden["encoder_config"]["max_bucket_distance"]
    (tmp_path / "out.json").write_text(json.dumps(content))
    line = noise(random, 20000)
    found = a2f.load_engine(tmp_path / "out.json", device="cpu").infer([line], head=HEADS[0])[0].values
    assert found.tobytes() == a2f.load_engine(GOLDEN / f"{stem}.json", device="cpu").infer([line])[0].values.tobytes()


@pytest.mark.torch
def test_conversion_lists_missing_extra_and_misshaped_tensors(tmp_path):
    import torch

    def change(tensors):
        del tensors["decoder.learnable_style_emb.weight"]
        tensors["decoder.audio_feature_map.bias"] = torch.zeros(3)
        tensors["surplus"] = torch.zeros(2)

    described(tmp_path)
    output = weights("convert", checkpoint(tmp_path, change=change), tmp_path / "out.safetensors", code=2)
    assert "decoder.learnable_style_emb.weight [9, 64] is missing" in output
    assert "decoder.audio_feature_map.bias is [3] where [32] is needed" in output
    assert "surplus [2] is too much" in output
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.torch
def test_a_checkpoint_that_would_run_code_is_not_opened(tmp_path):
    import torch

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"weight": torch.zeros(2), "trap": Trap()}, tmp_path / "trap.pt")
    output = weights("convert", tmp_path / "trap.pt", tmp_path / "out.safetensors", code=2)
    assert "[checkpoint-unsafe]" in output
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Trap()))
    assert "[checkpoint-" in weights("convert", tmp_path / "bare.pt", tmp_path / "out.safetensors", code=2)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.torch
def test_what_is_no_checkpoint_is_refused(tmp_path):
    import torch

    whole = checkpoint(tmp_path).read_bytes()
    for content in (b"", b"\0" * 99, whole[:1000], whole[:-500]):
        (tmp_path / "bad.pt").write_bytes(content)
        assert "[checkpoint-" in weights("convert", tmp_path / "bad.pt", tmp_path / "out.safetensors", code=2)
    for content in ({}, [torch.zeros(2)], {"a": 3}, torch.zeros(3), {"a": torch.zeros(3)}):
        torch.save(content, tmp_path / "bad.pt")
        assert "[checkpoint-invalid]" in weights("convert", tmp_path / "bad.pt", tmp_path / "out.safetensors", code=2)
    assert "[checkpoint-missing]" in weights("convert", tmp_path / "none.pt", tmp_path / "out.safetensors", code=2)
    assert "[weights-suffix]" in weights("convert", tmp_path / "bad.pt", tmp_path / "out.bin", code=2)


@pytest.mark.torch
def test_the_basis_and_the_face_of_a_vertex_head_are_taken_along(tmp_path, random):
    basis, mean, face = random.standard_normal((60, 90)), random.standard_normal(90), random.standard_normal((30, 3))
    np.savez(tmp_path / "pca.npz", components_to_data=basis, original_data_mean=mean)
    np.save(tmp_path / "face.npy", face)

    def change(tensors):
        for part in ("weight", "bias"):
            tensors[f"out_head_dict.BIWI_23370_vertices.{part}"] = tensors[f"out_head_dict.inhouse_blendshape_weight.{part}"][:40].clone()

    path = checkpoint(tmp_path, change=change)
    weights("convert", path, tmp_path / "out.safetensors", "--basis", f"BIWI_23370_vertices={tmp_path / 'pca.npz'}",
            "--template", f"BIWI_23370_vertices={tmp_path / 'face.npy'}")
    engine, line = a2f.load_engine(tmp_path / "out.json", device="cpu"), noise(random, 16000)
    given = engine.infer([line], head=HEADS[1])[0].values[:, :40]
    expected = given @ basis[:40] + mean + 0.2 * face.reshape(-1)
    assert np.abs(engine.infer([line], head="BIWI_23370_vertices")[0].values - expected).max() < 1e-4
    assert "[option]" in weights("convert", path, tmp_path / "out.safetensors", "--basis", "pca.npz", code=2)
    assert "[checkpoint-invalid]" in weights("convert", path, tmp_path / "out.safetensors", "--basis", f"a={tmp_path / 'face.npy'}", code=2)


@pytest.mark.torch
@pytest.mark.parametrize("contract", ["line", "batch"])
@pytest.mark.parametrize("stem", STEMS)
def test_an_exported_network_gives_the_same_curves_on_onnxruntime(tmp_path, random, stem, contract):
    weights("export", GOLDEN / f"{stem}.json", tmp_path / "net.onnx", "--contract", contract, "--head", HEADS[1], "--style", 4)
    ours, theirs = a2f.load_engine(GOLDEN / f"{stem}.json", device="cpu"), a2f.load_engine(tmp_path / "net.json", device="cpu")
    lines = [noise(random, int(samples)) for samples in (*random.integers(3000, 60000, 3), 27 * 16000)]
    for line in lines:
        (expected,), (found,) = ours.infer([line], fps=25, head=HEADS[1], style=4), theirs.infer([line], fps=25)
        assert found.names == expected.names
        assert np.abs(found.values - expected.values).max() < 1e-4  # the tolerance; measured: 2e-6


@pytest.mark.torch
@pytest.mark.parametrize("stem", STEMS)
def test_an_exported_batch_gives_each_line_as_it_is_alone(tmp_path, random, stem):
    import onnxruntime

    from a2f_batch.engines.pieces import normalised

    weights("export", GOLDEN / f"{stem}.json", tmp_path / "net.onnx", "--contract", "batch")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    engine, fps = a2f.load_engine(GOLDEN / f"{stem}.json", device="cpu"), 30
    lines = [noise(random, int(samples)) for samples in random.integers(9000, 50000, 5)]
    counts, styles = [line.frame_count(fps) for line in lines], [0, 3, 8, 200, 5]  # beyond the last: the common one
    audio = np.zeros((5, max(len(line.samples) for line in lines)), np.float32)
    for row, line in zip(audio, lines, strict=True):
        row[:len(line.samples)] = normalised(line.samples)
    (curves,) = session.run(None, {"audio": audio, "samples": np.array([len(line.samples) for line in lines], np.int32),
                                   "emo_id": np.array(styles, np.int32), "time_steps": np.array(counts, np.int32)})
    for values, line, count, style in zip(curves, lines, counts, styles, strict=True):
        expected = engine.infer([line], fps=fps, style=min(style, 8))[0].values
        assert np.abs(values[:count] - expected).max() < 1e-4
        assert not values[count:].any()


@pytest.mark.torch
def test_what_can_not_be_exported_is_refused(tmp_path):
    golden = GOLDEN / "wavlm_conv.json"
    for words, code in ((("embedded", "x.onnx"), "export-engine"), ((golden, "x.bin"), "weights-suffix"),
                        ((golden, "x.onnx", "--head", "mine"), "head-unknown"), ((golden, "x.onnx", "--style", "9"), "style-unknown"),
                        ((golden, "x.onnx", "--contract", "many"), "contract-unknown"),
                        ((golden, tmp_path / "none" / "x.onnx"), "output-unwritable")):
        assert f"[{code}]" in weights("export", *words, code=2)


@pytest.mark.torch
def test_a_batch_of_lines_renders_with_a_torch_network(tmp_path):
    """The whole command: head names reach the files, the report says which weights made them."""
    path = copied("wavlm_conv", tmp_path)
    manifest = resource_folder("manifests") / "demo.csv"
    done = CliRunner().invoke(main, ["render", str(manifest), "--out", str(tmp_path / "out"), "--formats", "csv", "--engine", str(path),
                                     "--workers", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "out").rglob("*.csv"))
