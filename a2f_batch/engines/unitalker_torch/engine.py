"""The engine `unitalker_torch`: voice lines in, the curves of any of the network's heads out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import torch

from a2f_batch.clip import Values
from a2f_batch.engines.base import Engine, Options, Request, line_name, say_once
from a2f_batch.engines.description import Description
from a2f_batch.engines.pieces import Piece, Samples, feeds, join
from a2f_batch.engines.runtime import OnnxError
from a2f_batch.engines.unitalker_torch.architecture import Architecture
from a2f_batch.engines.unitalker_torch.checkpoint import read_tensors
from a2f_batch.engines.unitalker_torch.cpu import CpuNetwork, lacking_package
from a2f_batch.engines.unitalker_torch.installation import chosen_device
from a2f_batch.engines.unitalker_torch.layout import batches, grid_length, line_bytes, run_batches
from a2f_batch.engines.unitalker_torch.network import Network
from a2f_batch.engines.unitalker_torch.precision import MOST_ERROR, fast_type, lower, relative_error, trial_curves
from a2f_batch.errors import EngineError

if TYPE_CHECKING:
    from a2f_batch.audio import Waveform

CACHED_FRAMES = 400  # of the first convolutions at once on a CPU: with the base models half a second, 3.3 MB and less between them
CPU_BATCH_BYTES = 2 << 30
GPU_BATCH_BYTES = 16 << 30


@dataclass(frozen=True)
class _Job:
    """A piece of a line: `frames` of the network on `audio`."""

    line: int
    piece: Piece
    audio: Samples
    frames: int


class UniTalkerTorch(Engine):
    """A UniTalker in torch. It draws nothing: the seed is only recorded.

    On a CPU a line goes through the network alone, so that `exact` gives the same bytes whatever else is in the batch: a matrix
    product's last bits depend on how many rows it has, so no padded layout could promise that, and a CPU gains little from one. There
    onnxruntime runs it where it is installed, else torch: what is installed decides, never what was faster just now. On a GPU lines of
    like length go together: equal to the line alone within float32's rounding.

    Args:
        description: of the weights.
        architecture: as `read_architecture` reads it from `description`.
        options: where and how to run.

    Attributes:
        architecture: what the network is.
        network: the network, on its device.
        together: whether lines share a run of the network.
        batch_bytes: about how much memory such a run may take.
        fast_error: by how much 'fast' moves the curves of a trial sound: RMS of the difference over RMS about the mean; 0 for 'exact'.

    Raises:
        EngineError: the device can't be used (code 'device-missing'), or the weights don't fit: see `read_tensors`.
    """

    def __init__(self, description: Description, architecture: Architecture, options: Options) -> None:
        self._device = chosen_device(options)
        tensors, sha256 = read_tensors(description, architecture)
        super().__init__(description, device=str(self._device), precision=options.precision, weights_sha256=sha256)
        self.architecture, self.heads = architecture, architecture.head_names
        self.names = next(iter(self.heads.values()))
        self.styles = architecture.styles or tuple(str(i) for i in range(architecture.identity_num))
        self.threads = options.threads
        self.together = self._device.type != "cpu"
        self.batch_bytes = GPU_BATCH_BYTES if self.together else CPU_BATCH_BYTES
        self.network = Network(architecture, tensors).to(self._device)
        self.network.encoder.frames_at_once = None if self.together else CACHED_FRAMES
        self.fast_error = self._lower() if options.precision == "fast" else 0.0

    def _lower(self) -> float:
        """Make the network 'fast', say by how much that moves its curves, and return it."""
        dtype, name = fast_type(self._device), self.description.name
        if dtype is None:
            say_once("This CPU has no 16-bit matrix units: precision 'fast' computes as 'exact' does.")
            return 0.0
        with self._running():
            exact = trial_curves(self.network, self._device)
            lower(self.network, dtype)
            error = relative_error(trial_curves(self.network, self._device), exact)
        beyond = f", more than the {MOST_ERROR:.0%} that are aimed at: choose 'exact' where it shows" if error > MOST_ERROR else ""
        say_once(f"{name}: precision 'fast' ({str(dtype).removeprefix('torch.')} on {self._device}) moves the curves of a trial sound by "
                 f"{error:.2%} of their RMS{beyond}.")
        return error

    @cached_property
    def on_cpu(self) -> CpuNetwork | None:
        """The network as onnxruntime runs it, for lines alone, built for the first of them; None = torch runs them.

        Raises:
            EngineError: onnxruntime refuses it (code 'runtime-refused'), or is not installed rightly.
        """
        if self._device.type != "cpu" or self.network.encoder.position_weight.dtype is not torch.float32:
            return None
        lacking = lacking_package()
        if lacking is not None:
            say_once(f"Torch runs the network, slower than onnxruntime would: {lacking}. Run: pip install 'a2f-batch[torch,cpu]'.")
            return None
        try:
            return CpuNetwork(self.network, Options("cpu", threads=self.threads))
        except OnnxError as error:
            raise EngineError(f"onnxruntime refuses the network of {self.description.name}: {error}.",
                              "Run: pip install --upgrade onnxruntime; or uninstall it, and torch runs the network.",
                              code="runtime-refused") from error

    def _known_style(self, style: str | int | None, not_honoured: list[str]) -> int:
        return self.known_style(style)

    def known_head(self, head: str | None) -> str:
        """Return the head that is meant; None is the first.

        Raises:
            EngineError: there is none of that name (code 'head-unknown').
        """
        return self._known_head(head) or next(iter(self.heads))

    def known_style(self, style: str | int | None) -> int:
        """Return the index of a style, given by index, by index as text, or by name; None is the last, common one.

        Raises:
            EngineError: there is no such style (code 'style-unknown').
        """
        count = self.architecture.identity_num
        if style is None:
            return count - 1
        if isinstance(style, str) and style in self.architecture.styles:
            return self.architecture.styles.index(style)
        try:
            index = int(style)
        except ValueError:
            index = -1
        if type(style) is not bool and 0 <= index < count:
            return index
        names = f", or one of: {', '.join(self.architecture.styles)}" if self.architecture.styles else ""
        raise EngineError(f"{self.description.name} has no style {style!r}: it has {count}.",
                          f"Give a number from 0 to {count - 1}{names}; without a style the last, common one is used.",
                          code="style-unknown")

    def _curves(self, waves: Sequence[Waveform], counts: Sequence[int], request: Request) -> list[Values]:
        jobs = [job for line, (wave, count) in enumerate(zip(waves, counts, strict=True))
                for job in self._jobs(line, wave, count, request.fps)]
        curves = self._run(jobs, waves, request)
        found: list[list[int]] = [[] for _ in waves]
        for index, job in enumerate(jobs):
            found[job.line].append(index)
        return [join([jobs[index].piece for index in own], [curves[index] for index in own]) for own in found]

    def _jobs(self, line: int, wave: Waveform, count: int, fps: Fraction) -> Iterator[_Job]:
        fed = feeds(wave.samples, count, self.sample_rate, fps, whole_lines=self.description.whole_lines)
        for piece, audio, frames in fed:
            lacking = self.architecture.sizes.receptive_samples - audio.size
            yield _Job(line, piece, np.pad(audio, (0, max(lacking, 0))), frames)

    def _run(self, jobs: Sequence[_Job], waves: Sequence[Waveform], request: Request) -> dict[int, Values]:
        if self.together:
            sizes = self.architecture.sizes
            groups = batches([job.audio.size for job in jobs], self.batch_bytes, lambda samples: line_bytes(samples, sizes))
        else:
            groups = [[index] for index in range(len(jobs))]

        def work(group: list[int]) -> list[Values]:
            try:
                return self._batch([jobs[index] for index in group], request)
            except (RuntimeError, OnnxError) as error:
                if _ran_out_of_memory(error):
                    raise
                job = jobs[group[0]]
                raise EngineError(f"{self.description.name} failed on {line_name(waves[job.line])}, from frame {job.piece.first}: "
                                  f"{str(error).partition(chr(10))[0]}.", "Check the sound; if it is in order, choose other weights.",
                                  code="engine-failed") from error

        with self._running():
            return run_batches(groups, work, _ran_out_of_memory, self._release)

    def _batch(self, jobs: Sequence[_Job], request: Request) -> list[Values]:
        """Return each job's curves; in a batch of one nothing is padded and nothing masked."""
        assert request.head is not None and isinstance(request.style, int)
        device, alone = self._device, not self.together
        if alone and self.on_cpu is not None:
            return [self._line(self.on_cpu, job, request.style, request.head) for job in jobs]
        width = jobs[0].audio.size if alone else grid_length(max(job.audio.size for job in jobs))
        frames = jobs[0].frames if alone else ceil(width * request.fps / self.sample_rate)
        frames = max(frames, *(job.frames for job in jobs), 1)
        audio = np.zeros((len(jobs), width), dtype=np.float32)
        for row, job in zip(audio, jobs, strict=True):
            row[:job.audio.size] = job.audio
        samples = counts = None
        if not alone:
            samples = torch.tensor([job.audio.size for job in jobs], device=device)
            counts = torch.tensor([job.frames for job in jobs], device=device)
        style = torch.full((len(jobs),), request.style, device=device)
        values = self.network(torch.from_numpy(audio).to(device), samples, frames, counts, style, request.head)
        found: Values = values.float().cpu().numpy()
        return [found[i, :job.frames] for i, job in enumerate(jobs)]

    def _line(self, network: CpuNetwork, job: _Job, style: int, head: str) -> Values:
        decoded = network(torch.from_numpy(job.audio).unsqueeze(0), max(job.frames, 1), style)
        values: Values = self.network.head(decoded, head)[0, :job.frames].numpy()
        return values

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Run torch with this engine's threads and without the tensor cores' short mantissas, and leave torch as it was."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            # cuDNN rounds float32 to 10 bits unless told not to; and other algorithms on another day give other bytes.
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
                yield
        finally:
            torch.set_num_threads(threads)

    def _release(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _ran_out_of_memory(error: Exception) -> bool:
    # Neither torch's allocator of the CPU nor onnxruntime's raises an error of a kind of its own.
    told = {RuntimeError: "DefaultCPUAllocator", OnnxError: "allocate"}
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        isinstance(error, kind) and word in str(error) and "memory" in str(error) for kind, word in told.items())
