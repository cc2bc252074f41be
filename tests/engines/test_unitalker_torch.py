"""UniTalker in torch, on the golden networks: tiny ones with random weights, whose outputs the reference implementation gave."""

import hashlib
import json
import os

import numpy as np
import pytest

import a2f_batch as a2f
from a2f_batch.errors import ClipError, EngineError
from tests.engines.unitalker_networks import GOLDEN, HEADS, RATE, STEMS, copied, noise, wave

pytestmark = pytest.mark.torch

# Two float32 implementations of the same network, values of about 2: the tolerance. Measured: 1.7e-6.
REFERENCE = 1e-5


@pytest.fixture(scope="module")
def engines():
    return {stem: a2f.load_engine(GOLDEN / f"{stem}.json", device="cpu", precision="exact") for stem in STEMS}


@pytest.fixture
def random():
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def refusal(path, **options):
    with pytest.raises(EngineError) as caught:
        a2f.load_engine(path, **{"device": "cpu", **options})
    assert caught.value.remedy
    assert len(str(caught.value).splitlines()) == 2
    return caught.value


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("head", HEADS)
def test_every_golden_output_is_met(engines, stem, head):
    golden = np.load(GOLDEN / f"{stem}.npz")
    for case in "abc":
        line = wave(golden[f"audio_{case}"])
        (clip,) = engines[stem].infer([line], fps=int(golden[f"fps_{case}"]), style=int(golden[f"style_{case}"]), head=head)
        expected = golden[f"out_{case}_{head}"]
        assert clip.values.shape == expected.shape
        assert np.abs(clip.values - expected).max() < REFERENCE
        assert expected.min() < 0 and expected.max() > 1  # a clamp would show
        assert clip.names == engines[stem].heads[head]
        assert clip.meta["head"] == head


def test_the_first_head_and_the_last_style_are_the_defaults(engines, random):
    engine, line = engines["wavlm_conv"], noise(random, 20000)
    assert engine.names == engine.heads[HEADS[0]]
    (clip,) = engine.infer([line], fps=30)
    assert np.array_equal(clip.values, engine.infer([line], fps=30, style=8, head=HEADS[0])[0].values)
    assert np.array_equal(clip.values, engine.infer([line], fps=30, style="8")[0].values)
    assert not np.array_equal(clip.values, engine.infer([line], fps=30, style=7)[0].values)


def test_styles_have_names_where_the_description_gives_them(tmp_path, random):
    names = [f"voice{i}" for i in range(9)]
    engine = a2f.load_engine(copied("wavlm_conv", tmp_path, styles=names), device="cpu")
    line = noise(random, 16000)
    assert engine.styles == tuple(names)
    assert np.array_equal(engine.infer([line], style="voice3")[0].values, engine.infer([line], style=3)[0].values)
    with pytest.raises(EngineError, match="voice9") as caught:
        engine.infer([line], style="voice9")
    assert "voice8" in caught.value.remedy


@pytest.mark.parametrize("style", [9, -1, "9", "x", 10**9, True])
def test_a_style_out_of_range_is_refused(engines, random, style):
    with pytest.raises(EngineError) as caught:
        engines["wavlm_conv"].infer([noise(random, 16000)], style=style)
    assert caught.value.code == "style-unknown"
    assert "from 0 to 8" in caught.value.remedy


@pytest.mark.parametrize("fps", [0, 1000, -25, float("nan")])
def test_a_frame_rate_out_of_range_is_refused(engines, random, fps):
    with pytest.raises((ClipError, EngineError)) as caught:
        engines["wavlm_conv"].infer([noise(random, 16000)], fps=fps)
    assert caught.value.code in ("fps", "fps-range")
    assert caught.value.remedy


def test_an_unknown_head_is_told_what_there_is(engines, random):
    with pytest.raises(EngineError) as caught:
        engines["wavlm_conv"].infer([noise(random, 16000)], head="3DETF_blendshape_weights")
    assert caught.value.code == "head-unknown"
    assert "Did you mean '3DETF_blendshape_weight'?" in caught.value.remedy


@pytest.mark.parametrize("fps", [1, 24, "30000/1001", 60, 240])
def test_every_line_gets_its_frames_at_every_rate(engines, random, fps):
    lines = [noise(random, samples) for samples in (16000, 9000, 33333, 26 * RATE)]
    for clip, line in zip(engines["wavlm_transformer"].infer(lines, fps=fps), lines, strict=True):
        assert clip.n_frames == line.frame_count(fps)


def test_the_shortest_line_and_silence_have_curves(engines):
    for stem in STEMS:
        for line in (np.zeros(267), np.zeros(16000), np.ones(600), np.sin(np.arange(400))):
            (clip,) = engines[stem].infer([wave(line)], fps=60)
            assert clip.n_frames >= 1
            assert np.isfinite(clip.values).all()


def spoilt(folder, change, stem="wavlm_conv"):
    """A golden network whose tensors `change` has spoilt."""
    from safetensors.numpy import load_file, save_file

    path = copied(stem, folder)
    tensors = load_file(path.with_suffix(".safetensors"))
    change(tensors)
    save_file(tensors, path.with_suffix(".safetensors"))
    return path


def test_missing_extra_and_misshaped_tensors_are_listed_by_name(tmp_path):
    def change(tensors):
        del tensors["decoder.audio_feature_map.bias"]
        tensors["decoder.tcn.first_net.conv_layers.1.conv.weight"] = np.zeros((32, 16, 3), np.float32)
        tensors["decoder.more"] = np.zeros(3, np.float32)

    error = refusal(spoilt(tmp_path, change))
    assert error.code == "weights-tensors"
    assert "decoder.audio_feature_map.bias [32] is missing" in error.problem
    assert "conv_layers.1.conv.weight is [32, 16, 3] where [32, 32, 3] is needed" in error.problem
    assert "decoder.more [3] is too much" in error.problem


def test_a_checkpoint_for_other_heads_is_told_which_it_has(tmp_path):
    path = copied("wavlm_conv", tmp_path, heads={"3DETF_blendshape_weight": 52, "mine": 7})
    error = refusal(path)
    assert error.code == "weights-tensors"
    assert "out_head_dict.mine.weight" in error.problem
    assert '"inhouse_blendshape_weight": 51' in error.remedy


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_finite_numbers_are_refused(tmp_path, value):
    def change(tensors):
        tensors["audio_encoder.encoder.layers.1.feed_forward.output_dense.weight"][3, 5] = value

    error = refusal(spoilt(tmp_path, change))
    assert error.code == "weights-not-finite"
    assert "layers.1.feed_forward.output_dense.weight" in error.problem


def test_weights_of_whole_numbers_are_refused(tmp_path):
    def change(tensors):
        tensors["out_head_dict.inhouse_blendshape_weight.bias"] = np.zeros(51, np.int64)

    error = refusal(spoilt(tmp_path, change))
    assert error.code == "weights-tensors"
    assert "int64" in error.problem


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    path = copied("wavlm_conv", tmp_path)
    whole = path.with_suffix(".safetensors").read_bytes()
    for content in (b"", whole[:4], whole[:1000], whole[:len(whole) // 2], whole[:-1], whole + b"\0", b"\xff" * 16,
                    b"PK\x03\x04" + bytes(99)):
        path.with_suffix(".safetensors").write_bytes(content)
        assert refusal(path).code == "weights-not-safetensors"


def test_a_missing_file_and_a_wrong_checksum_are_told(tmp_path):
    path = copied("wavlm_conv", tmp_path, sha256="0" * 64)
    assert refusal(path).code == "weights-checksum"
    path.with_suffix(".safetensors").unlink()
    error = refusal(path)
    assert error.code == "weights-missing"
    assert "wavlm_conv.safetensors" in error.remedy


def test_a_description_of_another_network_is_refused_by_tensor_names(tmp_path):
    for keys in ({"decoder_type": "transformer"}, {"encoder": "wav2vec2"}, {"decoder_dimension": 64}, {"identity_num": 3},
                 {"headlayer": 2}):
        assert refusal(copied("wavlm_conv", tmp_path, **keys)).code == "weights-tensors"


def test_the_old_spelling_of_a_weight_norm_and_half_precision_load_too(tmp_path, random):
    def change(tensors):
        for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
            stem = "audio_encoder.encoder.pos_conv_embed.conv."
            tensors[stem + old] = tensors.pop(f"{stem}parametrizations.weight.{new}")

    line = noise(random, 20000)
    expected = a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu").infer([line])[0].values
    found = a2f.load_engine(spoilt(tmp_path, change), device="cpu").infer([line])[0].values
    assert found.tobytes() == expected.tobytes()

    def halve(tensors):
        for name in tensors:
            tensors[name] = tensors[name].astype(np.float16)

    assert np.isfinite(a2f.load_engine(spoilt(tmp_path, halve), device="cpu").infer([line])[0].values).all()


def test_a_vertex_head_gives_the_face_of_its_basis(tmp_path, random):
    basis, mean, face = (random.standard_normal(shape).astype(np.float32) for shape in ((40, 600), 600, 600))

    def change(tensors):
        for part in ("weight", "bias"):
            tensors[f"out_head_dict.BIWI_23370_vertices.{part}"] = tensors[f"out_head_dict.inhouse_blendshape_weight.{part}"][:40].copy()
        prefix = "pca_layer_dict.BIWI_23370_vertices."
        tensors |= {prefix + "feat_to_data": basis, prefix + "data_bias": mean, prefix + "template": face}

    path = spoilt(tmp_path, change)
    heads = {"3DETF_blendshape_weight": 52, "inhouse_blendshape_weight": 51, "BIWI_23370_vertices": 600}
    pca = {"BIWI_23370_vertices": {"components": 40, "template": True, "scale": 0.2}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"heads": heads, "pca": pca}))
    engine, line = a2f.load_engine(path, device="cpu"), noise(random, 20000)
    weights = engine.infer([line], head="inhouse_blendshape_weight")[0].values[:, :40]
    (clip,) = engine.infer([line], head="BIWI_23370_vertices")
    assert clip.names[:2] == ("BIWI_23370_vertices_000", "BIWI_23370_vertices_001")
    expected = weights.astype(np.float64) @ basis + mean + 0.2 * face.astype(np.float64)
    assert np.abs(clip.values - expected).max() < 1e-4  # sums of 40 products of about 1 in float32


def test_a_missing_gpu_is_an_error_when_demanded_and_said_once_otherwise(caplog):
    import torch

    from a2f_batch.engines.base import say_once

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    error = refusal(GOLDEN / "wavlm_conv.json", device="cuda:1")
    assert error.code == "device-missing"
    assert "device='cpu'" in error.remedy
    say_once.cache_clear()
    assert [a2f.load_engine(GOLDEN / "wavlm_conv.json", device="auto").device for _ in range(2)] == ["cpu", "cpu"]
    assert len([record for record in caplog.records if "No GPU" in record.getMessage()]) == 1


def test_an_engine_leaves_torchs_threads_as_they_were(random):
    import torch

    engine = a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu", threads=2)
    before = torch.get_num_threads()
    engine.infer([noise(random, 16000)])
    assert torch.get_num_threads() == before


def test_the_clips_say_which_weights_made_them(engines, random):
    (clip,) = engines["wavlm_conv"].infer([noise(random, 16000)], style=2)
    assert clip.meta["weights_sha256"] == hashlib.sha256((GOLDEN / "wavlm_conv.safetensors").read_bytes()).hexdigest()
    assert (clip.meta["engine"], clip.meta["style"], clip.meta["precision"]) == ("unitalker_torch", 2, "exact")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("stem", STEMS)
def test_sixteen_bit_products_stay_near_the_exact_curves(stem, dtype, random):
    """The code path of 'fast' on a GPU or an AMX CPU, run on this one."""
    import torch

    from a2f_batch.engines.unitalker_torch.precision import lower, relative_error, trial_curves

    engine, line = a2f.load_engine(GOLDEN / f"{stem}.json", device="cpu"), noise(random, 30000)
    cpu, exact = torch.device("cpu"), engine.infer([line])[0].values
    trial = trial_curves(engine.network, cpu)
    lower(engine.network, getattr(torch, dtype))
    engine.together = True
    found = engine.infer([line, noise(random, 30100)])[0].values
    bar = {"float16": 0.01, "bfloat16": 0.06}[dtype]  # 11 and 8 bits of mantissa; measured: 0.002 and 0.017
    assert 0 < relative_error(trial_curves(engine.network, cpu), trial) < bar
    assert 0 < relative_error(torch.from_numpy(found.copy()), torch.from_numpy(exact.copy())) < bar


def test_fast_says_what_it_does_and_where_it_gains_nothing_gives_the_exact_bytes(caplog, random, monkeypatch):
    import torch

    from a2f_batch.engines.base import say_once
    from a2f_batch.engines.unitalker_torch import engine as module

    line = noise(random, 20000)
    exact = a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu").infer([line])[0].values
    say_once.cache_clear()
    monkeypatch.setattr(module, "fast_type", lambda device: None)
    engine = a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu", precision="fast")
    assert engine.infer([line])[0].values.tobytes() == exact.tobytes()
    monkeypatch.setattr(module, "fast_type", lambda device: torch.bfloat16)
    engine = a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu", precision="fast")
    assert 0 < engine.fast_error < 0.1
    messages = [record.getMessage() for record in caplog.records]
    assert "no 16-bit matrix units" in messages[0]
    assert f"{engine.fast_error:.2%} of their RMS" in messages[1]
    assert engine.infer([line])[0].meta["precision"] == "fast"
