"""Every format, on the default head and on a character that Blender made, at every rate and length, as independent readers see it."""

import base64
import csv
import json
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from export_fixtures import fresh_seed, random_clip
from guard import DRIVEN, expected
from open_reader import OpenReader
from pxr import Usd, UsdSkel
from strict_anim import StrictAnim

from a2f_batch import ExportError, FaceClip
from a2f_batch.export import FORMATS
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ARKIT_52
from a2f_batch.rig import default_head

RATES = [Fraction(24), Fraction(30), Fraction(60), Fraction(30000, 1001)]
LENGTHS = [1, 2, 90, 3600]
# What stands on a mesh, and which of these have no way onto the user's own character and say so.
ON_A_MESH = ("glb", "gltf", "fbx", "usd", "usda")
NOT_ON_A_CHARACTER = ("usd", "usda")
# In Maya the character is names alone.
ATTRIBUTES = {"jawOpen": "guard:head_shapes.JawOpen", "mouthFunnel": "Mouth_Funnel", "eyeBlinkLeft": "lashes_shapes.left_eye_blink"}
# The issue's; a part whose weights are all in 0..1 is written in 16 bits, for which it allows 2e-5 more.
TOLERANCE, SIXTEEN_BIT_TOLERANCE = 1e-4, 1.2e-4
# Of a frame. Readers hold times, or frames, as float32: two minutes at 60 fps are told to 5e-4.
ON_FRAME = 1e-3


@dataclass(frozen=True)
class Cell:
    """One file of the matrix."""

    format: str
    carrier: str
    clip: FaceClip
    path: Path

    def __str__(self):
        return f"{self.format} on the {self.carrier}, {self.clip.n_frames} frames at {self.clip.fps}"

    def meshes(self):
        """Mesh -> target -> its curve."""
        if self.carrier == "guard":
            return {mesh: dict(zip(targets, expected(self.clip, mesh).T, strict=True)) for mesh, targets in DRIVEN.items()}
        return {part.name: {target: self.clip[target] for target in part.morphs} for part in default_head().parts if part.morphs}

    def tolerance(self):
        return SIXTEEN_BIT_TOLERANCE if self.format in ("glb", "gltf") and 0 <= self.clip.values.min() <= self.clip.values.max() <= 1 \
            else TOLERANCE

    def check_frames(self, frames):
        """Refuse times, counted in frames from the first, that are not every frame in its place."""
        assert len(frames) == self.clip.n_frames, self
        np.testing.assert_allclose(frames, np.arange(self.clip.n_frames), rtol=0, atol=ON_FRAME, err_msg=str(self))

    def check_meshes(self, seen):
        """Refuse weights, shape (frames, targets) for each mesh, that are not the clip's, under the targets' own names."""
        wanted = self.meshes()
        assert sorted(seen) == sorted(wanted), self
        for mesh, (targets, weights) in seen.items():
            assert targets == list(wanted[mesh]), (str(self), mesh)
            np.testing.assert_allclose(weights, np.stack(list(wanted[mesh].values()), axis=1), rtol=0, atol=self.tolerance(),
                                       err_msg=f"{self}: {mesh}")

    def check_table(self, names, values, clip=None):
        """Refuse a table of channels, shape (frames, channels), that is not `clip`, or the cell's own."""
        clip = clip or self.clip
        assert list(names) == list(clip.names), self
        np.testing.assert_allclose(values, clip.values, rtol=0, atol=TOLERANCE, err_msg=str(self))


def has_two_carriers(name):
    return name == "anim" or (name in ON_A_MESH and name not in NOT_ON_A_CHARACTER)


def options(cell, guard):
    if cell.carrier == "default head":
        return ExportOptions()
    return ExportOptions(attribute_map=ATTRIBUTES) if cell.format == "anim" else ExportOptions(character=guard)


@pytest.fixture(scope="module", params=["diagonal", pytest.param("whole", marks=pytest.mark.slow)])
def cells(request, guard, tmp_path_factory):
    """Every cell, or one a format and carrier, over which rates and lengths (but the longest) go round."""
    folder, seed = tmp_path_factory.mktemp("matrix"), fresh_seed()
    columns = [(name, carrier) for name in FORMATS for carrier in ("default head", "guard")
               if carrier == "default head" or has_two_carriers(name)]
    if request.param == "whole":
        coordinates = list(product(columns, RATES, LENGTHS))
    else:
        coordinates = [(column, RATES[(i + seed) % 4], LENGTHS[i % 3]) for i, column in enumerate(columns)]
    made = []
    for i, ((name, carrier), fps, n_frames) in enumerate(coordinates):
        clip = random_clip(n_frames, fps, seed=seed + i, meta={"line": f"line {i}"})
        if (i + i // 4) % 2:
            clip = clip.with_values(clip.values.clip(0, 1))
        made.append(Cell(name, carrier, clip, folder / f"{i}{FORMATS[name].suffix}"))
        options(made[-1], guard).export(clip, made[-1].path, FORMATS[name])
    return made


def of(cells, *formats):
    found = [cell for cell in cells if cell.format in formats]
    assert {cell.format for cell in found} == set(formats)
    return found


def seen_by(cells, script, *arguments):
    """Yield each cell with what a reader sees of it."""
    with OpenReader(script, *arguments) as reader:
        for cell in cells:
            yield cell, reader(cell.path)


def numbers(text, kind="<f8"):
    return np.frombuffer(base64.b64decode(text), kind)


def weights(mesh):
    return mesh["targets"], numbers(mesh["weights"], "<f4").reshape(-1, len(mesh["targets"]))


def test_the_matrix_has_every_format():
    assert {name for name, fmt in FORMATS.items() if "mesh" in fmt.options} == set(ON_A_MESH)


@pytest.mark.parametrize("name", NOT_ON_A_CHARACTER)
def test_a_format_that_can_not_be_put_on_a_character_says_so(name, guard):
    asked = ExportOptions(character=guard)
    with pytest.raises(ExportError, match=rf"^{name} can't be put on") as caught:
        asked.check([FORMATS["glb"], FORMATS[name]])
    assert caught.value.code == "character-format"
    with pytest.raises(ExportError, match=f"--character has no meaning for {name}"):
        asked.check([FORMATS[name]])


def test_the_khronos_validator_finds_nothing_that_is_not_the_characters(cells, guard):
    with OpenReader("validate.mjs") as validator:
        own = validator(guard)["issues"]
    assert own["numErrors"] == 0
    for cell, report in seen_by(of(cells, "glb", "gltf", "vrma"), "validate.mjs"):
        issues = report["issues"]
        if cell.carrier == "guard":
            assert issues["messages"] == own["messages"], cell
        assert issues["numErrors"] == 0 and (issues["numWarnings"] == 0 or cell.carrier == "guard"), (str(cell), issues)


def test_three_shows_every_weight_at_every_frame(cells):
    for cell, seen in seen_by(of(cells, "glb", "gltf", "fbx"), "shown_three.mjs"):
        assert seen["name"] == cell.clip.meta["line"]
        cell.check_frames(numbers(seen["times"]) * float(cell.clip.fps))
        shown = {name: weights(mesh) for name, mesh in seen["meshes"].items()}
        if cell.format == "fbx" and cell.carrier == "guard":
            # Its FBXLoader has no place for the weight of a channel without a curve; the other readers of FBX have.
            targets, rows = shown["head"]
            rows = rows.copy()
            rows[:, targets.index("Age")] += DRIVEN["head"]["Age"]
            shown["head"] = targets, rows
        cell.check_meshes(shown)


@pytest.mark.parametrize("importer", ["gltf", "fbx", "ufbx"])
def test_blender_keys_every_shape_key_on_its_frame(importer, cells):
    for cell, scene in seen_by(of(cells, *(("glb", "gltf") if importer == "gltf" else ("fbx",))), "shown_blender.py", importer):
        fps = cell.clip.fps
        if importer == "gltf":
            first, step = 0, scene["fps"] / float(fps)
        else:
            assert scene["fps"] == pytest.approx(float(fps), rel=2e-6)  # Autodesk's 29.97, not 30000/1001
            # Blender's frame 1 is time 0. Its Python importer multiplies by a whole rate even where the rate is a fraction.
            first, step = 1, float(round(fps) / fps) if importer == "fbx" else scene["fps"] / float(fps)
        for mesh in scene["meshes"].values():
            cell.check_frames((numbers(mesh["frames"]) - first) / step)
        cell.check_meshes({name: weights(mesh) for name, mesh in scene["meshes"].items()})


def test_ufbx_evaluates_every_weight_at_every_frame(cells):
    for cell, scene in seen_by(of(cells, "fbx"), "shown_ufbx.py"):
        assert scene["take"] == cell.clip.meta["line"] and scene["warnings"] == []
        cell.check_frames(numbers(scene["times"]) * float(cell.clip.fps))
        cell.check_meshes({name: weights(mesh) for name, mesh in scene["meshes"].items() if mesh["targets"]})


def test_usd_core_finds_every_weight_at_every_time_code(cells):
    for cell in of(cells, "usd", "usda"):
        stage = Usd.Stage.Open(str(cell.path))
        assert stage.GetTimeCodesPerSecond() == float(cell.clip.fps)
        skeletons = UsdSkel.Cache()
        skeletons.Populate(UsdSkel.Root(stage.GetDefaultPrim()), Usd.PrimDefaultPredicate)
        (skeleton,) = (prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Skeleton))
        animation = skeletons.GetSkelQuery(UsdSkel.Skeleton(skeleton)).GetAnimQuery()
        cell.check_frames(np.array(animation.GetBlendShapeWeightTimeSamples()))
        rows = [animation.ComputeBlendShapeWeights(code) for code in range(cell.clip.n_frames)]
        seen = {}
        for prim in stage.Traverse():
            skinning = skeletons.GetSkinningQuery(prim)
            if skinning and skinning.HasBlendShapes():
                mapper, targets = skinning.GetBlendShapeMapper(), list(skinning.GetBlendShapeOrder())
                seen[prim.GetName()] = targets, [mapper.Remap(row) for row in rows]
        cell.check_meshes(seen)


def test_a_strict_parser_reads_the_maya_curves(cells):
    for cell in of(cells, "anim"):
        anim = StrictAnim(cell.path.read_bytes().decode("ascii"))
        assert anim.fps == cell.clip.fps
        on_guard = cell.carrier == "guard"
        assert anim.nodes == ({"guard:head_shapes", "lashes_shapes", "blendShape1"} if on_guard else {"blendShape1"})
        named = {channel: plug.rpartition(".")[2] for channel, plug in ATTRIBUTES.items()} if on_guard else {}
        for keys in anim.curves.values():
            cell.check_frames(keys[:, 0])
        cell.check_table(anim.curves, np.stack([keys[:, 1] for keys in anim.curves.values()], axis=1), cell.clip.rename(named))


def test_the_csv_module_reads_a_live_link_take(cells):
    for cell in of(cells, "csv"):
        with open(cell.path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header[:2] == ["Timecode", "BlendshapeCount"] and len(header) == 63 and {row[1] for row in rows} == {"61"}
        # As Unreal's importer adds them up: the last field counts sixtieths of a second, whatever the rate.
        fields = np.array([[float(field) for field in row[0].split(":")] for row in rows])
        cell.check_frames(fields @ [3600, 60, 1, 1 / 60] * float(cell.clip.fps))
        channels = [name[0].lower() + name[1:] for name in header[2:54]]
        assert sorted(channels) == sorted(ARKIT_52)
        values = np.array([row[2:] for row in rows], float)
        cell.check_table(channels, values[:, :52], cell.clip.select(channels))
        assert not values[:, 52:].any()


def test_the_csv_module_reads_a_wide_and_a_long_table(cells):
    for cell in of(cells, "csv-plain", "csv-long"):
        with open(cell.path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        first = 2 if header[1] == "fps" else 1
        if cell.format == "csv-plain":
            times, names, values = [row[0] for row in rows], header[first:], [row[first:] for row in rows]
        else:
            assert header[first:] == ["channel", "value"]
            times, names = list(dict.fromkeys(row[0] for row in rows)), list(dict.fromkeys(row[first] for row in rows))
            found = {(row[0], row[first]): row[first + 1] for row in rows}
            assert len(found) == len(rows)
            values = [[found[time, name] for name in names] for time in times]
        cell.check_frames(np.array(times, float) * float(cell.clip.fps))
        cell.check_table(names, np.array(values, float))


def test_numpy_loads_every_curve(cells):
    for cell in of(cells, "npz"):
        arrays = np.load(cell.path, allow_pickle=False)
        names = [name for name in arrays.files if name not in ("n_frames", "BlendShapeCount", "Timecode")]
        cell.check_frames(arrays["Timecode"])
        cell.check_table(names, np.stack([arrays[name] for name in names], axis=1))


def mixed(clip, vocabulary):
    """Another vocabulary's channels of a clip, by its file's own table."""
    table = json.loads(files("a2f_batch.names").joinpath(f"{vocabulary}.json").read_text(encoding="utf-8"))
    direct = table["to_hub"]
    curves = {name: clip[direct[name]].astype(float) if name in direct else np.zeros(clip.n_frames) for name in table["channels"]}
    for hub, mix in table["from_hub_weights"].items():
        for name, gain in mix.items() if hub not in direct.values() else ():
            curves[name] += gain * clip[hub]
    return {name: curve.clip(0, 1) for name, curve in curves.items()}


def test_json_reads_the_visemes(cells):
    for cell in of(cells, "visemes"):
        content = json.loads(cell.path.read_text(encoding="utf-8"))
        assert Fraction(content["fps"]) == cell.clip.fps and Fraction(content["start"]) == 0
        wanted = mixed(cell.clip, "oculus15")
        wanted["sil"] = (1 - sum(wanted.values())).clip(0, 1)
        cell.check_table(content["visemes"], content["weights"], FaceClip(tuple(wanted), np.stack(list(wanted.values()), axis=1), 30))


def test_the_csv_module_reads_metahuman_controls(cells):
    for cell in of(cells, "metahuman"):
        with open(cell.path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        cell.check_frames(np.array([row.pop("time") for row in rows], float) * float(cell.clip.fps))
        wanted = mixed(cell.clip, "metahuman")
        assert set(rows[0]) - set(wanted) <= {"fps"}
        values = [[float(row[name]) for name in wanted] for row in rows]
        cell.check_table(wanted, values, FaceClip(tuple(wanted), np.stack(list(wanted.values()), axis=1), 30))


def test_pygltflib_finds_vrm_expressions_as_the_specification_says(cells):
    for cell in of(cells, "vrma"):
        document = pygltflib.GLTF2().load_binary(str(cell.path))
        extension, binary = document.extensions["VRMC_vrm_animation"], document.binary_blob()
        nodes = {entry["node"]: name for name, entry in extension["expressions"]["preset"].items()}
        wanted, seen = mixed(cell.clip, "vrm1"), set()
        for channel in document.animations[0].channels:
            assert channel.target.path == "translation"
            sampler = document.animations[0].samplers[channel.sampler]
            times, moved = (np.frombuffer(binary, "<f4", view.byteLength // 4, view.byteOffset) for view in (
                document.bufferViews[document.accessors[index].bufferView] for index in (sampler.input, sampler.output)))
            cell.check_frames(times * float(cell.clip.fps))
            np.testing.assert_allclose(moved.reshape(-1, 3)[:, 0], wanted[nodes[channel.target.node]], rtol=0, atol=TOLERANCE)
            seen.add(nodes[channel.target.node])
        assert {"aa", "ih", "ou", "ee", "oh", "blinkLeft", "blinkRight"} <= seen == set(nodes.values())
