"""Fitting the network to captured and ruled speech together: mixed batches, masked losses, checkpoints that a stopped run goes on from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from a2f_batch.errors import A2FError
from a2f_batch.export.atomic import replacing
from a2f_batch.train.examples import Example
from a2f_batch.train.network import STEP, MouthNet
from a2f_batch.train.recipe import AMPLITUDES, SAMPLE_RATE, Recipe
from a2f_batch.train.sounds import crop, noise
from a2f_batch.train.warm_start import start_from


@dataclass(frozen=True, eq=False)
class Crops:
    """A batch: audio (batch, samples), goals (batch, outputs, tracks + 2), classes (batch, outputs; -1 unknown)."""

    audio: Tensor
    goals: Tensor
    classes: Tensor


class Batches(Dataset[Crops]):
    """The batch of every step: a function of its number alone."""

    def __init__(self, by_source: dict[str, list[Example]], recipe: Recipe) -> None:
        self.by_source, self.recipe = by_source, recipe

    def __getitem__(self, step: int) -> Crops:
        return draw_crops(self.by_source, self.recipe, np.random.default_rng([self.recipe.seed, step]))


def fit(examples: Sequence[Example], recipe: Recipe, checkpoint: Path | None = None, *, stop_after: float | None = None,
        start: Path | None = None, threads: int = 1, workers: int = 0) -> MouthNet | None:
    """Train, or go on from `checkpoint` if it is there, and return the averaged network in evaluation mode; None if stopped early.

    A step draws from its own number alone, so a run that was stopped ends with the weights of one that was not.

    Args:
        start: an exported network of the same shape to begin with, instead of drawn weights.
        stop_after: seconds after which to stop early, at a checkpoint; the schedule is that of the whole run.
        threads: of torch; results are reproducible for a given number.
        workers: processes that prepare the sounds of coming steps; the result is the same with any number.

    Raises:
        A2FError: there are no captured examples, (code 'train-corpus'), or the checkpoint is another recipe's
            (code 'train-weights').
    """
    by_source: dict[str, list[Example]] = {}
    for example in examples:
        by_source.setdefault(example.source, []).append(example)
    if "grid" not in by_source:
        raise A2FError("Training: there is no captured sentence among the examples.", "Make them with --data, the GRID folder.",
                       code="train-corpus")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    spread = np.concatenate([example.goals.astype(np.float32) for example in by_source["grid"]])[:, :len(AMPLITUDES)].std(axis=0)
    network = MouthNet(recipe.width, recipe.dilations, recipe.dropout, np.maximum(spread, 1e-3))
    if start is not None:
        sample = draw_crops(by_source, recipe, np.random.default_rng([recipe.seed, 0]))
        start_from(network, start, sample.audio.numpy())
    moving = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.averaging)  # type: ignore[no-untyped-call, unused-ignore]
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=moving, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps, pct_start=0.15)
    parts = {"network": network, "average": average, "optimiser": optimiser, "schedule": schedule}
    first = _resume(checkpoint, recipe, parts)
    began = time.monotonic()
    losses: list[float] = []
    network.train()
    batches = DataLoader(Batches(by_source, recipe), batch_size=None, sampler=range(first, recipe.steps), num_workers=workers,
                         collate_fn=lambda crops: crops)
    for step, crops in enumerate(bar := tqdm(batches, initial=first, total=recipe.steps, unit="step", disable=None), start=first):
        torch.manual_seed(recipe.seed * 1_000_003 + step)  # of dropout
        terms = losses_of(network, crops, recipe)
        loss = sum(terms.values(), torch.zeros(()))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        losses.append(float(loss.detach()))
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
        if (step + 1) % recipe.checkpoint_steps == 0 or step + 1 == recipe.steps:
            _save(checkpoint, recipe, step + 1, parts, losses[-recipe.checkpoint_steps:], terms)
            if stop_after is not None and time.monotonic() - began > stop_after and step + 1 < recipe.steps:
                return None
    kept = average.module
    assert isinstance(kept, MouthNet)
    kept.eval()
    kept.get_buffer("sealing").copy_(torch.tensor(recipe.sealing))
    return kept


def draw_crops(by_source: dict[str, list[Example]], recipe: Recipe, random: np.random.Generator) -> Crops:
    """Return a batch, drawn by the recipe's shares."""
    outputs = round(recipe.crop_seconds * SAMPLE_RATE / STEP)
    sources = [source for source in recipe.shares if source == "noise" or source in by_source]
    shares = np.array([recipe.shares[source] for source in sources])
    drawn = []
    for source in random.choice(sources, recipe.batch, p=shares / shares.sum()):
        if source == "noise":
            rest = np.zeros((outputs, len(AMPLITUDES) + 2), dtype=np.float32)
            rest[:, -1] = 1
            audio = noise(round(recipe.crop_seconds * SAMPLE_RATE), random) * 10 ** (random.uniform(-12, 6) / 20)
            drawn.append((np.asarray(audio, dtype=np.float32), rest, np.zeros(outputs, dtype=np.float32)))
        else:
            some = by_source[source]
            drawn.append(crop(some[int(random.integers(len(some)))], recipe.crop_seconds, outputs, recipe.sounds, random))
    sounds, goals, classes = (torch.from_numpy(np.stack(column)) for column in zip(*drawn, strict=True))
    return Crops(sounds, goals, classes.to(torch.int64))


def losses_of(network: MouthNet, crops: Crops, recipe: Recipe) -> dict[str, Tensor]:
    """Return the terms of the loss, weighted."""
    steps = network.encode(crops.audio)
    found, shut_logit = network.read(steps)
    n_outputs = crops.goals.shape[1]
    found, shut_logit = found[:, :n_outputs], shut_logit[:, :n_outputs]
    wanted, opening, shut = crops.goals[..., :-2], crops.goals[..., -2], crops.goals[..., -1]
    spread = network.get_buffer("spread")
    weights = torch.tensor([recipe.track_weights.get(name, 1.0) for name in AMPLITUDES]) / spread ** 2
    error = found - wanted
    differences = [(error[:, lag:] - error[:, :-lag]).square() for lag in (1, 2)]
    jaw = spread[network.jaw] ** 2
    named, known = network.name(steps)[:, :n_outputs], crops.classes >= 0
    parted = found[..., network.jaw] - found[..., network.close]
    return {
        "tracks": (error.square() * weights).mean(),
        "differences": recipe.difference_weight * sum(((one * weights).mean() for one in differences), torch.zeros(())),
        "opening": recipe.opening_weight * ((parted - opening).square() / jaw).mean(),
        "seal": recipe.seal_weight * (torch.relu(parted).square() * (shut > 0.7) / jaw).mean(),
        "shut": recipe.shut_weight * functional.binary_cross_entropy_with_logits(shut_logit, shut.clamp(0, 1)),
        "viseme": recipe.viseme_weight * functional.cross_entropy(named[known], crops.classes[known]) if known.any() else torch.zeros(()),
    }


def _save(checkpoint: Path | None, recipe: Recipe, step: int, parts: dict[str, object], losses: list[float],
          terms: dict[str, Tensor]) -> None:
    if checkpoint is None:
        return
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with replacing(checkpoint) as file:
        torch.save({"recipe": _learned_by(recipe), "step": step,
                    **{name: part.state_dict() for name, part in parts.items()}}, file)  # type: ignore[attr-defined]
    with checkpoint.with_suffix(".log").open("a", encoding="utf-8") as log:
        now = " ".join(f"{name} {float(term.detach()):.3f}" for name, term in terms.items())
        log.write(f"step {step} loss {np.mean(losses):.4f} {now}\n")


def _resume(checkpoint: Path | None, recipe: Recipe, parts: dict[str, object]) -> int:
    if checkpoint is None or not checkpoint.exists():
        return 0
    stored = torch.load(checkpoint, weights_only=True)
    if stored["recipe"] != _learned_by(recipe):
        raise A2FError(f"Going on from '{checkpoint}': it was written by another recipe.", "Give another --checkpoint, or delete it.",
                       code="train-weights")
    for name, part in parts.items():
        part.load_state_dict(stored[name])  # type: ignore[attr-defined]
    return int(stored["step"])


def _learned_by(recipe: Recipe) -> str:
    """Return the recipe without what is set after the last step: `fit` again with another sealing only writes the weights anew."""
    return repr({name: value for name, value in asdict(recipe).items() if name != "sealing"})
