"""Sound files as people have them: every format by its real encoder, every way to be broken."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from scipy.signal import chirp, correlate, firwin, resample_poly

from a2f_batch import ffmpeg
from a2f_batch.audio import MAX_SECONDS, Waveform, load_audio
from a2f_batch.errors import AudioError

RATE = 44100
SECONDS = 2.0


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print("seed", seed)
    return np.random.default_rng(seed)


def voice_like(rng: np.random.Generator, rate: int = RATE, seconds: float = SECONDS, channels: int = 1) -> np.ndarray:
    """Noise below 3 kHz whose loudness moves as syllables do: what every speech codec keeps. Shape (n, channels)."""
    n = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal((n, channels)), axis=0)
    frequency = np.fft.rfftfreq(n, 1 / rate)
    spectrum[(frequency < 100) | (frequency > 3000)] = 0
    sound = np.fft.irfft(spectrum, n, axis=0)
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(n) / rate)
    return (0.3 * sound / np.abs(sound).max() * loudness[:, None]).astype(np.float32)


def encode(source: Path, target: Path, *arguments: str) -> Path:
    """Run the ffmpeg of imageio-ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-i", str(source), *arguments, str(target)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target


def wav(folder: Path, samples: np.ndarray, rate: int = RATE, name: str = "line.wav", subtype: str = "PCM_16") -> Path:
    soundfile.write(folder / name, samples, rate, subtype=subtype)
    return folder / name


def best_correlation(ours: np.ndarray, reference: np.ndarray, lag: int = 2500) -> float:
    """Correlation at the best delay up to `lag` samples: encoders put up to 0.1 s before the sound."""
    n = min(len(ours), len(reference))
    a, b = ours[:n] - ours[:n].mean(), reference[:n] - reference[:n].mean()
    products = correlate(a, b, method="fft")[n - 1 - lag:n + lag]
    return float(products.max() / (np.linalg.norm(a) * np.linalg.norm(b)))


def code_of(path: os.PathLike[str] | str, **options: object) -> str:
    """The reason code of the refusal; its message must name the file and say what to do."""
    with pytest.raises(AudioError) as caught:
        load_audio(path, **options)  # type: ignore[arg-type]
    assert str(path) in caught.value.problem
    assert caught.value.remedy
    return caught.value.code


# --- formats -----------------------------------------------------------------------------------------------------------------------

# Name, arguments of soundfile, and the least correlation with what was written: 16 bits and more are exact to rounding,
# 8 bits and ADPCM have noise about 40 dB and 20 dB below the voice, lossy codecs keep the waveform of 0.1 to 3 kHz.
SOUNDFILE_FORMATS = [
    ("u8.wav", {"subtype": "PCM_U8"}, 0.995), ("s16.wav", {"subtype": "PCM_16"}, 0.99999), ("s24.wav", {"subtype": "PCM_24"}, 0.99999),
    ("s32.wav", {"subtype": "PCM_32"}, 0.99999), ("f32.wav", {"subtype": "FLOAT"}, 0.99999), ("f64.wav", {"subtype": "DOUBLE"}, 0.99999),
    ("ima.wav", {"subtype": "IMA_ADPCM"}, 0.98), ("ms.wav", {"subtype": "MS_ADPCM"}, 0.98), ("mu.wav", {"subtype": "ULAW"}, 0.995),
    ("rf64.wav", {"format": "RF64"}, 0.99999), ("ext.wav", {"format": "WAVEX"}, 0.99999), ("big.wav", {"endian": "BIG"}, 0.99999),
    ("a.flac", {}, 0.99999), ("a.aiff", {}, 0.99999), ("f.aifc", {"format": "AIFF", "subtype": "FLOAT"}, 0.99999),
    ("a.au", {}, 0.99999), ("a.caf", {}, 0.99999), ("a.w64", {}, 0.99999),
    ("v.ogg", {"format": "OGG", "subtype": "VORBIS"}, 0.95), ("a.mp3", {}, 0.95),
]


@pytest.mark.parametrize(("name", "options", "least"), SOUNDFILE_FORMATS, ids=[name for name, _, _ in SOUNDFILE_FORMATS])
def test_what_soundfile_writes_is_read_back(tmp_path: Path, rng: np.random.Generator, name: str, options: dict[str, str],
                                            least: float) -> None:
    sound = voice_like(rng, channels=2)
    soundfile.write(tmp_path / name, sound, RATE, **options)
    wave = load_audio(tmp_path / name)
    assert (wave.source.rate, wave.source.channels, wave.source.path) == (RATE, 2, str(tmp_path / name))
    # libsndfile writes a wrong sample count for stereo IMA ADPCM; its last block of 2041 samples is then filled with silence.
    assert 0 <= wave.source.frames - len(sound) <= (2041 if name == "ima.wav" else 0)
    assert wave.duration == Fraction(wave.source.frames, RATE)
    assert (wave.samples.dtype, wave.rate) == (np.float32, 16000)
    assert wave.samples.shape == (round(Fraction(wave.source.frames * 16000, RATE)),)
    assert best_correlation(wave.samples, resample_poly(sound.mean(axis=1), 160, 441), lag=0) >= least
    assert wave.warnings == ()


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_opus_keeps_its_length_in_seconds(tmp_path: Path, rng: np.random.Generator, rate: int) -> None:
    sound = voice_like(rng, rate)
    soundfile.write(tmp_path / "a.opus", sound, rate, format="OGG", subtype="OPUS")
    wave = load_audio(tmp_path / "a.opus")
    assert wave.duration == Fraction(len(sound), rate)
    assert best_correlation(wave.samples, resample_poly(sound[:, 0], 16000, rate)) >= LOSSY


# Noise through a lossy codec, late by the encoder's delay, which is no whole number of samples at 16 kHz: up to half a sample is left
# (-3 dB at 3 kHz for the worst part). Another sound, or another channel, has a correlation below 0.2.
LOSSY = 0.9
FFMPEG_FORMATS = {
    "aac.m4a": ("-c:a", "aac"), "alac.m4a": ("-c:a", "alac"), "a.aac": ("-c:a", "aac"), "a.wma": ("-c:a", "wmav2"),
    "a.mka": ("-c:a", "libvorbis"), "flac.ogg": ("-c:a", "flac"), "a.ac3": ("-c:a", "ac3"), "alac.caf": ("-c:a", "alac"),
    "ima.wav": ("-c:a", "adpcm_ima_wav"), "ms.wav": ("-c:a", "adpcm_ms"), "vorbis.ogg": ("-c:a", "libvorbis"),
    "xing.mp3": ("-q:a", "4"), "bare_cbr.mp3": ("-b:a", "128k", "-write_xing", "0"), "bare_vbr.mp3": ("-q:a", "2", "-write_xing", "0"),
}
VIDEO_FORMATS = {
    "a.mp4": ("-c:a", "aac"), "a.mov": ("-c:a", "pcm_s16le"), "a.mkv": ("-c:a", "ac3"), "a.avi": ("-c:a", "libmp3lame"),
    "a.webm": ("-c:v", "libvpx", "-c:a", "libvorbis"), "a.ts": ("-c:a", "aac"),
}


@pytest.mark.parametrize("name", [*FFMPEG_FORMATS, *VIDEO_FORMATS])
def test_what_ffmpeg_writes_is_read_back(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    sound = voice_like(rng, channels=2)
    source = wav(tmp_path, sound, name="source.wav")
    picture = ("-f", "lavfi", "-i", f"color=c=black:s=32x32:r=25:d={SECONDS}", "-map", "0:a", "-map", "1:v")
    path = encode(source, tmp_path / name, *(picture if name in VIDEO_FORMATS else ()), *{**FFMPEG_FORMATS, **VIDEO_FORMATS}[name])
    wave = load_audio(path)
    assert (wave.source.rate, wave.source.channels) == (RATE, 2)
    # Frame-based encoders add or drop up to two frames, of 2048 samples at the most.
    assert abs(wave.source.frames - len(sound)) <= 4096
    if name in ("alac.m4a", "flac.ogg", "ima.wav", "ms.wav", "xing.mp3", "a.mov", "aac.m4a"):
        assert wave.source.frames == len(sound)
    assert len(wave.samples) == round(Fraction(wave.source.frames * 16000, RATE))
    assert best_correlation(wave.samples, resample_poly(sound.mean(axis=1), 160, 441)) >= LOSSY


def test_the_default_track_of_a_film_with_two_codecs_is_read(tmp_path: Path, rng: np.random.Generator) -> None:
    first, second = wav(tmp_path, voice_like(rng), name="1.wav"), wav(tmp_path, voice_like(rng), name="2.wav")
    path = encode(first, tmp_path / "two.mkv", "-i", str(second), "-map", "0:a", "-map", "1:a", "-c:a:0", "ac3", "-c:a:1", "aac",
                  "-disposition:a:0", "0", "-disposition:a:1", "default")
    assert best_correlation(load_audio(path).samples, load_audio(second).samples) >= LOSSY


def test_an_mp3_of_variable_rate_without_a_length_is_read_to_its_end(tmp_path: Path, rng: np.random.Generator) -> None:
    # Silence first, then noise: the guess from the first frame's bit rate is far off. And the other way about, far too short.
    noise, still = (0.2 * rng.standard_normal((2 * RATE, 1))).astype(np.float32), np.zeros((4 * RATE, 1), np.float32)
    for name, sound in (("late.mp3", np.concatenate([still, noise])), ("early.mp3", np.concatenate([noise, still]))):
        path = encode(wav(tmp_path, sound), tmp_path / name, "-q:a", "3", "-write_xing", "0")
        wave = load_audio(path)
        assert abs(wave.source.frames - len(sound)) <= 2304  # encoder and decoder delays, two frames
        loud = np.flatnonzero(np.abs(wave.samples) > 0.05) / 16000
        assert abs(loud[0] - (4 if name == "late.mp3" else 0)) < 0.06
        assert abs(loud[-1] - (6 if name == "late.mp3" else 2)) < 0.06


def test_two_mp3_files_joined_are_read_to_the_end(tmp_path: Path, rng: np.random.Generator) -> None:
    parts = [encode(wav(tmp_path, voice_like(rng)), tmp_path / f"{i}.mp3", "-q:a", "4").read_bytes() for i in range(2)]
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(b"".join(parts))
    assert abs(float(load_audio(joined).duration) - 2 * SECONDS) < 0.15  # four encoder delays and fillings of about 30 ms


def test_a_name_beyond_ascii_is_read(tmp_path: Path, rng: np.random.Generator) -> None:
    for suffix in (".wav", ".m4a"):
        path = tmp_path / f"-Grüße Привет 你好 {suffix}"
        encode(wav(tmp_path, voice_like(rng)), path)
        assert load_audio(path).source.path == str(path)


def test_the_suffix_does_not_decide(tmp_path: Path, rng: np.random.Generator) -> None:
    source = wav(tmp_path, voice_like(rng))
    path = encode(source, tmp_path / "really.m4a").rename(tmp_path / "a.wav")
    assert load_audio(path).source.format == "ffmpeg aac"
    assert load_audio(source.rename(tmp_path / "b.m4a")).source.format == "WAV PCM_16"


# --- resampling, channels, arrays --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_sweep_is_resampled_as_scipy_does(tmp_path: Path, rate: int) -> None:
    seconds, top = 3, min(rate, 16000) / 2 * 0.85
    sweep = 0.5 * chirp(np.arange(seconds * rate) / rate, 50, seconds, top).astype(np.float32)
    wave = load_audio(wav(tmp_path, sweep, rate, subtype="FLOAT"))
    step = np.gcd(rate, 16000)
    up, down = 16000 // step, rate // step
    low_pass = firwin(2 * 100 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 12.0))  # 100 zero crossings on each side
    reference = resample_poly(sweep.astype(np.float64), up, down, window=low_pass)
    inner = slice(800, -800)  # both filters ring at the cut ends
    error = np.sqrt(np.mean((wave.samples - reference[:len(wave.samples)])[inner] ** 2)) / np.sqrt(np.mean(reference[inner] ** 2))
    assert error < 1e-4  # both pass all of the lower 85 % of the band; float32 filters round at about 1e-6


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_what_16_khz_cannot_hold_does_not_fold_back(rate: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 9000 * np.arange(rate) / rate).astype(np.float32)
    inner = Waveform.from_samples(tone, rate).samples[800:-800]
    assert np.sqrt(np.mean(inner ** 2)) < 1e-4  # 70 dB down; VHQ states far more


@pytest.mark.parametrize("frames", [1, 2, 1499, 65535, 65536, 65537, 131072])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 192000])
def test_the_resampled_length_is_the_rounded_one(rng: np.random.Generator, frames: int, rate: int) -> None:
    wave = Waveform.from_samples(rng.standard_normal(frames) * 0.1, rate)
    assert len(wave.samples) == round(Fraction(frames * 16000, rate))
    assert wave.frame_count("30000/1001") == round(Fraction(frames, rate) * Fraction(30000, 1001))


def test_block_borders_leave_no_trace(tmp_path: Path, rng: np.random.Generator) -> None:
    sound = voice_like(rng, 48000, 4.0)[:, 0]
    import soxr
    whole = soxr.resample(sound, 48000, 16000, quality="VHQ")
    np.testing.assert_array_equal(load_audio(wav(tmp_path, sound, 48000, subtype="FLOAT")).samples, whole)


def test_the_channel_policy_picks_and_mixes(tmp_path: Path, rng: np.random.Generator) -> None:
    sound = voice_like(rng, 16000, channels=3)
    path = wav(tmp_path, sound, 16000, subtype="FLOAT")
    for channel, expected in (("left", sound[:, 0]), ("right", sound[:, 1]), (0, sound[:, 0]), (2, sound[:, 2]), ("2", sound[:, 2])):
        np.testing.assert_array_equal(load_audio(path, channel=channel).samples, expected)
    np.testing.assert_allclose(load_audio(path).samples, sound.mean(axis=1, dtype=np.float64), atol=1e-7)  # float32 rounding
    for channel in (3, -1, "3", "middle", "", 1.5):
        assert code_of(path, channel=channel) == "audio-channel"
    with pytest.raises(AudioError, match="has 3 channels"):
        load_audio(path, channel=3)
    mono = wav(tmp_path, sound[:, 0], 16000, "mono.wav")
    assert code_of(mono, channel="right") == "audio-channel"
    np.testing.assert_array_equal(load_audio(mono, channel="left").samples, load_audio(mono).samples)


def test_the_channel_policy_holds_for_videos(tmp_path: Path, rng: np.random.Generator) -> None:
    sound = voice_like(rng, channels=2)
    path = encode(wav(tmp_path, sound), tmp_path / "a.m4a", "-c:a", "alac")
    for channel, index in (("left", 0), ("right", 1)):
        assert best_correlation(load_audio(path, channel=channel).samples, resample_poly(sound[:, index], 160, 441), lag=0) > 0.9999


def test_an_array_gives_what_its_file_gives(tmp_path: Path, rng: np.random.Generator) -> None:
    sound = voice_like(rng, channels=2)
    integers = np.round(sound * 32767).astype(np.int16)
    from_file = load_audio(wav(tmp_path, integers))
    for array in (integers, integers.astype(np.float64) / 32768, integers.astype(np.int32) * 65536):
        wave = Waveform.from_samples(array, RATE, path="take 1")
        np.testing.assert_array_equal(wave.samples, from_file.samples)
    assert (wave.source.path, wave.source.rate, wave.source.channels, wave.source.frames) == ("take 1", RATE, 2, len(sound))
    octets = Waveform.from_samples((np.round(sound * 127) + 128).astype(np.uint8), RATE)
    assert best_correlation(octets.samples, from_file.samples, lag=0) > 0.99


def test_a_waveform_is_read_only_keeps_its_own_samples_and_pickles() -> None:
    array = np.linspace(-0.5, 0.5, 16000, dtype=np.float32)
    wave = Waveform.from_samples(array, 16000)
    array[:] = 7
    assert wave.samples.max() == 0.5
    copy = pickle.loads(pickle.dumps(wave))
    for one in (wave, copy):
        with pytest.raises(ValueError, match="read-only"):
            one.samples[0] = 1
    np.testing.assert_array_equal(copy.samples, wave.samples)
    assert (copy.source, copy.warnings, copy.rate) == (copy.source, (), 16000)
    assert (copy.source.frames, copy.source.rate) == (16000, 16000)


@pytest.mark.parametrize(("samples", "rate", "code"), [
    (np.zeros((2, 2, 2)), 16000, "audio-samples"), (np.zeros((2, 48000)), 48000, "audio-samples"), (["a"], 16000, "audio-samples"),
    (np.zeros(10, complex), 16000, "audio-samples"), (np.zeros(0), 16000, "audio-empty"), (np.zeros((0, 2)), 16000, "audio-empty"),
    (np.array([0.1, np.nan]), 16000, "audio-not-finite"), (np.array([[0.1, -np.inf]]), 16000, "audio-not-finite"),
    (np.array([1e39, 0.0]), 16000, "audio-not-finite"), (np.full((99, 2), 3e38), 8000, "audio-not-finite"),
    (np.zeros(10), 0, "audio-rate"), (np.zeros(10), -16000, "audio-rate"), (np.zeros(10), 999, "audio-rate"),
    (np.zeros(10), 768001, "audio-rate"), (np.zeros(10), 44100.5, "audio-rate"), (np.zeros(10), float("nan"), "audio-rate"),
    (np.broadcast_to(np.float32(0), MAX_SECONDS * 1000 + 1), 1000, "audio-too-long"),
])
def test_a_bad_array_is_refused(samples: object, rate: int, code: str) -> None:
    with pytest.raises(AudioError) as caught:
        Waveform.from_samples(samples, rate)  # type: ignore[arg-type]
    assert caught.value.code == code


# --- bad files ---------------------------------------------------------------------------------------------------------------------

def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert code_of(tmp_path / "no.wav") == "audio-missing"
    assert code_of(str(tmp_path / "no\0.wav")) == "audio-missing"
    assert code_of(tmp_path) == "audio-not-a-file"
    (tmp_path / "nothing.wav").touch()
    assert code_of(tmp_path / "nothing.wav") == "audio-empty"


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wav(tmp_path, np.zeros(99))

    def refusing(name: object, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(name))

    monkeypatch.setattr("builtins.open", refusing)  # tests may run as root, whom no mode bits stop
    assert code_of(path) == "audio-permission"


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".ogg", ".flac", ".m4a", ".mp4", ".raw", ".vox", ".gsm", ".txt", ""])
def test_bytes_that_are_no_sound_are_refused(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    path = tmp_path / f"line{suffix}"
    path.write_bytes(rng.bytes(100_000))
    assert code_of(path) == "audio-unreadable"
    path.write_text("this is no sound\n" * 100)
    assert code_of(path) == "audio-unreadable"


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.w64"])
def test_a_file_without_samples_is_refused(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, np.zeros((0, 2), np.float32), RATE)
    assert code_of(tmp_path / name) == "audio-empty"


def test_a_wav_without_samples_but_with_a_note_behind_is_empty(tmp_path: Path) -> None:
    path = wav(tmp_path, np.zeros(0))
    content = bytearray(path.read_bytes()[:44] + b"LIST" + struct.pack("<I", 400) + bytes(range(200)) * 2)
    content[4:8] = struct.pack("<I", len(content) - 8)
    path.write_bytes(content)
    assert code_of(path) == "audio-empty"


CUT_FORMATS = [(name, options) for name, options, _ in SOUNDFILE_FORMATS if name != "a.caf"] + [
    ("o.opus", {"format": "OGG", "subtype": "OPUS"})]


@pytest.mark.parametrize(("name", "options"), CUT_FORMATS, ids=[name for name, _ in CUT_FORMATS])
def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path, rng: np.random.Generator, name: str, options: dict[str, str]) -> None:
    rate = 48000 if name == "o.opus" else RATE
    soundfile.write(tmp_path / name, voice_like(rng, rate, channels=2), rate, **options)
    content = (tmp_path / name).read_bytes()
    # The last bytes, the middle, and any place behind the header.
    for keep in (len(content) - 2, len(content) // 2, int(rng.integers(2000, len(content) - 2))):
        # Between two pages of an Ogg nothing shows that more should come: that is a warning, with a test of its own.
        keep += content[keep:keep + 4] == b"OggS"
        (tmp_path / name).write_bytes(content[:keep])
        assert code_of(tmp_path / name) == "audio-truncated", keep
    (tmp_path / name).write_bytes(content[:30])
    assert code_of(tmp_path / name) in ("audio-truncated", "audio-unreadable")


@pytest.mark.parametrize("extra", [1, 2, 3, 4, 26])
def test_an_ogg_cut_in_the_first_bytes_of_a_page_is_refused(tmp_path: Path, rng: np.random.Generator, extra: int) -> None:
    path = tmp_path / "o.opus"
    soundfile.write(path, voice_like(rng, 48000, channels=2), 48000, format="OGG", subtype="OPUS")
    content = path.read_bytes()
    path.write_bytes(content[:content.rfind(b"OggS") + extra])
    assert code_of(path) == "audio-truncated"


@pytest.mark.parametrize("name", ["aac.m4a", "a.mka", "a.wma", "alac.caf", "a.mp4", "a.webm", "a.avi", "bare_cbr.mp3", "bare_vbr.mp3"])
def test_a_cut_container_is_refused(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    path = encode(wav(tmp_path, voice_like(rng, channels=2)), tmp_path / name, *{**FFMPEG_FORMATS, **VIDEO_FORMATS}[name])
    content = path.read_bytes()
    for keep in (len(content) - 3, len(content) // 2):
        path.write_bytes(content[:keep])
        assert code_of(path) == "audio-truncated", keep


@pytest.mark.parametrize("start", [
    b"caff\0\1\0\0data" + b"\x7f" * 8, b"\0\0\0\1mdat" + b"\x7f" * 8,
    b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0" + b"\x7f" * 28 + b"data" + b"\xff" * 4,
    b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\x7f" * 7, b"riff" + b"\x7f" * 20, b".snd\0\0\0\x18" + b"\x7f" * 4,
], ids=["caf", "mp4", "rf64", "matroska", "w64", "au"])
def test_a_header_that_declares_more_than_any_disk_holds_is_refused(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "line").write_bytes(start + bytes(100))
    assert code_of(tmp_path / "line") == "audio-truncated"


def wav_bytes(samples: np.ndarray, *, declared: int | None = None, before: bytes = b"", riff: int | None = None) -> bytes:
    """A 16-bit mono WAV at 16 kHz, written by hand from the format's page."""
    sound = samples.astype("<i2").tobytes()
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    body = b"WAVE" + fmt + before + b"data" + struct.pack("<I", len(sound) if declared is None else declared) + sound
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


@pytest.mark.parametrize("lacking", [1, 2, 3, 1000, 31999])
def test_a_wav_that_lacks_any_bytes_is_refused(tmp_path: Path, lacking: int) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(wav_bytes(np.arange(16000))[:-lacking])
    assert soundfile.info(path).frames > 0 or lacking == 31999  # libsndfile opens it
    assert code_of(path) == "audio-truncated"


@pytest.mark.parametrize("declared", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, 36])
def test_a_streamed_wav_is_read_with_a_warning(tmp_path: Path, rng: np.random.Generator, declared: int, riff: int) -> None:
    samples = rng.integers(-20000, 20000, 5000)
    path = tmp_path / "streamed.wav"
    path.write_bytes(wav_bytes(samples, declared=declared, riff=riff))
    wave = load_audio(path)
    assert wave.warnings == ("streamed-wav",)
    np.testing.assert_array_equal(wave.samples, samples.astype(np.float32) / 32768)


def test_a_wav_and_a_flac_from_a_pipe_are_read_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    source = wav(tmp_path, voice_like(rng, seconds=5))
    for form, warnings in (("wav", ("streamed-wav",)), ("flac", ())):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(source), "-f", form, "pipe:1"]
        path = tmp_path / f"piped.{form}"
        path.write_bytes(subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout)
        wave = load_audio(path)
        assert wave.warnings == warnings
        np.testing.assert_array_equal(wave.samples, load_audio(source).samples)


@pytest.mark.parametrize("note", [b"", b"n" * 4, b"n" * 5, b"n" * 70_001])
@pytest.mark.parametrize("padded", [True, False])
def test_chunks_before_the_sound_are_passed_over(tmp_path: Path, note: bytes, padded: bool) -> None:
    before = b"junk" + struct.pack("<I", len(note)) + note + (b"\0" if padded and len(note) % 2 else b"")
    content = wav_bytes(np.arange(-999, 1000), before=before)
    path = tmp_path / "line.wav"
    path.write_bytes(content[:-1])
    assert code_of(path) == "audio-truncated"
    if padded or len(note) % 2 == 0:  # libsndfile insists on the pad byte
        path.write_bytes(content)
        assert load_audio(path).source.frames == 1999


def test_an_rf64_states_its_length_in_the_ds64_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(5000, 0.25), 16000, format="RF64", subtype="PCM_16")
    content = path.read_bytes()
    at = content.index(b"data") + 4
    assert content[:4] == b"RF64"
    assert content[at:at + 4] == b"\xff" * 4  # the length is elsewhere, this is not a streamed file
    assert load_audio(path).warnings == ()
    path.write_bytes(b"BW64" + content[4:-4])
    assert code_of(path) == "audio-truncated"


def test_an_odd_sound_chunk_without_its_pad_byte_is_whole(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(4001, 0.25), 16000, subtype="PCM_U8")
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:content.index(b"data") + 8 + 4001])
    assert load_audio(tmp_path / "a.wav").source.frames == 4001


def test_an_ogg_without_an_end_mark_is_read_with_a_warning(tmp_path: Path, rng: np.random.Generator) -> None:
    soundfile.write(tmp_path / "a.ogg", voice_like(rng, seconds=4), RATE, format="OGG", subtype="VORBIS")
    content = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(content[:content.rindex(b"OggS")])  # a recorder that was stopped between two pages
    wave = load_audio(tmp_path / "a.ogg")
    assert wave.warnings == ("unended-ogg",)
    assert 0 < wave.duration < 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_refused_with_its_time(tmp_path: Path, value: float) -> None:
    sound = np.full((RATE * 3, 2), 0.1, np.float32)
    sound[RATE * 2, 1] = value
    path = wav(tmp_path, sound, subtype="FLOAT")
    assert code_of(path) == "audio-not-finite"
    with pytest.raises(AudioError, match=r"at 2\.000 s"):
        load_audio(path)


@pytest.mark.parametrize("rate", [0, 1, 999, 768001, 0x80000000, 0xFFFFFFFF])
def test_an_absurd_sample_rate_is_refused(tmp_path: Path, rate: int) -> None:
    content = bytearray(wav_bytes(np.arange(100)))
    content[24:28] = struct.pack("<I", rate)
    (tmp_path / "a.wav").write_bytes(content)
    assert code_of(tmp_path / "a.wav") == "audio-rate"


def test_an_aiff_of_no_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.aiff", np.full(99, 0.1), 16000)
    content = bytearray((tmp_path / "a.aiff").read_bytes())
    at = content.index(b"COMM") + 16
    content[at:at + 10] = bytes(10)
    (tmp_path / "a.aiff").write_bytes(content)
    assert code_of(tmp_path / "a.aiff") == "audio-rate"


@pytest.mark.parametrize("frames", [100, 200_000])
def test_silence_is_a_warning_and_not_an_error(tmp_path: Path, rng: np.random.Generator, frames: int) -> None:
    assert load_audio(wav(tmp_path, np.zeros(frames))).warnings == ("all-silent",)
    dither = rng.integers(-1, 2, frames).astype(np.int16)  # one step of 16 bits
    assert load_audio(wav(tmp_path, dither)).warnings == ("all-silent",)
    dither[frames // 2] = 2
    assert load_audio(wav(tmp_path, dither)).warnings == ()


def test_a_line_above_four_hours_is_refused_before_it_is_read(tmp_path: Path) -> None:
    header = wav_bytes(np.zeros(0))
    n_bytes = (MAX_SECONDS * 16000 + 1) * 2
    path = tmp_path / "long.wav"
    path.write_bytes(header[:40] + struct.pack("<I", n_bytes))
    os.truncate(path, 44 + n_bytes)  # a file of holes
    assert code_of(path) == "audio-too-long"


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=s=32x32:d=1",
               str(tmp_path / "mute.mp4")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    assert code_of(tmp_path / "mute.mp4") == "audio-no-track"


def test_without_ffmpeg_the_message_says_what_to_install(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(wav(tmp_path, voice_like(rng)), tmp_path / "a.m4a")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # as if it were not installed
    assert code_of(path) == "audio-no-ffmpeg"
    with pytest.raises(AudioError, match="pip install imageio-ffmpeg"):
        load_audio(path)
    assert load_audio(tmp_path / "line.wav").warnings == ()  # and what libsndfile reads needs none


def test_without_pydub_the_message_says_what_to_install(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(wav(tmp_path, voice_like(rng)), tmp_path / "a.m4a")
    monkeypatch.setitem(sys.modules, "pydub", None)
    assert code_of(path) == "audio-no-pydub"


def test_ffmpeg_on_path_is_taken_before_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ffmpeg.exe" if os.name == "nt" else "ffmpeg"
    (tmp_path / name).write_bytes(b"not a program")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = ffmpeg.find_ffmpeg()
    assert Path(str(found)) == tmp_path / name
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(20))
    assert code_of(tmp_path / "a.m4a") == "audio-no-ffmpeg"  # it does not start
    (tmp_path / name).unlink()
    assert ffmpeg.find_ffmpeg() == imageio_ffmpeg.get_ffmpeg_exe()


def test_nothing_of_pydub_or_soundfile_is_imported_before_it_is_needed() -> None:
    script = "import sys, a2f_batch.audio; sys.exit(any(name in sys.modules for name in ('pydub', 'soundfile', 'soxr', 'imageio_ffmpeg')))"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[1]).returncode == 0


def test_ffmpeg_leaves_our_standard_input_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    path = encode(wav(tmp_path, voice_like(rng)), tmp_path / "a.m4a")
    script = "import sys; from a2f_batch.audio import load_audio; load_audio(sys.argv[1]); print(sys.stdin.read())"
    answer = subprocess.run([sys.executable, "-c", script, str(path)], input="qqq the next line", capture_output=True, text=True,
                            check=True, cwd=Path(__file__).parents[1])
    assert answer.stdout.strip() == "qqq the next line"
    assert answer.stderr == ""


@pytest.mark.parametrize("playlist", [
    "ffconcat version 1.0\nfile neighbour.m4a\n",
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nneighbour.m4a\n#EXT-X-ENDLIST\n",
], ids=["ffconcat", "hls"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".aac"])
def test_a_playlist_behind_a_sounds_suffix_opens_no_other_file(tmp_path: Path, rng: np.random.Generator, playlist: str,
                                                               suffix: str) -> None:
    encode(wav(tmp_path, voice_like(rng)), tmp_path / "neighbour.m4a", "-c:a", "aac")
    path = tmp_path / f"line{suffix}"
    path.write_text(playlist)
    assert code_of(path) == "audio-unreadable"


def test_a_limit_of_seconds_holds_for_every_reader(tmp_path: Path, rng: np.random.Generator) -> None:
    source = wav(tmp_path, voice_like(rng))
    for path in (source, encode(source, tmp_path / "line.m4a", "-c:a", "aac"), encode(source, tmp_path / "line.mp3")):
        assert code_of(path, max_seconds=SECONDS - 0.5) == "audio-too-long"
        assert load_audio(path, max_seconds=SECONDS + 0.5).duration > 0
