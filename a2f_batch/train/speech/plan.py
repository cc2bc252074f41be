"""What is spoken, in an order of which any beginning is balanced over languages and voices, and who is held out from training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from a2f_batch.train.speech import kokoro
from a2f_batch.train.speech.texts import draw_text

#: The language that training never hears, from any synthesizer.
HELD_OUT_LANGUAGE = "pt-br"
#: The voice of each language that training never hears, alone or mixed; those that speak the demo manifest's lines, where it has one.
HELD_OUT_VOICES = {"en-us": "am_fenrir", "en-gb": "bf_emma", "es": "em_alex", "fr": "ff_siwis", "hi": "hm_psi", "it": "im_nicola",
                   "ja": "jm_kumo", "zh": "zf_xiaoxiao"}
#: Languages for espeak-ng: first those that Kokoro lacks.
ESPEAK_LANGUAGES = ("de", "ru", "pl", "ko", "nl", "tr", "sv", "fi", "cs", "uk", "en-us", "fr", "es", "it", "hi", "en-gb")
ESPEAK_VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f4", "f5")
ESPEAK_HELD_OUT_VARIANT = "f3"
#: Utterances for judging of each language, spread over the first rounds; afterwards all are for training.
JUDGED = 12


@dataclass(frozen=True)
class Item:
    """One utterance to be made.

    Attributes:
        id: file name in its set.
        language: as espeak-ng names it.
        voices: names and shares of the voices mixed, one or two.
        split: see `utterance.SPLITS`.
        text: what to say.
        speed: factor on the voice's pace.
        seed: for what else a synthesizer draws.
    """

    id: str
    language: str
    voices: tuple[tuple[str, float], ...]
    split: str
    text: str
    speed: float
    seed: int

    @property
    def voice(self) -> str:
        """The voices' names, joined by '+'."""
        return "+".join(name for name, _ in self.voices)


def kokoro_items(voices: list[str], seed: int) -> Iterator[Item]:
    """Yield utterances for Kokoro without end: every second round also the held-out voices and language.

    Half of the training utterances are spoken by a voice of the language, half by a mixture of two voices of any: people who do not exist,
    some with an accent, so that the network can't learn 40 voices by heart.
    """
    own = {language: [voice for voice in sorted(voices) if voice[0] == letter and voice not in HELD_OUT_VOICES.values()]
           for language, letter in kokoro.LANGUAGES.items()}
    heard = [voice for language, some in own.items() if language != HELD_OUT_LANGUAGE for voice in some]
    round_number = 0
    while True:
        for number, language in enumerate(kokoro.LANGUAGES):
            random = np.random.default_rng([seed, 1, round_number, number])
            if language != HELD_OUT_LANGUAGE:
                natives = own[language]
                if natives and random.random() < 0.5:
                    chosen: tuple[tuple[str, float], ...] = ((str(random.choice(natives)), 1.0),)
                else:
                    first, second = (str(voice) for voice in random.choice(heard, 2, replace=False))
                    share = round(float(random.uniform(0.2, 0.8)), 2)
                    chosen = ((first, share), (second, round(1 - share, 2)))
                yield _item(f"t{round_number:05d}", language, chosen, "train", random)
            if round_number % 2 == 0 and round_number // 2 < JUDGED:
                random = np.random.default_rng([seed, 2, round_number, number])
                if language == HELD_OUT_LANGUAGE:
                    voice, split = own[language][round_number // 2 % len(own[language])], "held-out-language"
                else:
                    voice, split = HELD_OUT_VOICES[language], "held-out-voice"
                yield _item(f"j{round_number:05d}", language, ((voice, 1.0),), split, random)
        round_number += 1


def espeak_items(seed: int) -> Iterator[Item]:
    """Yield utterances for espeak-ng without end."""
    round_number = 0
    while True:
        for number, language in enumerate(ESPEAK_LANGUAGES):
            random = np.random.default_rng([seed, 3, round_number, number])
            yield _item(f"t{round_number:05d}", language, ((str(random.choice(ESPEAK_VARIANTS)), 1.0),), "train", random)
            if round_number < JUDGED:
                random = np.random.default_rng([seed, 4, round_number, number])
                yield _item(f"j{round_number:05d}", language, ((ESPEAK_HELD_OUT_VARIANT, 1.0),), "held-out-voice", random)
        round_number += 1


def piper_items(seed: int) -> Iterator[Item]:
    """Yield utterances for Joe without end."""
    round_number = 0
    while True:
        random = np.random.default_rng([seed, 5, round_number])
        yield _item(f"t{round_number:05d}", "en-us", (("joe", 1.0),), "train", random)
        round_number += 1


def _item(id: str, language: str, voices: tuple[tuple[str, float], ...], split: str, random: np.random.Generator) -> Item:
    text = draw_text(language, int(random.integers(5, 13)), random)
    return Item(id, language, voices, split, text, round(float(random.uniform(0.85, 1.2)), 2), int(random.integers(1 << 30)))
