"""Profiles as tables: what a stage is given, what is refused, and the text that makes a profile again."""

from __future__ import annotations

import inspect
import tomllib
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from a2f_batch import FaceClip
from a2f_batch.emotion import Envelope
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, vocabulary
from a2f_batch.post import STAGES, Context, pipeline
from a2f_batch.post.emotion import EmotionOffset, is_shown
from a2f_batch.post.parameters import asked, kinds
from a2f_batch.post.profile_text import profile_text, toml_value
from a2f_batch.post.trial import NAMED, check_channels

# A value for parameters that must be given, or that two stages can't both leave empty.
NEEDED: dict[str, dict[str, Any]] = {
    "bounds": {"lower": {"jawOpen": 0}}, "scale": {"factors": {"jawOpen": 2}}, "threshold": {"thresholds": {"jawOpen": 0.1}},
    "offset": {"sets": {"joy_4": {"mouthSmileLeft": 0.5}, "odd name": {"jawOpen": -1}}}, "rename": {"mapping": {"Jaw \x7f\"": "jawOpen"}},
}


def draft(*entries: dict[str, Any]) -> pipeline.Draft:
    return pipeline.Draft("mine", "", tuple(pipeline.read_step(entry, lambda *path, i=i: f"here {i}") for i, entry in enumerate(entries)))


def refused(*entries: dict[str, Any], channels: tuple[str, ...] = ARKIT_52) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        check_channels(draft(*entries), channels)
    return caught.value


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_is_made_from_toml_and_its_text_makes_it_again(name: str) -> None:
    made = draft({"stage": name, **NEEDED.get(name, {})})
    read = tomllib.loads(profile_text(made))["profile"]["mine"]
    assert set(read["stages"][0]) == {"stage", *(field.name for field in fields(STAGES[name]))}  # type: ignore[arg-type]
    assert pipeline.parse_profile("mine", read) == made.built()


@pytest.mark.parametrize("name", STAGES)
def test_every_parameter_of_every_stage_is_of_a_kind_that_people_can_be_asked_for(name: str) -> None:
    for parameter, kind in kinds(STAGES[name]).items():
        assert asked(kind), parameter


def test_every_stage_with_tables_or_lists_says_which_of_them_name_channels() -> None:
    for name, stage in STAGES.items():
        tabled = [parameter for parameter, kind in kinds(stage).items() if kind not in (int, float, bool, str)]
        assert bool(tabled) == (stage in NAMED), name


@pytest.mark.parametrize(("entry", "code", "message"), [
    ({"stage": "gain", "mout": 1}, "stage-parameter", "Did you mean 'mouth'"),
    ({"stage": "gain", "mouth": 5}, "stage-parameter", "'mouth' of 'gain' is 5"),
    ({"stage": "gain", "mouth": "loud"}, "stage-parameter", "Give a number"),
    ({"stage": "gain", "mouth": float("nan")}, "stage-parameter", "Give a number"),
    ({"stage": "linear-exp", "names": "jawOpen"}, "stage-parameter", "Give a list, each entry a text"),
    ({"stage": "linear-exp", "names": [1]}, "stage-parameter", "Give a list, each entry a text"),
    ({"stage": "scale", "factors": {"jawOpen": "2"}}, "stage-parameter", "each value a number"),
    ({"stage": "offset", "sets": {"joy_1": 1}}, "stage-parameter", "each value a table"),
    ({"stage": "emotion", "always": 1}, "stage-parameter", "true or false"),
    ({"stage": "unitalker-blink", "most_interval_seconds": 4.5}, "stage-parameter", "a whole number"),
    ({"stage": "one-pol"}, "stage-unknown", "Did you mean 'one-pole'"),
    ({"stage": ["gain"]}, "stage-unknown", "no stage ['gain']"),
    ({"stage": "scale", "factors": {"jawOpn": 2}}, "channel-unknown", "Did you mean 'jawOpen'"),
    ({"stage": "bounds", "upper": {"jawOpen": 1, "mouthsmileleft": 1}}, "channel-unknown", "Did you mean 'mouthSmileLeft'"),
    ({"stage": "threshold", "thresholds": {"": 1}}, "channel-unknown", "names the channel ''"),
    ({"stage": "offset", "sets": {"joy_1": {"jawOpen": 1}, "joy_2": {"jawopen": 1}}}, "channel-unknown", "'sets.joy_2' of 'offset'"),
    ({"stage": "linear-exp", "names": ["jawOpened"]}, "channel-unknown", "Did you mean 'jawOpen'"),
    ({"stage": "custom-blink", "channels": {"EyeBlinkLeft": 1}}, "channel-unknown", "Did you mean 'eyeBlinkLeft'"),
    ({"stage": "rename", "mapping": {"Jaw": "JawOpen"}}, "channel-unknown", "Did you mean 'jawOpen'"),
])
def test_what_a_stage_can_not_take_is_told_with_its_place_and_what_is_right(entry: dict[str, Any], code: str, message: str) -> None:
    error = refused({"stage": "smooth"}, entry)
    assert error.code == code
    assert error.problem.startswith("here 1: ")
    assert message in str(error)


def test_a_channel_is_known_from_the_stage_on_that_makes_it() -> None:
    check_channels(draft({"stage": "rename", "mapping": {"Jaw": "jawOpen"}}, {"stage": "scale", "factors": {"Jaw": 2}}))
    check_channels(draft({"stage": "accents"}, {"stage": "scale", "factors": {"HeadPitch": 2}}))
    error = refused({"stage": "scale", "factors": {"Jaw": 2}}, {"stage": "rename", "mapping": {"Jaw": "jawOpen"}})
    assert error.code == "channel-unknown"
    error = refused({"stage": "rename", "mapping": {"Jaw": "jawOpen"}}, {"stage": "scale", "factors": {"jawOpen": 2}})
    assert error.code == "channel-unmatched"
    assert "There are: Jaw" in error.remedy


def test_a_profile_may_name_a_channel_that_the_engine_lacks_but_not_only_such() -> None:
    names = tuple(vocabulary("unitalker51").to_hub.values())
    assert "tongueOut" not in names
    check_channels(draft({"stage": "scale", "factors": {"jawOpen": 2, "tongueOut": 2}}), names)
    assert refused({"stage": "scale", "factors": {"tongueOut": 2}}, channels=names).code == "channel-unmatched"


def test_the_profiles_that_ship_can_be_run_on_every_engines_channels() -> None:
    for shipped in pipeline.drafts().values():
        check_channels(shipped)
        check_channels(shipped, tuple(vocabulary("unitalker51").to_hub.values()))
        assert pipeline.parse_profile(shipped.name, tomllib.loads(profile_text(shipped))["profile"][shipped.name]) == shipped.built()


def test_a_changed_step_keeps_what_it_was_not_told_and_knows_where_each_came_from() -> None:
    step = pipeline.read_step({"stage": "gain", "jaw": 2, "mouth": 2}, lambda *path: "there").changed({"jaw": 3}, {"jaw": "here"})
    assert step.built() == STAGES["gain"](jaw=3.0, mouth=2.0)  # type: ignore[call-arg]
    text = profile_text(pipeline.Draft("mine", "", (step,)))
    shown = [line.partition("# ")[2] for line in text.splitlines() if line.startswith(("jaw", "mouth", "knee"))]
    assert shown == ["here", "there", "the stage's own"]


def test_numbers_and_texts_are_written_as_toml_reads_them() -> None:
    value = {"a b": [True, 1, 1e-7, 1e22, -0.0, 'x "y" \\ \x7f\n\t\x01 é'], "c": {}, "d": []}
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == value


def test_stages_say_in_their_docstrings_what_they_do() -> None:
    for name, stage in STAGES.items():
        text = inspect.getdoc(stage) or ""
        assert "Source:" in text and (not fields(stage) or "Attributes:" in text), name  # type: ignore[arg-type]


def test_the_emotion_stage_marks_the_clip_that_shows_an_emotion() -> None:
    clip = FaceClip(ARKIT_52, np.zeros((30, 52), np.float32), Fraction(30))
    joy = Context(None, 0, Envelope.parse("joy:0.5"))
    assert is_shown(EmotionOffset().apply(clip, joy))
    assert not is_shown(EmotionOffset(strength=0).apply(clip, joy))
    assert not is_shown(EmotionOffset().apply(clip, Context(None, 0)))
    offset = STAGES["offset"](sets={"joy_2": {"jawOpen": 0.1}, "calm": {"jawOpen": 0.2}}, choice="calm")  # type: ignore[call-arg]
    assert is_shown(offset.apply(clip, joy))
    assert not is_shown(offset.apply(clip, Context(None, 0, Envelope.parse("anger"))))
    honoured = FaceClip(clip.names, clip.values, clip.fps, meta={"emotion": "joy", "not_honoured": []})
    assert is_shown(honoured)
    assert np.array_equal(EmotionOffset().apply(honoured, joy).values, honoured.values)
