"""Names, values and lengths of any kind: a clear error, or a file that an independent reader takes with all that was asked."""

import base64
import csv
import json
import os
import secrets
import struct
from fractions import Fraction

import numpy as np
import pygltflib
import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st
from open_reader import OpenReader
from pxr import Usd, UsdSkel
from strict_anim import StrictAnim

from a2f_batch import A2FError, FaceClip, export
from a2f_batch.export import FORMATS, maya_anim
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ARKIT_52
from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

SEED = int(os.environ.get("A2F_SEED") or secrets.randbits(32))  # A2F_SEED repeats a run
SOME, MANY = pytest.param(60, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.fuzz)

ODD = ["", " ", "a b", "a_b", "a-b", "A B", "é", "e\u0301", '"', "'", "a\"b'c", "a,b", "a;b", "a=b", "=1+1", "a\\b", "../a", "a/b",
       "a.b", "a:b", "a|b", "a\nb", "a\x00b", "a\x00\x01b", "\x7f", "\x85", "\u2028", "\u200b", "\ufeff", "\ud800", "\U0001f600", "日本語",
       "x" * 300, "é" * 300, "1a", "x.npy", "x", "__proto__", "constructor", "NaN", "null", "time", "fps", "n_frames", "Timecode",
       "Skeleton", "DeformPercent", "Lcl Translation", "{}", "</a>", "//c", "#c", "weight[0]", "aa", "CON", *ARKIT_52[:3]]
PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)
NAMES = st.one_of(PRINTABLE, st.sampled_from(ODD), st.sampled_from(ARKIT_52), st.text(max_size=8), st.text(min_size=60, max_size=300))
KEYS = st.sampled_from([{}, {}, {"interpolation": "cubic"}, {"drop_constant": True}, {"compact": True}])
USUAL_VALUES = st.floats(-2, 2, width=32)
VALUES = st.one_of(USUAL_VALUES, st.floats(width=32), st.sampled_from([1e-30, 1e6, 3e38, -3e38]))


@st.composite
def asked(draw):
    """What a clip is made of: names, values, rate, start and line, none of them checked; one or two of them odd."""
    odd = {draw(st.sampled_from(["names", "names", "values", "length", "start", "line"])) for _ in range(2)}
    n_frames = draw(st.integers(0, 1) if "length" in odd else st.integers(1, 4))
    names = draw(st.lists(NAMES, min_size=1, max_size=4) if "names" in odd
                 else st.lists(st.sampled_from(ARKIT_52), min_size=1, max_size=6, unique=True))
    values = VALUES if "values" in odd else USUAL_VALUES
    rows = draw(st.lists(st.lists(values, min_size=len(names), max_size=len(names)), min_size=n_frames, max_size=n_frames))
    start = draw(st.sampled_from([Fraction(1, 7), Fraction(-1), Fraction(86399), Fraction(10**6), Fraction(10**9)]) if "start" in odd
                 else st.just(Fraction(0)))
    return {"names": tuple(names), "values": np.array(rows, np.float32).reshape(n_frames, len(names)), "start": start,
            "fps": draw(st.sampled_from([Fraction(24), Fraction(30), Fraction(30000, 1001), Fraction(60), Fraction(17)])),
            "meta": {"line": draw(NAMES)} if "line" in odd else {}}


def carrier(targets, name, part, material):
    """Two triangles under one roof, one with a morph for each of `targets`, one with none."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    shape = (corners, np.array([[0, 0, 1]] * 3, np.float32), corners[:, :2].copy(), ((0, 1, 2),))
    moved = Morph(np.array([0], np.int32), np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32))
    return Mesh(name, (Part(part, *shape, Material(material, (0.5, 0.5, 0.5)), dict.fromkeys(targets, moved)),
                       Part(part + "2", *shape, Material(material, (0.1, 0.5, 0.5)))))


@pytest.fixture(scope="module")
def readers():
    """The readers that are programs, each started when first asked."""
    opened = {}

    def reader(*command):
        if command not in opened:
            opened[command] = OpenReader(*command).__enter__()
        return opened[command]

    yield reader
    for one in opened.values():
        one.__exit__()


def holds(examples):
    """Run a property, as many examples of it, from this run's seed."""
    print(f"seed {SEED}")
    return lambda test: seed(SEED)(settings(max_examples=examples, deadline=None, database=None,
                                            suppress_health_check=list(HealthCheck))(test))()


def written(write):
    """Whether it was; a refusal must say what, and what to do now."""
    try:
        write()
    except A2FError as error:
        assert error.problem.strip() and error.remedy.strip() and error.code
        str(error).encode("utf-8", "backslashreplace")
        return False
    return True


def check_close(seen, values):
    """float32 in every file, percent in FBX, 16 bits in a compact one."""
    np.testing.assert_allclose(seen, values, rtol=1e-5, atol=2e-5 * max(1, np.abs(values).max(initial=0)))


def shown(mesh):
    return np.frombuffer(base64.b64decode(mesh["weights"]), "<f4").reshape(-1, len(mesh["targets"]))


def check_in_three(seen, clip):
    """three keeps the names in an object, of which `__proto__` is no member."""
    (mesh,) = seen["meshes"].values()
    assert set(mesh["targets"]) == set(clip.names) - {"__proto__"}
    weights = np.frombuffer(base64.b64decode(mesh["weights"]), "<f4").reshape(clip.n_frames, -1)
    check_close(weights, clip.values)


def check_gltf(path, clip, readers):
    issues = readers("validate.mjs")(path)["issues"]
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]
    check_in_three(readers("shown_three.mjs")(path), clip)


def check_fbx(path, clip, readers):
    assert check_fbx_weights(path, clip, readers) == list(clip.names)


def check_fbx_weights(path, clip, readers):
    (mesh,) = (mesh for mesh in readers("shown_ufbx.py")(path)["meshes"].values() if mesh["targets"])
    weights = shown(mesh)
    if len(weights) < clip.n_frames:  # where nothing moves and constant curves are dropped, the first and last keys say how long it is
        assert len(weights) == 2 and not np.ptp(clip.values, axis=0).any()
    check_close(weights, clip.values[:len(weights)])
    return mesh["targets"]


def check_usd(path, clip, readers):
    stage = Usd.Stage.Open(str(path))
    (animation,) = (UsdSkel.Animation(prim) for prim in stage.Traverse() if prim.IsA(UsdSkel.Animation))
    assert list(animation.GetBlendShapesAttr().Get()) == list(clip.names)
    samples = animation.GetBlendShapeWeightsAttr()
    check_close([samples.Get(code) for code in samples.GetTimeSamples()], clip.values)


def check_anim(path, clip, readers):
    anim = StrictAnim(path.read_bytes().decode("ascii"))
    assert list(anim.curves) == list(clip.names)
    check_close(np.stack([keys[:, 1] for keys in anim.curves.values()], axis=1), clip.values)


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert all(len(row) == len(header) for row in rows)
    return header, rows


def check_live_link(path, clip, readers):
    header, rows = table(path)
    assert len(header) == 63 and len(rows) == clip.n_frames
    columns = [header.index(name[0].upper() + name[1:]) for name in clip.names]
    check_close([[float(row[column]) for column in columns] for row in rows], clip.values)


def check_wide(path, clip, readers):
    header, rows = table(path)
    first = len(header) - len(clip.names)
    assert header == ["time", "fps"][:first] + list(clip.names)
    np.testing.assert_array_equal(np.array([row[first:] for row in rows], np.float32), clip.values)


def check_long(path, clip, readers):
    _, rows = table(path)
    assert [row[-2] for row in rows] == list(clip.names) * clip.n_frames
    np.testing.assert_array_equal(np.array([row[-1] for row in rows], np.float32), clip.values.ravel())


def check_npz(path, clip, readers):
    arrays = np.load(path, allow_pickle=False)
    assert set(arrays.files) == {*clip.names, "n_frames", "BlendShapeCount", "Timecode"} and arrays["n_frames"] == clip.n_frames
    for name in clip.names:
        np.testing.assert_array_equal(arrays[name], clip[name])


def check_vrma(path, clip, readers):
    issues = readers("validate.mjs")(path)["issues"]
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]
    assert pygltflib.GLTF2().load_binary(str(path)).extensions["VRMC_vrm_animation"]["expressions"]["preset"]


def check_visemes(path, clip, readers):
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert np.array(content["weights"]).shape == (clip.n_frames, 15)


def check_metahuman(path, clip, readers):
    header, rows = table(path)
    assert len(rows) == clip.n_frames and all(name in ("time", "fps") or name.startswith("CTRL_") for name in header)


CHECKS = {"glb": check_gltf, "gltf": check_gltf, "fbx": check_fbx, "usd": check_usd, "usda": check_usd, "anim": check_anim,
          "csv": check_live_link, "csv-plain": check_wide, "csv-long": check_long, "npz": check_npz, "vrma": check_vrma,
          "visemes": check_visemes, "metahuman": check_metahuman}


@pytest.mark.parametrize("examples", [10, SOME, MANY])
@pytest.mark.parametrize("name", FORMATS)
def test_a_clip_of_any_names_and_values_is_refused_or_read_whole(name, examples, readers, tmp_path):
    path, tried = tmp_path / f"line{FORMATS[name].suffix}", []

    @holds(examples)
    @given(parts=asked(), mesh=NAMES, part=NAMES, material=NAMES, keys=KEYS)
    def property(parts, mesh, part, material, keys):
        path.unlink(missing_ok=True)
        tried.append(0)

        def write():
            options = {**keys, "mesh": carrier(dict.fromkeys(parts["names"]), mesh, part, material)}
            export(FaceClip(**parts), path, format=name, **{key: value for key, value in options.items() if key in FORMATS[name].options})

        if written(write):
            CHECKS[name](path, FaceClip(**parts), readers)
            tried[-1] = 1
        else:
            assert not path.exists()

    print(name, sum(tried), len(tried))
    if examples == 200:  # fewer may well be all of one kind
        assert 0 < sum(tried) < len(tried)  # files and refusals both


@pytest.mark.parametrize("examples", [10, SOME, MANY])
def test_any_names_in_maya_are_refused_or_parse(examples, tmp_path):
    @holds(examples)
    @given(node=NAMES, attributes=st.lists(NAMES, min_size=3, max_size=3))
    def property(node, attributes):
        clip = FaceClip(ARKIT_52[:3], np.eye(3, dtype=np.float32), 30)
        path = tmp_path / "x.anim"
        if written(lambda: maya_anim.write(clip, path, node=node, attribute_map=dict(zip(clip.names, attributes, strict=True)))):
            text = path.read_text(encoding="ascii")
            plugs = [line.split()[1] for line in text.splitlines() if line.startswith("anim ")]
            assert len(set(plugs)) == 3 and all(plug.endswith(attribute) for plug, attribute in zip(plugs, attributes, strict=True))
            assert text.count("{") == text.count("}") == 6 and text.count(";") == 7 + 3 * (1 + 5 + 3)


@pytest.mark.parametrize("examples", [10, SOME, MANY])
@pytest.mark.parametrize("name", ["glb", "fbx"])
def test_a_character_of_any_names_is_refused_or_moves(name, examples, readers, tmp_path):
    source, path, tried = tmp_path / "character.glb", tmp_path / f"line{FORMATS[name].suffix}", []

    @holds(examples)
    @given(targets=st.lists(NAMES, min_size=1, max_size=5, unique=True), mesh=NAMES, part=NAMES, material=NAMES, line=NAMES,
           keys=st.sampled_from([{}, {"interpolation": "cubic"}, {"tolerance": 0.01}]))
    def property(targets, mesh, part, material, line, keys):
        path.unlink(missing_ok=True)
        tried.append(0)
        clip = FaceClip(("a",), np.zeros((1, 1), np.float32), 30)
        export(clip, source, mesh=carrier(["a"], mesh, part, material))
        rename_targets(source, targets)

        def write():
            moving = FaceClip(tuple(targets), np.linspace(0, 1, 2 * len(targets), dtype=np.float32).reshape(2, -1), 30, 0, {"line": line})
            ExportOptions(character=source, **keys).export(moving, path, FORMATS[name])
            return moving

        if written(write):
            tried[-1] = 1
            moving = write()
            if name == "glb":
                check_gltf(path, moving, readers)
            else:
                # FBX's names are UTF-8 that a NUL ends; what is then nameless, or twice the same, gets a number.
                plain = [target.replace("\0", "").encode("utf-8", "replace").decode() for target in targets]
                seen = check_fbx_weights(path, moving, readers)
                assert seen == plain or not all(plain) or len(set(plain)) < len(plain)

    print(name, sum(tried), len(tried))
    if examples == 200:
        assert sum(tried) > 0


def rename_targets(path, targets):
    """Give the first mesh of a .glb as many targets as there are names, all of the shape of its first."""
    raw = path.read_bytes()
    (size,) = struct.unpack_from("<I", raw, 12)
    document = json.loads(raw[20:20 + size])
    mesh = next(mesh for mesh in document["meshes"] if mesh.get("weights"))
    mesh["weights"], mesh["extras"] = [0] * len(targets), {"targetNames": list(targets)}
    for primitive in mesh["primitives"]:
        primitive["targets"] *= len(targets)
    del document["animations"]
    text = json.dumps(document).encode("ascii")
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + raw[20 + size:]
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)


PLAIN = {"names": ARKIT_52[:1], "values": np.eye(1, dtype=np.float32), "start": Fraction(0), "fps": Fraction(30),
         "meta": {"line": "\ud800"}}


@pytest.mark.parametrize("examples", [pytest.param(20, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.fuzz)])
@pytest.mark.parametrize(("name", "importer"), [("glb", "gltf"), ("fbx", "fbx"), ("fbx", "ufbx")])
def test_blender_keys_targets_of_any_names(name, importer, examples, readers, tmp_path):
    path = tmp_path / f"line{FORMATS[name].suffix}"

    @holds(examples)
    @given(parts=asked(), mesh=NAMES, part=NAMES, material=NAMES)
    @example(PLAIN, "\ud800", "\udc00", "a\ud800")
    @example(PLAIN, "a\x00b", "\ufffe", "\x00")
    def property(parts, mesh, part, material):
        if written(lambda: export(FaceClip(**parts), path, mesh=carrier(dict.fromkeys(parts["names"]), mesh, part, material))):
            # It cuts names at 63 bytes and numbers what is then the same; the order stays. Its FBX importers then lose the curves.
            if importer != "gltf" and any(len(one.encode("utf-8", "replace")) > 63 for one in (*parts["names"], mesh, part)):
                return
            # Its importer built on ufbx writes a name into the curve's path without escaping it.
            if importer == "ufbx" and any(set('"\\') & set(one) or not one.isprintable() for one in parts["names"]):
                return
            # They keep a key's frame in float32: late in the weeks that FBX can hold, two keys fall on one.
            frames = np.float32([(parts["start"] * parts["fps"] + i) for i in range(len(parts["values"]))])
            if importer != "gltf" and (np.diff(frames) < 1).any():
                return
            (seen,) = readers("shown_blender.py", importer)(path)["meshes"].values()
            check_close(shown(seen), parts["values"])


@pytest.mark.parametrize("stem", ["\udcff", "'\"`$;&| %41#", "é日本\U0001f600", "-a\nb", "x" * 200])
def test_a_file_may_have_any_name_that_the_disk_takes(stem, readers, tmp_path):
    clip = FaceClip(("jawOpen", "mouthPucker", "eyeBlinkLeft"), np.eye(3, dtype=np.float32), 30)
    for name, fmt in FORMATS.items():
        path = tmp_path / f"{stem}{fmt.suffix}"
        export(clip, path, **({"mesh": carrier(clip.names, "m", "p", "s")} if "mesh" in fmt.options else {}))
        plain = path.rename(tmp_path / f"plain{fmt.suffix}")
        CHECKS[name](plain, clip, readers)
