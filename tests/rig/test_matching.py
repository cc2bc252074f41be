"""Channels matched to targets by name, spelling, vocabulary and map."""

import json
import pickle
import random
import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2f_batch import ExportError, FaceClip
from a2f_batch.names import ARKIT_52, ROTATIONS, vocabularies, vocabulary
from a2f_batch.rig.matching import Match, load_user_map, match, match_meshes

SIDES = [name for name in ARKIT_52 if name.endswith(("Left", "Right"))]


def gains(found, channel):
    return dict(found.pairs[channel])


def clip_of(values, names=None):
    values = np.asarray(values, dtype=np.float32)
    return FaceClip(names or ARKIT_52[:values.shape[1]], values, 30)


@pytest.mark.parametrize("name", vocabularies())
def test_a_vocabulary_says_nothing_of_names_that_it_lacks(name):
    words = vocabulary(name)
    assert set(words.aliases.values()) <= set(words.channels)
    assert set(words.from_hub_weights) <= set(ARKIT_52)
    for mix in words.from_hub_weights.values():
        assert mix and set(mix) <= set(words.channels)
        assert all(np.isfinite(gain) and gain for gain in mix.values())


@pytest.mark.parametrize("spell", [
    lambda stem, side: f"{stem}_{side[0]}",
    lambda stem, side: f"{stem}.{side[0].lower()}",
    lambda stem, side: f"{stem[0].upper()}{stem[1:]}{side[0]}",
    lambda stem, side: f"{side.lower()}_{stem}",
    lambda stem, side: f"{stem}{side}".upper(),
    lambda stem, side: f"{stem} {side}".lower(),
    lambda stem, side: f"Face.{stem}{side}",
    lambda stem, side: f"head_mesh:{stem}-{side}",
])
def test_case_separators_prefixes_and_the_spelling_of_sides_do_not_matter(spell):
    targets = {name: spell(name.removesuffix("Left").removesuffix("Right"), "Left" if name.endswith("Left") else "Right") for name in SIDES}
    shuffled = list(targets.values())
    random.Random(11).shuffle(shuffled)
    found = match(ARKIT_52, shuffled)
    assert {channel: gains(found, channel) for channel in found.pairs} == {name: {target: 1.0} for name, target in targets.items()}
    assert set(found.by.values()) == {"spelling"}
    assert found.unmatched_targets == ()


def test_the_same_name_wins_over_another_spelling_of_it():
    found = match(["jawOpen"], ["JawOpen", "jawOpen", "jaw_open"])
    assert gains(found, "jawOpen") == {"jawOpen": 1.0} and found.by["jawOpen"] == "name"
    assert found.unmatched_targets == ("JawOpen", "jaw_open")


def test_each_mesh_may_spell_the_same_target_its_own_way():
    over_all, (head, teeth, hair) = match_meshes(["jawOpen", "eyeBlinkLeft"], [["Jaw_Open", "Eye_Blink_L"], ["jawOpen"], ["wind"]])
    assert gains(over_all, "jawOpen") == {"Jaw_Open": 1, "jawOpen": 1}
    assert (gains(head, "jawOpen"), gains(teeth, "jawOpen"), dict(hair.pairs)) == ({"Jaw_Open": 1}, {"jawOpen": 1}, {})
    assert over_all.by == {"jawOpen": "spelling + name", "eyeBlinkLeft": "spelling"}
    assert over_all.unmatched_targets == ("wind",)


# Channels that must reach a target, hand-picked where the meaning is certain: vocabulary -> channel -> its targets.
KNOWN = {
    "charactercreator": {"eyeLookOutLeft": {"Eye_L_Look_L": 1}, "eyeLookInRight": {"Eye_R_Look_L": 1},
                         "cheekPuff": {"Cheek_Puff_L": 1, "Cheek_Puff_R": 1},
                         "mouthLowerDownRight": {"Mouth_Down_Lower_R": 1}, "browDownLeft": {"Brow_Drop_L": 1}, "jawLeft": {"Jaw_L": 1}},
    "metahuman": {"jawOpen": {"CTRL_expressions_jawOpen": 1}, "eyeLookInLeft": {"CTRL_expressions_eyeLookRightL": 1},
                  "mouthSmileLeft": {"CTRL_expressions_mouthCornerPullL": 1},
                  "mouthFunnel": {f"CTRL_expressions_mouthFunnel{quarter}": 1 for quarter in ("UL", "UR", "DL", "DR")}},
    "vrm0": {"eyeBlinkLeft": {"Blink_L": 1}, "jawOpen": {"A": 1}, "mouthClose": {"A": -1}, "mouthFunnel": {"O": 1},
             "mouthPucker": {"U": 1}},
    "vrm1": {"eyeBlinkRight": {"blinkRight": 1}, "jawOpen": {"aa": 1},
             "eyeLookOutLeft": {"lookLeft": 0.5}, "eyeLookInRight": {"lookLeft": 0.5}},
    "mmd": {"eyeBlinkLeft": {"ウィンク２": 1}, "eyeBlinkRight": {"ウィンク２右": 1}, "jawOpen": {"あ": 1},
            "mouthPucker": {"う": 1}, "browInnerUp": {"困る": 1}},
    "oculus15": {"jawOpen": {"aa": 1}, "mouthPressLeft": {"PP": 0.5}, "mouthRollLower": {"FF": 1}, "mouthFunnel": {"oh": 1}},
    "faceit": {"eyeBlinkLeft": {"eyeBlink_L": 1}, "jawLeft": {"jawLeft": 1}, "mouthUpperUpRight": {"mouthUpperUp_R": 1}},
    "readyplayerme": {"jawOpen": {"jawOpen": 1}, "tongueOut": {"tongueOut": 1}},
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_character_with_a_known_vocabulary_is_driven_by_meaning(name):
    found = match(ARKIT_52, vocabulary(name).channels)
    for channel, expected in KNOWN[name].items():
        assert {target: gain for target, gain in gains(found, channel).items() if target not in ("Mouth_Funnel",)} == expected


@pytest.mark.parametrize(("targets", "channel", "expected"), [
    (["viseme_sil", "viseme_PP", "viseme_aa", "viseme_I", "viseme_O"], "mouthFunnel", {"viseme_O": 1}),
    (["vrc.v_sil", "vrc.v_pp", "vrc.v_aa"], "jawOpen", {"vrc.v_aa": 1}),
    (["Fcl_MTH_A", "Fcl_MTH_U", "Fcl_EYE_Close_L", "Fcl_EYE_Close"], "eyeBlinkLeft", {"Fcl_EYE_Close_L": 1}),
    (["Face.M_F00_Fcl_MTH_A", "Face.M_F00_Fcl_MTH_U"], "eyeBlinkLeft", None),
    (["mouthOpen", "mouthSmile"], "jawOpen", {"mouthOpen": 1}),
    (["blink", "aa"], "eyeBlinkLeft", {"blink": 0.5}),
    (["まばたき", "あ"], "eyeBlinkRight", {"まばたき": 0.5}),
    (["ｳｨﾝｸ２右", "ウィンク２"], "eyeBlinkRight", {"ｳｨﾝｸ２右": 1}),
    (["Mouth_Funnel_Up_L", "Mouth_Funnel_Up_R", "Mouth_Funnel_Down_L", "Mouth_Funnel_Down_R"], "mouthFunnel",
     {f"Mouth_Funnel_{half}_{side}": 1 for half in ("Up", "Down") for side in "LR"}),
    (["CTRL_expressions.jawOpen", "CTRL_expressions.mouthFunnelUL"], "mouthFunnel", {"CTRL_expressions.mouthFunnelUL": 1}),
])
def test_spellings_of_engines_and_partial_sets_are_known(targets, channel, expected):
    if expected is None:
        with pytest.raises(ExportError):
            match([channel], targets)
    else:
        assert gains(match([channel], targets), channel) == expected


def test_clips_of_other_engines_reach_vocabularies_too():
    words = vocabulary("unitalker51")
    found = match(words.channels, vocabulary("metahuman").channels)
    assert gains(found, "EyeBlinkL") == {"CTRL_expressions_eyeBlinkL": 1}
    assert found.unmatched_channels == ()


def test_a_lone_letter_is_no_vocabulary():
    for lone in ("A", "上", "PP"):
        with pytest.raises(ExportError) as caught:
            match(ARKIT_52, [lone, "Muscles", "Height"])
        assert caught.value.code == "nothing-matched"


def test_nothing_matched_names_both_sides_and_the_remedy():
    with pytest.raises(ExportError, match=r"eyeBlinkLeft.*Muscles(.|\n)*map") as caught:
        match(ARKIT_52, ["Muscles", "Height"])
    assert caught.value.code == "nothing-matched"
    for targets in ([], ["wind"]):
        with pytest.raises(ExportError):
            match([], targets)


def test_rotations_are_not_missed():
    assert match([*ARKIT_52, *ROTATIONS], ARKIT_52).unmatched_channels == ()


def test_the_users_map_wins_over_everything():
    found = match((*ARKIT_52[:4], "jawOpen", "mouthClose", "cheekPuff"), ["jawOpen", "MouthOpen", "Puff_L", "Puff_R", "eyeBlinkLeft"],
                  user_map={"jawOpen": "MouthOpen", "CheekPuff": {"Puff_L": 0.5, "Puff_R": 2}, "eyeBlinkLeft": ""})
    assert gains(found, "jawOpen") == {"MouthOpen": 1}
    assert gains(found, "cheekPuff") == {"Puff_L": 0.5, "Puff_R": 2}
    assert gains(found, "eyeBlinkLeft") == {}
    assert found.by["jawOpen"] == "your map"
    assert found.unmatched_targets == ("jawOpen", "eyeBlinkLeft")
    assert "eyeBlinkLeft" not in found.unmatched_channels


@pytest.mark.parametrize(("user_map", "code"), [({"jawOpne": "jawOpen"}, "map-channel"), ({"jawOpen": "JawOpne"}, "map-target"),
                                                ({"jawOpen": {"jawOpen": 1, "nowhere": 1}}, "map-target")])
def test_a_slip_in_the_users_map_is_named(user_map, code):
    with pytest.raises(ExportError) as caught:
        match(ARKIT_52, ARKIT_52, user_map=user_map)
    assert caught.value.code == code


def test_a_map_for_channels_that_this_clip_lacks_is_fine():
    assert gains(match(["jawOpen"], ["jawOpen", "Tongue"], user_map={"tongueOut": "Tongue"}), "jawOpen") == {"jawOpen": 1}


def test_a_map_file_is_toml_or_json(tmp_path):
    entries = {"jawOpen": "Mouth_Open", "cheekPuff": {"Puff_L": 1.0, "Puff_R": 0.5}, "眉": ""}
    (tmp_path / "map.toml").write_text('jawOpen = "Mouth_Open"\ncheekPuff = { Puff_L = 1.0, Puff_R = 0.5 }\n"眉" = ""\n', encoding="utf-8")
    (tmp_path / "map.json").write_text(json.dumps(entries), encoding="utf-8")
    assert load_user_map(tmp_path / "map.toml") == load_user_map(tmp_path / "map.json") == entries


@pytest.mark.parametrize(("name", "text"), [
    ("map.toml", "jawOpen ="), ("map.json", "[1"), ("map.json", "[]"), ("map.json", '{"jawOpen": 1}'),
    ("map.json", '{"jawOpen": {"x": "1"}}'), ("map.json", '{"jawOpen": {"x": NaN}}'), ("map.json", '{"jawOpen": {"x": true}}'),
    ("map.json", "[" * 100_000), ("map.toml", "\udcff"), ("gone.toml", None),
])
def test_a_map_file_of_another_shape_is_refused(name, text, tmp_path):
    if text is not None:
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ExportError) as caught:
        load_user_map(tmp_path / name)
    assert caught.value.code == "map-unreadable"


def test_an_expression_is_used_where_no_target_fits_and_drives_what_it_binds():
    over_all, (face, eyes) = match_meshes(
        ["jawOpen", "mouthFunnel", "eyeBlinkLeft"], [["m01", "m02", "eyeBlinkLeft"], ["e01"]],
        expressions={"aa": [(0, "m01", 0.5), (0, "m02", 0.25)], "oh": [(0, "m02", 1.0)], "blinkLeft": [(1, "e01", 1.0)]})
    assert gains(face, "jawOpen") == {"m01": 0.5, "m02": 0.25}
    assert gains(face, "mouthFunnel") == {"m02": 1.0}
    assert (gains(face, "eyeBlinkLeft"), dict(eyes.pairs)) == ({"eyeBlinkLeft": 1}, {})  # the target itself fits: no expression
    assert over_all.by == {"jawOpen": "vrm1", "mouthFunnel": "vrm1", "eyeBlinkLeft": "name"}


def test_the_weights_are_the_sum_of_gains_times_values():
    rng = np.random.default_rng(seed := secrets.randbits(32))
    print(f"seed {seed}")
    values = rng.uniform(-0.2, 1.2, (40, 5)).astype(np.float32)
    clip = clip_of(values, ("a", "b", "c", "d", "HeadYaw"))
    mixing = rng.normal(size=(4, 3))
    pairs = {name: tuple(zip("xyz", row.tolist(), strict=True)) for name, row in zip("abcd", mixing, strict=True)}
    found = Match(pairs, dict.fromkeys("abcd", ""))
    shown = found.weights(clip, ("x", "still", "y", "z", "x"), (0, 0.4, 0, 0, 0))
    expected = values[:, :4].astype(np.float64) @ mixing
    # Four float32 products and sums: each rounds by 6e-8 of values below 4.
    np.testing.assert_allclose(shown, np.stack([expected[:, 0], np.full(40, 0.4), expected[:, 1], expected[:, 2], expected[:, 0]], axis=1),
                               rtol=0, atol=2e-6)


def test_a_channel_alone_on_its_target_comes_through_to_the_bit():
    values = np.random.default_rng(3).normal(size=(60, 52)).astype(np.float32)
    clip = clip_of(values, ARKIT_52)
    reverse = ARKIT_52[::-1]
    np.testing.assert_array_equal(match(ARKIT_52, reverse).weights(clip, reverse), values[:, ::-1])


def test_the_table_and_the_report_name_every_channel_and_target():
    found = match(["jawOpen", "cheekPuff", "tongueOut"], ["Jaw_Open", "Cheek_Puff_L", "Cheek_Puff_R", "Age"])
    assert found.table().splitlines() == [
        "jawOpen    ->  Jaw_Open                    (spelling)",
        "cheekPuff  ->  Cheek_Puff_L, Cheek_Puff_R  (charactercreator)",
        "channels without a target (1): tongueOut",
        "targets without a channel (1): Age"]
    assert pickle.loads(pickle.dumps(found)) == found
    assert json.loads(json.dumps(found.report()))["pairs"]["cheekPuff"] == {"Cheek_Puff_L": 1.0, "Cheek_Puff_R": 1.0}


NAMES = st.one_of(st.text(max_size=300), st.sampled_from([*ARKIT_52, "A", "aa", "L", ".", "a.b", "Blink_L", "\ud800", "'\"\\"]))


@settings(max_examples=150, deadline=None)
@given(channels=st.lists(NAMES.filter(bool), max_size=8, unique=True), targets=st.lists(NAMES, max_size=12))
def test_any_names_give_a_match_or_a_clear_error(channels, targets):
    try:
        found = match(channels, targets)
    except ExportError as error:
        assert error.code == "nothing-matched" and error.remedy
        return
    driven = {target for pairs in found.pairs.values() for target, _ in pairs}
    assert driven <= set(targets) and set(found.unmatched_targets) == set(targets) - driven
    assert set(found.unmatched_channels) | set(found.pairs) == set(channels) - (set(ROTATIONS) - set(found.pairs))
    for channel in set(channels) & set(targets) - set(ROTATIONS):
        assert gains(found, channel) == {channel: 1.0}
