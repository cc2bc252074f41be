"""Filling a folder with synthetic speech, utterance by utterance; what is there already is left alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from a2f_batch.train.recipe import SAMPLE_RATE
from a2f_batch.train.speech import espeak, kokoro, piper
from a2f_batch.train.speech.plan import Item, espeak_items, kokoro_items, piper_items
from a2f_batch.train.speech.utterance import Phone, Samples, Utterance, exists, read_utterances, write_utterance

#: Below this under the loudest 20 ms a sound is taken for silence where a phone ends before a pause.
_SILENCE_DB = -40.0

Say = Callable[[Item], tuple[Samples, int, tuple[Phone, ...]]]


def make(corpus: str, root: Path, cache: Path, minutes: float, seed: int, share: tuple[int, int] = (1, 1)) -> int:
    """Make speech of one corpus until `root` holds `minutes` of it; return how many utterances were new.

    Args:
        corpus: 'kokoro', 'espeak' or 'piper'.
        cache: where the voices' packages are kept.
        seed: of texts, voices and manners; the same seed goes on where an earlier run stopped.
        share: (i, n): every n-th utterance from the i-th on, for an n-th of the minutes, while other processes make the others.
    """
    part, parts = share
    minutes /= parts
    say, items, licence = _synthesizer(corpus, cache, seed)
    seconds, new = 0.0, 0
    with tqdm(total=minutes, unit="min", disable=None, desc=corpus,
              bar_format="{l_bar}{bar}| {n:.1f}/{total:.0f} {unit} [{elapsed}<{remaining}]") as bar:
        for item in itertools.islice(items, part - 1, None, parts):
            if seconds >= minutes * 60:
                break
            set_name = f"{corpus}-{item.language}"
            if not exists(root, set_name, item.id):
                audio, rate, phones = say(item)
                if not phones or not np.isfinite(audio).all():
                    continue  # a text that a synthesizer says nothing for
                audio = np.asarray(soxr.resample(audio, rate, SAMPLE_RATE), dtype=np.float32)
                write_utterance(root, Utterance(item.id, corpus, item.language, item.voice, item.split, item.text, licence,
                                                _ended(phones, audio)), audio)
                new += 1
            length = soundfile.info(root / set_name / f"{item.id}.flac").duration
            seconds += length
            bar.update(length / 60)
    return new


def minutes_of(root: Path) -> dict[tuple[str, str, str], float]:
    """Return (corpus, language, split) -> minutes of speech under `root`."""
    minutes: dict[tuple[str, str, str], float] = {}
    for utterance, path in read_utterances(root):
        key = utterance.corpus, utterance.language, utterance.split
        minutes[key] = minutes.get(key, 0.0) + soundfile.info(path).duration / 60
    return minutes


def _synthesizer(corpus: str, cache: Path, seed: int) -> tuple[Say, Iterator[Item], str]:
    if corpus == "kokoro":
        voice_model = kokoro.Kokoro(cache)

        def say(item: Item) -> tuple[Samples, int, tuple[Phone, ...]]:
            style = sum((voice_model.voices[name] * np.float32(share) for name, share in item.voices), np.zeros((510, 256), np.float32))
            audio, phones = voice_model.speak(item.text, item.language, style, item.speed)
            return audio, kokoro.RATE, phones

        return say, kokoro_items(sorted(voice_model.voices), seed), kokoro.LICENCE
    if corpus == "piper":
        joe = piper.Joe(cache)

        def say_joe(item: Item) -> tuple[Samples, int, tuple[Phone, ...]]:
            audio, phones = joe.speak(item.text, 1.1 / item.speed)
            return audio, piper.RATE, phones

        return say_joe, piper_items(seed), piper.LICENCE

    def say_robot(item: Item) -> tuple[Samples, int, tuple[Phone, ...]]:
        random = np.random.default_rng(item.seed)
        manner = espeak.Manner(item.voices[0][0], round(165 * item.speed), int(random.integers(25, 75)), int(random.integers(20, 80)))
        return espeak.espeak().speak(item.text, item.language, manner)

    return say_robot, espeak_items(seed), espeak.LICENCE


def _ended(phones: tuple[Phone, ...], audio: Samples) -> tuple[Phone, ...]:
    """Return `phones`, those before a pause ending where the sound does: synthesizers give the last phone some of the silence behind it."""
    hop = SAMPLE_RATE // 100
    windows = audio[:len(audio) // hop * hop].reshape(-1, hop).astype(np.float64)
    level = 10 * np.log10(np.convolve((windows ** 2).mean(axis=1), [0.5, 0.5], "same") + 1e-12)
    loud = level > level.max() + _SILENCE_DB
    out = []
    for i, phone in enumerate(phones):
        if i + 1 == len(phones) or phones[i + 1].begin > phone.end:
            inside = np.flatnonzero(loud[int(phone.begin * 100):max(int(phone.end * 100), int(phone.begin * 100) + 1)])
            last = phone.begin + (inside[-1] + 1) / 100 if len(inside) else phone.begin + 0.05
            phone = Phone(phone.ipa, phone.begin, min(max(last, phone.begin + 0.05), phone.end))
        out.append(phone)
    return tuple(out)


def report(root: Path) -> str:
    """Return the minutes as a Markdown table."""
    minutes = minutes_of(root)
    lines = ["| corpus | language | split | minutes |", "| --- | --- | --- | --- |"]
    lines += [f"| {corpus} | {language} | {split} | {value:.1f} |" for (corpus, language, split), value in sorted(minutes.items())]
    return "\n".join([*lines, f"| all | | | {sum(minutes.values()):.1f} |"])
