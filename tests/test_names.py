import pytest

from a2f_batch.errors import ClipError
from a2f_batch.names import ARKIT_52, ROTATIONS, vocabularies, vocabulary


def test_the_hub_has_apples_52_names():
    assert len(set(ARKIT_52)) == 52
    sided = {name for name in ARKIT_52 if name.endswith(("Left", "Right"))}
    assert all(name.replace("Left", "Right") in sided and name.replace("Right", "Left") in sided for name in sided)


@pytest.mark.parametrize("name", vocabularies())
def test_a_vocabulary_maps_one_to_one_onto_the_hub_and_names_its_source(name):
    words = vocabulary(name)
    assert len(set(words.channels)) == len(words.channels)
    assert set(words.to_hub) <= set(words.channels)
    assert set(words.to_hub.values()) <= set(ARKIT_52)
    assert len(words.from_hub) == len(words.to_hub)
    assert words.source


def test_unitalker_knows_every_hub_channel_but_the_tongue():
    words = vocabulary("unitalker51")
    assert len(words.channels) == 51
    assert set(words.to_hub.values()) == set(ARKIT_52) - {"tongueOut"}
    assert words.channels.index("JawOpen") == 19
    assert words.to_hub["EyeBlinkL"] == "eyeBlinkLeft"


def test_live_link_face_has_61_columns_in_unreals_order():
    channels = vocabulary("livelinkface").channels
    assert len(channels) == 61
    assert channels[52:] == ROTATIONS
    assert channels[14:17] == ("JawForward", "JawRight", "JawLeft")
    assert channels[21:23] == ("MouthRight", "MouthLeft")


def test_an_unknown_vocabulary_is_refused_with_the_known_ones():
    with pytest.raises(ClipError, match="unitalker51"):
        vocabulary("../errors")
