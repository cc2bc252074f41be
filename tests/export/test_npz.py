"""npz clips, opened by plain numpy and by the rule that XRMogen's readers follow."""

import json
import logging
import random
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from export_fixtures import RATES, fresh_seed, random_clip

from a2f_batch import ClipError, ExportError, FaceClip
from a2f_batch.export import npz
from a2f_batch.names import ARKIT_52

NOT_CHANNELS = ("n_frames", "BlendShapeCount", "Timecode")


def test_plain_numpy_reads_the_form_of_xrmogen(tmp_path):
    clip = random_clip(90, meta={"engine": "embedded"})
    npz.write(clip, tmp_path / "line.npz")
    with np.load(tmp_path / "line.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["n_frames"] == 90
    assert arrays["BlendShapeCount"] == 52
    np.testing.assert_array_equal(arrays["Timecode"], np.arange(90))
    # Its readers take every other array for a channel, in the file's order.
    assert tuple(name for name in arrays if name not in NOT_CHANNELS) == ARKIT_52
    for name in ARKIT_52:
        np.testing.assert_array_equal(arrays[name], clip[name])


@pytest.mark.parametrize("n_frames", [1, 2, 90])
@pytest.mark.parametrize("fps", [*RATES, Fraction(12345, 678)])
def test_a_clip_comes_back_to_the_bit(fps, n_frames, tmp_path):
    rng = np.random.default_rng(fresh_seed())
    # Any finite float32 at all, the smallest and the largest too.
    values = rng.integers(0, 2**32, (n_frames, 3), dtype=np.uint32).view(np.float32)
    values = np.where(np.isfinite(values), values, np.float32(-0.0))
    meta = {"engine": "embedded", "weights_sha256": "ab" * 32, "seed": 7, "style": None, "odd": ["é", 1.5, {"x": True}]}
    clip = FaceClip(("jawOpen", "あ い", 'a/"b"'), values, fps, Fraction(1, 7), meta)
    npz.write(clip, tmp_path / "line.npz")
    back = npz.read(tmp_path / "line.npz")
    assert (back.names, back.fps, back.start, dict(back.meta)) == (clip.names, clip.fps, clip.start, meta)
    np.testing.assert_array_equal(back.values.view(np.uint32), clip.values.view(np.uint32))


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    seed = fresh_seed()
    for name, meta in (("a", {"x": 1, "y": 2}), ("b", {"y": 2, "x": 1})):
        npz.write(random_clip(30, seed=seed, meta=meta), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_file_of_the_service_opens_at_thirty_frames_with_a_warning(tmp_path, caplog):
    values = np.random.default_rng(fresh_seed()).uniform(0, 1, (40, 51)).astype(np.float16)
    channels = {f"Channel{i}": values[:, i] for i in range(51)}
    np.savez_compressed(tmp_path / "theirs.npz", n_frames=40, **channels, BlendShapeCount=51, Timecode=list(range(40)))
    with caplog.at_level(logging.WARNING):
        clip = npz.read(tmp_path / "theirs.npz")
    assert "theirs.npz" in caplog.text
    assert "30 frames" in caplog.text
    assert (clip.names, clip.fps, clip.start) == (tuple(channels), 30, 0)
    np.testing.assert_array_equal(clip.values, values.astype(np.float32))


@pytest.mark.parametrize("change", [
    {"n_frames": None},
    {"n_frames": 6},
    {"n_frames": 5.0},
    {"jawOpen": np.zeros(4)},
    {"jawOpen": np.zeros((5, 1))},
    {"jawOpen": np.array(["a"] * 5)},
    {"jawOpen": np.full(5, np.nan)},
    {"jawOpen": np.array([None] * 5)},  # a pickle: never opened
    {"jawOpen": None, "mouthClose": None},
])
def test_arrays_that_make_no_clip_are_refused(change, tmp_path):
    arrays = {"n_frames": 5, "jawOpen": np.zeros(5), "mouthClose": np.zeros(5), "BlendShapeCount": 2, "Timecode": np.arange(5)}
    np.savez(tmp_path / "bad.npz", **{name: value for name, value in {**arrays, **change}.items() if value is not None})
    with pytest.raises(ClipError):
        npz.read(tmp_path / "bad.npz")


def test_a_cut_or_foreign_file_is_refused(tmp_path):
    path = tmp_path / "line.npz"
    npz.write(random_clip(12), path)
    whole = path.read_bytes()
    draw = random.Random(fresh_seed())
    for length in [0, 1, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(30))]:
        path.write_bytes(whole[:length])
        with pytest.raises(ClipError, match=r"line\.npz"):
            npz.read(path)
    path.write_text("hello")
    with pytest.raises(ClipError, match=r"line\.npz"):
        npz.read(path)
    with pytest.raises(ClipError, match=r"nowhere\.npz"):
        npz.read(tmp_path / "nowhere.npz")


def test_a_damaged_byte_is_noticed(tmp_path):
    path = tmp_path / "line.npz"
    npz.write(random_clip(12), path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"jawOpen.npy") + 180] ^= 1  # inside the channel's numbers: the archive's checksum tells
    path.write_bytes(whole)
    with pytest.raises(ClipError):
        npz.read(path)


@pytest.mark.parametrize("comment", [b"hello", b"{}", json.dumps({"fps": "30", "start": "1/0", "meta": {}}).encode(), b"\xff"])
def test_a_comment_that_tells_no_rate_is_refused(comment, tmp_path):
    path = tmp_path / "line.npz"
    npz.write(random_clip(3), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = comment
    with pytest.raises(ClipError) as caught:
        npz.read(path)
    assert caught.value.code == "clip-format"


@pytest.mark.parametrize(("names", "meta", "code"), [
    (("jawOpen", "Timecode"), {}, "channel-name"),
    (("n_frames",), {}, "channel-name"),
    (("jaw\0Open",), {}, "channel-name"),
    (("jawOpen",), {"engine": object()}, "meta-unwritable"),
    (("jawOpen",), {"x": float("nan")}, "meta-unwritable"),
    (("jawOpen",), {"x": "y" * 70_000}, "meta-unwritable"),
])
def test_what_the_form_has_no_place_for_is_refused(names, meta, code, tmp_path):
    with pytest.raises(ExportError) as caught:
        npz.write(random_clip(2, names=names, meta=meta), tmp_path / "line.npz")
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


def test_names_that_numpy_would_take_for_each_other_are_refused(tmp_path):
    clip = FaceClip(("jawOpen", "jawOpen.npy"), np.zeros((2, 2), np.float32), 30)
    with pytest.raises(ExportError) as caught:
        npz.write(clip, tmp_path / "x.npz")
    assert caught.value.code == "channel-name"
