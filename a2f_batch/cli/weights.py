"""`a2f-batch weights`: list, check, convert and export the networks' weights."""

from __future__ import annotations

from pathlib import Path

import click

from a2f_batch.cli.errors import DONE, SOME_FAILED, reported, show
from a2f_batch.engines import available_weights, description_path, load_engine
from a2f_batch.engines.description import read_description
from a2f_batch.engines.weights import read_weights
from a2f_batch.errors import A2FError, EngineError


@click.group("weights")
def command() -> None:
    """List, check, convert and export the networks' weights."""


@command.command("list")
@reported
def list_weights() -> int:
    """List the descriptions in weights/: engine, file, size, licence."""
    rows = [("name", "engine", "file", "MB", "licence")]
    failed = False
    for name in available_weights():
        try:
            description = read_description(description_path(name))
        except A2FError as error:
            failed = True
            show(error)
            continue
        there = description.weights.is_file()
        rows.append((name, description.engine, description.weights.name if there else f"({description.weights.name} is not there)",
                     f"{description.weights.stat().st_size / 1e6:.1f}" if there else "-", description.licence or "not stated"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        click.echo("  ".join([*(f"{text:{width}}" for text, width in zip(row[:4], widths, strict=True)), row[4]]))
    return SOME_FAILED if failed else DONE


@command.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@reported
def verify(names: tuple[str, ...]) -> int:
    """Check weights: the file's sha256, its licence, and whether the network has the contract that its description says.

    NAME is a name in weights/ or the path of a description (.json). Without one, all that are in weights/ are checked; of those, weights
    whose file its owner has not put there are told, and are no failure.
    """
    failed = False
    for name in names or available_weights():
        try:
            path = description_path(name)
            description = read_description(path)
            if not names and not description.weights.exists():
                click.echo(f"{description.name}: {description.weights.name} is not there; its description is in order")
                continue
            _, sha256 = read_weights(description)
            engine = load_engine(path, device="cpu")
        except A2FError as error:
            failed = True
            show(error)
            continue
        click.echo(f"{description.name}: {description.weights}")
        click.echo(f"  sha256    {sha256}")
        click.echo("            " + ("as the description says" if description.sha256 else
                                     "the description records none, so another file would pass: add \"sha256\" to check it from now on"))
        click.echo(f"  licence   {description.licence or 'not stated'}")
        heads = ", ".join(f"{head} ({len(channels)})" for head, channels in engine.heads.items()) or f"{len(engine.names)} channels"
        styles = f", {len(engine.styles)} styles" if engine.styles else ""
        click.echo(f"  contract  in order: engine {description.engine}, {heads}{styles}, {description.sample_rate} Hz")
    return SOME_FAILED if failed else DONE


@command.command("convert")
@click.argument("source", metavar="IN.pt", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT.safetensors", type=click.Path(path_type=Path))
@click.option("--basis", "bases", metavar="HEAD=pca.npz", multiple=True, help="The basis of a vertex head, if the checkpoint lacks it.")
@click.option("--template", "templates", metavar="HEAD=face.npy", multiple=True, help="The face at rest of a vertex head.")
@reported
def convert_checkpoint(source: Path, target: Path, bases: tuple[str, ...], templates: tuple[str, ...]) -> int:
    """Make a UniTalker checkpoint (.pt) into safetensors, with a description beside it.

    Only tensors are read from the checkpoint; no code in it runs. A description OUT.json that is there already says what the tensors
    must be; otherwise it is written, with what the tensors tell. Differences are listed by name.
    """
    from a2f_batch.engines.unitalker_torch.installation import check_installation

    check_installation()
    from a2f_batch.engines.unitalker_torch.convert import convert

    if target.suffix != ".safetensors":
        raise EngineError(f"The target {target} is no .safetensors file.", f"Call it {target.with_suffix('.safetensors')}.",
                          code="weights-suffix")
    given = target.with_suffix(".json").exists()
    description = read_description(convert(source, target, bases=_pairs(bases), templates=_pairs(templates)))
    heads = ", ".join(f"{head} ({count})" for head, count in description.content["heads"].items())
    click.echo(f"{target} and {description.path.name}: {heads}; {description.content.get('identity_num', 1)} styles")
    if not given:
        click.echo("Taken as in the published encoders, because no tensor tells them: conv_stride, max_bucket_distance, wav2vec2's "
                   f"num_attention_heads and do_stable_layer_norm. If yours differs, correct {description.path.name}.")
    return DONE


@command.command("export")
@click.argument("name")
@click.argument("target", metavar="OUT.onnx", type=click.Path(path_type=Path))
@click.option("--head", help="Output head; the first if left out.")
@click.option("--style", help="The style that is used without a choice; the common one if left out.")
@click.option("--contract", default="line", show_default=True, help="line: one line a call, as the seed service; batch: several lines.")
@reported
def export_network(name: str, target: Path, head: str | None, style: str | None, contract: str) -> int:
    """Write the UniTalker NAME as an ONNX file that runs without torch, with a description beside it."""
    description = read_description(description_path(name))
    if description.engine != "unitalker_torch":
        raise EngineError(f"{description.name} is for the engine '{description.engine}', which has nothing to export.",
                          "Name weights of the engine 'unitalker_torch'.", code="export-engine")
    if target.suffix != ".onnx":
        raise EngineError(f"The target {target} is no .onnx file.", f"Call it {target.with_suffix('.onnx')}.", code="weights-suffix")
    engine = load_engine(description.path, device="cpu")
    from a2f_batch.engines.unitalker_torch.engine import UniTalkerTorch
    from a2f_batch.engines.unitalker_torch.export_onnx import export_onnx

    assert isinstance(engine, UniTalkerTorch)
    sha256 = export_onnx(engine, target, contract=contract, head=head, style=style)
    click.echo(f"{target} (sha256 {sha256}) and {target.with_suffix('.json').name}")
    return DONE


def _pairs(texts: tuple[str, ...]) -> dict[str, Path]:
    pairs = {}
    for text in texts:
        head, equals, path = text.partition("=")
        if not equals or not head or not path:
            raise EngineError(f"{text!r} names no head and file.", "Write HEAD=FILE, such as BIWI_23370_vertices=pca.npz.", code="option")
        pairs[head] = Path(path)
    return pairs
