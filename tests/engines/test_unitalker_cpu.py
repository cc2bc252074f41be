"""UniTalker on a CPU, where onnxruntime runs the network: what it gives is what torch gives, and each shortcut is what it stands for."""

import os

import numpy as np
import pytest

import a2f_batch as a2f
from tests.engines.unitalker_networks import GOLDEN, RATE, STEMS, copied, noise

pytestmark = pytest.mark.torch

# Two orders of float32 sums on curves of about 2. Measured: 3e-6.
ROUNDING = 2e-5


@pytest.fixture
def random():
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def both_ways(engine, lines, **how):
    """What onnxruntime and what torch make of the lines, each alone."""
    assert engine.on_cpu is not None
    found = [clip.values for clip in engine.infer(lines, **how)]
    built, engine.on_cpu = engine.on_cpu, None
    expected = [engine.infer([line], **how)[0].values for line in lines]
    engine.on_cpu = built
    return found, expected


@pytest.mark.parametrize(("stem", "keys"), [*((stem, {}) for stem in STEMS), ("wavlm_conv", {"interpolate_pos": 0}),
                                            ("wavlm_conv", {"interpolate_pos": 2})])
def test_onnxruntime_gives_torchs_curves_at_every_length(stem, keys, tmp_path, random):
    engine = a2f.load_engine(copied(stem, tmp_path, **keys), device="cpu")
    lengths = [300, 400, 401, 719, 720, RATE, 9 * RATE + 7, *(int(samples) for samples in random.integers(401, 4 * RATE, 8))]
    lines = [noise(random, samples) for samples in lengths]
    for found, expected in zip(*both_ways(engine, lines, fps=int(random.integers(60, 121)), style=int(random.integers(9))), strict=True):
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < ROUNDING


def test_more_threads_change_nothing_but_the_rounding(random):
    line = noise(random, 5 * RATE)
    one, two = (a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu", threads=threads).infer([line])[0].values for threads in (1, 2))
    assert np.abs(one - two).max() < ROUNDING


def test_without_onnxruntime_torch_runs_the_network_and_that_is_said_once(random, caplog, monkeypatch):
    from a2f_batch.engines.base import say_once
    from a2f_batch.engines.unitalker_torch import engine as module

    line = noise(random, 30000)
    expected = a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu").infer([line])[0].values
    monkeypatch.setattr(module, "lacking_package", lambda: "onnxruntime is not installed")
    say_once.cache_clear()
    engines = [a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu") for _ in range(2)]
    for engine in engines:
        assert np.abs(engine.infer([line])[0].values - expected).max() < ROUNDING
    assert engines[0].on_cpu is None
    told = [record.getMessage() for record in caplog.records if "onnxruntime is not installed" in record.getMessage()]
    assert len(told) == 1
    assert "pip install" in told[0]


def test_a_package_that_cannot_be_imported_is_named(monkeypatch):
    from a2f_batch.engines.unitalker_torch import cpu

    assert cpu.lacking_package() is None
    monkeypatch.setattr(cpu, "PACKAGES", ("onnxruntime", "no_such_package"))
    assert cpu.lacking_package() == "no_such_package is not installed"


def test_memory_that_onnxruntime_cannot_have_is_told_as_such(random, monkeypatch):
    from a2f_batch.engines.runtime import OnnxError
    from a2f_batch.errors import EngineError

    engine = a2f.load_engine(GOLDEN / "wavlm_conv.json", device="cpu")
    for said, code in (("Failed to allocate memory for requested buffer of size 9", "out-of-memory"), ("Bad shape", "engine-failed")):
        def fail(*given, said=said):
            raise OnnxError(said)

        engine.on_cpu = fail
        with pytest.raises(EngineError) as caught:
            engine.infer([noise(random, 16000)])
        assert caught.value.code == code
        assert said.split()[-1] in caught.value.problem


@pytest.mark.parametrize("bias", [False, True])
def test_two_frames_at_a_time_are_the_convolution(bias, random):
    import torch
    from torch import nn

    from a2f_batch.engines.unitalker_torch.encoder import StridedConvolution
    from a2f_batch.engines.unitalker_torch.pairs import PairedConvolution, can_pair

    layer = nn.Module()
    layer.conv = nn.Conv1d(6, 5, 3, stride=2, bias=bias)
    strided = StridedConvolution(layer)
    assert can_pair(strided)
    paired = PairedConvolution(strided)
    for frames in range(1, 12):
        x = torch.from_numpy(random.standard_normal((1, paired.needs(frames), 6)).astype(np.float32))
        weight, offset = layer.conv.weight.double(), layer.conv.bias.double() if bias else None
        expected = nn.functional.gelu(nn.functional.conv1d(x.double().transpose(1, 2), weight, offset, stride=2)).transpose(1, 2)
        assert expected.shape[1] in (frames, frames + 1)
        assert paired(x).shape == expected.shape
        assert (paired(x) - expected).abs().max() < 1e-6  # values of about 1


@pytest.mark.parametrize("taps", [1, 2, 15, 16, 128])
def test_the_product_of_spectra_is_the_convolution(taps, random):
    import torch

    from a2f_batch.engines.unitalker_torch.spectra import SpectralConvolution

    weight, bias = (torch.from_numpy(random.standard_normal(shape).astype(np.float32)) for shape in ((12, 4, taps), 12))
    convolution = SpectralConvolution(weight, bias, 3)
    for frames in (1, taps, 3 * taps - 1, int(random.integers(1, 600))):
        x = torch.from_numpy(random.standard_normal((frames, 12)).astype(np.float32))
        expected = torch.nn.functional.conv1d(x.double().t()[None], weight.double(), bias.double(), padding=taps // 2, groups=3)[0].t()
        found = convolution(x)
        assert found.shape == x.shape
        assert (found - expected[:frames]).abs().max() < 3e-6 * expected.abs().max()


def test_onnxruntime_reads_the_weights_where_torch_holds_them():
    import torch

    from a2f_batch.engines.unitalker_torch.tracing import graph_without_weights

    module = torch.nn.Linear(300, 200)
    graph = graph_without_weights(module, [torch.ones(2, 300)], ["x"], "y", {"x": {0: "rows"}})
    assert len(graph.content) < 10_000
    assert np.shares_memory(graph.weights["weight"], module.weight.detach().numpy())
