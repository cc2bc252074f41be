"""One spoken utterance on disk: 16 kHz mono FLAC, and JSON with text, voice and the times of its phones."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from a2f_batch.errors import A2FError
from a2f_batch.export.atomic import replacing
from a2f_batch.train.recipe import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

#: Who may learn from an utterance: training sets; voices that training never hears; a language that it never hears.
SPLITS = ("train", "held-out-voice", "held-out-language")


@dataclass(frozen=True)
class Phone:
    """One sound of speech: its IPA letters without stress, tone or length marks; begin and end in seconds."""

    ipa: str
    begin: float
    end: float


@dataclass(frozen=True)
class Utterance:
    """What is known of a sound file.

    Attributes:
        id: its file name without the ending; unique in its set.
        corpus: 'kokoro', 'espeak' or 'piper'.
        language: BCP-47-like, as espeak-ng names it, e.g. 'en-us'.
        voice: who speaks; 'a+b' is a voice between two.
        split: one of `SPLITS`.
        text: what is said.
        licence: of the voice that made the sound.
        phones: in order, touching or with silence between.
    """

    id: str
    corpus: str
    language: str
    voice: str
    split: str
    text: str
    licence: str
    phones: tuple[Phone, ...]

    @property
    def set_name(self) -> str:
        """The folder that holds it: corpus and language."""
        return f"{self.corpus}-{self.language}"


def write_utterance(root: Path, utterance: Utterance, audio: Samples) -> None:
    """Write `root/<set>/<id>.flac`, then the JSON beside it: where the JSON is, the sound is whole.

    Args:
        audio: shape (n,), 16 kHz; brought to a peak of 0.9, since FLAC keeps 16 bits.

    Raises:
        ExportError: the place can't be written (code 'output-unwritable').
    """
    folder = root / utterance.set_name
    folder.mkdir(parents=True, exist_ok=True)
    sound = io.BytesIO()
    soundfile.write(sound, audio * (0.9 / max(float(np.abs(audio).max()), 1e-6)), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    with replacing(folder / f"{utterance.id}.flac") as file:
        file.write(sound.getvalue())
    fields = asdict(utterance)
    fields["phones"] = [[phone.ipa, round(phone.begin, 4), round(phone.end, 4)] for phone in utterance.phones]
    with replacing(folder / f"{utterance.id}.json") as file:
        file.write((json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n").encode())


def exists(root: Path, set_name: str, id: str) -> bool:
    """Say whether an utterance is there, whole."""
    return (root / set_name / f"{id}.json").exists()


def read_utterances(root: Path) -> Iterator[tuple[Utterance, Path]]:
    """Yield every utterance under `root` with the path of its sound, sorted by set and id.

    Raises:
        A2FError: `root` has none (code 'train-corpus').
    """
    found = False
    for path in sorted(root.glob("*/*.json")):
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["phones"] = tuple(Phone(*phone) for phone in fields["phones"])
        found = True
        yield Utterance(**fields), path.with_suffix(".flac")
    if not found:
        raise A2FError(f"Reading the synthetic speech in '{root}': there is none.",
                       "Make some with `a2f-batch train speech`.", code="train-corpus")
