"""Maya's .anim, read by a strict parser of the format."""

import random
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from export_fixtures import fresh_seed, random_clip
from strict_anim import UNITS, StrictAnim

from a2f_batch import ClipError, ExportError, FaceClip
from a2f_batch.export import maya_anim
from a2f_batch.names import ARKIT_52, ROTATIONS

# Nine decimals are written.
TOLERANCE = 1e-9


def exported(clip, path, **options):
    maya_anim.write(clip, path, **options)
    return StrictAnim(path.read_bytes().decode("ascii"))


@pytest.mark.parametrize("fps", UNITS.values(), ids=str)
@pytest.mark.parametrize("n_frames", [1, 2, 90])
def test_a_strict_parser_reads_the_clip(tmp_path, fps, n_frames):
    clip = random_clip(n_frames, fps)
    anim = exported(clip, tmp_path / "x.anim")
    assert not re.search(r" -?0\d", (tmp_path / "x.anim").read_text())  # no zeros in front, in columns without a sign either
    assert anim.fps == fps and tuple(anim.curves) == clip.names and anim.nodes == {"blendShape1"}
    for name, keys in anim.curves.items():
        assert keys[:, 0].tolist() == list(range(n_frames))
        np.testing.assert_allclose(keys[:, 1], clip[name], atol=TOLERANCE)


def test_the_attributes_are_the_ones_maya_users_expect(tmp_path):
    clip = random_clip(2, 30, names=("jawOpen",))
    maya_anim.write(clip, tmp_path / "x.anim", node="guard:face_blend")
    assert "\nanim guard:face_blend.jawOpen jawOpen guard:face_blend 0 0 0;\n" in (tmp_path / "x.anim").read_text()


def test_weights_of_any_size_are_decimals_without_exponent(tmp_path):
    values = np.array([[0, -0.0, 1e-30, -1e-30, 1e-8, -1e-8, 1, -1],
                       [5e-5, 0.1, 0.9999999, 9.99999, 10, -123456.78, 999999, 1e6]], np.float32)
    clip = FaceClip(ARKIT_52[:8], values, 30)
    anim = exported(clip, tmp_path / "x.anim")
    for name, keys in anim.curves.items():
        np.testing.assert_allclose(keys[:, 1], clip[name].astype(float), atol=TOLERANCE)
    assert "-0.000000000" not in (tmp_path / "x.anim").read_text()


def test_a_clip_that_starts_late_has_later_frames(tmp_path):
    for start, first in ((Fraction(2), 60), (Fraction(-1, 2), -15), (Fraction(1, 60), 0.5), (Fraction(1, 7), 30 / 7)):
        clip = random_clip(4, 30, start=start)
        anim = exported(clip, tmp_path / "x.anim")
        np.testing.assert_allclose(anim.curves["jawOpen"][:, 0], first + np.arange(4), atol=TOLERANCE)
        again = maya_anim.read(tmp_path / "x.anim")
        assert abs(again.start - start) < Fraction(1, 10**9)


def test_a_clip_comes_back(tmp_path):
    for fps in UNITS.values():
        clip = random_clip(50, fps)
        maya_anim.write(clip, tmp_path / "x.anim")
        again = maya_anim.read(tmp_path / "x.anim")
        assert (again.names, again.fps, again.start) == (clip.names, clip.fps, clip.start)
        np.testing.assert_allclose(again.values, clip.values, atol=TOLERANCE)


def test_weights_from_a_64th_up_come_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(fresh_seed())
    clip = FaceClip(ARKIT_52, rng.uniform(1 / 64, 1.5, (200, 52)).astype(np.float32), 30)
    maya_anim.write(clip, tmp_path / "x.anim")
    np.testing.assert_array_equal(maya_anim.read(tmp_path / "x.anim").values, clip.values)


def test_rotations_are_left_out(tmp_path):
    assert tuple(exported(random_clip(3, names=("jawOpen", *ROTATIONS)), tmp_path / "x.anim").curves) == ("jawOpen",)


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    contents = []
    for name in ("a.anim", "b.anim"):
        maya_anim.write(random_clip(20, seed=3), tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("clip", "options", "code", "told"), [
    (random_clip(3, 70, seed=1), {}, "fps-unsupported", "30000/1001"),
    (random_clip(3, Fraction(25, 2), seed=1), {}, "fps-unsupported", "30000/1001"),
    (random_clip(3, names=("jaw open",), seed=1), {}, "channel-name", "jaw open"),
    (random_clip(3, names=("1jaw",), seed=1), {}, "channel-name", "1jaw"),
    (random_clip(3, names=("jaw;",), seed=1), {}, "channel-name", "jaw;"),
    (random_clip(3, names=("käke",), seed=1), {}, "channel-name", "käke"),
    (random_clip(3, seed=1), {"node": "blend shape"}, "channel-name", "blend shape"),
    (random_clip(3, seed=1), {"node": ""}, "channel-name", "''"),
    (FaceClip(("jawOpen",), [[2e6]], 30), {}, "value-out-of-range", "2e+06"),
    (random_clip(3, seed=1).slice(0, 0), {}, "too-short", "no frames"),
])
def test_what_maya_can_not_take_is_refused_before_anything_is_written(tmp_path, clip, options, code, told):
    with pytest.raises(ExportError) as caught:
        maya_anim.write(clip, tmp_path / "x.anim", **options)
    assert caught.value.code == code and told in str(caught.value)
    assert not list(tmp_path.iterdir())


# As the plug-in lays a curve out by hand: comments, other tangents, angles and weights where a tangent is fixed.
FOREIGN = """// exported by hand
animVersion 1.1; mayaVersion 2022; timeUnit pal;
linearUnit cm; angularUnit deg; startTime 10; endTime 12;
anim blendShape1.jawOpen jawOpen blendShape1 0 0 0;
animData {
  input time; output unitless; weighted 1; # weighted
  preInfinity constant; postInfinity linear;
  keys {
    10 0 spline fixed 1 1 0 45 1;
    11 .5 fixed fixed 1 1 0 0 1 -4.5e1 1;
    12 1. auto step 1 1 1;
  }
}
"""


def test_other_writers_tangents_and_comments_are_read(tmp_path):
    path = tmp_path / "x.anim"
    path.write_text(FOREIGN)
    clip = maya_anim.read(path)
    assert (clip.names, clip.fps, clip.start) == (("jawOpen",), 25, Fraction(10, 25))
    assert clip["jawOpen"].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(("old", "new", "code"), [
    ("output unitless", "output angular", "clip-format"),
    ("input time", "input unitless", "clip-format"),
    ("timeUnit pal", "timeUnit sec", "clip-format"),
    ("animVersion 1.1", "animVersion 2.0", "clip-format"),
    ("    11 .5", "    11.5 .5", "clip-format"),
    ("11 .5 fixed fixed 1 1 0 0 1 -4.5e1 1", "11 .5 fixed fixed 1 1 0", "clip-format"),
    ("12 1. auto", "12 1. bouncy", "clip-format"),
    ("12 1.", "12 one", "clip-format"),
    ("12 1.", "12 1e999", "clip-not-finite"),
    ("keys {", "keys { }", "clip-format"),
    ("anim blendShape1.jawOpen jawOpen blendShape1 0 0 0", "anim jawOpen", "clip-format"),
    ("startTime 10", "startsAt 10", "clip-format"),
    ("  }\n}\n", "  }\n", "clip-cut"),
    (FOREIGN, "", "clip-format"),
    (FOREIGN, "RIFF....WAVEfmt", "clip-format"),
])
def test_a_file_that_is_not_of_the_grammar_is_refused(tmp_path, old, new, code):
    assert FOREIGN.count(old) == 1
    path = tmp_path / "x.anim"
    path.write_text(FOREIGN.replace(old, new))
    with pytest.raises(ClipError) as caught:
        maya_anim.read(path)
    assert caught.value.code == code


def test_curves_with_other_keys_or_twice_are_refused(tmp_path):
    path = tmp_path / "x.anim"
    first, second = (exported_text(random_clip(n, 30, names=(name,), seed=1), path) for n, name in ((5, "jawOpen"), (6, "jawLeft")))
    curve = second[second.index("anim blend"):]
    for text in (first + curve, first + first[first.index("anim blend"):]):
        path.write_text(text)
        with pytest.raises(ClipError) as caught:
            maya_anim.read(path)
        assert caught.value.code == "clip-format"


def exported_text(clip, path):
    maya_anim.write(clip, path)
    return path.read_text()


def test_a_cut_file_is_never_taken_for_a_whole_one(tmp_path):
    rng = random.Random(fresh_seed())
    clip = random_clip(6, 30, names=ARKIT_52[:3])
    path = tmp_path / "x.anim"
    whole = exported_text(clip, path)
    # Between two curves a cut can't be seen: the grammar has no end mark.
    seams = {i + 2 for i in range(len(whole)) if whole.startswith("}\n", i) and (i == 0 or whole[i - 1] == "\n")}
    for length in rng.sample(range(len(whole) - 1), 400):
        path.write_text(whole[:length])
        if length in seams or length + 1 in seams:
            assert set(maya_anim.read(path).names) < set(clip.names)
        else:
            with pytest.raises(ClipError):
                maya_anim.read(path)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    path = tmp_path / "x.anim"
    for content in (None, b"\xff\xfe\x00\x01" * 20):
        if content:
            path.write_bytes(content)
        with pytest.raises(ClipError) as caught:
            maya_anim.read(path)
        assert caught.value.code == "clip-unreadable"


def test_channels_go_on_the_attributes_of_a_map(tmp_path):
    clip = random_clip(3, names=("jawOpen", "mouthClose", "tongueOut", "browInnerUp"))
    names = {"jawOpen": "weight[17]", "mouthClose": "teeth:blendShape2.weight[3]", "tongueOut": "Tongue_Out", "notInThisClip": "weight[1]"}
    maya_anim.write(clip, tmp_path / "x.anim", node="guard:face", attribute_map=names)
    heads = re.findall(r"^anim (.*);$", (tmp_path / "x.anim").read_text(), re.MULTILINE)
    assert heads == ["guard:face.weight[17] weight[17] guard:face 0 0 0", "teeth:blendShape2.weight[3] weight[3] teeth:blendShape2 0 0 1",
                     "guard:face.Tongue_Out Tongue_Out guard:face 0 0 2", "guard:face.browInnerUp browInnerUp guard:face 0 0 3"]
    assert maya_anim.read(tmp_path / "x.anim").names == ("weight[17]", "weight[3]", "Tongue_Out", "browInnerUp")


@pytest.mark.parametrize(("target", "told"), [
    ("weight[x]", "weight"), ("weight[1", "weight"), ("my node.jawOpen", "my node"), ("", "''"), ("mouthClose", "two channels"),
    ("blendShape1.mouthClose", "two channels"),
])
def test_a_map_to_what_maya_has_not_is_refused(target, told, tmp_path):
    clip = random_clip(3, names=("jawOpen", "mouthClose"), seed=1)
    with pytest.raises(ExportError, match=told) as caught:
        maya_anim.write(clip, tmp_path / "x.anim", attribute_map={"jawOpen": target})
    assert caught.value.code == "channel-name"


def test_fixed_tangents_stand_at_the_angle_of_the_weight_over_seconds(tmp_path):
    frames = np.arange(31)
    clip = FaceClip(("jawOpen",), (frames / 60).astype(np.float32)[:, None], 60)  # one weight a second: 45 degrees
    maya_anim.write(clip, tmp_path / "x.anim", tolerance=0.001, interpolation="cubic")
    keys = re.findall(r"^    (\S+) (\S+) fixed fixed 1 1 0 (\S+) 1 (\S+) 1;$", (tmp_path / "x.anim").read_text(), re.MULTILINE)
    assert [int(key[0]) for key in keys] == [0, 30]
    np.testing.assert_allclose([[float(angle) for angle in key[2:]] for key in keys], 45, atol=1e-4)


@pytest.mark.parametrize("fps", [2, 12, 16, 90 * Fraction(8, 6), 150, 240, Fraction(48000, 1001)])
def test_the_rates_that_maya_names_by_their_number_are_written(fps, tmp_path):
    clip = random_clip(5, fps)
    maya_anim.write(clip, tmp_path / "x.anim")
    unit = "47.952fps" if fps == Fraction(48000, 1001) else f"{fps}fps"
    assert f"\ntimeUnit {unit};\n" in (tmp_path / "x.anim").read_text()
    assert maya_anim.read(tmp_path / "x.anim").fps == clip.fps


def test_a_name_that_begins_with_a_dot_is_refused_for_it_names_no_node(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no attribute or node called ''"):
        maya_anim.write(FaceClip((".A",), np.zeros((1, 1), np.float32), 30), tmp_path / "line.anim")
