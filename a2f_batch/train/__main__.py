"""`python -m a2f_batch.train`: train the embedded network, or measure a weights file on the held-out sentences."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from a2f_batch.errors import A2FError

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_DATA = click.option("--data", "folder", type=_FOLDER, help="The corpus: a folder with audio/, words.csv and curves.npz.")


@click.group(invoke_without_command=True)
@_DATA
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("weights/embedded_v0.onnx"), show_default=True,
              help="The weights file to write; its description goes beside it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights, the order and the augmentation.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the sentences; the recipe's if not given.")
@click.pass_context
def main(context: click.Context, folder: Path | None, out: Path, seed: int, epochs: int | None) -> None:
    """Train the network on --data and write it to --out."""
    if context.invoked_subcommand:
        return
    from a2f_batch.train.dataset import read_corpus
    from a2f_batch.train.evaluate import network_prediction, score, table
    from a2f_batch.train.export_onnx import write_description, write_onnx
    from a2f_batch.train.fit import fit
    from a2f_batch.train.recipe import Recipe, split_sentences

    recipe = Recipe(seed=seed) if epochs is None else Recipe(seed=seed, epochs=epochs)
    corpus = read_corpus(_given(folder))
    training, validation, held_out = split_sentences(list(corpus.sentences), recipe)
    minutes = sum(len(corpus.sentences[id].captured) for id in training) / corpus.fps / 60
    click.echo(f"{len(training)} sentences ({minutes:.1f} minutes) to train on, {len(validation)} to tune on, {len(held_out)} held out; "
               f"{len(corpus.dropped)} dropped for frames without capture.")
    fitted = fit(corpus, training, recipe)
    click.echo(f"{recipe.epochs} epochs in {fitted.seconds:.0f} s on {recipe.threads} thread(s); "
               f"loss {fitted.losses[0]:.3f} to {fitted.losses[-1]:.3f}.")
    click.echo("On the sentences to tune on:\n" + table(score(network_prediction(fitted.network), corpus, validation)))
    sha256 = write_onnx(fitted.network, out)
    write_description(out, sha256=sha256, source=f"python -m a2f_batch.train --seed {seed} --epochs {recipe.epochs} on GRID speaker 1 "
                      "(Cooke, Barker, Cunningham, Shao 2006; CC BY 4.0); see the model card")
    click.echo(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB, sha256 {sha256}).")


@main.command()
@_DATA
@click.option("--weights", default="embedded", show_default=True, help="As load_engine takes them: a name, or a description's path.")
def evaluate(folder: Path | None, weights: str) -> None:
    """Measure a weights file, run by the engine as users run it, on the 60 held-out sentences."""
    from a2f_batch.train.dataset import read_corpus
    from a2f_batch.train.evaluate import engine_prediction, follow, score, table
    from a2f_batch.train.recipe import Recipe, split_sentences

    given = _given(folder)
    corpus = read_corpus(given)
    held_out = split_sentences(list(corpus.sentences), Recipe())[2]
    scores = score(engine_prediction(weights, given, corpus.fps), corpus, held_out)
    click.echo(f"{len(held_out)} held-out sentences, {scores.frames} frames at {corpus.fps} fps: {' '.join(held_out)}\n")
    click.echo(table(scores))
    rates = ", ".join(f"{follow(weights, given, corpus, held_out, fps, 'jawOpen'):.3f} at {fps}" for fps in (24, 30, 50, 60))
    click.echo(f"\njawOpen inferred at other frame rates, against the capture interpolated: {rates} fps.")


@main.command()
@_DATA
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("a2f_batch/train/visemes.json"), show_default=True,
              help="The parameters' file.")
@click.option("--seed", type=int, default=0, show_default=True)
def rules(folder: Path | None, out: Path, seed: int) -> None:
    """Fit the co-articulation model, phones to curves, to the captured training sentences."""
    from a2f_batch.train.coarticulation import write_visemes
    from a2f_batch.train.dataset import read_corpus, tracks_of
    from a2f_batch.train.fit_rules import fit_rules, likeness
    from a2f_batch.train.grid_phones import grid_phones
    from a2f_batch.train.recipe import Recipe, split_sentences

    given = _given(folder)
    corpus = read_corpus(given)
    training, validation, _ = split_sentences(list(corpus.sentences), Recipe())
    tracks, phones = tracks_of(corpus, training), grid_phones(given, corpus)
    visemes = fit_rules(corpus, tracks, phones, training, seed)
    write_visemes(visemes, out, f"python -m a2f_batch.train rules --seed {seed} on GRID speaker 1 (CC BY 4.0)")
    click.echo("Correlation with the capture near speech, on the sentences to tune on:")
    for name, value in likeness(corpus, tracks, phones, validation, visemes).items():
        click.echo(f"  {name} {value:.2f}")


_ROOT = click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache/speech/corpus"), show_default=True,
                     help="The folder with the speech.")

_EXAMPLES = click.option("--examples", type=click.Path(dir_okay=False, path_type=Path), default=Path(".cache/speech/examples.npz"),
                         show_default=True, help="Everything to learn from, in one file.")


@main.command()
@_DATA
@_ROOT
@_EXAMPLES
def examples(folder: Path | None, root: Path, examples: Path) -> None:
    """Lay captured sentences and synthetic speech with its curves by rule into one file for `voices`."""
    from a2f_batch.train.coarticulation import read_visemes
    from a2f_batch.train.dataset import read_corpus, tracks_of
    from a2f_batch.train.examples import captured_examples, rule_examples, write_examples
    from a2f_batch.train.grid_phones import grid_phones
    from a2f_batch.train.recipe import SAMPLE_RATE, Recipe, split_sentences

    given = _given(folder)
    corpus = read_corpus(given)
    training, _, _ = split_sentences(list(corpus.sentences), Recipe())
    made = captured_examples(corpus, tracks_of(corpus, training), grid_phones(given, corpus), training)
    made += rule_examples(root, read_visemes())
    write_examples(made, examples)
    for source in sorted({example.source for example in made}):
        lengths = [len(example.audio) for example in made if example.source == source]
        click.echo(f"{source}: {len(lengths)} lines, {sum(lengths) / SAMPLE_RATE / 60:.1f} minutes")


@main.command()
@_EXAMPLES
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("weights/embedded_v1.onnx"), show_default=True)
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), default=Path(".cache/speech/v1.pt"), show_default=True,
              help="Where the state of the run is kept; a run that finds one goes on from it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights, the order and the changes of the sound.")
@click.option("--steps", type=click.IntRange(min=1), default=6000, show_default=True, help="Of the optimiser.")
@click.option("--batch", type=click.IntRange(min=2), default=20, show_default=True, help="Crops in a step.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=2e-3, show_default=True, help="Peak of the learning rate.")
@click.option("--start", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="An exported network of the same shape to begin with.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after so many; the same command goes on from there.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
def voices(examples: Path, out: Path, checkpoint: Path, seed: int, steps: int, batch: int, rate: float, start: Path | None,
           minutes: float | None, threads: int) -> None:
    """Train version 1 on --examples: captured sentences and synthetic speech of many voices and languages together."""
    from a2f_batch.train.examples import load_examples
    from a2f_batch.train.export_onnx import write_description, write_onnx
    from a2f_batch.train.fit_speech import SpeechRecipe, fit_speech

    recipe = SpeechRecipe(seed=seed, threads=threads, steps=steps, batch=batch, rate=rate)
    network = fit_speech(load_examples(examples), recipe, checkpoint, stop_after=minutes and minutes * 60, start=start, workers=1)
    sha256 = write_onnx(network, out)
    write_description(out, sha256=sha256, source=f"python -m a2f_batch.train voices --seed {seed} --steps {steps} --batch {batch} "
                      f"--rate {rate:g}{f' --start {start.name}' if start else ''} on GRID speaker 1 (CC BY 4.0) and synthetic speech "
                      "of Kokoro-82M (Apache-2.0), Piper en_US-joe (CC0) and espeak-ng; see the model card")
    click.echo(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB, sha256 {sha256}).")


@main.group()
def speech() -> None:
    """Make synthetic speech with exact phone times (extra [speech])."""


@speech.command("make")
@_ROOT
@click.option("--corpus", type=click.Choice(["kokoro", "espeak", "piper"]), required=True, help="Who speaks.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), required=True, help="How much there shall be.")
@click.option("--packages", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache/speech/get"), show_default=True,
              help="Where the voices' packages are kept; fetched when not there.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of texts, voices and manners.")
@click.option("--share", nargs=2, type=click.IntRange(min=1), default=(1, 1), metavar="I N",
              help="Make the I-th of N shares; the other shares' processes fill the same folder at the same time.")
def speech_make(root: Path, corpus: str, minutes: float, packages: Path, seed: int, share: tuple[int, int]) -> None:
    """Speak until --root holds --minutes; stop it at any time, the same command goes on."""
    from a2f_batch.train.speech.make import make

    click.echo(f"{make(corpus, root, packages, minutes, seed, share)} new utterances of {corpus} in '{root}'.")


@speech.command("report")
@_ROOT
def speech_report(root: Path) -> None:
    """Say how many minutes there are of each language."""
    from a2f_batch.train.speech.make import report

    click.echo(report(root))


def _given(folder: Path | None) -> Path:
    if folder is None:
        raise click.UsageError("Missing option '--data'.")
    return folder


if __name__ == "__main__":
    try:
        main(prog_name="python -m a2f_batch.train")
    except A2FError as error:
        sys.exit(f"{type(error).__name__}: {error}")
