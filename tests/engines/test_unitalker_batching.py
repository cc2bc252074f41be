"""The torch UniTalker's batches: lines together give what each gives alone, whatever its mates, their order and their memory."""

import os

import numpy as np
import pytest

import a2f_batch as a2f
from a2f_batch.engines.pieces import normalised
from a2f_batch.engines.unitalker_torch.layout import GRID_SAMPLES, batches, run_batches
from a2f_batch.errors import EngineError
from tests.engines.unitalker_networks import GOLDEN, HEADS, RATE, STEMS, copied, noise

pytestmark = pytest.mark.torch

# The same line in another layout: other matrix shapes, other rounding. Measured: 2e-6.
ROUNDING = 2e-5


@pytest.fixture(scope="module")
def engines():
    return {stem: a2f.load_engine(GOLDEN / f"{stem}.json", device="cpu", precision="exact") for stem in STEMS}


@pytest.fixture
def random():
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def together(engine, on=True, **settings):
    """The engine with its lines in shared batches, as on a GPU; the caller sets it back."""
    engine.together = on
    for name, value in settings.items():
        setattr(engine, name, value)
    return engine


@pytest.fixture
def shared(engines, request):
    engine = engines[request.param]
    before = engine.batch_bytes
    yield together(engine)
    together(engine, False, batch_bytes=before)


@pytest.mark.parametrize("stem", STEMS)
def test_on_a_cpu_a_line_has_the_same_bytes_whatever_its_mates(engines, random, stem):
    lines = [noise(random, int(samples)) for samples in random.integers(5000, 60000, 5)]
    alone = [engines[stem].infer([line], fps=25)[0].values for line in lines]
    order = random.permutation(5)
    for index, clip in zip(order, engines[stem].infer([lines[i] for i in order], fps=25), strict=True):
        assert clip.values.tobytes() == alone[index].tobytes()


@pytest.mark.parametrize("shared", STEMS, indirect=True)
def test_a_batch_gives_the_same_curves_as_single_lines(shared, random):
    for _ in range(3):
        lines = [noise(random, int(samples)) for samples in random.integers(400, 5 * RATE, 8)]
        lines.append(noise(random, len(lines[0].samples)))
        fps, style = int(random.integers(10, 61)), int(random.integers(9))
        alone = [together(shared, False).infer([line], fps=fps, style=style)[0].values for line in lines]
        together(shared, batch_bytes=int(random.integers(1, 60)) * 10**6)
        order = random.permutation(len(lines))
        for index, clip in zip(order, shared.infer([lines[i] for i in order], fps=fps, style=style), strict=True):
            assert np.abs(clip.values - alone[index]).max() < ROUNDING


@pytest.mark.parametrize("shared", STEMS, indirect=True)
def test_lines_of_all_lengths_in_one_padded_run_are_as_each_alone(shared, random):
    """Harder than the engine's layout, which puts only like lengths together: one second beside seven, noise in the padding."""
    import torch

    lengths = sorted(int(samples) for samples in random.integers(RATE, 7 * RATE, 6))
    counts = [round(samples / RATE * 30) for samples in lengths]
    audio = random.standard_normal((6, lengths[-1])).astype(np.float32)  # what lies behind a line must not matter
    for row, samples in zip(audio, lengths, strict=True):
        row[:samples] = normalised(row[:samples])
    styles = torch.from_numpy(random.integers(0, 9, 6))
    with torch.inference_mode():
        batch = shared.network(torch.from_numpy(audio), torch.tensor(lengths), counts[-1], torch.tensor(counts), styles, HEADS[0])
        for i, (samples, count) in enumerate(zip(lengths, counts, strict=True)):
            alone = shared.network(torch.from_numpy(audio[i:i + 1, :samples]), None, count, None, styles[i:i + 1], HEADS[0])
            assert (batch[i, :count] - alone[0]).abs().max() < ROUNDING


@pytest.mark.parametrize("position", [0, 2])
def test_the_other_places_of_the_frequency_adaptor_batch_as_well(tmp_path, random, position):
    engine = a2f.load_engine(copied("wavlm_conv", tmp_path, interpolate_pos=position), device="cpu")
    lines = [noise(random, int(samples)) for samples in random.integers(9000, 40000, 4)]
    alone = [engine.infer([line], fps=30)[0].values for line in lines]
    for clip, expected in zip(together(engine).infer(lines, fps=30), alone, strict=True):
        assert np.abs(clip.values - expected).max() < ROUNDING


def test_convolving_piece_by_piece_changes_nothing(engines, random):
    import torch

    for stem in ("wavlm_conv", "wav2vec2_large_style_conv"):
        encoder = engines[stem].network.encoder
        at_once, audio = encoder.frames_at_once, torch.from_numpy(normalised(noise(random, 50000).samples))[None]
        with torch.inference_mode():
            pieces = []
            for encoder.frames_at_once in (None, 1, 7, 50, 1000):
                pieces.append(encoder.features(audio, None)[0])
        encoder.frames_at_once = at_once
        assert all((piece - pieces[0]).abs().max() < ROUNDING for piece in pieces)
        assert pieces[0].shape[1] == engines[stem].architecture.sizes.frames(50000)


def test_a_long_line_goes_through_in_pieces(engines, random):
    line = noise(random, 60 * RATE)
    engine = engines["wavlm_conv"]
    (clip,) = engine.infer([line], fps=25)
    assert clip.n_frames == 1500
    assert np.isfinite(clip.values).all()
    together(engine)
    (shared,) = engine.infer([line], fps=25)
    together(engine, False)
    assert np.abs(shared.values - clip.values).max() < ROUNDING


def test_batches_hold_each_line_once_and_keep_to_the_budget(random):
    lengths = [int(samples) for samples in random.integers(1, 400000, 500)]
    groups = batches(lengths, 1_000_000, lambda samples: 4 * samples)
    assert sorted(index for group in groups for index in group) == list(range(500))
    for group in groups:
        steps = {-(-lengths[index] // GRID_SAMPLES) for index in group}
        assert len(steps) == 1
        assert len(group) == 1 or len(group) * 4 * steps.pop() * GRID_SAMPLES <= 1_000_000


def test_when_memory_runs_out_the_batch_is_halved_and_goes_on(random):
    tried, released = [], []

    def work(group):
        tried.append(len(group))
        if len(group) > 3:
            raise MemoryError("no room")
        return [index * 10 for index in group]

    groups = [list(range(20)), list(range(20, 30))]
    results = run_batches(groups, work, lambda error: isinstance(error, MemoryError), lambda: released.append(True))
    assert results == {index: index * 10 for index in range(30)}
    assert tried[:3] == [20, 10, 5]
    assert max(tried[4:]) <= 3
    assert len(released) == 3


def test_memory_that_runs_out_on_one_line_is_an_error_with_a_remedy():
    def work(group):
        raise MemoryError("no room")

    with pytest.raises(EngineError) as caught:
        run_batches([[0, 1]], work, lambda error: isinstance(error, MemoryError), lambda: None)
    assert caught.value.code == "out-of-memory"
    assert "no room" in caught.value.problem


@pytest.mark.parametrize("shared", ["wavlm_conv"], indirect=True)
def test_the_engine_halves_a_batch_that_torch_has_no_memory_for(shared, random, monkeypatch):
    import torch

    lines = [noise(random, 16000 + i) for i in range(6)]
    expected = [clip.values for clip in shared.infer(lines, fps=30)]
    forward, sizes = shared.network.forward, []

    def short(audio, *rest):
        sizes.append(len(audio))
        if len(audio) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(audio, *rest)

    monkeypatch.setattr(shared.network, "forward", short)
    for clip, values in zip(shared.infer(lines, fps=30), expected, strict=True):
        assert np.abs(clip.values - values).max() < ROUNDING
    assert max(sizes) > 2 and sizes[-1] <= 2
