"""Training on lines that the test makes: about 20 s, needs the extras [torch] and [train] (`make test-torch`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from a2f_batch.engines import describe
from a2f_batch.errors import A2FError
from a2f_batch.names import vocabulary
from a2f_batch.train.coarticulation import TRACKS
from a2f_batch.train.examples import Example
from a2f_batch.train.recipe import Recipe, read_recipe

pytestmark = pytest.mark.torch

NAMES = [vocabulary("unitalker51").to_hub[channel] for channel in vocabulary("unitalker51").channels]
JAW, CLOSE = TRACKS.index("jawOpen"), TRACKS.index("mouthClose")


@pytest.fixture(scope="module")
def lines() -> list[Example]:
    """Lines of three sounds: silence with the mouth at rest, hiss with the jaw open, hum with the jaw open behind shut lips."""
    random = np.random.default_rng(7)
    made = []
    for i in range(12):
        kinds = np.repeat(random.integers(0, 3, 20), 20)
        hiss, hum = random.standard_normal(64000), np.sin(2 * np.pi * 200 * np.arange(64000) / 16000)
        sound = np.repeat(kinds, 160)
        audio = np.where(sound == 1, hiss, np.where(sound == 2, hum, 0.001 * hiss))
        goals = np.zeros((400, len(TRACKS) + 2), dtype=np.float16)
        goals[:, JAW] = 0.4 * (kinds > 0)
        goals[:, CLOSE] = 0.4 * (kinds == 2)
        goals[:, -2] = 0.4 * (kinds == 1)
        goals[:, -1] = kinds != 1
        made.append(Example("grid" if i % 2 else "kokoro", np.clip(audio / audio.std() * 2000, -32768, 32767).astype(np.int16), goals,
                            np.where(kinds == 1, 9, kinds // 2).astype(np.int8)))
    return made


def tiny(**changes: object) -> Recipe:
    recipe = read_recipe()
    plain = replace(recipe.sounds, speed_share=0, pause_share=0, room_share=0, band_share=0, tilt_share=0, clipped_share=0)
    recipe = replace(recipe, sealing=(1.0, 0.0), steps=60, batch=4, crop_seconds=1.28, rate=0.01, width=24, dilations=(1, 2), averaging=0.9,
                     checkpoint_steps=10, sounds=plain)
    return replace(recipe, **changes)


def test_shut_lips_are_learned_into_the_channels_and_onnx_gives_what_torch_gives(lines: list[Example], tmp_path: Path) -> None:
    import torch

    from a2f_batch.train.export_onnx import Contract, write_onnx
    from a2f_batch.train.fit import fit

    network = fit(lines, tiny())
    path = tmp_path / "tiny.onnx"
    write_onnx(network, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def curves(audio: np.ndarray, n_frames: int) -> np.ndarray:
        feed = {"audio": audio[None].astype(np.float32), "emo_id": np.array([10], np.int32), "time_steps": np.array([n_frames], np.int32)}
        return session.run(None, feed)[0][0]

    line = lines[0]
    found = curves(line.audio / 2000.0, 400)
    opening = found[:, NAMES.index("jawOpen")] - found[:, NAMES.index("mouthClose")]
    hiss, hum = line.goals[:, -2] > 0.3, line.goals[:, CLOSE] > 0.3
    assert opening[hiss].mean() > 0.2
    assert opening[hum].mean() < 0.1
    assert found[hum, NAMES.index("jawOpen")].mean() > 0.2

    contract = Contract(network).eval()
    random = np.random.default_rng()
    # Lengths that are no whole number of steps, and the shortest.
    for n_samples, n_frames in ((48000, 90), (12345, 23), (333, 1), (200000, 750)):
        audio = random.standard_normal(n_samples).astype(np.float32)
        with torch.no_grad():
            wanted = contract(torch.from_numpy(audio)[None], torch.tensor([10], dtype=torch.int32),
                              torch.tensor([n_frames], dtype=torch.int32)).numpy()[0]
        # float32 sums in another order; 1e-4 is what the project promises of an export.
        assert np.abs(curves(audio, n_frames) - wanted).max() < 1e-4


def test_a_stopped_run_ends_with_the_weights_of_one_that_was_not(lines: list[Example], tmp_path: Path) -> None:
    from a2f_batch.train.fit import fit

    recipe = tiny(steps=4, checkpoint_steps=2)
    whole = fit(lines, recipe, tmp_path / "whole.pt").state_dict()
    assert fit(lines, recipe, tmp_path / "parts.pt", stop_after=0) is None  # half-trained weights are nobody's
    assert "step 2 " in (tmp_path / "parts.log").read_text()
    assert "step 4 " not in (tmp_path / "parts.log").read_text()
    parts = fit(lines, recipe, tmp_path / "parts.pt", workers=1).state_dict()
    assert all(np.array_equal(whole[name].numpy(), parts[name].numpy()) for name in whole)
    other = fit(lines, tiny(steps=4, checkpoint_steps=2, seed=1)).state_dict()
    assert not np.array_equal(whole["head.3.weight"].numpy(), other["head.3.weight"].numpy())
    # What is set after the last step needs no step again.
    resealed = fit(lines, tiny(steps=4, checkpoint_steps=2, sealing=(2.0, 1.0)), tmp_path / "parts.pt").state_dict()
    assert resealed.pop("sealing").tolist() == [2.0, 1.0]
    assert all(np.array_equal(parts[name].numpy(), resealed[name].numpy()) for name in resealed)
    with pytest.raises(A2FError, match="another recipe"):
        fit(lines, tiny(steps=4, checkpoint_steps=2, seed=1), tmp_path / "parts.pt")


def test_starting_from_the_embedded_network_changes_nothing_at_first(lines: list[Example]) -> None:
    import torch

    from a2f_batch.train.network import MouthNet
    from a2f_batch.train.warm_start import start_from

    recipe, weights = read_recipe(), describe("embedded").weights
    network = MouthNet(recipe.width, recipe.dilations, recipe.dropout)
    audio = np.stack([line.audio[:32000] for line in lines]).astype(np.float32) / 2000
    start_from(network, weights, audio)
    fresh = np.random.default_rng(3).standard_normal(32000).astype(np.float32)
    with torch.no_grad():
        found, _ = network.eval()(torch.from_numpy(fresh)[None], torch.tensor(60))
    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    wanted, = session.run(None, {"audio": fresh[None], "emo_id": np.array([10], np.int32), "time_steps": np.array([60], np.int32)})
    assert np.abs(found[0, :, JAW].numpy() - wanted[0, :, NAMES.index("jawOpen")]).max() < 1e-3
    small = MouthNet(24, (1, 2), 0.1)
    with pytest.raises(A2FError, match="other shapes"):
        start_from(small, weights, audio)


def test_texts_plan_and_robot_are_repeatable_and_keep_the_held_out_apart() -> None:
    from itertools import islice

    from a2f_batch.train.speech.espeak import Manner, espeak
    from a2f_batch.train.speech.kokoro import LANGUAGES
    from a2f_batch.train.speech.plan import HELD_OUT_LANGUAGE, HELD_OUT_VOICES, espeak_items, kokoro_items

    voices = [f"{letter}{sex}_{name}" for letter in LANGUAGES.values() for sex, name in (("f", "one"), ("m", "two"), ("m", "three"))]
    voices += HELD_OUT_VOICES.values()
    items = list(islice(kokoro_items(voices, 0), 200))
    assert items == list(islice(kokoro_items(voices, 0), 200))
    held = set(HELD_OUT_VOICES.values()) | {voice for voice in voices if voice[0] == LANGUAGES[HELD_OUT_LANGUAGE]}
    for item in items:
        assert (item.split == "train") != bool(held & {name for name, _ in item.voices})
        assert item.split != "train" or item.language != HELD_OUT_LANGUAGE
    counts = [sum(item.language == language for item in items) for language in LANGUAGES if language != HELD_OUT_LANGUAGE]
    assert max(counts) - min(counts) <= 2
    assert HELD_OUT_LANGUAGE not in {item.language for item in islice(espeak_items(0), 100)}

    item = next(item for item in espeak_items(0) if item.language == "de")
    samples, rate, phones = espeak().speak(item.text, "de", Manner("m3", 160, 50, 50))
    # Its breath and its timing tremble by a millisecond; what it says does not.
    again = espeak().speak(item.text, "de", Manner("m3", 160, 50, 50))[2]
    assert [phone.ipa for phone in phones] == [phone.ipa for phone in again]
    assert len(phones) > 10
    assert all(0 <= phone.begin < phone.end <= len(samples) / rate + 0.01 for phone in phones)
    # Stops and hisses are quieter than vowels: the times belong to the sound.
    def level(phone: object) -> float:
        return float(np.abs(samples[round(phone.begin * rate):round(phone.end * rate)]).mean())  # type: ignore[attr-defined]

    vowels, others = ([level(phone) for phone in phones if phone.ipa in letters] for letters in ("aeiou", "ptkfs"))
    assert np.mean(vowels) > 1.5 * np.mean(others)
