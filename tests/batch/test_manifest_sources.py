"""Manifests that other programs or folders are: Unreal's dialogue script, Wwise's external sources, a folder of sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2f_batch.batch.manifest import Manifest, read_manifest
from a2f_batch.batch.manifests import Layout
from a2f_batch.batch.manifests.columns import Columns
from a2f_batch.batch.manifests.pattern import PathPattern
from a2f_batch.errors import ManifestError
from tests.batch.batch_fixtures import sound

DE = Columns(defaults={"locale": "de", "character": "ada"})

# Laid out as ExportDialogueScriptCommandlet.cpp writes it: every cell in quotes, arrays as ("a","b"), a row a dialogue context.
SCRIPT = '''"SpeakingVoice","TargetVoices","SpokenDialogue","VoiceActorDirection","AudioFileName","DialogueAsset","IsRecorded",\
"LocalizationKeys","SpeakingVoiceGUID","TargetVoiceGUIDs","DialogueAssetGUID"
"Guard","(""[Player,Merchant]"")","Halt! Wer ""da"", und wohin?","Loud, \nfrom afar",\
"A05875C2C7CA460192E03564532674A3_C174FFF6B897CD21.wav","/Game/Dialogue/Halt.Halt","True","(""A05875C2C7CA460192E03564532674A3_C174FFF6B897CD21"")","1F2E3D4C5B6A798899AABBCCDDEEFF00",\
"(""[00000000000000000000000000000001,00000000000000000000000000000002]"")","A05875C2C7CA460192E03564532674A3"
"Merchant","","Pflaumen!","","B05875C2C7CA460192E03564532674A3_C174FFF6B897CD22.wav","/Game/Dialogue/Plums.Plums","False","(""x"")","","",""
'''

# Laid out as "Integrating External Sources" of the Wwise SDK shows it.
SOURCES = '''<?xml version="1.0" encoding="UTF-8"?>
<ExternalSourcesList SchemaVersion="1" Root="Originals">
    <Source Path="halt.wav" Conversion="VeryCompressed" />
    <Source Path="guard\\plums.wav" Conversion="PCM" Destination="Renamed.wav" AnalysisTypes="6"/>
    <Source Path="d:\\Outside\\out.wav" Conversion="PCM" Destination="out.wav"/>
    <Source Path="..\\relative.wav" Conversion="PCM" Destination="relative.wav"/><Source Path="none.wav"/>
    <Source Conversion="PCM"/>
</ExternalSourcesList>
'''


def read(path: Path, columns: Columns | None = None, *, pattern: str | None = None, **more: Any) -> Manifest:
    return read_manifest(path, layout=Layout(columns or Columns(), pattern=pattern), **more)


def refused(*arguments: Any, **more: Any) -> ManifestError:
    with pytest.raises(ManifestError) as raised:
        read(*arguments, **more)
    return raised.value


def codes(manifest: Manifest) -> list[list[str]]:
    return [[problem.code for problem in row.problems] for row in manifest.bad_rows]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A dialogue script in its culture's folder, with one of its two sounds."""
    sound(tmp_path / "de" / "A05875C2C7CA460192E03564532674A3_C174FFF6B897CD21.wav")
    (tmp_path / "de" / "Game.csv").write_text(SCRIPT, encoding="utf-8-sig")
    return tmp_path / "de" / "Game.csv"


def test_a_dialogue_script_of_unreal_is_known_by_its_header(script: Path) -> None:
    manifest = read(script)
    (line,) = manifest.lines
    assert (line.identity.locale, line.identity.character) == ("de", "Guard")
    assert line.identity.id == "A05875C2C7CA460192E03564532674A3_C174FFF6B897CD21"
    assert (line.number, line.text) == (2, 'Halt! Wer "da", und wohin?')
    assert (line.extra["dialogueasset"], line.extra["voiceactordirection"]) == ("/Game/Dialogue/Halt.Halt", "Loud, \nfrom afar")
    assert (codes(manifest), manifest.bad_rows[0].number) == ([["audio-missing"]], 4)


@pytest.mark.parametrize("culture", ["pt-BR", "zh-Hans", "zh-Hans-CN", "es-419"])
def test_a_dialogue_scripts_locale_is_its_cultures_folder(script: Path, culture: str) -> None:
    script.parent.rename(script.parents[1] / culture)
    assert read(script.parents[1] / culture / "Game.csv").lines[0].identity.locale == culture


def test_a_dialogue_script_outside_a_cultures_folder_needs_its_locale(script: Path) -> None:
    script.parent.rename(script.parents[1] / "Downloads")
    moved = script.parents[1] / "Downloads" / "Game.csv"
    error = refused(moved)
    assert (error.code, "--default locale=" in error.remedy) == ("column-missing", True)
    assert read(moved, Columns(defaults={"locale": "fr"})).lines[0].identity.locale == "fr"


def test_a_project_may_name_a_dialogue_scripts_columns_itself(script: Path) -> None:
    line = read(script, Columns({"id": "DialogueAssetGUID", "emotion": "Mood"}, {"locale": "it"})).lines[0]
    assert (line.identity.id, line.identity.locale) == ("A05875C2C7CA460192E03564532674A3", "it")


def test_a_list_of_wwise_gives_its_sources_and_never_leaves_its_folder(tmp_path: Path) -> None:
    sound(tmp_path / "Originals" / "halt.wav")
    sound(tmp_path / "Originals" / "guard" / "plums.wav")
    sound(tmp_path.parent / "relative.wav")
    (tmp_path / "list.wsources").write_text(SOURCES)
    manifest = read(tmp_path / "list.wsources", DE)
    assert [(line.identity.id, Path(line.audio).name) for line in manifest.lines] == [("halt", "halt.wav"), ("Renamed", "plums.wav")]
    assert dict(manifest.lines[1].extra) == {"conversion": "PCM", "destination": "Renamed.wav", "analysistypes": "6"}
    assert codes(manifest) == [["audio-missing"], ["audio-missing"], ["audio-missing"], ["field-missing", "field-missing"]]
    places = [row.problems[0].message.split("list.wsources ")[1].split(":")[0] for row in manifest.bad_rows]
    assert places == ["line 5", "line 6", "line 6", "line 7"]


def test_a_lists_paths_may_say_who_speaks(tmp_path: Path) -> None:
    sound(tmp_path / "fr" / "guard" / "halt.wav")
    (tmp_path / "l.wsources").write_text(
        '<ExternalSourcesList SchemaVersion="1" Root="D:\\Project">\n<Source Path="fr\\guard\\halt.wav"/>\n<Source Path="halt.wav"/>\n'
        "</ExternalSourcesList>", encoding="utf-16")
    pattern = "{locale}/{character}/{id}.wav"
    assert refused(tmp_path / "l.wsources", pattern=pattern).code == "audio-root"
    manifest = read(tmp_path / "l.wsources", pattern=pattern, audio_root=tmp_path)
    (line,) = manifest.lines
    assert (line.identity.locale, line.identity.character, line.identity.id) == ("fr", "guard", "halt")
    assert codes(manifest) == [["pattern-mismatch"]]
    error = refused(tmp_path / "l.wsources", audio_root=tmp_path)
    assert (error.code, "--default" in error.remedy and "--pattern" in error.remedy) == ("column-missing", True)


@pytest.mark.parametrize(("xml", "line"), [
    ('<?xml version="1.0"?>\n<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n<ExternalSourcesList>&b;</ExternalSourcesList>', 2),
    ('<!DOCTYPE l SYSTEM "file:///etc/passwd">\n<ExternalSourcesList/>', 1),
    ("<ExternalSourcesList>\n<Source Path='a.wav'>\n</ExternalSourcesList>", 3),
    ("\n<Sources/>", 2), ('<ExternalSourcesList SchemaVersion="2"/>', 1), ("<ExternalSourcesList>\n<Event/></ExternalSourcesList>", 2),
    ("<ExternalSourcesList><Source Path='a'>\n<Source Path='b'/></Source></ExternalSourcesList>", 2), ("", 1), ("id,audio\n", 1),
    ('<?xml version="1.0" encoding="klingon"?><ExternalSourcesList/>', 1)])
def test_what_is_no_list_of_wwise_is_refused_with_its_line(tmp_path: Path, xml: str, line: int) -> None:
    (tmp_path / "l.wsources").write_text(xml)
    error = refused(tmp_path / "l.wsources", DE)
    assert (error.code, f"line {line} " in error.problem) == ("manifest-malformed", True)


def test_a_folder_gives_every_sound_and_names_what_it_leaves_out(tmp_path: Path) -> None:
    for name in ("de/ada/b.wav", "de/ada/a.WAV", "fr/bob/c.ogg", "fr/loose.wav", "de/ada/._b.wav", "de/ada/deep/d.wav", "de/con/x.wav"):
        sound(tmp_path / "drop" / name.replace(".ogg", ".wav")).rename(tmp_path / "drop" / name)
    for name in ("notes.txt", "de/.DS_Store"):
        (tmp_path / "drop" / name).write_text("")
    sound(tmp_path / "elsewhere" / "e.wav")
    (tmp_path / "drop" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "drop" / "de" / "ada" / "out.wav").symlink_to(tmp_path / "elsewhere" / "e.wav")
    manifest = read(tmp_path / "drop", is_folder=True)
    assert [line.audio_text for line in manifest.lines] == ["de/ada/a.WAV", "de/ada/b.wav", "fr/bob/c.ogg"]
    assert manifest.ignored == ("de/.DS_Store", "de/ada/._b.wav", "linked/", "notes.txt")
    assert {row.cells["audio"]: [problem.code for problem in row.problems] for row in manifest.bad_rows} == {
        "de/ada/deep/d.wav": ["pattern-mismatch"], "de/ada/out.wav": ["audio-path"], "de/con/x.wav": ["id-unsafe"],
        "fr/loose.wav": ["pattern-mismatch"]}
    assert manifest.where(manifest.lines[0].number) == f"{tmp_path / 'drop'} file 'de/ada/a.WAV'"


def test_a_pattern_may_leave_to_defaults_what_paths_do_not_say(tmp_path: Path) -> None:
    sound(tmp_path / "VO_guard_gate_01.wav")
    pattern = "VO_{character}_{id}.wav"
    assert refused(tmp_path, pattern=pattern, is_folder=True).code == "column-missing"
    (line,) = read(tmp_path, Columns(defaults={"locale": "de"}), pattern=pattern, is_folder=True).lines
    assert (line.identity.locale, line.identity.character, line.identity.id) == ("de", "guard", "gate_01")


@pytest.mark.parametrize("pattern", ["", "/abs/{id}.wav", "../{id}.wav", "C:/{id}.wav", "{id", "{}.wav", "{ID}.wav", "*/{id}.wav",
                                     "{id}.w?v", "a//{id}.wav", "{audio}/{id}.wav", "{id!r}.wav", "{0}.wav"])
def test_a_text_that_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ManifestError) as raised:
        PathPattern(pattern)
    assert (raised.value.code, bool(raised.value.remedy)) == ("pattern", True)


def test_a_folder_that_is_none_or_has_no_sounds_is_told_so(tmp_path: Path) -> None:
    assert refused(tmp_path / "none", is_folder=True).code == "manifest-unreadable"
    assert refused(tmp_path, is_folder=True).code == "manifest-empty"


WORDS = st.text(st.sampled_from("abXé-.[]() "), min_size=1, max_size=8)


@given(locale=WORDS, character=WORDS, line_id=WORDS, take=st.integers(0, 99))
def test_a_pattern_finds_what_was_put_in(locale: str, character: str, line_id: str, take: int) -> None:
    path = f"VO/{locale}/{character}/{line_id}_t{take}.wav"
    assert PathPattern("VO/{locale}/{character}/{id}_t{take}.*").match(path) == {
        "locale": locale, "character": character, "id": line_id, "take": str(take)}
