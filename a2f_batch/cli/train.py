"""`a2f-batch train`: from recordings and synthetic speech to the embedded weights, step by step or all at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from a2f_batch.batch.run import check_writable
from a2f_batch.cli.errors import DONE, reported
from a2f_batch.errors import A2FError

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)

_DATA = click.option("--data", "folder", type=_FOLDER, required=True, metavar="GRID_FOLDER",
                     help="The captured corpus: a folder with audio/, words.csv and curves.npz.")
_WORK = click.option("--work", type=_FOLDER, default=Path(".cache/speech"), show_default=True,
                     help="Where voices, speech, examples and checkpoints are kept; what is there is gone on from.")
_RECIPE = click.option("--recipe", "recipe_file", type=_FILE, help="A TOML file with every number; by default the embedded weights' own.")
_OUT = click.option("--out", type=_FILE, default=Path("weights/mine.onnx"), show_default=True,
                    help="The weights file to write; its description goes beside it.")
_START = click.option("--start", type=_FILE, metavar="WEIGHTS.onnx", help="An exported network of the same shape to begin with.")
_THREADS = click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True,
                        help="Of torch; the same number gives the same weights.")


@contextmanager
def _extras() -> Iterator[None]:
    """Turn a missing library of the extras into what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise A2FError(f"Training needs the package '{error.name}', which is not installed.",
                       "pip install 'a2f-batch[cpu,torch,train,speech]'", code="extra-missing") from error


@click.group("train")
def command() -> None:
    """Train the embedded network again, or on data of your own (extras [torch,train,speech]).

    \b
    The steps, in order; each goes on where it was stopped:
      speech    make synthetic speech with exact phone times
      rules     fit the co-articulation model to the captured sentences (its result is part of the package)
      examples  lay everything to learn from into one file
      fit       train, and write the weights as ONNX
      evaluate  measure weights on captured sentences that training never saw
      all       speech, examples and fit, one after the other

    \b
    Exit codes: 0 done; 2 something given is wrong, or an extra is not installed; 130 interrupted.
    """


@command.command()
@_RECIPE
@_WORK
@click.option("--corpus", type=click.Choice(["kokoro", "espeak", "piper"]), help="Who speaks; by default all, one after the other.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How much there shall be, instead of the recipe's.")
@click.option("--share", nargs=2, type=click.IntRange(min=1), default=(1, 1), metavar="I N",
              help="Make the I-th of N shares; the other shares' processes fill the same folder at the same time.")
@reported
@_extras()
def speech(recipe_file: Path | None, work: Path, corpus: str | None, minutes: float | None, share: tuple[int, int]) -> int:
    """Make synthetic speech with exact phone times, and say how much there is of each language."""
    from a2f_batch.train.recipe import EMBEDDED, read_recipe

    recipe = read_recipe(recipe_file or EMBEDDED)
    if share[0] > share[1]:
        raise click.BadParameter(f"there is no share {share[0]} of {share[1]}.", param_hint="'--share'")
    from a2f_batch.train.speech.make import make, report

    for name in [corpus] if corpus else recipe.speech_minutes:
        new = make(name, work / "corpus", work / "get", minutes or recipe.speech_minutes[name], recipe.seed, share)
        click.echo(f"{new} new utterances of {name}.")
    click.echo(report(work / "corpus"))
    return DONE


@command.command()
@_DATA
@click.option("--out", type=_FILE, default=Path("a2f_batch/train/visemes.json"), show_default=True, help="The parameters' file.")
@click.option("--seed", type=int, default=0, show_default=True)
@reported
@_extras()
def rules(folder: Path, out: Path, seed: int) -> int:
    """Fit the co-articulation model, phones to curves, to the captured training sentences."""
    from a2f_batch.train.coarticulation import write_visemes
    from a2f_batch.train.dataset import read_corpus, tracks_of
    from a2f_batch.train.fit_rules import fit_rules, likeness
    from a2f_batch.train.grid_phones import grid_phones
    from a2f_batch.train.recipe import split_sentences

    corpus = read_corpus(folder)
    training, validation, _ = split_sentences(list(corpus.sentences))
    tracks, phones = tracks_of(corpus, training), grid_phones(folder, corpus)
    visemes = fit_rules(corpus, tracks, phones, training, seed)
    write_visemes(visemes, out, f"a2f-batch train rules --seed {seed} on GRID speaker 1 (CC BY 4.0)")
    click.echo("Correlation with the capture near speech, on the sentences to tune on:")
    for name, value in likeness(corpus, tracks, phones, validation, visemes).items():
        click.echo(f"  {name} {value:.2f}")
    return DONE


@command.command()
@_DATA
@_WORK
@reported
@_extras()
def examples(folder: Path, work: Path) -> int:
    """Lay captured sentences and synthetic speech with its curves by rule into one file for `fit`."""
    _examples(folder, work)
    return DONE


@command.command()
@_RECIPE
@_WORK
@_OUT
@_START
@_THREADS
@click.option("--steps", type=click.IntRange(min=1), help="Of the optimiser, instead of the recipe's.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Peak of the learning rate, instead of the recipe's.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after so many; the same command goes on from there.")
@reported
@_extras()
def fit(recipe_file: Path | None, work: Path, out: Path, start: Path | None, threads: int, steps: int | None, rate: float | None,
        minutes: float | None) -> int:
    """Train on the examples, and write the weights."""
    _fit(recipe_file, work, out, start, threads, steps, rate, minutes)
    return DONE


@command.command("all")
@_DATA
@_RECIPE
@_WORK
@_OUT
@_THREADS
@reported
@_extras()
def everything(folder: Path, recipe_file: Path | None, work: Path, out: Path, threads: int) -> int:
    """Make the speech, the examples and the weights; stopped, the same command goes on."""
    from a2f_batch.train.recipe import EMBEDDED, read_recipe

    check_writable(out.parent)
    recipe = read_recipe(recipe_file or EMBEDDED)
    from a2f_batch.train.speech.make import make

    for name, minutes in recipe.speech_minutes.items():
        make(name, work / "corpus", work / "get", minutes, recipe.seed)
    if not (work / "examples.npz").exists():
        _examples(folder, work)
    _fit(recipe_file, work, out, None, threads, None, None, None)
    return DONE


@command.command()
@_DATA
@click.option("--weights", default="embedded", show_default=True, help="As load_engine takes them: a name, or a description's path.")
@reported
@_extras()
def evaluate(folder: Path, weights: str) -> int:
    """Measure weights, run by the engine as users run it, on the captured sentences that training never saw."""
    from a2f_batch.train.dataset import read_corpus
    from a2f_batch.train.evaluate import engine_prediction, follow, score, table
    from a2f_batch.train.recipe import split_sentences

    corpus = read_corpus(folder)
    held_out = split_sentences(list(corpus.sentences))[2]
    scores = score(engine_prediction(weights, folder, corpus.fps), corpus, held_out)
    click.echo(f"{len(held_out)} held-out sentences, {scores.frames} frames at {corpus.fps} fps: {' '.join(held_out)}\n")
    click.echo(table(scores))
    rates = ", ".join(f"{follow(weights, folder, corpus, held_out, fps, 'jawOpen'):.3f} at {fps}" for fps in (24, 30, 50, 60))
    click.echo(f"\njawOpen inferred at other frame rates, against the capture interpolated: {rates} fps.")
    return DONE


def _examples(folder: Path, work: Path) -> None:
    from a2f_batch.train.coarticulation import read_visemes
    from a2f_batch.train.dataset import read_corpus, tracks_of
    from a2f_batch.train.examples import captured_examples, rule_examples, write_examples
    from a2f_batch.train.grid_phones import grid_phones
    from a2f_batch.train.recipe import HELD_OUT, SAMPLE_RATE, VALIDATION, split_sentences

    corpus = read_corpus(folder)
    training, _, _ = split_sentences(list(corpus.sentences))
    if not training:
        raise A2FError(f"'{folder}' has {len(corpus.sentences)} sentences with capture in every frame; 0 sentences are left to train on "
                       f"besides {HELD_OUT} to judge by and {VALIDATION} to tune on.", "Give a larger corpus.", code="train-corpus")
    made = captured_examples(corpus, tracks_of(corpus, training), grid_phones(folder, corpus), training)
    made += rule_examples(work / "corpus", read_visemes())
    write_examples(made, work / "examples.npz")
    for source in sorted({example.source for example in made}):
        lengths = [len(example.audio) for example in made if example.source == source]
        click.echo(f"{source}: {len(lengths)} lines, {sum(lengths) / SAMPLE_RATE / 60:.1f} minutes")


def _fit(recipe_file: Path | None, work: Path, out: Path, start: Path | None, threads: int, steps: int | None, rate: float | None,
         minutes: float | None) -> None:
    from a2f_batch.train.examples import load_examples
    from a2f_batch.train.export_onnx import write_description, write_onnx
    from a2f_batch.train.fit import fit as train
    from a2f_batch.train.recipe import EMBEDDED, read_recipe

    check_writable(out.parent)  # before an hour of training, not after it
    recipe = read_recipe(recipe_file or EMBEDDED)
    recipe = replace(recipe, steps=steps or recipe.steps, rate=rate or recipe.rate)
    network = train(load_examples(work / "examples.npz"), recipe, work / f"{out.stem}.pt", stop_after=minutes and minutes * 60,
                    start=start, threads=threads, workers=1)
    if network is None:
        click.echo(f"Stopped after {minutes:g} minutes, before the last step: no weights were written. The same command goes on.")
        return
    sha256 = write_onnx(network, out)
    changes = "".join(f" --{name} {value}" for name, value in (("steps", steps), ("rate", rate), ("start", start and start.name)) if value)
    write_description(out, sha256=sha256, source=f"a2f-batch train fit{changes} --threads {threads} on GRID speaker 1 (Cooke, Barker, "
                      "Cunningham, Shao 2006; CC BY 4.0) and synthetic speech of Kokoro-82M (Apache-2.0), Piper en_US-joe (CC0) and "
                      "espeak-ng; see the model card")
    click.echo(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB, sha256 {sha256}).")
