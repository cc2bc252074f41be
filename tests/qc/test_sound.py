"""Loudness, peaks and clipping of sounds, against ffmpeg's meter and what was put in."""

import re
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.qc import sound


def fresh_random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def syllables(random, seconds, rate):
    """A buzz with formants that rises and falls as syllables do, with a pause, over room tone; no overtone over 7 kHz."""
    times = np.arange(round(seconds * rate)) / rate
    hertz = random.uniform(90, 250)
    buzz = sum(np.sin(2 * np.pi * k * hertz * times + random.uniform(0, 6)) / k for k in range(1, int(7000 / hertz)))
    envelope = np.clip(np.sin(2 * np.pi * random.uniform(2, 5) * times), 0, 1) * (np.abs(times - seconds / 2) > seconds / 8)
    return random.uniform(0.02, 0.2) * buzz * envelope + 1e-4 * random.normal(size=len(times))


def ffmpeg_lufs(path):
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", path, "-af", "ebur128", "-f", "null", "-"],
                          capture_output=True, text=True, check=True)
    return float(re.findall(r"I:\s+(-?[\d.]+) LUFS", done.stderr)[-1])


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
def test_loudness_is_what_ffmpegs_meter_says(tmp_path, rate):
    random = fresh_random()
    for i in range(3):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, syllables(random, random.uniform(4, 9), rate), rate, subtype="PCM_16")
        wave = load_audio(path)
        # ffmpeg shows a tenth; a block near the gate is in for the one and out for the other.
        assert sound.loudness(sound.spectrum(wave.samples, wave.rate).weighted) == pytest.approx(ffmpeg_lufs(path), abs=0.35)


def test_silence_has_no_loudness_and_a_short_sound_has_one():
    assert sound.loudness(sound.spectrum(np.zeros(16000, np.float32), 16000).weighted) is None
    tone = np.sin(2 * np.pi * 1000 * np.arange(3200) / 16000).astype(np.float32)
    # A tone of 1 kHz at full scale is -3.01 LUFS (EBU Tech 3341); its edges lie in two windows.
    assert sound.loudness(sound.spectrum(tone, 16000).weighted) == pytest.approx(-3.01, abs=0.6)


def test_energies_of_the_bands_add_up_to_the_sounds(tmp_path):
    random = fresh_random()
    times = np.arange(16000 * 3) / 16000
    tones = sum(np.sin(2 * np.pi * hertz * times + random.uniform(0, 6)) * 0.1 for hertz in (200, 700, 1500, 3000, 5000))
    bands = sound.spectrum(tones.astype(np.float32), 16000).bands
    inner = bands[2:-2].mean(axis=0)
    assert inner.sum() == pytest.approx(5 * 0.005, rel=0.01)
    assert inner[[0, 2, 4, 6, 7]] == pytest.approx([0.005] * 5, rel=0.05)


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("stereo", [False, True])
def test_clipping_and_peak_are_of_the_source_before_mixing_and_resampling(tmp_path, rate, stereo):
    random = fresh_random()
    clean = syllables(random, 3, rate)
    clean /= np.abs(clean).max()
    # Clipped, then made quieter: the tops are flat all the same.
    clipped = np.clip(4 * clean, -1, 1) * 0.7
    for samples, least, most in ((clean * 0.7, 0, 3e-4), (clipped, 2e-3, 1)):
        both = np.stack([samples, np.zeros_like(samples)], axis=1) if stereo else samples
        soundfile.write(tmp_path / "a.wav", both, rate, subtype="PCM_16")
        source = load_audio(tmp_path / "a.wav").source
        assert source.peak == pytest.approx(0.7, abs=1e-3)
        assert least / (1 + stereo) <= source.clipped <= most


def test_clipping_is_found_in_a_line_of_many_blocks_by_the_loudest_alone():
    quiet = np.full(200_000, 0.1, np.float32)  # flat, and no top of this line
    loud = np.array([0.5, 1, 1, 1, 1, 0.5], np.float32)
    assert Waveform.from_samples(np.concatenate([quiet, loud, quiet]), 16000).source.clipped == pytest.approx(4 / 400_006)
