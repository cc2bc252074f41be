"""The register of formats, and how every file reaches its place."""

import errno
import os
import threading

import numpy as np
import pytest
from export_fixtures import random_clip, small_mesh

import a2f_batch as a2f
from a2f_batch import ExportError, FaceClip
from a2f_batch.export import FORMATS, format_named, format_of
from a2f_batch.export.atomic import replacing


def test_every_format_has_its_writer_and_its_own_suffix():
    assert set(FORMATS) >= {"glb", "gltf", "fbx", "csv", "csv-plain", "anim", "npz"}
    assert len({fmt.suffix for fmt in FORMATS.values()}) == len(FORMATS)
    for fmt in FORMATS.values():
        assert callable(fmt.load().write), fmt.name


@pytest.mark.parametrize(("name", "expected"), [
    ("a.glb", "glb"), ("a.GLB", "glb"), ("a.b.csv", "csv"), ("a.plain.csv", "csv-plain"), ("plain.csv", "csv"), ("ü.npz", "npz"),
])
def test_the_longest_suffix_decides(name, expected, tmp_path):
    assert format_of(tmp_path / name).name == expected


def test_an_unknown_suffix_or_format_is_refused_with_the_known_ones(tmp_path):
    clip = random_clip(2)
    for path, options in (("line.bvh", {}), ("line", {}), ("line.glb", {"format": "abc"})):
        with pytest.raises(ExportError, match=r"glb.*npz") as caught:
            a2f.export(clip, tmp_path / path, **options)
        assert caught.value.code == "format-unknown"
    with pytest.raises(ExportError):
        format_named("GLB")


def test_a_named_format_goes_before_the_suffix(tmp_path):
    clip = random_clip(3)
    path = a2f.export(clip, tmp_path / "line.csv", format="csv-plain")
    assert path == tmp_path / "line.csv"
    assert path.read_text().startswith("time,")
    a2f.export(clip, str(tmp_path / "line.dat"), format="gltf", mesh=small_mesh())
    assert (tmp_path / "line.dat").read_bytes().startswith(b"{")
    assert a2f.read_clip(tmp_path / "line.dat", format="gltf").n_frames == 3


def test_a_clip_without_frames_is_never_written(tmp_path):
    clip = FaceClip(("jawOpen",), np.zeros((0, 1)), 30)
    for fmt in FORMATS.values():
        with pytest.raises(ExportError) as caught:
            a2f.export(clip, tmp_path / f"line{fmt.suffix}")
        assert caught.value.code == "too-short"
    assert not list(tmp_path.iterdir())


def test_a_place_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.npz").mkdir()
    for path in (tmp_path / "missing" / "line.npz", tmp_path / "file" / "line.npz", tmp_path / "folder.npz"):
        with pytest.raises(ExportError) as caught:
            a2f.export(random_clip(2), path)
        assert caught.value.code == "output-unwritable"
        assert str(path) in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.npz"]


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "line.npz"
    a2f.export(random_clip(2), path)
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match="No space left") as caught:
        a2f.export(random_clip(50), path)
    assert caught.value.code == "disk-full"
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["line.npz"]


def test_a_writer_that_stops_half_way_leaves_nothing(tmp_path):
    def write_half():
        with replacing(tmp_path / "line.fbx") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert not list(tmp_path.iterdir())


def test_a_reader_sees_the_old_file_or_the_new_one_and_nothing_between(tmp_path):
    path = tmp_path / "line.npz"
    clips = [random_clip(n) for n in (10, 400)]
    a2f.export(clips[0], path)
    done = threading.Event()

    def write():
        for i in range(40):
            a2f.export(clips[i % 2], path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(a2f.read_clip(path).n_frames)  # refuses anything cut
    writer.join()
    assert seen <= {10, 400}
    assert [entry.name for entry in tmp_path.iterdir()] == ["line.npz"]


def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path):
    path = tmp_path / ("話" * 83 + ".npz")  # 253 bytes of 255
    a2f.export(random_clip(2), path)
    assert a2f.read_clip(path).n_frames == 2
