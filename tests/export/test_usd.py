"""USD, opened by usd-core and by Blender's own importer."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from export_fixtures import random_clip, seen_by, small_mesh
from pxr import Usd, UsdGeom, UsdSkel, UsdValidation

from a2f_batch import ClipError, ExportError, FaceClip, export, read_clip
from a2f_batch.export import usd
from a2f_batch.rig.mesh import Mesh, Part

MESH = small_mesh()
RATES = [Fraction(24), Fraction(30), Fraction(60), Fraction(30000, 1001)]


@pytest.mark.parametrize("suffix", [".usdc", ".usda"])
@pytest.mark.parametrize("fps", RATES, ids=str)
@pytest.mark.parametrize("n_frames", [1, 2, 90])
def test_usd_shows_the_clips_weights_on_every_mesh(n_frames, fps, suffix, tmp_path):
    clip = random_clip(n_frames, fps, start=Fraction(2) / fps)
    path = tmp_path / f"line{suffix}"
    export(clip, path, mesh=MESH)
    stage = Usd.Stage.Open(str(path))
    assert stage.GetTimeCodesPerSecond() == float(fps)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (2, 1 + n_frames)
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    root = UsdSkel.Root(stage.GetDefaultPrim())
    cache = UsdSkel.Cache()
    cache.Populate(root, Usd.PrimDefaultPredicate)
    for part in MESH.parts:
        prim = stage.GetPrimAtPath(root.GetPath().AppendChild(part.name))
        mesh = UsdGeom.Mesh(prim)
        np.testing.assert_array_equal(mesh.GetPointsAttr().Get(), part.vertices)
        assert list(mesh.GetFaceVertexCountsAttr().Get()) == [len(face) for face in part.polygons]
        skinning = cache.GetSkinningQuery(prim)
        if not part.morphs:
            continue
        shapes = UsdSkel.BlendShapeQuery(UsdSkel.BindingAPI(prim))
        query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(root.GetPath().AppendChild("Skeleton")))).GetAnimQuery()
        assert list(skinning.GetBlendShapeOrder()) == list(part.morphs)
        for frame in (0, n_frames - 1):
            weights = skinning.GetBlendShapeMapper().Remap(query.ComputeBlendShapeWeights(2 + frame))
            np.testing.assert_array_equal(weights, clip.select(part.morphs).values[frame])
        for i, (name, morph) in enumerate(part.morphs.items()):
            shape = shapes.GetBlendShape(i)
            assert shape.GetPrim().GetName() == name
            np.testing.assert_array_equal(shape.GetPointIndicesAttr().Get(), morph.indices)
            np.testing.assert_array_equal(shape.GetOffsetsAttr().Get(), morph.offsets)


def test_usds_own_checker_finds_nothing(tmp_path):
    export(random_clip(5), tmp_path / "line.usdc", mesh=MESH)
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 10
    errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(tmp_path / "line.usdc")))
    assert [(error.GetName(), error.GetMessage()) for error in errors] == []


def test_blender_shows_the_weights_at_every_frame(tmp_path):
    pairs = []
    for i, suffix in enumerate((".usdc", ".usda")):
        clip = random_clip(40, RATES[i])
        # Blender clamps shape keys to 0..1.
        clip = clip.with_values(clip.values.clip(0, 1))
        export(clip, tmp_path / f"line{suffix}", mesh=MESH)
        pairs.append((clip, tmp_path / f"line{suffix}"))
    for (clip, _), seen in zip(pairs, seen_by("usd_blender.py", tmp_path, *(path for _, path in pairs)), strict=True):
        assert (seen["first"], seen["last"]) == (0, 39)
        for part in MESH.parts:
            mesh = seen["meshes"][part.name]
            assert mesh["vertices"] == len(part.vertices)
            assert set(mesh["weights"]) == set(part.morphs)
            for name, weights in mesh["weights"].items():
                np.testing.assert_allclose(weights, clip[name], atol=1e-4)
                assert mesh["moved"][name] == pytest.approx(np.linalg.norm(part.morphs[name].offsets, axis=1).max(), rel=1e-3)


@pytest.mark.parametrize("suffix", [".usdc", ".usda"])
@pytest.mark.parametrize("fps", [*RATES, Fraction(12345, 678)], ids=str)
def test_a_clip_comes_back(fps, suffix, tmp_path):
    clip = random_clip(50, fps, start=Fraction(1, 7))
    export(clip, tmp_path / f"x{suffix}", mesh=MESH)
    back = read_clip(tmp_path / f"x{suffix}")
    assert (back.names, back.fps, back.start) == (MESH.targets, clip.fps, clip.start)
    np.testing.assert_array_equal(back.select(clip.names).values, clip.values)


def test_reduced_samples_keep_the_tolerance(tmp_path):
    values = np.interp(np.arange(200), [0, 40, 120, 199], [0, 1, 0.2, 0.2]).astype(np.float32)
    clip = FaceClip(("jawOpen", "mouthClose"), np.stack([values, values[::-1]], axis=1), 30)
    count = usd.write(clip, tmp_path / "x.usdc", mesh=MESH, tolerance=0.001)
    assert count.after < 0.1 * count.before
    back = usd.read(tmp_path / "x.usdc")
    assert back.n_frames == 200
    np.testing.assert_allclose(back.select(clip.names).values, clip.values, rtol=0, atol=0.001001)


def test_names_that_usd_has_no_prim_for_keep_their_tokens(tmp_path):
    morph = next(iter(MESH.parts[0].morphs.values()))
    names = ("öppna mun", "oppna_mun", "_ppna_mun", "1st", 'quo"te', "x" * 300)
    part = MESH.parts[0]
    mesh = Mesh("1 Kopf", (Part("Skeleton", part.vertices, part.normals, part.uv, part.polygons, part.material,
                                  dict.fromkeys(names, morph)),))
    clip = random_clip(4, names=names)
    export(clip, tmp_path / "x.usda", mesh=mesh)
    back = read_clip(tmp_path / "x.usda")
    assert back.names == names
    np.testing.assert_allclose(back.values, clip.values, atol=1e-6)  # text


@pytest.mark.parametrize("suffix", [".usdc", ".usda"])
def test_the_same_clip_gives_the_same_bytes(suffix, tmp_path):
    for name in "ab":
        export(random_clip(10, seed=4), tmp_path / f"{name}{suffix}", mesh=MESH)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_what_is_no_face_in_usd_is_refused(tmp_path):
    with pytest.raises(ClipError) as caught:
        usd.read(tmp_path / "none.usda")
    assert caught.value.code == "clip-unreadable"
    (tmp_path / "x.usda").write_text("RIFF")
    with pytest.raises(ClipError) as caught:
        usd.read(tmp_path / "x.usda")
    assert caught.value.code == "clip-unreadable"
    Usd.Stage.CreateNew(str(tmp_path / "empty.usda")).Save()
    with pytest.raises(ClipError) as caught:
        usd.read(tmp_path / "empty.usda")
    assert caught.value.code == "clip-format"
    with pytest.raises(ExportError) as caught:
        usd.write(random_clip(3, names=("tongueTipUp",)), tmp_path / "y.usda", mesh=MESH)
    assert caught.value.code == "channel-without-target"


def test_without_usd_core_the_message_says_what_to_install(tmp_path):
    program = ("import sys; sys.modules['pxr'] = None\n"
               "import a2f_batch as a2f\n"
               "try:\n    a2f.export(a2f.FaceClip(('jawOpen',), [[0.5]], 30), sys.argv[1])\n"
               "except a2f.ExportError as error:\n    print(error.code, error)")
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "x.usda"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usd-missing") and "a2f-batch[usd]" in done.stdout
    assert not list(tmp_path.iterdir())
