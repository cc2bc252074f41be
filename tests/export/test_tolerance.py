"""A tolerance in millimetres: no vertex of what is written is farther than that from where the clip, a key a frame, has it."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from export_fixtures import fresh_seed, random_clip, run_node, small_mesh

from a2f_batch import ExportError, FaceClip, read_clip
from a2f_batch.export import format_named, maya_anim
from a2f_batch.export.options import ExportOptions
from a2f_batch.export.tolerance import Displacement, parse_tolerance
from a2f_batch.names import ARKIT_52
from a2f_batch.rig import default_head
from a2f_batch.rig.character import read_character
from a2f_batch.rig.displacement import Reach, character_reach, mesh_reach
from a2f_batch.rig.proxy import proxy_head


def speech(n_frames=90, fastest=12):
    """Smooth curves within 0..1 that overlap everywhere, some still, all at rest in the last third."""
    rng = np.random.default_rng(fresh_seed())
    time = np.arange(n_frames)[:, None] / 30
    values = np.clip(np.sin(time * rng.uniform(1, fastest, 52) + rng.uniform(0, 6.28, 52)), 0, 1) * (time < 0.67 * time[-1])
    values[:, ::7] = rng.uniform(0, 1, (1, 8))
    return FaceClip(ARKIT_52, values.astype(np.float32), 30, 0, {"line": "x"})


def vertices(mesh, clip):
    """Where every vertex of every part is, shape (frames, vertices, 3), without any code of the exporters."""
    parts = []
    for part in mesh.parts:
        moved = np.repeat(part.vertices[None].astype(float), clip.n_frames, axis=0)
        for name, morph in part.morphs.items():
            if name in clip:
                moved[:, morph.indices] += clip[name].astype(float)[:, None, None] * morph.offsets.astype(float)
        parts.append(moved)
    return np.concatenate(parts, axis=1)


def farthest(one, other):
    return 1000 * np.linalg.norm(np.asarray(one) - np.asarray(other), axis=-1).max()


@pytest.mark.parametrize(("suffix", "mesh", "interpolation"), [
    ("glb", "default", "linear"), ("glb", "proxy", "cubic"), ("fbx", "proxy", "linear"), ("fbx", "proxy", "cubic"),
    ("anim", "default", "cubic"), ("usdc", "proxy", "linear")])
def test_the_face_that_is_read_back_is_within_the_millimetres_everywhere(suffix, mesh, interpolation, tmp_path):
    clip, fmt = speech(), format_named({"usdc": "usd"}.get(suffix, suffix))
    on = proxy_head() if mesh == "proxy" else default_head()
    whole, kept = vertices(on, clip), []
    for millimetres in (0.2, 4.0):
        path = tmp_path / f"x.{suffix}"
        options = ExportOptions(mesh=mesh, tolerance=Displacement(millimetres), interpolation=interpolation, compact=False)
        keys = options.export(clip, path, fmt)
        # float32 weights of targets of some centimetres: nanometres; .anim has nine decimals.
        assert farthest(vertices(on, read_clip(path)), whole) <= millimetres + 1e-5
        kept.append(keys.after / keys.before)
    assert kept[1] <= kept[0] < 1
    # Channels keyed by themselves; in the others 44 of them share their keys, and little but the rest at the end is left out.
    assert kept[1] < (0.4 if suffix in ("fbx", "anim") else 0.75)


@pytest.mark.parametrize("mesh", [default_head(), proxy_head(), small_mesh()], ids=["default", "proxy", "small"])
def test_the_worst_vertex_may_use_all_of_it_and_none_more(mesh):
    rng = np.random.default_rng(fresh_seed())
    moving = rng.permutation(mesh.targets)[:20].tolist()
    bounds = mesh_reach(mesh).weight_bounds(moving, 0.5)
    assert set(bounds) == set(moving)
    summed = []
    for part in mesh.parts:
        total = np.zeros(len(part.vertices))
        for name in moving:
            if name in part.morphs:
                total[part.morphs[name].indices] += bounds[name] * np.linalg.norm(part.morphs[name].offsets.astype(float), axis=1)
        summed.append(1000 * total.max())
    assert max(summed) == pytest.approx(0.5, rel=1e-6)
    # Each has the same share of the way.
    shares = [bounds[name] * max(np.linalg.norm(part.morphs[name].offsets, axis=1).max() for part in mesh.parts if name in part.morphs)
              for name in moving]
    np.testing.assert_allclose(shares, shares[0], rtol=1e-5)


def test_a_channel_alone_has_all_of_it_and_one_that_moves_nothing_is_not_bound():
    reach = Reach(("a", "b", "still"), np.array([[0.01, 0, 0], [0.02, 0.04, 0]], np.float32))
    assert reach.weight_bounds(["a"], 1) == {"a": pytest.approx(0.05)}
    assert reach.weight_bounds(["a", "b", "other"], 1) == {"a": pytest.approx(0.025), "b": pytest.approx(0.0125)}
    assert reach.weight_bounds(["still"], 1) == {"still": np.inf}
    assert reach.weight_bounds([], 1) == {}


def test_channels_that_the_mesh_has_not_keep_every_value(tmp_path):
    clip = random_clip(40, names=("browInnerUp", "jawOpen", "wings"))
    ExportOptions(tolerance=Displacement(0.5)).export(clip, tmp_path / "x.anim", format_named("anim"))
    back = maya_anim.read(tmp_path / "x.anim")
    np.testing.assert_allclose(back["wings"], clip["wings"], rtol=0, atol=1e-8)
    assert np.abs(back["jawOpen"] - clip["jawOpen"]).max() > 1e-4


def in_three(times, *paths):
    asked = [f"{path}={','.join(map(str, times))}" for path in paths]
    return [np.array([np.concatenate(list(frame.values())) for frame in frames]) for frames in run_node("vertices_three.mjs", *asked)]


@pytest.mark.parametrize("skinned", [True, False])
def test_three_shows_a_characters_vertices_within_the_millimetres(skinned, guard, tmp_path):
    path = Path(shutil.copy(guard, tmp_path / "guard.glb"))
    raw = path.read_bytes()
    (size,) = struct.unpack_from("<I", raw, 12)
    document = json.loads(raw[20:20 + size])
    for one in document["nodes"]:
        if "mesh" in one and not skinned:  # a node's own scale, unequal, counts then
            one.pop("skin")
            one["scale"] = [0.5, 3.0, 1.0]
        if one["name"] in ("rig", "Bone"):
            one["scale"] = [2.0, 2.0, 2.0]
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    path.write_bytes(raw[:8] + struct.pack("<III", len(raw) - size + len(text), len(text), 0x4E4F534A) + text + raw[20 + size:])
    clip = speech(90, fastest=2)
    times = clip.times()
    for name, tolerance in (("full", None), ("less", Displacement(5))):
        options = ExportOptions(character=path, tolerance=tolerance, compact=False)
        keys = options.export(clip, tmp_path / f"{name}.glb", format_named("glb"))
    assert keys.after < keys.before
    full, less = in_three(times, tmp_path / "full.glb", tmp_path / "less.glb")
    # three.js: float32 positions of about 1 m.
    assert 0.5 < farthest(full, less) <= 5 + 1e-3


def test_gains_of_a_map_count_and_targets_of_one_channel_add_up(guard, tmp_path):
    (tmp_path / "map.toml").write_text('jawOpen = { JawOpen = 0.5, "Tooth Gap" = -2.0 }\n', encoding="utf-8")
    character = read_character(guard)
    plain, mapped = (character_reach(character, ("jawOpen",), character.match(("jawOpen",), chosen)[1])
                     for chosen in (None, tmp_path / "map.toml"))
    sizes = {morph.name: size for morph, size in zip(character.nodes, vertex_counts(character), strict=True)}
    at = dict(zip(sizes, np.split(np.arange(sum(sizes.values())), np.cumsum(list(sizes.values()))[:-1]), strict=True))
    np.testing.assert_allclose(mapped.metres[at["head"], 0], plain.metres[at["head"], 0] / 2, rtol=1e-6)
    # By hand from make_character.py: the second target of the teeth moves its vertices by 2 cm.
    assert mapped.metres[at["teeth"], 0].max() == pytest.approx(0.04, rel=1e-5)


def vertex_counts(character):
    for morph in character.nodes:
        primitives = character.document["meshes"][character.document["nodes"][morph.node]["mesh"]]["primitives"]
        yield sum(character.document["accessors"][one["attributes"]["POSITION"]]["count"] for one in primitives)


def test_a_weight_and_a_displacement_are_told_apart():
    assert parse_tolerance("0.002") == 0.002
    assert parse_tolerance("0.5mm") == parse_tolerance(" 0.5 MM") == Displacement(0.5)
    assert str(Displacement(0.5)) == "0.5 mm"
    assert ExportOptions(tolerance=Displacement(0.5)).as_json() == {"tolerance": "0.5 mm"}
    for text in ("", "mm", "-1mm", "nanmm", "infmm", "1 cm", "0,5mm", "-0.1"):
        with pytest.raises(ExportError) as caught:
            parse_tolerance(text)
        assert caught.value.code == "option-value" and repr(text) in caught.value.problem


@pytest.mark.parametrize(("options", "formats"), [({"mesh": "none"}, "fbx"), ({}, "vrma,glb")])
def test_millimetres_of_no_mesh_are_refused_before_the_first_line(options, formats):
    with pytest.raises(ExportError) as caught:
        ExportOptions(tolerance=Displacement(0.5), **options).check([format_named(name) for name in formats.split(",")])
    assert caught.value.code == "option-value"
