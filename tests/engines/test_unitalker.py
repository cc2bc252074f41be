"""The onnxruntime engine, on tiny networks whose output can be told beforehand."""

import json
import logging
import secrets
from fractions import Fraction

import numpy as np
import pytest

from a2f_batch.audio import Waveform
from a2f_batch.engines import load_engine
from a2f_batch.engines.pieces import Piece, join, normalised, plan
from a2f_batch.errors import A2FError, EngineError
from a2f_batch.names import ARKIT_52, vocabulary
from tests.engines import tiny_onnx

RATE = 16000
ENERGY, EMOTION, TIME_STEPS, LENGTH, PIECE_FRAME, LOUD = range(6)  # the tiny network's channels
SOURCE_RATES = 8000, 16000, 22050, 44100, 48000
FRAME_RATES = 24, 25, 30, 50, 60, "30000/1001"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny_onnx.save(tiny_onnx.network(), folder / "tiny.onnx")
    (folder / "tiny.json").write_text(json.dumps({"engine": "unitalker", "channels": "unitalker51", "emotions": {"neutral": 10, "joy": 3}}))
    return folder


@pytest.fixture(scope="module")
def engine(folder):
    return load_engine(folder / "tiny.json", device="cpu")


@pytest.fixture
def random():
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def noise(random, seconds, rate=RATE, level=0.1):
    return Waveform.from_samples((level * random.standard_normal(round(seconds * rate))).astype(np.float32), rate)


def clicks(times, seconds, rate=RATE):
    """A line of `seconds` with one loud sample at each of `times`."""
    samples = np.zeros(round(seconds * rate), dtype=np.float32)
    samples[[round(time * rate) for time in times]] = 0.9
    return Waveform.from_samples(samples, rate)


def test_the_names_are_arkits_in_the_networks_order(engine):
    assert engine.names == tuple(vocabulary("unitalker51").to_hub[name] for name in vocabulary("unitalker51").channels)
    assert set(engine.names) == set(ARKIT_52) - {"tongueOut"}
    assert engine.infer([clicks([], 1)])[0].names == engine.names


def test_a_short_line_gives_exactly_what_the_network_gives_for_it(engine, random):
    wave = noise(random, 3.217)
    clip = engine.infer([wave], fps=30)[0]
    n_frames = round(Fraction(3.217) * 30)
    audio = np.zeros(round(Fraction(n_frames * RATE, 30)), dtype=np.float64)
    exact = wave.samples.astype(np.float64)
    exact = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-7)
    audio[:exact.size] = exact[:audio.size]
    # float32 samples and float32 outputs: 1e-6 relative covers both roundings.
    np.testing.assert_allclose(clip.values, tiny_onnx.curves(audio, n_frames), rtol=1e-6, atol=1e-6)


def test_values_are_never_clamped(engine, random):
    assert engine.infer([noise(random, 1)])[0].values[:, LOUD:].min() > 1.5


@pytest.mark.parametrize("fps", FRAME_RATES)
@pytest.mark.parametrize("rate", SOURCE_RATES)
def test_the_frame_count_is_that_of_the_source_for_every_duration_and_rate(engine, rate, fps, random):
    seconds = [Fraction(1, 20), Fraction(7, 100), Fraction(1, 3), Fraction(1, 2), Fraction(999, 1000), Fraction(5, 2), Fraction(61)]
    lengths = [round(second * rate) for second in seconds] + [int(random.integers(rate, 3 * rate))]
    waves = [Waveform.from_samples(np.full(length, 0.1, np.float32), rate) for length in lengths]
    exact = Fraction(fps)
    for length, clip in zip(lengths, engine.infer(waves, fps=fps), strict=True):
        assert clip.n_frames == round(Fraction(length, rate) * exact)  # DESIGN's rule: ties to even, from the source's samples
        assert clip.fps == exact
        assert clip.start == 0


@pytest.mark.parametrize("fps", FRAME_RATES)
def test_a_click_shows_at_its_own_frame(engine, fps, random):
    exact = Fraction(fps)
    frames = np.sort(random.choice(np.arange(5, 235), 12, replace=False))
    clip = engine.infer([clicks([frame / exact for frame in frames], 10)], fps=fps)[0]
    assert np.flatnonzero(clip["eyeBlinkLeft"] > clip["eyeBlinkLeft"].max() / 2).tolist() == frames.tolist()


@pytest.mark.parametrize("fps", [24, 60, "30000/1001"])
@pytest.mark.parametrize("rate", [22050, 48000])
def test_the_last_frames_of_ten_minutes_still_match_their_audio(engine, rate, fps, random):
    exact, seconds = Fraction(fps), 600
    last = round(seconds * exact) - 1
    frames = sorted({0, 1, 12345, last - 40, last - 7, last - 1, *(int(frame) for frame in random.integers(2, last - 50, 20))})
    samples = 1e-3 * random.standard_normal(seconds * rate).astype(np.float32)
    samples[[round(frame / exact * rate) for frame in frames]] = 0.9
    clip = engine.infer([Waveform.from_samples(samples, rate)], fps=fps)[0]
    energy = clip["eyeBlinkLeft"]
    assert clip.n_frames == last + 1
    # The resampler spreads a click over about a millisecond, so the frame beside it may see a little: half the peak tells them apart.
    assert np.flatnonzero(energy > np.median(energy[frames]) / 2).tolist() == frames


def test_a_long_line_goes_through_in_pieces_of_25_seconds_whose_audio_lasts_as_long_as_their_frames(engine, random):
    fps = Fraction(30000, 1001)
    clip = engine.infer([noise(random, 131.3)], fps=fps)[0]
    inside = clip[engine.names[TIME_STEPS]] % 1 == 0  # where two pieces are mixed their lengths are, too
    steps, lengths = clip[engine.names[TIME_STEPS]][inside], clip[engine.names[LENGTH]][inside]
    assert 24 * fps < steps.max() <= 25 * fps + 1  # both ends of a piece move to the nearest frame
    whole = lengths % 1 == 0
    assert lengths[whole].tolist() == [round(int(step) * RATE / fps) for step in steps[whole]]


def test_a_stretch_without_silence_overlaps_by_five_seconds_and_fades_linearly(engine, random):
    fps = 30
    clip = engine.infer([noise(random, 60)], fps=fps)[0]
    frame = clip[engine.names[PIECE_FRAME]].astype(np.float64)
    # Pieces of 25 s that start every 20 s: 0, 20, 40. Between 20 and 25 s the piece-local frame number goes from the first piece's
    # (600 + k) to the second's (k): 600 frames less, in 150 equal parts.
    k = np.arange(150)
    np.testing.assert_allclose(frame[:600], np.arange(600), atol=1e-3)
    np.testing.assert_allclose(frame[600:750], 600 + k - 600 * (k + 1) / 151, atol=1e-3)  # float32 mixing of numbers up to 750
    np.testing.assert_allclose(frame[750:1200], np.arange(150, 600), atol=1e-3)
    np.testing.assert_allclose(frame[1200:1350], 600 + k - 600 * (k + 1) / 151, atol=1e-3)
    np.testing.assert_allclose(frame[1350:], np.arange(150, 600), atol=1e-3)


def test_a_cut_changes_nothing_that_the_network_says_of_a_place(engine, random):
    """The energy is a local thing: cutting, overlapping and joining must leave it as if the line were one piece."""
    samples = (0.1 * random.standard_normal(70 * RATE)).astype(np.float32)
    samples[18 * RATE:20 * RATE] = 0  # a silence to cut at
    clip = engine.infer([Waveform.from_samples(samples, RATE)], fps=25)[0]
    expected = tiny_onnx.curves(normalised(samples), 70 * 25)[:, ENERGY]
    inner = np.ones(expected.size, dtype=bool)
    inner[[0, -1]] = False
    # A piece's first frame has only its right half window; that shows at the cuts (at most five) and nowhere else.
    differs = np.abs(clip["eyeBlinkLeft"] - expected) > 1e-4 * expected.max()
    assert np.count_nonzero(differs & inner) <= 5


def test_a_long_line_is_cut_in_its_silences(engine, random):
    samples = (0.1 * random.standard_normal(60 * RATE)).astype(np.float32)
    for second in range(9, 60, 10):
        samples[second * RATE:(second + 1) * RATE] = 0
    clip = engine.infer([Waveform.from_samples(samples, RATE)], fps=30)[0]
    frame = clip[engine.names[PIECE_FRAME]]
    starts = np.flatnonzero(frame == 0)
    assert len(starts) >= 3
    assert all(start == 0 or start / 30 % 10 >= 9 for start in starts)  # silence is the last second of every ten
    np.testing.assert_array_equal(np.diff(frame)[np.diff(frame) != 1].size, len(starts) - 1)  # hard cuts, nothing faded


def test_a_batch_gives_the_same_bytes_as_single_lines(engine, folder, random):
    waves = [noise(random, seconds, rate) for seconds, rate in ((0.05, 48000), (31.7, 16000), (1.3, 22050), (4.9, 44100), (0.7, 8000))]
    together = engine.infer(waves, fps=30)
    alone = [engine.infer([wave], fps=30)[0] for wave in waves]
    turned = load_engine(folder / "tiny.json", device="cpu").infer(waves[::-1], fps=30)[::-1]
    for first, second, third in zip(together, alone, turned, strict=True):
        assert first.values.tobytes() == second.values.tobytes() == third.values.tobytes()
        assert first.meta == second.meta


def test_no_lines_give_no_clips(engine):
    assert engine.infer([]) == []


def test_a_line_is_normalised_as_a_whole(random):
    samples = (0.3 + 0.01 * random.standard_normal(50000)).astype(np.float32)
    normal = normalised(samples)
    assert normal.dtype == np.float32
    assert abs(normal.mean(dtype=np.float64)) < 1e-6
    variance = samples.astype(np.float64).var()
    assert normal.var(dtype=np.float64) == pytest.approx(variance / (variance + 1e-7), rel=1e-5)  # float32 rounding


def test_silence_is_a_result_and_not_an_error(engine):
    clip = engine.infer([clicks([], 2)])[0]
    assert clip.n_frames == 60
    assert clip["eyeBlinkLeft"].tolist() == [0] * 60
    assert engine.infer([clicks([], 63)])[0].n_frames == 63 * 30


def test_a_line_of_zero_frames_is_refused_by_name(engine, tmp_path):
    import soundfile

    from a2f_batch.audio import load_audio

    path = tmp_path / "blip.wav"
    soundfile.write(path, np.full(160, 0.1), RATE)
    with pytest.raises(EngineError) as caught:
        engine.infer([clicks([], 1), load_audio(path)], fps=30)
    assert caught.value.code == "too-short"
    assert "blip.wav" in str(caught.value)
    assert "0.01 s" in str(caught.value)


def test_the_shortest_line_is_one_frame(engine):
    clip = engine.infer([Waveform.from_samples(np.full(800, 0.1, np.float32), RATE)], fps=24)[0]  # 1.2 frames
    assert clip.n_frames == 1
    assert clip[engine.names[TIME_STEPS]][0] == 12  # the network saw half a second


def test_an_emotion_reaches_the_network(engine):
    neutral, joy = (engine.infer([clicks([], 1)], emotion=emotion)[0] for emotion in ("neutral", "joy"))
    assert set(neutral[engine.names[EMOTION]]) == {10}
    assert set(joy[engine.names[EMOTION]]) == {3}
    assert (joy.meta["emotion"], joy.meta["not_honoured"]) == ("joy", [])


def test_what_the_network_does_not_know_is_said_once_and_kept_in_the_meta(folder, caplog):
    engine = load_engine(folder / "tiny.json", device="cpu")
    with caplog.at_level(logging.WARNING, "a2f_batch"):
        clips = [engine.infer([clicks([], 1)], emotion="anger", style="whispered", seed=7)[0] for _ in range(3)]
    assert len([record for record in caplog.records if "anger" in record.getMessage()]) == 1
    assert len([record for record in caplog.records if "styles" in record.getMessage()]) == 1
    for clip in clips:
        assert set(clip[engine.names[EMOTION]]) == {10}
        assert clip.meta["not_honoured"] == ["emotion", "style"]
        assert (clip.meta["emotion"], clip.meta["style"], clip.meta["seed"]) == ("anger", "whispered", 7)


def test_the_meta_says_what_made_the_clip_in_json_values(engine, folder):
    import hashlib

    meta = dict(engine.infer([clicks([], 1)], seed=np.int64(5))[0].meta)
    assert json.loads(json.dumps(meta)) == meta
    assert meta["weights_sha256"] == hashlib.sha256((folder / "tiny.onnx").read_bytes()).hexdigest()
    assert (meta["engine"], meta["weights"], meta["device"], meta["precision"], meta["seed"]) == ("unitalker", "tiny", "cpu", "exact", 5)


@pytest.mark.parametrize(("options", "code", "word"), [
    ({"emotion": "anger!"}, "emotion-unknown", "Did you mean 'anger'?"),
    ({"emotion": "Joy"}, "emotion-unknown", "joy"),
    ({"fps": 0}, "fps", "1 to 240"),
    ({"fps": 1000}, "fps", "1 to 240"),
    ({"fps": "fast"}, "fps", "not a number"),
])
def test_a_wrong_argument_is_refused_with_what_would_be_right(engine, options, code, word):
    with pytest.raises(A2FError) as caught:
        engine.infer([clicks([], 1)], **options)
    assert caught.value.code == code
    assert word in str(caught.value)


def test_a_rate_outside_the_networks_range_is_refused(folder):
    description = {**json.loads((folder / "tiny.json").read_text()), "fps": {"min": "24000/1001", "max": 60}, "weights": "tiny.onnx"}
    (folder / "narrow.json").write_text(json.dumps(description))
    engine = load_engine(folder / "narrow.json", device="cpu")
    assert engine.infer([clicks([], 1)], fps="23.976")[0].n_frames == 24
    with pytest.raises(EngineError, match="24000/1001 to 60") as caught:
        engine.infer([clicks([], 1)], fps=120)
    assert caught.value.code == "fps-range"


def test_a_network_that_fails_on_a_line_is_an_error_and_no_still_face(folder):
    """NaN for loud lines only, so that the trial run at load does not see it."""
    import onnx
    from onnx import helper, numpy_helper

    model = tiny_onnx.network()
    model.graph.node[-1].output[0] = "finite"
    model.graph.initializer.append(numpy_helper.from_array(np.array(10.0, np.float32), "ten"))
    # sqrt(10 - crest factor): NaN once a sample exceeds ten standard deviations.
    model.graph.node.extend([
        helper.make_node("ReduceMax", ["audio"], ["peak"], keepdims=0),
        helper.make_node("Sub", ["ten", "peak"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Add", ["finite", "root"], ["output"]),
    ])
    onnx.checker.check_model(model)
    tiny_onnx.save(model, folder / "moody.onnx")
    (folder / "moody.json").write_text((folder / "tiny.json").read_text())
    engine = load_engine(folder / "moody.json", device="cpu")
    assert engine.infer([Waveform.from_samples(np.sin(np.arange(16000) / 9).astype(np.float32), RATE)])[0].n_frames == 30
    with pytest.raises(EngineError, match="nan in channel 'eyeBlinkLeft' at frame 0") as caught:
        engine.infer([clicks([0.5], 1)])
    assert caught.value.code == "engine-output"


def test_pieces_that_overlap_are_joined_with_linear_weights():
    pieces = [Piece(0, 6), Piece(3, 8)]
    line = join(pieces, [np.zeros((7, 2), np.float32), np.ones((9, 2), np.float32)])
    np.testing.assert_array_equal(line[:, 0], np.array([0, 0, 0, 0.25, 0.5, 0.75, 1, 1], np.float32))


def test_a_plan_holds_every_frame_even_where_cuts_lie_closer_than_frames():
    pieces = plan([(0, 16000), (16000, 16010), (16010, 40000)], 75, RATE, Fraction(30))
    assert pieces == [Piece(0, 30), Piece(30, 75)]
