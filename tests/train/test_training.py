"""Training on a corpus that the test makes: about 15 s, needs torch (`make test-torch`)."""

from __future__ import annotations

import csv
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from a2f_batch.errors import A2FError
from a2f_batch.names import ARKIT_52
from a2f_batch.train.dataset import Array, Corpus, Sentence, read_corpus, tracks_of
from a2f_batch.train.recipe import AMPLITUDES, EMBEDDED, SAMPLE_RATE, read_recipe, split_sentences

pytestmark = pytest.mark.torch

CHANNELS = ["_neutral", *(name for name in ARKIT_52 if name != "tongueOut")]
FRAMES, FPS = 75, 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("grid"), 121)


def made(folder: Path, sentences: int) -> Path:
    """Make 'sentences' of bursts of noise, with jawOpen their loudness; the last has a frame without capture."""
    (folder / "audio").mkdir()
    random = np.random.default_rng(20)
    ids = [f"line{i:03d}" for i in range(sentences)]
    arkit = random.uniform(0, 0.01, (len(ids), FRAMES, len(CHANNELS))).astype(np.float16)
    landmarks = np.zeros((len(ids), FRAMES, 4, 3), dtype=np.float16)
    landmarks[:, :, 3, 0] = 100  # the eyes are 100 pixels apart
    with (folder / "words.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "start", "end", "word"])
        for i, id in enumerate(ids):
            loudness = np.repeat(random.integers(0, 2, 14), 6)[:FRAMES] * (np.arange(FRAMES) >= 25)
            envelope = np.interp(np.arange(FRAMES / FPS * SAMPLE_RATE) * FPS / SAMPLE_RATE, np.arange(FRAMES), loudness)
            noise = random.standard_normal(envelope.size)
            # Cut short, as GRID's sounds are.
            soundfile.write(folder / "audio" / f"{id}.flac", (noise * (envelope + 0.01) * 0.1)[:47648], SAMPLE_RATE)
            arkit[i, :, CHANNELS.index("jawOpen")] += 0.3 * loudness
            landmarks[i, :, 0, 1] = 10 * loudness
            rows.writerow([id, "0.0", "1.0", "sil"])
            rows.writerow([id, "1.0", "3.0", "word"])
    arkit[-1, 40] = np.nan
    np.savez(folder / "curves.npz", ids=np.array(ids), channels=np.array(CHANNELS), fps=np.array(FPS), arkit=arkit,
             landmarks=landmarks, landmark_index=np.array([13, 14, 33, 263]))
    return folder


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return read_corpus(folder)


def jaw_of(corpus: Corpus, sentence: Sentence) -> Array:
    return sentence.captured[:, corpus.channels.index("jawOpen")]


def test_sentences_without_capture_are_dropped_and_neutral_is_no_channel(corpus: Corpus) -> None:
    assert corpus.dropped == ("line120",)
    assert len(corpus.sentences) == 120
    assert "_neutral" not in corpus.channels
    assert len(corpus.channels) == 51
    assert all(np.isfinite(sentence.captured).all() and len(sentence.audio) == 48000 for sentence in corpus.sentences.values())


def test_a_folder_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(A2FError, match=r"words\.csv") as raised:
        read_corpus(tmp_path)
    assert raised.value.code == "train-corpus"


def test_the_split_keeps_the_three_sets_apart_whatever_the_order(corpus: Corpus) -> None:
    ids = list(corpus.sentences)
    training, validation, held_out = split_sentences(ids, 2, 2)
    assert (len(training), len(validation), len(held_out)) == (116, 2, 2)
    assert sorted(training + validation + held_out) == sorted(ids)
    assert split_sentences(ids[::-1], 2, 2)[2] == held_out


def test_targets_rest_at_zero_reach_their_amplitude_and_seal_shut_lips(corpus: Corpus) -> None:
    ids = list(corpus.sentences)
    tracks = tracks_of(corpus, ids)
    targets = np.concatenate([tracks.targets(corpus.sentences[id]) for id in ids])
    closed = np.concatenate([corpus.sentences[id].closed for id in ids])
    jaw, close = targets[:, tracks.names.index("jawOpen")], targets[:, tracks.names.index("mouthClose")]
    # The made-up capture has noise of 0.01 on peaks of 0.3: 0.02 of the amplitude 0.6.
    assert abs(np.percentile(jaw, 99) - AMPLITUDES["jawOpen"]) < 0.01
    assert abs(np.median(jaw[closed])) < 0.02
    assert (close[closed] >= jaw[closed]).all()


def test_the_commands_lay_out_examples_and_train_on_them(folder: Path, tmp_path: Path) -> None:
    """From a corpus to weights that an engine loads, by the commands as users call them."""
    from a2f_batch import load_engine
    from a2f_batch.audio import load_audio

    recipe = tmp_path / "tiny.toml"
    recipe.write_text(re.sub(r"(?m)^(steps|batch|width|dilations) = .*$",
                             lambda found: {"steps": "steps = 4", "batch": "batch = 2", "width": "width = 16",
                                            "dilations": "dilations = [1, 2]"}[found[1]], EMBEDDED.read_text()))
    work, out = tmp_path / "work", tmp_path / "mine.onnx"
    call = [sys.executable, "-m", "a2f_batch", "train"]
    run = subprocess.run([*call, "fit", "--work", work, "--out", out], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "examples" in run.stderr
    assert "Traceback" not in run.stderr

    speech = [*call, "speech", "--corpus", "espeak", "--minutes", "0.1", "--work", work]
    run = subprocess.run(speech, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "new utterances of espeak" in run.stdout
    run = subprocess.run([*call, "examples", "--data", folder, "--work", work], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "grid: 20 lines, 1.0 minutes" in run.stdout
    run = subprocess.run([*call, "fit", "--recipe", recipe, "--work", work, "--out", out], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert hashlib.sha256(out.read_bytes()).hexdigest() in run.stdout
    wave = load_audio(next((folder / "audio").iterdir()))
    assert load_engine(str(out.with_suffix(".json")), device="cpu").infer([wave], fps=30)[0].n_frames == round(float(wave.duration) * 30)


def test_the_command_refuses_a_corpus_that_leaves_nothing_to_train_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "a2f_batch", "train", "examples", "--data", made(tmp_path, 24), "--work", tmp_path / "work"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "0 sentences are left to train on" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "work").exists()


def test_the_description_carries_the_files_checksum(tmp_path: Path) -> None:
    from a2f_batch.engines.description import read_description
    from a2f_batch.train.export_onnx import write_description

    path = tmp_path / "tiny.onnx"
    write_description(path, sha256=hashlib.sha256(b"tiny").hexdigest(), source="a test")
    description = read_description(path.with_suffix(".json"))
    assert description.weights == path
    assert description.sha256 == hashlib.sha256(b"tiny").hexdigest()
    assert len(description.names) == 51


@pytest.mark.parametrize(("line", "wrong", "told"), [
    ("steps = 7000", "steps = 6e3", "'steps' must be a whole number, not 6000.0"),
    ("steps = 7000", "", "'steps' is missing"),
    ("steps = 7000", "steps = 7000\nsteppes = 1", "'steppes' is unknown"),
    ("room = [0.1, 0.5]", "room = [0.1]", "'room' must be two numbers, not [0.1]"),
    ("[sounds]", "[sounds", "can't be read"),
])
def test_a_wrong_recipe_is_refused_by_name(tmp_path: Path, line: str, wrong: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    text = EMBEDDED.read_text()
    assert line in text
    path.write_text(text.replace(line, wrong))
    with pytest.raises(A2FError, match=re.escape(told)) as raised:
        read_recipe(path)
    assert raised.value.code == "train-recipe"
