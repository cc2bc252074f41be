"""Fitting the co-articulation model to captured sentences, by gradient, inside its bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from tqdm import tqdm

from a2f_batch.train.coarticulation import BORROWED, BOUNDS, COMMANDING, TRACKS, Visemes, rule_curves
from a2f_batch.train.dataset import Corpus, Tracks
from a2f_batch.train.phones import NAMES
from a2f_batch.train.recipe import AMPLITUDES
from a2f_batch.train.segments import segments_of
from a2f_batch.train.speech.utterance import Phone

_STEPS, _BATCH, _RATE = 400, 48, 0.03
#: The capture is compared this near to speech: farther off a speaker breathes and gets ready, which no phone explains.
_BEFORE, _AFTER = 0.15, 0.25


def fit_rules(corpus: Corpus, tracks: Tracks, phones: Mapping[str, Sequence[Phone]], ids: Sequence[str], seed: int = 0) -> Visemes:
    """Return the parameters that come nearest the captured curves of the sentences `ids` (squared error, each track in its own deviation).

    The strength of a target that the data say little about stays near the start: 1, fading within some 80 ms.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    shape = len(NAMES), len(TRACKS)
    lowest, highest = _bounds()
    goals = {id: tracks.targets(corpus.sentences[id]) for id in ids}
    spread = torch.as_tensor(np.concatenate(list(goals.values())).std(axis=0).clip(1e-3))
    targets = torch.full(shape, 0.05).clamp(lowest, highest).requires_grad_()
    weakest, slowest = _commands()
    strengths = torch.zeros(shape).clamp(min=weakest).requires_grad_()
    before, after = (torch.full(shape, float(np.log(12.0))).clamp(min=slowest).requires_grad_() for _ in range(2))
    optimiser = torch.optim.Adam([targets, strengths, before, after], lr=_RATE)
    lines = [id for id in ids if id in phones]
    for _ in tqdm(range(_STEPS), unit="step", disable=None, desc="rules"):
        loss = torch.zeros(())
        for id in random.choice(lines, _BATCH, replace=False):
            goal = goals[str(id)]
            times = np.arange(len(goal)) / corpus.fps
            line = segments_of(phones[str(id)], len(goal) / corpus.fps)
            first, last = phones[str(id)][0].begin - _BEFORE, phones[str(id)][-1].end + _AFTER
            use = (times >= first) & (times <= last)
            kinds = torch.as_tensor(line.classes)
            early = torch.as_tensor(np.maximum(line.begins - times[use][:, None], 0), dtype=torch.float32)[..., None]
            late = torch.as_tensor(np.maximum(times[use][:, None] - line.ends, 0), dtype=torch.float32)[..., None]
            weights = torch.exp(strengths[kinds] - before[kinds].exp() * early - after[kinds].exp() * late)
            curves = (weights * targets[kinds]).sum(1) / weights.sum(1)
            error = (curves - torch.as_tensor(goal[use])) / spread
            loss = loss + error.square().mean() / _BATCH
        loss = loss + 0.002 * (strengths.square().mean() + (before - 2.5).square().mean() + (after - 2.5).square().mean())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        optimiser.step()
        with torch.no_grad():
            targets.copy_(targets.clamp(lowest, highest))
            strengths.copy_(strengths.clamp(weakest, torch.full(shape, 3.0)))
            for rate in (before, after):
                rate.copy_(rate.clamp(slowest, torch.full(shape, float(np.log(60.0)))))
    with torch.no_grad():
        for name, sources in BORROWED.items():
            rows = [NAMES.index(source) for source in sources]
            for value in (targets, strengths, before, after):
                value[NAMES.index(name)] = value[rows].mean(0)
        targets.copy_(targets.clamp(lowest, highest))
    return Visemes(*(value.detach().numpy() for value in (targets, strengths, before, after)))


def likeness(corpus: Corpus, tracks: Tracks, phones: Mapping[str, Sequence[Phone]], ids: Sequence[str],
             visemes: Visemes) -> dict[str, float]:
    """Return track -> correlation of rule and capture over the frames of speech of the sentences `ids`."""
    found, truth = [], []
    for id in ids:
        if id not in phones:
            continue
        goal = tracks.targets(corpus.sentences[id])
        times = np.arange(len(goal)) / corpus.fps
        curves, _ = rule_curves(segments_of(phones[id], len(goal) / corpus.fps), times, visemes)
        use = (times >= phones[id][0].begin - _BEFORE) & (times <= phones[id][-1].end + _AFTER)
        found.append(curves[use])
        truth.append(goal[use])
    a, b = np.concatenate(found), np.concatenate(truth)
    return {name: float(np.corrcoef(a[:, i], b[:, i])[0, 1]) for i, name in enumerate(TRACKS)}


def _bounds() -> tuple[torch.Tensor, torch.Tensor]:
    # A target may pass the amplitude that speech reaches (a dominance seldom has its way), but not without end.
    reach = torch.tensor([1.0 if name in ("jawOpen", "mouthClose") else 1.7 * AMPLITUDES[name] for name in TRACKS])
    lowest, highest = torch.full((len(NAMES), len(TRACKS)), -0.10), reach.expand(len(NAMES), -1).clone()
    for names, track, low, high in BOUNDS:
        for name in names:
            lowest[NAMES.index(name), TRACKS.index(track)], highest[NAMES.index(name), TRACKS.index(track)] = low, high
    lowest[0] = highest[0] = 0.0  # silence rests
    return lowest, highest


def _commands() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the least strengths and the least logarithms of rates."""
    weakest, slowest = torch.full((len(NAMES), len(TRACKS)), -3.0), torch.full((len(NAMES), len(TRACKS)), float(np.log(4.0)))
    for names, tracks, strength, rate in COMMANDING:
        for name in names:
            for track in tracks:
                weakest[NAMES.index(name), TRACKS.index(track)] = strength
                slowest[NAMES.index(name), TRACKS.index(track)] = float(np.log(rate))
    return weakest, slowest
