"""espeak-ng through its C interface: text to IPA, and speech with the time of every phoneme.

The package espeakng-loader carries the library and its tables (espeak-ng is GPL-3.0-or-later: a tool that makes training data, no part of
what is shipped).
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from a2f_batch.errors import A2FError
from a2f_batch.train.speech.ipa import join_marks
from a2f_batch.train.speech.utterance import Phone, Samples

LICENCE = "espeak-ng, GPL-3.0-or-later program; its speech carries no terms"

# speak_lib.h of espeak-ng 1.52
_SYNCHRONOUS = 2
_PHONEME_EVENTS, _IPA_NAMES, _NO_EXIT = 1, 2, 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4  # parameters
_EVENT_END, _EVENT_PHONEME = 0, 7
_UTF8 = 1
_IPA, _TIE = 2, ord("^") << 8 | 0x80


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
                ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _Name))


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Manner:
    """How a voice speaks: espeak's variant ('m1'..'m7', 'f1'..'f5'), words a minute, pitch and its range, both 0 to 99."""

    variant: str
    rate: int
    pitch: int
    range: int


class Espeak:
    """The library; it keeps state of its own, so that a process can have only one (`espeak()`)."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(),
                                                        _PHONEME_EVENTS | _IPA_NAMES | _NO_EXIT))
        if self.rate <= 0:
            raise A2FError("Starting espeak-ng: its tables were not found.", "Install the extra [speech] again.", code="train-tools")
        self._samples: list[Samples] = []
        self._events: list[tuple[str, float]] = []
        self._callback = _CALLBACK(self._take)  # kept: the library holds only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def ipa(self, text: str, language: str) -> str:
        """Return `text` in espeak's IPA, stress marks and '^' ties kept, clauses apart with their mark (', ' or '. ')."""
        self._voice(language)
        clauses = []
        for clause, mark in _clauses(text):
            pointer = ctypes.c_char_p(clause.encode())
            said = []
            while pointer.value:
                part = self._library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, _IPA | _TIE)
                said.append(part.decode())
            clauses.append(" ".join(said).strip() + mark)
        return " ".join(clauses)

    def speak(self, text: str, language: str, manner: Manner) -> tuple[Samples, int, tuple[Phone, ...]]:
        """Return speech of `text`: samples (n,) in -1..1, their rate in Hz, and its phones."""
        self._voice(f"{language}+{manner.variant}")
        for parameter, value in ((_RATE, manner.rate), (_PITCH, manner.pitch), (_RANGE, manner.range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._samples.clear()
        self._events.clear()
        content = text.encode()
        self._library.espeak_Synth(content, len(content) + 1, 0, 1, 0, _UTF8, None, None)
        samples = np.concatenate(self._samples) if self._samples else np.zeros(0, np.float32)
        ends = [begin for _, begin in self._events[1:]] + [len(samples) / self.rate]
        pieces = [(name, begin, end) for (name, begin), end in zip(self._events, ends, strict=True)]
        return samples, self.rate, join_marks(pieces)

    def _voice(self, name: str) -> None:
        # British English has no name of its own there.
        if self._library.espeak_SetVoiceByName(name.replace("en-gb", "en", 1).encode()) != 0:
            raise A2FError(f"Speaking with espeak-ng: it has no voice '{name}'.", "Choose a language it lists.", code="train-tools")

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], n_samples: int, events: ctypes._Pointer[_Event]) -> int:
        if n_samples > 0 and samples:
            block = np.ctypeslib.as_array(samples, (n_samples,))
            self._samples.append(block.astype(np.float32) / 32768)
        i = 0
        while events[i].type != _EVENT_END:
            if events[i].type == _EVENT_PHONEME:
                # The union's text is not always closed by a zero: at most eight bytes.
                name = bytes(events[i].id.string).split(b"\0")[0].decode("utf-8", "ignore")
                self._events.append((name, events[i].audio_position / 1000))
            i += 1
        return 0


@functools.cache
def espeak() -> Espeak:
    """Return the process' one espeak-ng."""
    return Espeak()


def _clauses(text: str) -> Iterator[tuple[str, str]]:
    """Yield (words, the mark that ends them)."""
    clause = ""
    for letter in text:
        if letter in ",.;:!?":
            if clause.strip():
                yield clause.strip(), letter
            clause = ""
        else:
            clause += letter
    if clause.strip():
        yield clause.strip(), ""
