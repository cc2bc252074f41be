"""FBX, opened by ufbx, by both importers of Blender, and by three.js."""

import os
import random
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from export_fixtures import fresh_seed, random_clip, run_node, run_reader, seen_by, small_mesh

from a2f_batch import ClipError, ExportError, FaceClip
from a2f_batch.export import fbx
from a2f_batch.export.fbx_binary import Node, decode, encode
from a2f_batch.names import ARKIT_52, ROTATIONS

RATES = [Fraction(rate) for rate in ("24", "25", "30", "50", "60", "30000/1001", "12", "240000/1001")]
LATE = (Fraction(30), 45)
MESH = small_mesh()
# The issue asks for 1e-4; values are float32 percent in the file, float32 weights in Blender.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Clips of every rate and length, one that starts late: (clip, path) pairs."""
    folder, seed = tmp_path_factory.mktemp("fbx"), fresh_seed()
    pairs = []
    cases = [*((fps, 90) for fps in RATES), *((fps, n) for fps in RATES[:6:5] for n in (1, 2)), LATE]
    for i, (fps, n_frames) in enumerate(cases):
        start, meta = Fraction(7, 3) if (fps, n_frames) == LATE else 0, {"line": "Rad 7"} if i == 2 else {}
        clip = random_clip(n_frames, fps, seed=seed + i, start=start, meta=meta)
        path = folder / f"line {i} på {n_frames}.fbx"
        fbx.write(clip, path, mesh=MESH)
        pairs.append((clip, path))
    return pairs


def beside(written, seen):
    return [(clip, path, one) for (clip, path), one in zip(written, seen, strict=True)]


@pytest.fixture(scope="module")
def in_ufbx(written, tmp_path_factory):
    return beside(written, seen_by("fbx_ufbx.py", tmp_path_factory.mktemp("ufbx"), *(path for _, path in written)))


@pytest.fixture(scope="module")
def in_blender(written, tmp_path_factory):
    return beside(written, seen_by("fbx_blender.py", tmp_path_factory.mktemp("blender"), *(path for _, path in written)))


def test_ufbx_evaluates_the_clips_weights_at_every_frame(in_ufbx):
    for clip, _, scene in in_ufbx:
        assert list(scene["meshes"]) == [part.name for part in MESH.parts]
        for part in MESH.parts:
            channels = scene["meshes"][part.name]["channels"]
            assert list(channels) == list(part.morphs)
            for name, channel in channels.items():
                np.testing.assert_allclose(channel["weights"], clip[name], atol=TOLERANCE)


def test_ufbx_finds_version_rate_units_and_take_without_a_warning(in_ufbx):
    for clip, path, scene in in_ufbx:
        assert scene["version"] == 7400 and scene["warnings"] == []
        # ufbx holds 29.97 for the mode that Autodesk calls NTSC, not 30000/1001.
        assert scene["fps"] == pytest.approx(float(clip.fps), rel=2e-6)
        assert scene["unit_meters"] == 0.01
        assert scene["take"] == clip.meta.get("line", path.stem)
        assert (scene["begin"], scene["end"]) == pytest.approx((clip.times()[0], clip.times()[-1]), abs=1e-9)


def test_every_key_is_on_the_tick_nearest_to_its_frame(in_ufbx):
    for clip, path, scene in in_ufbx:
        assert len(scene["key_times"]) == sum(len(part.morphs) for part in MESH.parts)
        ticks = [round(Fraction(time) * 46186158000) for time in scene["key_times"][0]]
        assert ticks == [round((clip.start + i / clip.fps) * 46186158000) for i in range(clip.n_frames)]
        assert all(times == scene["key_times"][0] for times in scene["key_times"]), path


def test_ufbx_finds_the_mesh_as_it_is(in_ufbx):
    _, _, scene = in_ufbx[0]
    for part in MESH.parts:
        mesh = scene["meshes"][part.name]
        corners = np.concatenate([np.array(face) for face in part.polygons])
        assert mesh["faces"] == [len(face) for face in part.polygons]
        # Centimetres; float32 has seven digits.
        np.testing.assert_allclose(mesh["corners"], part.vertices[corners] * 100, rtol=1e-6)
        np.testing.assert_allclose(mesh["normals"], part.normals[corners], rtol=1e-6)
        np.testing.assert_allclose(mesh["uv"], np.column_stack([part.uv[:, 0], 1 - part.uv[:, 1]])[corners], atol=1e-6)
        assert mesh["material"] == part.material.name
        assert mesh["color"][:3] == pytest.approx(part.material.color)
        assert mesh["deformers"] == ([f"{part.name}_blendshapes"] if part.morphs else [])
        for name, morph in part.morphs.items():
            shape = mesh["channels"][name]
            assert (shape["shape"], shape["full"], shape["indices"]) == (name, 1, morph.indices.tolist())
            np.testing.assert_allclose(shape["offsets"], morph.offsets * 100, rtol=1e-6)
            np.testing.assert_allclose(shape["normal_offsets"], morph.normal_offsets, rtol=1e-6)


@pytest.mark.parametrize("importer", ["python", "c++"])
def test_blender_keys_every_shape_key_on_its_frame(in_blender, importer):
    for clip, _, scenes in in_blender:
        scene = scenes[importer]
        assert scene["fps"] == pytest.approx(float(clip.fps), rel=2e-6)
        # Blender's frame 1 is time 0. Its Python importer multiplies by a whole rate even where the rate is a fraction.
        step = round(clip.fps) / clip.fps if importer == "python" else 1
        frames = [float(1 + (clip.start * clip.fps + i) * step) for i in range(clip.n_frames)]
        for part in MESH.parts:
            curves = scene["meshes"][part.name]["curves"]
            assert list(curves) == list(part.morphs)
            for name, keys in curves.items():
                # 29.97 for 30000/1001 is 1e-6 of a frame each frame.
                np.testing.assert_allclose(np.array(keys)[:, 0], frames, atol=5e-4)
                np.testing.assert_allclose(np.array(keys)[:, 1], clip[name], atol=TOLERANCE)


@pytest.mark.parametrize("importer", ["python", "c++"])
def test_blender_shows_the_mesh_in_metres_and_upright(in_blender, importer):
    scene = in_blender[0][2][importer]

    def z_up(points):
        return np.column_stack([points[:, 0], -points[:, 2], points[:, 1]])

    for part in MESH.parts:
        mesh = scene["meshes"][part.name]
        np.testing.assert_allclose(mesh["vertices"], z_up(part.vertices), atol=1e-7)
        assert sorted(map(sorted, mesh["polygons"])) == sorted(map(sorted, map(list, part.polygons)))
        corners = np.concatenate([np.array(face) for face in mesh["polygons"]])
        np.testing.assert_allclose(mesh["uv"], np.column_stack([part.uv[:, 0], 1 - part.uv[:, 1]])[corners], atol=1e-6)
        assert mesh["materials"] == [part.material.name]
        assert list(mesh["offsets"]) == list(part.morphs)
        for name, morph in part.morphs.items():
            expected = np.zeros((len(part.vertices), 3), np.float32)
            expected[morph.indices] = morph.offsets
            # Blender keeps shapes in float32 centimetres, as positions of up to 10 cm.
            np.testing.assert_allclose(mesh["offsets"][name], z_up(expected), atol=5e-8)


def test_three_moves_every_part(written):
    for (clip, _), seen in zip(written, run_node("three_weights.mjs", *(path for _, path in written)), strict=True):
        np.testing.assert_allclose(seen["times"], clip.times(), atol=1e-6)
        for part in MESH.parts:
            mesh = seen["meshes"][part.name]
            assert mesh["targets"] == list(part.morphs)
            if part.morphs:
                np.testing.assert_allclose(mesh["weights"], clip.select(part.morphs).values, atol=TOLERANCE)


def test_a_take_that_went_through_blenders_exporter_is_read(written, tmp_path):
    clip, path = written[-1]
    assert clip.fps == 30 and clip.start
    run_reader("fbx_blender.py", "--export", path, tmp_path / "again.fbx")
    again = fbx.read(tmp_path / "again.fbx")
    assert again.fps == 30 and set(again.names) == set(ARKIT_52)
    assert again.n_frames == clip.n_frames
    # Blender exports what it shows, and its sliders end at 0 and 1.
    np.testing.assert_allclose(again.select(ARKIT_52).values, clip.values.clip(0, 1), atol=TOLERANCE)


def test_a_clip_comes_back_with_rate_and_start(written):
    for clip, path in written:
        again = fbx.read(path)
        assert (again.names, again.fps, again.start) == (MESH.targets, clip.fps, clip.start)
        # Percent in float32: one rounding each way.
        np.testing.assert_allclose(again.values, clip.values, rtol=2e-7)


def test_odd_rates_and_starts_come_back(tmp_path):
    for fps, start in ((Fraction(1), 0), (Fraction(25, 2), Fraction(-3)), (Fraction(120000, 1001), Fraction(11, 10)),
                       (Fraction(10007, 97), Fraction(1, 7)), (Fraction(240), Fraction(3600))):
        clip = random_clip(20, fps, start=start)
        fbx.write(clip, tmp_path / "x.fbx", mesh=MESH)
        again = fbx.read(tmp_path / "x.fbx")
        assert again.fps == fps
        # A start between two frames is known to half a tick.
        assert abs(again.start - start) <= Fraction(1, 2 * 46186158000)


def test_values_beyond_the_full_shape_are_kept(tmp_path):
    clip = FaceClip(ARKIT_52, np.linspace(-2, 3, 520, dtype=np.float32).reshape(10, 52), 30)
    fbx.write(clip, tmp_path / "x.fbx", mesh=MESH)
    np.testing.assert_allclose(fbx.read(tmp_path / "x.fbx").values, clip.values, rtol=2e-7)


def test_targets_that_the_clip_lacks_stay_at_rest_and_rotations_are_left_out(tmp_path):
    moved = ("jawOpen", "noseSneerLeft")
    clip = random_clip(5, names=(*moved, *ROTATIONS))
    fbx.write(clip, tmp_path / "x.fbx", mesh=MESH)
    again = fbx.read(tmp_path / "x.fbx")
    assert again.names == MESH.targets
    np.testing.assert_allclose(again.select(moved).values, clip.select(moved).values, rtol=2e-7)
    assert not again.select([name for name in ARKIT_52 if name not in clip]).values.any()


def test_a_channel_that_no_part_has_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ExportError) as caught:
        fbx.write(random_clip(3, names=("jawOpen", "earWiggle")), tmp_path / "x.fbx", mesh=MESH)
    assert caught.value.code == "channel-without-target" and "earWiggle" in caught.value.problem
    with pytest.raises(ExportError) as caught:
        fbx.write(random_clip(3).slice(0, 0), tmp_path / "x.fbx", mesh=MESH)
    assert caught.value.code == "too-short"
    assert not list(tmp_path.iterdir())


def test_the_default_head_carries_a_clip(tmp_path):
    clip = random_clip(90)
    fbx.write(clip, tmp_path / "x.fbx")
    again = fbx.read(tmp_path / "x.fbx")
    np.testing.assert_allclose(again.select(ARKIT_52).values, clip.values, rtol=2e-7)


def test_the_same_clip_gives_the_same_bytes_in_another_process(tmp_path):
    clip, path = random_clip(30, seed=5), tmp_path / "line.fbx"
    fbx.write(clip, path, mesh=MESH)
    first = path.read_bytes()
    code = ("import sys; from pathlib import Path; from export_fixtures import random_clip, small_mesh; from a2f_batch.export import fbx\n"
            "fbx.write(random_clip(3, seed=1), Path(sys.argv[1]), mesh=small_mesh(seed=1))\n"
            "fbx.write(random_clip(30, seed=5), Path(sys.argv[1]), mesh=small_mesh())")
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert path.read_bytes() == first


def test_the_file_is_laid_out_as_mayas_are(written):
    _, root = decode(written[2][1].read_bytes(), "x.fbx")
    # In this order in the files of Maya 2020 (FBX SDK 2020.1).
    assert [record.name for record in root.children] == [
        "FBXHeaderExtension", "FileId", "CreationTime", "Creator", "GlobalSettings", "Documents", "References", "Definitions",
        "Objects", "Connections", "Takes"]
    objects = root.first("Objects").children
    numbers = [record.properties[0] for record in objects]
    assert len(set(numbers)) == len(numbers)
    counted = {record.properties[0]: record.first("Count").properties[0] for record in root.first("Definitions").all("ObjectType")}
    kinds = [record.name for record in objects]
    assert counted == {"GlobalSettings": 1, **{kind: kinds.count(kind) for kind in kinds}}
    assert root.first("Definitions").first("Count").properties[0] == sum(counted.values())
    ends = {number for link in root.first("Connections").children for number in link.properties[1:3]}
    assert ends == {*numbers, 0}
    # Unreal takes a deformer's name away from channels that begin with it.
    deformers = [record.properties[1].split("\x00")[0] for record in objects if record.properties[2] == "BlendShape"]
    assert not any(target.startswith(name) for name in deformers for target in MESH.targets)
    linear = {tuple(curve.first("KeyAttrFlags").properties[0] & 0xE) for curve in root.first("Objects").all("AnimationCurve")}
    assert linear == {(4,)}


def changed(content, change):
    """Return a file with `change` applied to every record: a Node, or None to drop it."""
    def walk(record):
        record = change(record)
        if record is None or record.children is None:
            return record
        return Node(record.name, record.properties, tuple(child for child in map(walk, record.children) if child is not None))

    return encode(walk(decode(content, "x.fbx")[1]).children)


def off_the_frames(record):
    return Node(record.name, (record.properties[0] * 3 // 2,)) if record.name == "KeyTime" else record


def other_part(record, seen=[]):  # noqa: B006
    """Change the last curve of the file: the teeth no longer move with the face."""
    if record.name == "KeyValueFloat":
        seen.append(record)
        if len(seen) == sum(len(part.morphs) for part in MESH.parts):
            return Node(record.name, (record.properties[0] + 1,))
    return record


@pytest.mark.parametrize(("change", "cause"), [
    (off_the_frames, "not on frames"),
    (lambda record: Node("KeyTime", (np.full(9, 2**63 - 1),)) if record.name == "KeyTime" else record, "not in order"),
    (lambda record: None if record.name == "AnimationCurve" else record, "no blend-shape curves"),
    (other_part, "differently on different parts"),
], ids=["between frames", "end of time", "no curves", "parts apart"])
def test_a_file_that_is_no_baked_take_is_refused(tmp_path, change, cause):
    path = tmp_path / "x.fbx"
    fbx.write(random_clip(9, 30), path, mesh=MESH)
    path.write_bytes(changed(path.read_bytes(), change))
    with pytest.raises(ClipError, match=cause) as caught:
        fbx.read(path)
    assert caught.value.code == "clip-format"


@pytest.mark.parametrize("name", ["GlobalSettings", "KeyTime", "KeyValueFloat"])
def test_a_file_that_lacks_what_it_must_have_is_refused(tmp_path, name):
    path = tmp_path / "x.fbx"
    fbx.write(random_clip(9, 30), path, mesh=MESH)
    path.write_bytes(changed(path.read_bytes(), lambda record: None if record.name == name else record))
    with pytest.raises(ClipError) as caught:
        fbx.read(path)
    assert caught.value.code == "clip-unreadable"


def test_a_missing_cut_or_foreign_file_is_refused(tmp_path):
    whole, path = tmp_path / "whole.fbx", tmp_path / "x.fbx"
    fbx.write(random_clip(9, 30), whole, mesh=MESH)
    content = whole.read_bytes()
    for broken in (None, b"", b"glTF" + bytes(100), b"; FBX 7.4.0 project file", content[:len(content) // 2], content[:30]):
        if broken is not None:
            path.write_bytes(broken)
        with pytest.raises(ClipError) as caught:
            fbx.read(path)
        assert caught.value.code == "clip-unreadable" and str(path) in caught.value.problem


def test_broken_bytes_never_crash_the_reader(tmp_path):
    """Each either gives a clip or is refused with a ClipError; anything else fails the test."""
    rng, path, refused = random.Random(fresh_seed()), tmp_path / "x.fbx", 0
    fbx.write(random_clip(9, 30, names=("jawOpen", "jawLeft")), path, mesh=small_mesh(("jawOpen", "jawLeft")))
    content = path.read_bytes()
    for _ in range(400):
        broken = bytearray(content)
        for _ in range(rng.choice((1, 4))):
            # Half of the blows into the animation, at the end of the file.
            broken[rng.randrange(len(broken) // 2 if rng.random() < 0.5 else 0, len(broken))] = rng.choice((0, 1, 255, rng.randrange(256)))
        path.write_bytes(broken)
        try:
            assert fbx.read(path).n_frames
        except ClipError:
            refused += 1
    assert 0 < refused < 400
