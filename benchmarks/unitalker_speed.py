"""How fast the full-size UniTalker base is in torch, beside the seed service's way on onnxruntime, in one run.

    python benchmarks/unitalker_speed.py [--quick] [--lines 64] [--repeats 1] [--threads 2] [--device auto] [--scaling 1000]

Random weights of the published sizes (WavLM-base-plus, 12 x 768; decoder 256), drawn as transformers draws them. The seed service's way:
the reference implementation's arithmetic (transformers' own forward, F.interpolate, the decoder) exported to ONNX, one line a call,
float32. All ways take each line in turn, so that other work on the machine meets each; seconds are summed over the lines, the best of
the repeats. CPU seconds are printed beside the clock's: on a shared machine they are the steadier figure. Then where the time goes in
the seed service's way and in ours, as onnxruntime's profiler tells it.

--quick runs tiny networks, to see that the script works. On a GPU the same lines are repeated to --gpu-lines, and the arithmetic and
memory floors are printed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

import a2f_batch as a2f
from a2f_batch.engines.pieces import normalised

FPS, RATE, HEAD = 30, 16000, "inhouse_blendshape_weight"
GFLOP_A_SECOND = 13.9  # of the full-size network for a second of sound; counted (the table's column means nothing with --quick)
TINY: dict[str, Any] = {
    "encoder_config": {"hidden_size": 48, "conv_dim": [32] * 7, "num_hidden_layers": 2, "intermediate_size": 96, "num_attention_heads": 4,
                       "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}, "decoder_dimension": 32}


@click.command()
@click.option("--quick", is_flag=True, help="Tiny networks, few lines.")
@click.option("--lines", default=64, show_default=True, help="Lines of 1 to 12 s.")
@click.option("--repeats", default=1, show_default=True, help="Repeats; the best is printed.")
@click.option("--threads", default=2, show_default=True, help="CPU threads of both ways.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@click.option("--gpu-lines", default=10_000, show_default=True, help="Lines of the GPU row.")
@click.option("--scaling", default=1000, show_default=True, help="Most lines of the cost-a-line row (tiny network on a CPU).")
def main(quick: bool, lines: int, repeats: int, threads: int, device: str, gpu_lines: int, scaling: int) -> None:
    """Print the tables."""
    import torch

    torch.set_num_threads(threads)
    lines = min(lines, 8) if quick else lines
    with tempfile.TemporaryDirectory() as folder:
        path = make_network(Path(folder), "net", TINY if quick else {})
        waves = make_lines(lines)
        seconds = float(sum(wave.duration for wave in waves))
        click.echo(f"{lines} lines, {seconds:.0f} s of sound, {os.cpu_count()} cores ({platform.processor() or platform.machine()}), "
                   f"{threads} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}; fp32 matrix product peak "
                   f"{peak(torch):.0f} GFLOP/s\n")
        exact = a2f.load_engine(path, device="cpu", threads=threads)
        fast = a2f.load_engine(path, device="cpu", threads=threads, precision="fast")
        in_torch: Any = a2f.load_engine(path, device="cpu", threads=threads)
        in_torch.on_cpu = None
        reference = export_reference(Path(folder), path)
        compare(reference_session(reference, threads), {"exact": exact, "exact, in torch": in_torch, "fast": fast}, waves, seconds, repeats)
        profile(reference, path, threads, waves)
        if device != "cpu" and torch.cuda.is_available():
            gpu(path, waves, gpu_lines, device)
        else:
            click.echo("\nGPU: none here; not measured")
        tiny = a2f.load_engine(make_network(Path(folder), "tiny", TINY), device="cpu", threads=threads)
        flatness(tiny, 100 if quick else scaling)


def make_network(folder: Path, name: str, sizes: dict[str, Any]) -> Path:
    """Write a network with random weights; return its description."""
    import torch
    from safetensors.torch import save_file

    from a2f_batch.engines.description import read_description
    from a2f_batch.engines.unitalker_torch.architecture import read_architecture
    from a2f_batch.engines.unitalker_torch.decoders import published_decoder
    from a2f_batch.engines.unitalker_torch.encoder import published_encoder

    path = folder / f"{name}.json"
    path.write_text(json.dumps({"encoder": "wavlm", "heads": {HEAD: 51}, "identity_num": 12, **sizes}))
    architecture = read_architecture(read_description(path))
    torch.manual_seed(0)
    whole = torch.nn.Module()
    whole.audio_encoder, whole.decoder = published_encoder(architecture), published_decoder(architecture)
    whole.out_head_dict = torch.nn.ModuleDict({HEAD: torch.nn.Linear(architecture.decoder_dimension, 51)})
    save_file({key: tensor.contiguous() for key, tensor in whole.state_dict().items()}, str(path.with_suffix(".safetensors")))
    return path


def make_lines(count: int) -> list[a2f.Waveform]:
    """Return `count` lines of 1 to 12 s: harmonics and noise with the course of syllables."""
    random = np.random.default_rng(0)
    waves = []
    for length in np.linspace(1, 12, count):
        at = np.arange(int(length * RATE)) / RATE
        pitch = (random.uniform(90, 220) * (1 + 0.1 * np.sin(3 * at))).cumsum() / RATE
        voice = sum(np.sin(2 * np.pi * harmonic * pitch) / harmonic for harmonic in range(1, 12))
        course = np.clip(np.sin(2 * np.pi * random.uniform(3, 5) * at), 0, None)
        waves.append(a2f.Waveform.from_samples((0.1 * voice * course + 0.005 * random.standard_normal(at.size)).astype(np.float32), RATE))
    return [waves[i] for i in random.permutation(count)]


def peak(torch: Any) -> float:
    """Return the best rate of a float32 matrix product, GFLOP/s."""
    a, best = torch.randn(1536, 1536), float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begin)
    return 2 * 1536**3 / best / 1e9


def export_reference(folder: Path, path: Path) -> Path:
    """Write the reference implementation's arithmetic with the weights of `path` as an ONNX file; return it."""
    import torch
    import torch.nn.functional as F  # noqa: N812
    from safetensors.torch import load_file

    from a2f_batch.engines.description import read_description
    from a2f_batch.engines.unitalker_torch.architecture import read_architecture
    from a2f_batch.engines.unitalker_torch.network import published

    whole = published(read_architecture(read_description(path)))
    whole.load_state_dict(load_file(str(path.with_suffix(".safetensors"))), assign=True)

    class Reference(torch.nn.Module):  # type: ignore[misc, unused-ignore]  # without torch it is Any
        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, audio: Any, emo_id: Any, time_steps: Any) -> Any:
            hidden = whole.audio_encoder(audio).last_hidden_state.transpose(1, 2)
            frames = F.interpolate(hidden, size=time_steps[0].to(torch.int64), mode="linear", align_corners=True).transpose(1, 2)
            return getattr(whole.out_head_dict, HEAD)(whole.decoder(frames, None, emo_id.to(torch.int64)))

    place = folder / "reference.onnx"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(Reference().eval(), (torch.randn(1, 2 * RATE), torch.tensor([1], dtype=torch.int32),
                                               torch.tensor([60], dtype=torch.int32)), str(place), dynamo=False, opset_version=17,
                          input_names=["audio", "emo_id", "time_steps"], output_names=["curves"],
                          dynamic_axes={"audio": {1: "samples"}, "curves": {1: "frames"}})
    return place


def reference_session(place: Path, threads: int) -> Any:
    """Return a session of the seed service's way: onnxruntime's own settings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(place), options, providers=["CPUExecutionProvider"])


def served(session: Any, wave: a2f.Waveform) -> Any:
    """Return the curves of a line, (frames, values), the seed service's way."""
    feeds = {"audio": normalised(wave.samples)[None], "emo_id": np.array([11], np.int32),
             "time_steps": np.array([wave.frame_count(FPS)], np.int32)}
    return session.run(None, feeds)[0][0]


def compare(session: Any, engines: dict[str, Any], waves: list[a2f.Waveform], seconds: float, repeats: int) -> None:
    """Print the seed service's way and each engine, line by line in turn."""
    ways: dict[str, Callable[[a2f.Waveform], Any]] = {"onnxruntime, one line a call": lambda wave: served(session, wave)}
    for name, engine in engines.items():
        ways[name] = lambda wave, engine=engine: engine.infer([wave], fps=FPS)[0].values  # type: ignore[misc]
    best = {name: [float("inf")] * 2 for name in ways}
    worst, squares, spread = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0), 0.0
    for way in ways.values():
        way(waves[0])
    for _ in range(repeats):
        took = {name: [0.0, 0.0] for name in ways}
        for wave in waves:
            expected = None
            for name, way in ways.items():
                clock, cpu = time.perf_counter(), time.process_time()
                values = way(wave)
                took[name][0] += time.perf_counter() - clock
                took[name][1] += time.process_time() - cpu
                if expected is None:
                    expected = values.astype(np.float64)
                    spread += float(((expected - expected.mean(0))**2).sum())
                worst[name] = max(worst[name], float(np.abs(values - expected).max()))
                squares[name] += float(((values - expected)**2).sum())
        for name in ways:
            best[name] = [min(pair) for pair in zip(best[name], took[name], strict=True)]
    base = best["onnxruntime, one line a call"]
    click.echo(f"{'way':<30}{'seconds':>9}{'x real time':>13}{'speed-up':>10}{'CPU s':>9}{'speed-up':>10}"
               f"{'GFLOP/CPU s':>13}{'max diff':>11}{'RMS diff':>10}")
    for name in ways:
        clock, cpu = best[name]
        click.echo(f"{name:<30}{clock:9.2f}{seconds / clock:13.1f}{base[0] / clock:10.2f}{cpu:9.2f}{base[1] / cpu:10.2f}"
                   f"{GFLOP_A_SECOND * seconds / cpu:13.1f}{worst[name]:11.1e}{(squares[name] / spread)**0.5:10.3%}")


# What a stage's nodes have in their names, in either graph. A fused node has lost its name: it counts to the node before it.
STAGES = {
    "decoder": "/decoder/|out_head", "positional convolution": "pos_conv", "attention": "attention/",
    "feed-forward": "feed_forward|/rise/|/fall/", "convolutions over the sound": "convolutions|feature_extractor",
}
REST = "norms, adaptor, the rest"


def profile(reference: Path, path: Path, threads: int, waves: list[a2f.Waveform]) -> None:
    """Print where the time goes in the seed service's way and in ours; onnxruntime's profiler takes some itself."""
    some = waves[:max(1, len(waves) // 4)]
    seconds = float(sum(wave.duration for wave in some))
    tables = []
    for ours in (False, True):
        with tempfile.TemporaryDirectory() as folder, profiling(Path(folder)) as sessions:
            if ours:
                engine: Any = a2f.load_engine(path, device="cpu", threads=threads)
                stages = dict.fromkeys((*STAGES, REST), 0.0)
                place = engine.on_cpu.place
                engine.on_cpu.place = lambda x, stages=stages, place=place: timed(stages, "positional convolution", place, x)
                work: Callable[[a2f.Waveform], Any] = lambda wave, engine=engine: engine.infer([wave], fps=FPS)  # type: ignore[misc]  # noqa: E731
            else:
                session, stages = reference_session(reference, threads), dict.fromkeys((*STAGES, REST), 0.0)
                work = lambda wave, session=session: served(session, wave)  # type: ignore[misc]  # noqa: E731
            begin = time.perf_counter()
            for wave in some:
                work(wave)
            whole = time.perf_counter() - begin
            for events in sessions():
                add_nodes(stages, events)
        stages["outside of the network's nodes"] = whole - sum(stages.values())
        tables.append((stages, whole))
    click.echo(f"\n{'milliseconds a second of sound':<34}{'onnxruntime, one line a call':>30}{'exact':>18}")
    for name in tables[0][0]:
        click.echo(f"{name:<34}" + "".join(f"{stages[name] / seconds * 1e3:{width}.1f}{stages[name] / whole:8.1%}"
                                           for (stages, whole), width in zip(tables, (22, 10), strict=True)))


def timed(stages: dict[str, float], name: str, work: Callable[[Any], Any], given: Any) -> Any:
    """Return work(given), and add its time to a stage."""
    begin = time.perf_counter()
    result = work(given)
    stages[name] += time.perf_counter() - begin
    return result


def add_nodes(stages: dict[str, float], events: list[dict[str, Any]]) -> None:
    """Add the time of each node to its stage, from an onnxruntime profile's events."""
    now = REST
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"]
            found = next((stage for stage, pattern in STAGES.items() if re.search(pattern, name)), None)
            now = found or (REST if name.startswith("/") else now)
            stages[now] += event["dur"] / 1e6


@contextmanager
def profiling(folder: Path) -> Iterator[Callable[[], Iterator[list[dict[str, Any]]]]]:
    """Let every onnxruntime session that is opened meanwhile write a profile; yields what ends these and reads their events."""
    import onnxruntime

    opened: list[Any] = []
    options, session = onnxruntime.SessionOptions, onnxruntime.InferenceSession

    def settings() -> Any:
        own = options()
        own.enable_profiling, own.profile_file_prefix = True, str(folder / f"profile{len(opened)}")
        return own

    def remembered(*given: Any, **named: Any) -> Any:
        opened.append(session(*given, **named))
        return opened[-1]

    onnxruntime.SessionOptions, onnxruntime.InferenceSession = settings, remembered
    try:
        yield lambda: (json.loads(Path(one.end_profiling()).read_text()) for one in opened)
    finally:
        onnxruntime.SessionOptions, onnxruntime.InferenceSession = options, session


def gpu(path: Path, waves: list[a2f.Waveform], count: int, device: str) -> None:
    """Print the GPU's rows, and what its arithmetic and memory would allow."""
    import torch

    many = [waves[i % len(waves)] for i in range(count)]
    seconds = float(sum(wave.duration for wave in many))
    click.echo("")
    for precision in ("exact", "fast"):
        engine = a2f.load_engine(path, device=device, precision=precision)
        engine.infer(waves, fps=FPS)
        torch.cuda.reset_peak_memory_stats()
        begin = time.perf_counter()
        engine.infer(many, fps=FPS)
        took = time.perf_counter() - begin
        memory = torch.cuda.max_memory_allocated() / 1e9
        click.echo(f"GPU {precision}: {count} lines, {seconds / took:.0f} x real time, peak {memory:.1f} GB")
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
    for _ in range(2):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        took = time.perf_counter() - begin
    rate = 2 * 8192**3 / took
    b = torch.empty(1 << 30, device="cuda", dtype=torch.uint8)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    b.copy_(b.roll(1))
    torch.cuda.synchronize()
    memory = 4 * b.numel() / (time.perf_counter() - begin)
    # Each convolution's output is written, read by its GELU, written and read again; a layer has about 12 widths of features and 4 of the
    # wide part, read and written. 16 bits.
    moved = 2 * (4 * sum(512 * rate for rate in (3200, 1600, 800, 400, 200, 100, 50)) + 12 * 50 * 2 * (12 * 768 + 4 * 3072))
    click.echo(f"floors: {GFLOP_A_SECOND} GFLOP a second of sound at {rate / 1e12:.0f} TFLOP/s = {rate / GFLOP_A_SECOND / 1e9:.0f} x "
               "real time; "
               f"{moved / 1e6:.0f} MB a second of sound at {memory / 1e12:.1f} TB/s = {memory / moved:.0f} x real time")


def flatness(engine: Any, most: int) -> None:
    """Print the cost of a line as lines grow, tiny network."""
    lines = make_lines(32)
    engine.infer(lines, fps=FPS)
    click.echo(f"\n{'lines (tiny network, CPU)':<30}{'ms a line':>10}{'CPU ms':>9}")
    count = 100
    while count <= most:
        clock, cpu = time.perf_counter(), time.process_time()
        for first in range(0, count, 100):  # as the batch does: a part of the manifest at a time
            engine.infer([lines[(first + i) % 32] for i in range(min(100, count - first))], fps=FPS)
        click.echo(f"{count:<30}{(time.perf_counter() - clock) / count * 1e3:10.2f}{(time.process_time() - cpu) / count * 1e3:9.2f}")
        count *= 10


if __name__ == "__main__":
    main()
