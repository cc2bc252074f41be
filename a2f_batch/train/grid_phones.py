"""Phones of the GRID corpus: each word's pronunciation laid into its labelled time by segmental k-means on log-mel frames."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.train.dataset import Corpus
from a2f_batch.train.speech.utterance import Phone

#: GRID's words as a southern British speaker says them: IPA, one string a phone (espeak-ng's 'en-gb', stress left out). Kept here, so that
#: training on GRID needs no synthesizer. Letters of the alphabet are words of one letter.
_LETTERS = {
    "a": "eɪ", "b": "b iː", "c": "s iː", "d": "d iː", "e": "iː", "f": "ɛ f", "g": "dʒ iː", "h": "eɪ tʃ", "i": "aɪ", "j": "dʒ eɪ",
    "k": "k eɪ", "l": "ɛ l", "m": "ɛ m", "n": "ɛ n", "o": "əʊ", "p": "p iː", "q": "k j uː", "r": "ɑː", "s": "ɛ s", "t": "t iː", "u": "j uː",
    "v": "v iː", "x": "ɛ k s", "y": "w aɪ", "z": "z ɛ d"}
_WORDS = {
    "bin": "b ɪ n", "lay": "l eɪ", "place": "p l eɪ s", "set": "s ɛ t", "blue": "b l uː", "green": "ɡ ɹ iː n", "red": "ɹ ɛ d",
    "white": "w aɪ t", "at": "æ t", "by": "b aɪ", "in": "ɪ n", "with": "w ɪ ð", "zero": "z iə ɹ əʊ", "one": "w ʌ n", "two": "t uː",
    "three": "θ ɹ iː", "four": "f ɔː", "five": "f aɪ v", "six": "s ɪ k s", "seven": "s ɛ v ə n", "eight": "eɪ t", "nine": "n aɪ n",
    "again": "ə ɡ ɛ n", "now": "n aʊ", "please": "p l iː z", "soon": "s uː n"}
PRONUNCIATIONS = {word: tuple(phones.replace("ː", "").split()) for word, phones in (_LETTERS | _WORDS).items()}
_HOP_SECONDS = 0.01
_ROUNDS = 6
_SHORTEST = 2  # hops in a phone


def grid_phones(folder: Path, corpus: Corpus) -> dict[str, tuple[Phone, ...]]:
    """Return sentence -> its phones, of the corpus' usable sentences.

    A phone of a word has one Gaussian of log-mel values, over all times that the word is said; the words' phones are cut where that fits
    best, in turns. The first cut gives vowels twice a consonant's time.
    """
    import torch

    from a2f_batch.train.network import LogMel

    front = LogMel()
    mels = {}
    with torch.no_grad():
        for id, sentence in corpus.sentences.items():
            mels[id] = front(torch.from_numpy(sentence.audio)[None])[0].numpy().T.astype(np.float64)
    spoken: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    with (folder / "words.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["word"] in PRONUNCIATIONS and row["id"] in mels:
                begin, end = round(float(row["start"]) / _HOP_SECONDS), round(float(row["end"]) / _HOP_SECONDS)
                spoken[row["word"]].append((row["id"], begin, min(end, len(mels[row["id"]]))))
    found: dict[str, list[Phone]] = defaultdict(list)
    for word, places in spoken.items():
        phones = PRONUNCIATIONS[word]
        weights = np.cumsum([0.0] + [2.0 if phone[0] in "aeiouæɑɔəɛɪʊʌ" else 1.0 for phone in phones])
        pieces = [mels[id][begin:end] for id, begin, end in places]
        cuts = [np.round(weights / weights[-1] * len(piece)).astype(int) for piece in pieces]
        if len(phones) > 1:
            for _ in range(_ROUNDS):
                models = [np.concatenate([piece[cut[k]:cut[k + 1]] for piece, cut in zip(pieces, cuts, strict=True)])
                          for k in range(len(phones))]
                means = np.array([model.mean(axis=0) for model in models])
                deviations = np.array([model.std(axis=0) + 0.05 for model in models])
                cuts = [_cut(piece, means, deviations) for piece in pieces]
        for (id, begin, _), cut in zip(places, cuts, strict=True):
            times = (begin + cut) * _HOP_SECONDS
            found[id] += [Phone(phone, float(times[k]), float(times[k + 1])) for k, phone in enumerate(phones) if times[k + 1] > times[k]]
    return {id: tuple(sorted(phones, key=lambda phone: phone.begin)) for id, phones in found.items()}


def _cut(piece: npt.NDArray[np.float64], means: npt.NDArray[np.float64], deviations: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the edges (phones + 1,) of the likeliest cut of a word's frames into its phones, each at least `_SHORTEST` long."""
    n_frames, n_phones = len(piece), len(means)
    if n_frames < n_phones * _SHORTEST:
        return np.asarray(np.round(np.linspace(0, n_frames, n_phones + 1)), dtype=np.int64)
    cost = (((piece[:, None] - means) / deviations) ** 2 / 2 + np.log(deviations)).mean(axis=2)  # mean over bands: they are not independent
    total = np.concatenate([np.zeros((1, n_phones)), np.cumsum(cost, axis=0)])
    best = np.full((n_phones + 1, n_frames + 1), np.inf)
    back = np.zeros((n_phones + 1, n_frames + 1), dtype=np.int64)
    best[0, 0] = 0
    for k in range(n_phones):
        for end in range((k + 1) * _SHORTEST, n_frames + 1):
            starts = np.arange(k * _SHORTEST, end - _SHORTEST + 1)
            costs = best[k, starts] + total[end, k] - total[starts, k]
            back[k + 1, end] = starts[int(np.argmin(costs))]
            best[k + 1, end] = costs.min()
    edges = [n_frames]
    for k in range(n_phones, 0, -1):
        edges.append(int(back[k, edges[-1]]))
    return np.array(edges[::-1])
