"""The GRID corpus folder as sentences: normalised waveforms, captured curves, and the targets that a network learns."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from a2f_batch.engines.pieces import normalised
from a2f_batch.errors import A2FError
from a2f_batch.names import ARKIT_52
from a2f_batch.train.recipe import AMPLITUDES, CLOSED_OPENING, SAMPLE_RATE

Array = npt.NDArray[np.float32]

#: A pause is still rest until the lips set off for the next word: this long before it.
ONSET_SECONDS = 0.2


@dataclass(frozen=True, eq=False)
class Sentence:
    """One recorded sentence.

    Attributes:
        id: its name in the corpus.
        audio: shape (n,), 16 kHz, zero mean and unit variance, padded with zeros to the length of the curves.
        captured: shape (frames, captured channels), the scores as captured.
        opening: lip opening over the eye distance, shape (frames,).
        resting: frames in a pause, shape (frames,), bool.
    """

    id: str
    audio: Array
    captured: Array
    opening: Array
    resting: npt.NDArray[np.bool_]

    @property
    def closed(self) -> npt.NDArray[np.bool_]:
        """Frames with shut lips, shape (frames,)."""
        return self.opening < CLOSED_OPENING


@dataclass(frozen=True, eq=False)
class Corpus:
    """The usable sentences of a folder.

    Attributes:
        fps: frames per second of the curves.
        channels: names of the captured channels (ARKit).
        sentences: by id, in the folder's order.
        dropped: ids whose capture has frames without a number.
    """

    fps: int
    channels: tuple[str, ...]
    sentences: dict[str, Sentence]
    dropped: tuple[str, ...]


def read_corpus(folder: Path) -> Corpus:
    """Read a GRID folder: `audio/<id>.flac`, `words.csv`, `curves.npz`.

    Raises:
        A2FError: the folder lacks one of them (code 'train-corpus').
    """
    lacking = [name for name in ("audio", "words.csv", "curves.npz") if not (folder / name).exists()]
    if lacking:
        raise A2FError(f"Reading the training corpus '{folder}': there is no {' and no '.join(lacking)}.",
                       "Give the folder that holds audio/, words.csv and curves.npz with --data.", code="train-corpus")
    with np.load(folder / "curves.npz", allow_pickle=False) as stored:
        ids, names, fps = stored["ids"].tolist(), stored["channels"].tolist(), int(stored["fps"])
        captured = stored["arkit"].astype(np.float32)
        opening = _lip_opening(stored["landmarks"].astype(np.float32), stored["landmark_index"].tolist())
    columns = [i for i, name in enumerate(names) if name in ARKIT_52]  # leaves out `_neutral`
    captured = captured[..., columns]
    # One NaN in a batch makes every weight NaN, and nothing complains.
    usable = np.isfinite(captured).all(axis=(1, 2)) & np.isfinite(opening).all(axis=1)
    pauses = _pauses(folder / "words.csv")
    times = np.arange(captured.shape[1]) / fps
    length = round(captured.shape[1] / fps * SAMPLE_RATE)
    sentences = {}
    for i in np.flatnonzero(usable):
        resting = np.zeros(len(times), dtype=bool)
        for start, end in pauses[ids[i]]:
            resting |= (times >= start) & (times < end - ONSET_SECONDS)
        sentences[ids[i]] = Sentence(ids[i], _read_line(folder / "audio" / f"{ids[i]}.flac", length), captured[i], opening[i], resting)
    return Corpus(fps, tuple(names[i] for i in columns), sentences, tuple(ids[i] for i in np.flatnonzero(~usable)))


def _lip_opening(landmarks: Array, index: list[int]) -> Array:
    """Return the distance of the inner lips over that of the outer eye corners, in the picture plane, shape (sentences, frames)."""
    upper, lower, right, left = (landmarks[:, :, index.index(point), :2] for point in (13, 14, 33, 263))
    return np.asarray(np.linalg.norm(upper - lower, axis=-1) / np.linalg.norm(right - left, axis=-1), dtype=np.float32)


def _pauses(path: Path) -> dict[str, list[tuple[float, float]]]:
    pauses: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["word"] in ("sil", "sp"):
                pauses[row["id"]].append((float(row["start"]), float(row["end"])))
    return pauses


def _read_line(path: Path, length: int) -> Array:
    audio, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE or audio.ndim != 1:
        raise A2FError(f"Training sound '{path}' has {rate} Hz and shape {audio.shape}.", "It must be mono at 16 kHz.", code="train-corpus")
    padded = np.zeros(length, dtype=np.float32)
    line = normalised(audio)[:length]
    padded[:len(line)] = line
    return padded


@dataclass(frozen=True, eq=False)
class Tracks:
    """The independent curves that are learned, and how captured scores become them.

    Attributes:
        names: as in `AMPLITUDES`.
        columns: captured columns that each track is the mean of.
        rest: captured value of a resting face, per captured channel.
        factors: from captured score above rest to ARKit amplitude, per captured channel.
    """

    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]
    rest: Array
    factors: Array

    def targets(self, sentence: Sentence) -> Array:
        """Return the targets of one sentence, shape (frames, tracks): a resting face is 0, shut lips have mouthClose = jawOpen.

        They end at 1, ARKit's full shape: what the capture has beyond are slips of its tracking.
        """
        scaled = (sentence.captured - self.rest) * self.factors
        targets = np.stack([scaled[:, list(columns)].mean(axis=1) for columns in self.columns], axis=1)
        jaw, close = self.names.index("jawOpen"), self.names.index("mouthClose")
        targets[:, close] = np.where(sentence.closed, np.maximum(targets[:, close], targets[:, jaw]), targets[:, close])
        return np.asarray(np.minimum(targets, 1), dtype=np.float32)


def tracks_of(corpus: Corpus, ids: Iterable[str]) -> Tracks:
    """Return the tracks, with rest and scale measured on the sentences `ids`."""
    sentences = [corpus.sentences[id] for id in ids]
    captured = np.concatenate([sentence.captured for sentence in sentences])
    resting = np.concatenate([sentence.resting for sentence in sentences])
    rest = np.median(captured[resting], axis=0)
    reach = np.maximum(np.percentile(captured, 99, axis=0) - rest, 1e-3)
    factors = np.zeros(len(corpus.channels))
    columns = []
    for track, amplitude in AMPLITUDES.items():
        sides = [track] if track in corpus.channels else [track + "Left", track + "Right"]
        columns.append(tuple(corpus.channels.index(side) for side in sides))
        for column in columns[-1]:
            factors[column] = amplitude / reach[column]
    factors[corpus.channels.index("mouthClose")] = factors[corpus.channels.index("jawOpen")]
    return Tracks(tuple(AMPLITUDES), tuple(columns), rest.astype(np.float32), factors.astype(np.float32))
