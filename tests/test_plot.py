"""Plots of clips: what they say about two takes, and that the same clips give the same picture."""

import sys
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from a2f_batch import FaceClip, export
from a2f_batch.cli import main
from a2f_batch.names import ARKIT_52
from a2f_batch.plot import choose, differences


def call(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def clip(seed, frames=60, fps=30):
    curves = np.cumsum(np.random.default_rng(seed).normal(0, 0.05, (frames, 52)), axis=0).clip(0, 1)
    return FaceClip(ARKIT_52, curves.astype(np.float32), Fraction(fps))


@pytest.fixture
def takes(tmp_path):
    return export(clip(1), tmp_path / "one.npz"), export(clip(2), tmp_path / "other.plain.csv")


def test_two_takes_are_compared_channel_by_channel(takes):
    one, other = clip(1), clip(2)
    rows = {row.channel: row for row in differences(one, other, ["jawOpen", "mouthClose"])}
    gap = one["jawOpen"].astype(float) - other["jawOpen"]
    assert rows["jawOpen"].rms == pytest.approx(np.sqrt((gap ** 2).mean()))
    assert rows["jawOpen"].at == pytest.approx(np.abs(gap).argmax() / 30)
    assert rows["mouthClose"].correlation == pytest.approx(np.corrcoef(one["mouthClose"], other["mouthClose"])[0, 1], abs=1e-6)
    done = call("plot", takes[0], "--against", takes[1])
    assert done.exit_code == 0, done.output
    printed = {row.split()[0]: row.split()[1:] for row in done.output.splitlines()[1:-1]}
    assert float(printed["jawOpen"][0]) == pytest.approx(rows["jawOpen"].rms, abs=6e-5)


def test_takes_of_other_rates_and_lengths_are_compared_where_both_are():
    one = clip(1)
    assert max(row.largest for row in differences(one, one.slice(10, 50), ARKIT_52)) == 0
    assert max(row.largest for row in differences(one, one.resample(60), ["jawOpen"])) < 1e-6


def test_a_plot_is_an_svg_with_words_and_the_same_bytes_again(takes, tmp_path):
    done = call("plot", takes[0], "--against", takes[1])
    path = tmp_path / "one-against-other.svg"
    assert done.exit_code == 0 and str(path) in done.output
    first = path.read_bytes()
    assert all(word in first.decode() for word in ("<svg", "jawOpen", "mouthPucker", "one.npz", "other.plain.csv", "correlation"))
    assert call("plot", takes[0], "--against", takes[1]).exit_code == 0
    assert path.read_bytes() == first


def test_a_plot_can_be_a_picture_with_the_sound_on_top(takes, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "line.wav", np.sin(np.arange(32_000) / 9), 16_000)
    for name, extra in (("without.png", ()), ("with.png", ("--sound", tmp_path / "line.wav"))):
        assert call("plot", takes[0], "--channels", "jawOpen,browInner*", "--to", tmp_path / name, *extra).exit_code == 0
    without, with_sound = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("without.png", "with.png"))
    assert with_sound.shape[0] > without.shape[0] and with_sound.shape[1] == without.shape[1] == 1100
    assert (without == 255).all(axis=2).mean() > 0.6  # for light pages


def test_channels_are_chosen_by_name_or_pattern():
    assert choose([clip(1)], ["brow*", "jawOpen"]) == (*(name for name in ARKIT_52 if name.startswith("brow")), "jawOpen")
    assert choose([clip(1)])[0] == "jawOpen"
    other = FaceClip(("A", "B"), np.array([[0, 0], [0, 1]], np.float32), Fraction(30))
    assert choose([other]) == ("B", "A")


@pytest.mark.parametrize(("arguments", "code"), [(("--channels", "jawopne"), "clip-channel"), (("--to", "x.pdf"), "format-unknown")])
def test_what_can_not_be_drawn_is_told(takes, arguments, code):
    done = call("plot", takes[0], *arguments)
    assert done.exit_code == 2 and f"[{code}]" in done.output


def test_without_matplotlib_the_message_says_what_to_install(takes, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = call("plot", takes[0])
    assert done.exit_code == 2 and "[preview-missing]" in done.output and "a2f-batch[preview]" in done.output
