"""Viseme JSON and MetaHuman CSV: what scripts of other people read, with nothing but json and csv."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
from export_fixtures import random_clip

from a2f_batch import ClipError, ExportError, FaceClip, export, read_clip
from a2f_batch.export import visemes
from a2f_batch.names import ARKIT_52

# OVRLipSync.Viseme, in its order.
OCULUS = ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou"]


def posed(**weights):
    return FaceClip(ARKIT_52, [[weights.get(name, 0) for name in ARKIT_52]] * 3, Fraction(30000, 1001), Fraction(1, 2))


def test_the_file_says_which_visemes_a_face_shows(tmp_path):
    for pose, shown in (({}, "sil"), ({"jawOpen": 1}, "aa"), ({"mouthPucker": 0.9}, "ou"), ({"mouthFunnel": 0.8}, "oh"),
                        ({"mouthPressLeft": 1, "mouthPressRight": 1}, "PP"), ({"mouthRollLower": 1}, "FF")):
        export(posed(**pose), tmp_path / "x.visemes.json")
        content = json.loads((tmp_path / "x.visemes.json").read_text())
        assert content["visemes"] == OCULUS and content["fps"] == "30000/1001" and content["start"] == "1/2"
        assert len(content["weights"]) == 3
        for row in content["weights"]:
            assert all(0 <= weight <= 1 for weight in row) and len(row) == 15
            assert OCULUS[int(np.argmax(row))] == shown, pose
            assert sum(row) == pytest.approx(1, abs=1e-5)


def test_visemes_come_back(tmp_path):
    export(random_clip(40, 24), tmp_path / "x.visemes.json")
    back = read_clip(tmp_path / "x.visemes.json")
    assert (list(back.names), back.fps, back.n_frames) == (OCULUS, 24, 40)
    export(back, tmp_path / "again.visemes.json")
    assert (tmp_path / "again.visemes.json").read_bytes() == (tmp_path / "x.visemes.json").read_bytes()


@pytest.mark.parametrize(("content", "code"), [
    ("{}", "clip-format"), ("[1, 2]", "clip-format"), ("RIFF", "clip-format"),
    ('{"format": "oculus15-visemes", "version": 2}', "clip-format"),
    ('{"format":"oculus15-visemes","version":1,"fps":"0","start":"0","visemes":["aa"],"weights":[[1]]}', "clip-format"),
    ('{"format":"oculus15-visemes","version":1,"fps":"30","start":"0","visemes":["aa"],"weights":[[1],[1,2]]}', "clip-format"),
    ('{"format":"oculus15-visemes","version":1,"fps":"30","start":"0","visemes":["aa"],"weights":[[NaN]]}', "clip-format"),
    (None, "clip-unreadable"),
])
def test_what_is_no_viseme_file_is_refused(content, code, tmp_path):
    path = tmp_path / "x.visemes.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClipError) as caught:
        visemes.read(path)
    assert caught.value.code == code


def test_metahuman_controls_are_the_ones_the_face_has(tmp_path):
    path = tmp_path / "x.metahuman.csv"
    export(posed(jawOpen=0.5, mouthSmileLeft=0.25, mouthFunnel=1, browInnerUp=2), path)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and all(name.startswith("CTRL_expressions_") for name in list(rows[0])[1:])
    row = {name.removeprefix("CTRL_expressions_"): float(value) for name, value in rows[0].items() if name != "time"}
    assert (row["jawOpen"], row["mouthCornerPullL"], row["mouthCornerPullR"]) == (0.5, 0.25, 0)
    assert row["mouthFunnelUL"] == row["mouthFunnelDR"] == 1
    assert max(row.values()) == 1  # never beyond what a control takes
    back = read_clip(path)
    assert back.fps == Fraction(30000, 1001) and back["CTRL_expressions_jawOpen"].tolist() == [0.5] * 3


@pytest.mark.parametrize("name", ["x.visemes.json", "x.metahuman.csv"])
def test_a_clip_that_moves_nothing_of_it_is_refused(name, tmp_path):
    with pytest.raises(ExportError) as caught:
        export(FaceClip(("wiggleEars",), [[0.5]], 30), tmp_path / name)
    assert caught.value.code == "nothing-matched"
    assert not list(tmp_path.iterdir())
