"""Options of FBX: 7.5, curves without a mesh, still curves left out, Autodesk's library. Read by ufbx, Blender and three.js; about 20 s."""

import sys
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from export_fixtures import fresh_seed, random_clip, run_node, seen_by, small_mesh

from a2f_batch import ExportError, FaceClip
from a2f_batch.export import fbx
from a2f_batch.export.fbx_binary import Node, decode, encode
from a2f_batch.names import ARKIT_52, ROTATIONS

MESH = small_mesh()
# The issue asks for 1e-4; values are float32 percent in the file.
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=[{"fbx_version": 7500}, {"compact": True}], ids=["7.5", "compact"])
def options(request):
    return request.param


@pytest.fixture(scope="module")
def optional(options, tmp_path_factory):
    """Clips as FBX 7.5, and as compact FBX: (clip, path) pairs."""
    folder, seed = tmp_path_factory.mktemp("optional"), fresh_seed()
    pairs = []
    for i, (fps, n_frames) in enumerate((("24", 90), ("30000/1001", 2), ("12", 1))):
        clip, path = random_clip(n_frames, Fraction(fps), seed=seed + i), folder / f"line {i}.fbx"
        fbx.write(clip, path, mesh=MESH, **options)
        pairs.append((clip, path))
    return pairs


def test_it_is_read_by_ufbx_with_every_weight(options, optional, tmp_path):
    for (clip, _), scene in zip(optional, seen_by("fbx_ufbx.py", tmp_path, *(path for _, path in optional)), strict=True):
        assert scene["version"] == options.get("fbx_version", 7400) and scene["warnings"] == []
        for part in MESH.parts:
            for name, channel in scene["meshes"][part.name]["channels"].items():
                np.testing.assert_allclose(channel["weights"], clip[name], atol=TOLERANCE)


def test_it_is_read_by_both_importers_of_blender(optional, tmp_path):
    for (clip, _), scenes in zip(optional, seen_by("fbx_blender.py", tmp_path, *(path for _, path in optional)), strict=True):
        for scene in scenes.values():
            for part in MESH.parts:
                assert list(scene["meshes"][part.name]["curves"]) == list(part.morphs)
                for name, keys in scene["meshes"][part.name]["curves"].items():
                    np.testing.assert_allclose(np.array(keys)[:, 1], clip[name], atol=TOLERANCE)


def test_it_is_read_by_three(optional):
    for (clip, _), seen in zip(optional, run_node("three_weights.mjs", *(path for _, path in optional)), strict=True):
        for part in MESH.parts[:2]:
            np.testing.assert_allclose(seen["meshes"][part.name]["weights"], clip.select(part.morphs).values, atol=TOLERANCE)


def test_version_7_5_holds_the_records_of_7_4_and_its_headers_are_those_of_the_format(tmp_path):
    def records(record):
        if record.name in ("FBXVersion", "KeyVer"):
            return (record.name,)
        properties = tuple(value.tolist() if isinstance(value, np.ndarray) else value for value in record.properties)
        return record.name, properties, None if record.children is None else tuple(map(records, record.children))

    wide, narrow, clip = tmp_path / "wide" / "x.fbx", tmp_path / "x.fbx", random_clip(90)
    wide.parent.mkdir()
    fbx.write(clip, wide, mesh=MESH, fbx_version=7500)
    fbx.write(clip, narrow, mesh=MESH)
    version, root = decode(wide.read_bytes(), "wide")
    assert version == 7500
    assert records(root) == records(decode(narrow.read_bytes(), "narrow")[1])
    assert fbx.read(wide).names == MESH.targets
    versions = {tuple(curve.first("KeyVer").properties) for curve in root.first("Objects").all("AnimationCurve")}
    assert versions == {(4009,)}  # as Maya 2020 writes into 7.5


def test_a_record_without_children_and_one_with_none_inside_stay_apart_in_7_5():
    records = [Node("A", (1, "x")), Node("B", (), ()), Node("C", (), (Node("D", (np.arange(100),)), Node("E", (), (Node("F"),))))]
    _, root = decode(encode(records, version=7500), "x")
    (a, b, c) = root.children
    # A reader can't tell an empty block from none but by its bytes: both have no children.
    assert (a.name, a.properties, b.name, c.name) == ("A", (1, "x"), "B", "C")
    assert not b.children and c.children[0].properties[0].tolist() == list(range(100))
    assert c.children[1].first("F") is not None


@pytest.fixture(scope="module")
def meshless(tmp_path_factory):
    clip = random_clip(40, Fraction(30000, 1001), names=(*ARKIT_52, *ROTATIONS, "größer \"x\" 🙂"), start=Fraction(1, 2))
    path = tmp_path_factory.mktemp("meshless") / "line.fbx"
    fbx.write(clip, path, mesh="none")
    return clip, path


def test_without_a_mesh_ufbx_finds_a_null_with_a_property_a_channel(meshless, tmp_path):
    clip, path = meshless
    (seen,) = seen_by("fbx_null.py", tmp_path, path)
    assert seen["names"] == list(clip.names) and seen["meshes"] == 0 and seen["warnings"] == 0
    for name, keys in zip(seen["names"], seen["keys"], strict=True):
        np.testing.assert_allclose(np.array(keys)[:, 0], clip.times(), atol=1e-9)  # ticks of 2e-11 s
        np.testing.assert_array_equal(np.array(keys)[:, 1].astype(np.float32), clip[name])


def test_without_a_mesh_the_clip_comes_back_to_the_bit(meshless):
    clip, path = meshless
    again = fbx.read(path)
    assert (again.names, again.fps, again.start) == (clip.names, clip.fps, clip.start)
    np.testing.assert_array_equal(again.values, clip.values)


def test_without_a_mesh_a_files_objects_are_counted_and_every_link_has_two_ends(meshless):
    _, root = decode(meshless[1].read_bytes(), "x")
    objects = root.first("Objects").children
    kinds, numbers = [record.name for record in objects], [record.properties[0] for record in objects]
    counted = {record.properties[0]: record.first("Count").properties[0] for record in root.first("Definitions").all("ObjectType")}
    assert counted == {"GlobalSettings": 1, **{kind: kinds.count(kind) for kind in kinds}}
    assert {number for link in root.first("Connections").children for number in link.properties[1:3]} == {*numbers, 0}


def test_without_a_mesh_a_channel_called_like_a_nodes_own_property_is_refused(tmp_path):
    for name in ("Visibility", "Lcl Rotation", "jaw\0Open"):
        with pytest.raises(ExportError) as caught:
            fbx.write(random_clip(3, names=("jawOpen", name)), tmp_path / "x.fbx", mesh="none")
        assert caught.value.code == "channel-name"
    assert not list(tmp_path.iterdir())


def test_a_compact_file_says_the_same_in_fewer_bytes(tmp_path):
    clip, plain, compact = random_clip(90), tmp_path / "plain.fbx", tmp_path / "compact.fbx"
    fbx.write(clip, plain, mesh=MESH)
    fbx.write(clip, compact, mesh=MESH, compact=True)
    assert compact.stat().st_size < plain.stat().st_size - 10_000
    one, other = (seen["meshes"] for seen in seen_by("fbx_ufbx.py", tmp_path, plain, compact))
    for part in MESH.parts:
        for name, channel in one[part.name]["channels"].items():
            # 2e-5, and what both files lose as float32 percent.
            np.testing.assert_allclose(other[part.name]["channels"][name].pop("weights"), channel.pop("weights"), rtol=0, atol=2.01e-5)
    assert other == one  # shapes, surfaces, normals
    again = fbx.read(compact)
    assert again.names == clip.names and again.fps == clip.fps
    np.testing.assert_allclose(again.values, clip.values, rtol=0, atol=2.01e-5)


def still_clip():
    values = np.zeros((20, 4), np.float32)
    values[:, 1], values[:, 2], values[7, 3] = np.linspace(0, 1, 20), 0.25, 0.5
    return FaceClip(("jawLeft", "jawOpen", "mouthClose", "mouthLeft"), values, 30)


def test_still_curves_are_left_out_and_constant_ones_keyed_at_their_ends(tmp_path):
    clip, path = still_clip(), tmp_path / "x.fbx"
    count = fbx.write(clip, path, mesh=small_mesh(clip.names), drop_constant=True)
    assert (count.before, count.after) == (80, 20 + 2 + 20)
    again = fbx.read(path)
    assert again.names == clip.names[1:]
    np.testing.assert_allclose(again.values, clip.select(again.names).values, rtol=2e-7)  # percent in float32
    (scene,) = seen_by("fbx_ufbx.py", tmp_path, path)
    for mesh in scene["meshes"].values():
        for name, channel in mesh["channels"].items():
            # The reader shows the targets without a curve too: at rest.
            np.testing.assert_allclose(channel["weights"], np.interp(scene["key_times"][0], clip.times(), clip[name]), atol=TOLERANCE)
    _, root = decode(path.read_bytes(), "x")
    numbers = {record.properties[0] for record in root.first("Objects").children}
    assert {number for link in root.first("Connections").children for number in link.properties[1:3]} == {*numbers, 0}
    fbx.write(clip, path, mesh=small_mesh(clip.names))
    assert fbx.read(path).names == clip.names


def test_a_take_at_rest_keeps_its_length(tmp_path):
    clip = FaceClip(("jawLeft", "jawOpen"), np.zeros((20, 2)), 30)
    for mesh in (small_mesh(clip.names), "none"):
        fbx.write(clip, tmp_path / "x.fbx", mesh=mesh, drop_constant=True)
        again = fbx.read(tmp_path / "x.fbx")
        assert (again.names, again.n_frames) == (("jawLeft",), 20)
        assert not again.values.any()


def test_the_options_leave_the_bytes_the_same_from_call_to_call(tmp_path):
    clip = still_clip()
    for options in ({"fbx_version": 7500}, {"mesh": "none"}, {"drop_constant": True}, {"compact": True}):
        files = []
        for _ in range(2):
            fbx.write(clip, tmp_path / "x.fbx", **{"mesh": small_mesh(clip.names), **options})
            files.append((tmp_path / "x.fbx").read_bytes())
        assert files[0] == files[1]


def test_without_autodesks_module_the_error_says_where_it_comes_from(tmp_path, monkeypatch):
    for module in (None, types.ModuleType("fbx")):  # nothing, or the other package of that name
        monkeypatch.setitem(sys.modules, "fbx", module)
        with pytest.raises(ExportError, match="Autodesk") as caught:
            fbx.write(random_clip(3), tmp_path / "x.fbx", mesh=MESH, fbx_writer="sdk")
        assert caught.value.code == "fbx-sdk-missing"
        assert "aps.autodesk.com" in caught.value.remedy and "PyPI" in caught.value.remedy
    assert not list(tmp_path.iterdir())


class Fake:
    """An object of a stand-in for Autodesk's module: writes down every call, and knows no name outside `KNOWN`."""

    KNOWN = frozenset((
        "FbxManager", "FbxIOSettings", "FbxScene", "FbxAnimStack", "FbxAnimLayer", "FbxMesh", "FbxBlendShape", "FbxShape",
        "FbxBlendShapeChannel", "FbxNode", "FbxExporter", "FbxTime", "FbxTimeSpan", "FbxVector4", "FbxAxisSystem", "FbxSystemUnit",
        "FbxAnimCurveDef", "EInterpolationType", "eInterpolationLinear", "MayaYUp", "cm", "EMode", "IOSROOT", "Create", "Destroy",
        "SetIOSettings", "GetIOSettings", "GetIOPluginRegistry", "GetNativeWriterFormat", "GetGlobalSettings", "SetAxisSystem",
        "SetSystemUnit", "SetTimeMode", "SetCustomFrameRate", "AddMember", "SetLocalTimeSpan", "Set", "InitControlPoints",
        "SetControlPointAt", "BeginPolygon", "AddPolygon", "EndPolygon", "AddDeformer", "AddTargetShape", "AddBlendShapeChannel",
        "SetNodeAttribute", "GetRootNode", "AddChild", "GetShapeChannel", "KeyModifyBegin", "KeyAdd", "KeySet", "KeyModifyEnd",
        "Initialize", "SetFileExportVersion", "Export", "GetStatus", "GetErrorString"))

    def __init__(self, calls, name, *, fails):
        self.calls, self.name, self.fails = calls, name, fails

    def __getattr__(self, name):
        if name not in self.KNOWN:
            raise AttributeError(name)
        return Fake(self.calls, name, fails=self.fails)

    def __call__(self, *arguments):
        self.calls.append((self.name, arguments))
        if self.name == "Initialize":
            Path(arguments[0]).write_bytes(b"written by Autodesk")
        if self.name == "GetErrorString":
            return "no disk"
        if self.name == "KeyAdd":
            return sum(name == "KeyAdd" for name, _ in self.calls), 0
        return not self.fails if self.name == "Export" else Fake(self.calls, self.name, fails=self.fails)


def with_fake(monkeypatch, *, fails=False):
    calls = []
    module = types.ModuleType("fbx")
    module.__getattr__ = Fake(calls, "fbx", fails=fails).__getattr__
    monkeypatch.setitem(sys.modules, "fbx", module)
    return calls


def test_autodesks_module_is_asked_in_its_order(tmp_path, monkeypatch):
    """The order of calls against a stand-in: this was not run with the SDK."""
    calls, clip = with_fake(monkeypatch), still_clip()
    count = fbx.write(clip, tmp_path / "x.fbx", mesh=small_mesh(clip.names), fbx_writer="sdk", drop_constant=True, fbx_version=7500)
    names = [name for name, _ in calls]
    assert (tmp_path / "x.fbx").read_bytes() == b"written by Autodesk"
    assert (count.before, count.after) == (80, 42)
    assert names[-1] == "Destroy" and names.count("Destroy") == 2  # exporter, then manager
    order = [names.index(name) for name in ("SetIOSettings", "SetTimeMode", "AddMember", "InitControlPoints", "BeginPolygon",
                                            "AddTargetShape", "AddBlendShapeChannel", "AddDeformer", "KeyModifyBegin", "KeyAdd",
                                            "KeySet", "KeyModifyEnd", "AddChild", "Initialize", "SetFileExportVersion", "Export")]
    assert order == sorted(order)
    for begin, end in (("KeyModifyBegin", "KeyModifyEnd"), ("BeginPolygon", "EndPolygon")):
        assert names.count(begin) == names.count(end) > 0
    # Each part's channel keys: 3 kept targets on the face and on the teeth, whose targets are the last five.
    assert names.count("KeySet") == names.count("KeyAdd") == 2 * 42
    assert [value for name, (*_, value) in ((n, a) for n, a in calls if n == "SetFileExportVersion")] == ["FBX201800"]
    percents = [arguments[2] for name, arguments in calls if name == "KeySet"][:20]
    np.testing.assert_allclose(percents, clip["jawOpen"] * 100, rtol=1e-6)


def test_a_failure_of_autodesks_module_is_told_and_leaves_no_file(tmp_path, monkeypatch):
    with_fake(monkeypatch, fails=True)
    with pytest.raises(ExportError, match="no disk") as caught:
        fbx.write(still_clip(), tmp_path / "x.fbx", mesh=small_mesh(still_clip().names), fbx_writer="sdk")
    assert caught.value.code == "fbx-sdk-failed"
    for options in ({"mesh": "none"}, {"mesh": MESH, "interpolation": "cubic"}):
        with pytest.raises(ExportError) as caught:
            fbx.write(random_clip(3), tmp_path / "x.fbx", fbx_writer="sdk", **options)
        assert caught.value.code == "fbx-sdk-unsupported"
    assert not list(tmp_path.iterdir())
