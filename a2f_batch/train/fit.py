"""Fitting the network to a corpus: one deterministic run from a recipe."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from a2f_batch.errors import A2FError
from a2f_batch.train.augment import draw_crop
from a2f_batch.train.dataset import Array, Corpus, Tracks, tracks_of
from a2f_batch.train.network import SUBSTEPS, MouthNet
from a2f_batch.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network and how it came about.

    Attributes:
        network: in evaluation mode.
        tracks: what its outputs are.
        losses: mean training loss of each epoch.
        seconds: wall time of the training.
    """

    network: MouthNet
    tracks: Tracks
    losses: tuple[float, ...]
    seconds: float


def fit(corpus: Corpus, training: Iterable[str], recipe: Recipe) -> Fitted:
    """Train on the sentences `training`. The same corpus, recipe and machine type give the same weights.

    Raises:
        A2FError: they do not fill one batch (code 'train-corpus').
    """
    began = time.monotonic()
    training = list(training)
    if len(training) < recipe.batch:
        raise A2FError(f"Training: {len(training)} sentences are left to train on; a batch needs {recipe.batch}.",
                       "Give a larger corpus.", code="train-corpus")
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    tracks = tracks_of(corpus, training)
    targets = {id: np.column_stack([tracks.targets(corpus.sentences[id]), corpus.sentences[id].closed]).astype(np.float32)
               for id in training}
    rest = np.eye(1, len(tracks.names) + 1, len(tracks.names), dtype=np.float32)[0]  # all tracks 0, lips shut
    spread = np.maximum(np.concatenate(list(targets.values()))[:, :-1].std(axis=0), 1e-3)
    network = MouthNet(recipe.width, recipe.dilations, recipe.dropout, spread)
    weights = torch.tensor([recipe.track_weights.get(name, 1.0) for name in tracks.names]) / torch.as_tensor(spread) ** 2
    n_batches = len(training) // recipe.batch
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.epochs * n_batches, pct_start=0.2)
    losses = []
    network.train()
    # disable=None: a bar on a terminal, nothing elsewhere.
    for _ in (bar := tqdm(range(recipe.epochs), unit="epoch", disable=None)):
        total = 0.0
        order = random.permutation(len(training))
        for step in range(n_batches):
            ids = [training[i] for i in order[step * recipe.batch:(step + 1) * recipe.batch]]
            crops = [draw_crop(corpus.sentences[id], targets[id], rest, corpus.fps, recipe, random) for id in ids]
            loss = _loss(network, np.stack([audio for audio, _ in crops]), np.stack([curves for _, curves in crops]), weights, recipe)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        losses.append(total / n_batches)
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
    network.eval()
    return Fitted(network, tracks, tuple(losses), time.monotonic() - began)


def _loss(network: MouthNet, audio: Array, curves: Array, weights: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    # The network gives more outputs than the capture has frames. Each is asked for and compared, or those between would stay
    # as they were drawn, unseen at the capture's own rate and noise at every other.
    goal = between(torch.as_tensor(curves))
    wanted, shut = goal[..., :-1], goal[..., -1].clamp(0, 1)
    found, logit = network(torch.as_tensor(audio), torch.tensor(goal.shape[1]))
    error = found - wanted
    # Differences over a captured frame, and over an output: the second keeps the outputs between from trembling.
    differences = [(error[:, lag:] - error[:, :-lag]).square() for lag in (SUBSTEPS, 1)]
    loss: torch.Tensor = (error.square() * weights).mean() + recipe.difference_weight * sum((one * weights).mean() for one in differences)
    return loss + recipe.closed_weight * functional.binary_cross_entropy_with_logits(logit, shut)


def between(curves: torch.Tensor) -> torch.Tensor:
    """Return `curves` (batch, frames, tracks) at twice the rate, (batch, 2 * frames, tracks): a Catmull-Rom spline, the ends held."""
    held = torch.cat([curves[:, :1], curves, curves[:, -1:], curves[:, -1:]], dim=1)
    halfway = (9 * (held[:, 1:-2] + held[:, 2:-1]) - held[:, :-3] - held[:, 3:]) / 16
    return torch.stack([curves, halfway], dim=2).flatten(1, 2)
