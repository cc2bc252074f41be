"""The committed default weights, run by onnxruntime alone: contract, frame times, and that they follow a voice. About 2 s."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from a2f_batch import load_engine, post
from a2f_batch.audio import Waveform
from a2f_batch.names import is_mouth, vocabulary
from a2f_batch.resources import resource_folder

RATE = 16000
Array = npt.NDArray[np.float32]
WORDS = vocabulary("unitalker51")
NAMES = [WORDS.to_hub[channel] for channel in WORDS.channels]


def weights() -> Path:
    return resource_folder("weights") / "embedded_v2.onnx"


def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(weights(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def network() -> onnxruntime.InferenceSession:
    return session()


@pytest.fixture
def random() -> np.random.Generator:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def normalised(audio: npt.ArrayLike) -> Array:
    samples = np.asarray(audio, dtype=np.float64)
    return ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)


def run(network: onnxruntime.InferenceSession, audio: Array, n_frames: int, emotion: int = 10) -> Array:
    curves: Array = network.run(None, {"audio": audio[None], "emo_id": np.array([emotion], np.int32),
                                       "time_steps": np.array([n_frames], np.int32)})[0]
    assert curves.shape == (1, n_frames, 51)
    assert curves.dtype == np.float32
    return curves[0]


def vowel(seconds: float, formants: tuple[float, ...], pitch: float) -> npt.NDArray[np.float64]:
    """A buzz of harmonics that fall 12 dB an octave, through resonances 80 Hz wide at `formants`."""
    time = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros(time.size)
    for frequency in np.arange(pitch, 5000, pitch):
        gain = np.prod([1 / np.hypot(1 - (frequency / f) ** 2, 80 * frequency / f**2) for f in formants])
        sound += gain * (pitch / frequency) ** 1 * np.sin(2 * np.pi * frequency * time)
    return sound * np.minimum(1, np.minimum(time, time[::-1]) / 0.03) / sound.std()


A, I = (730.0, 1090.0, 2440.0), (270.0, 2290.0, 3010.0)  # noqa: E741  Peterson and Barney 1952, men


def test_the_file_is_small_and_is_the_one_described() -> None:
    content = weights().read_bytes()
    description = json.loads(weights().with_suffix(".json").read_text(encoding="utf-8"))
    assert len(content) <= 20_000_000
    assert description["sha256"] == hashlib.sha256(content).hexdigest()
    assert (description["engine"], description["channels"], description["sample_rate"]) == ("unitalker", "unitalker51", RATE)
    assert description["licence"] == "CC-BY-4.0"
    card = weights().with_suffix(".md").read_text(encoding="utf-8")
    assert description["sha256"] in card
    assert "CC BY 4.0" in card


def test_inputs_and_output_are_the_contracts(network: onnxruntime.InferenceSession) -> None:
    inputs = {node.name: (node.type, len(node.shape)) for node in network.get_inputs()}
    assert inputs == {"audio": ("tensor(float)", 2), "emo_id": ("tensor(int32)", 1), "time_steps": ("tensor(int32)", 1)}
    assert network.get_outputs()[0].type == "tensor(float)"


def test_any_length_and_any_frame_count_run(network: onnxruntime.InferenceSession, random: np.random.Generator) -> None:
    drawn = int(random.integers(2000, 90000)), int(random.integers(1, 300))
    for n_samples, n_frames in ((1, 1), (267, 1), (800, 3), drawn, (400000, 1500)):
        assert np.isfinite(run(network, normalised(random.standard_normal(n_samples)), n_frames)).all()


def test_another_session_gives_the_same_bytes_and_emotions_change_nothing(network: onnxruntime.InferenceSession,
                                                                           random: np.random.Generator) -> None:
    audio = normalised(random.standard_normal(50000))
    first = run(network, audio, 94)
    assert np.array_equal(run(session(), audio, 94), first)
    assert np.array_equal(run(network, audio, 94, emotion=3), first)


def test_frame_i_is_at_sample_i_n_over_t(network: onnxruntime.InferenceSession, random: np.random.Generator) -> None:
    audio = normalised(random.standard_normal(48000) * np.repeat(random.uniform(0, 1, 30), 1600))
    slow, fast = run(network, audio, 25 * 3), run(network, audio, 100 * 3)
    # Positions are exact integers; what is left is the rounding of one linear interpolation.
    assert np.abs(fast[::4] - slow).max() < 1e-5
    # 30 frames a second fall between the network's own 50 steps.
    own, asked = run(network, audio, 50 * 3), run(network, audio, 30 * 3)
    at = np.arange(90) * 50 / 30
    left = at.astype(int)
    weight = (at - left)[:, None]
    assert np.abs(own[left] * (1 - weight) + own[left + 1] * weight - asked).max() < 1e-5


def test_a_frame_depends_only_on_the_sound_around_it(network: onnxruntime.InferenceSession, random: np.random.Generator) -> None:
    audio = normalised(random.standard_normal(RATE * 8) * np.repeat(random.uniform(0, 1, 80), RATE // 10))
    whole, part = run(network, audio, 200), run(network, audio[:RATE * 4], 100)
    # Nothing normalises over the line: 1.4 s from the cut, beyond the convolutions' reach, only float32 rounding differs.
    assert np.abs(whole[:65] - part[:65]).max() < 1e-4


def test_eyes_brows_and_cheeks_are_left_alone(network: onnxruntime.InferenceSession, random: np.random.Generator) -> None:
    curves = run(network, normalised(random.standard_normal(RATE * 2)), 60)
    still = [i for i, name in enumerate(NAMES) if name.startswith(("eye", "brow", "cheek", "nose"))]
    assert len(still) == 24
    assert not curves[:, still].any()
    assert curves[:, [i for i, name in enumerate(NAMES) if is_mouth(name)]].any()


def test_the_mouth_opens_for_vowels_and_closes_in_pauses(network: onnxruntime.InferenceSession, random: np.random.Generator) -> None:
    pause = np.zeros(RATE)
    # A man's pitch, as the formants are a man's: over 190 Hz the harmonics lie too far apart to show where a first formant of 270 Hz is.
    for pitch in random.uniform(90, 170, 4):
        line = np.concatenate([pause, vowel(0.5, A, pitch), pause, vowel(0.5, I, pitch), pause])
        jaw = run(network, normalised(line), 100)[:, NAMES.index("jawOpen")]  # 25 fps: 'ah' is frames 25-37, 'ee' 62-74
        rest = np.concatenate([jaw[:18], jaw[82:]])
        assert np.abs(rest).max() < 0.06, "the mouth rests shut"
        assert jaw[27:36].mean() > rest.mean() + 0.15, "an 'ah' opens the jaw"
        assert jaw[27:36].mean() > jaw[64:73].mean() + 0.05, "an 'ee' opens it less"


def test_finished_curves_rest_before_between_and_after_words() -> None:
    pause = np.zeros(RATE)
    line = np.concatenate([pause, vowel(0.5, A, 120), pause, vowel(0.5, A, 120), pause]) * 0.1
    wave = Waveform.from_samples(line.astype(np.float32), RATE)
    jaw = post(load_engine("embedded", device="cpu").infer([wave], fps=50)[0], "default", wave=wave)["jawOpen"]
    assert max(jaw[:35].max(), jaw[110:115].max(), jaw[185:].max()) < 0.02
    assert min(jaw[52:73].mean(), jaw[127:148].mean()) > 0.15


def test_a_line_of_noise_alone_moves_little(network: onnxruntime.InferenceSession, random: np.random.Generator) -> None:
    # Normalisation makes the faint noise of an empty recording as loud as a voice.
    curves = run(network, normalised(random.standard_normal(RATE * 3)), 75)
    assert np.abs(curves[25:50, NAMES.index("jawOpen")]).max() < 0.15


def spoken() -> Array:
    """One of the demo's lines, normalised: real prosody and phones."""
    from a2f_batch.audio import load_audio

    return normalised(load_audio(resource_folder("manifests") / "audio/gate_halt.en-US.wav").samples)


@pytest.mark.parametrize("fps", [50, 75, 100])
def test_the_frames_between_those_it_learned_lie_between_them(network: onnxruntime.InferenceSession, fps: int) -> None:
    audio = spoken()
    audio = audio[:audio.size // 640 * 640]
    learned = run(network, audio, audio.size // 640)  # 25 fps, the capture's rate
    times = np.arange(audio.size // 640) / 25
    finer = run(network, audio, audio.size // 640 * fps // 25)
    finer_times = np.arange(len(finer)) / fps
    for name in ("jawOpen", "mouthFunnel", "mouthLowerDownLeft", "mouthClose"):
        curve, reference = finer[:, NAMES.index(name)], np.interp(finer_times, times, learned[:, NAMES.index(name)])
        # A line drawn between 25 frames a second misses what a mouth does in 40 ms by a few hundredths of its range; noise of an
        # output that was never trained has the size of the curve itself.
        if name == "mouthClose":  # lips may meet and part between two frames of the 25
            assert np.corrcoef(curve, reference)[0, 1] > 0.9
            continue
        assert np.corrcoef(curve, reference)[0, 1] > 0.97, name
        assert np.abs(curve - reference).max() < 0.35 * np.ptp(reference), name
