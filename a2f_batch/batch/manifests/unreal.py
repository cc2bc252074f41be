"""Unreal Engine's dialogue script: the CSV of the localisation dashboard's 'Export Dialogue Script', one file a culture.

Source: Unreal Engine, Engine/Source/Editor/UnrealEd, Classes/Commandlets/ExportDialogueScriptCommandlet.h (FDialogueScriptEntry, whose
members are the columns, in this order) and Private/Commandlets/ExportDialogueScriptCommandlet.cpp: UTF-8, every cell in quotes, a line
break after each row; the file is <destination>/<culture>/<name>. AudioFileName is made in UDialogueWave::GetContextRecordedAudioFilename:
the project's DialogueFilenameFormat ('{DialogueGuid}_{ContextId}' by default) with '.wav', without a folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from a2f_batch.batch.manifests.columns import Columns

HEADER = ("SpeakingVoice", "TargetVoices", "SpokenDialogue", "VoiceActorDirection", "AudioFileName", "DialogueAsset", "IsRecorded",
          "LocalizationKeys", "SpeakingVoiceGUID", "TargetVoiceGUIDs", "DialogueAssetGUID")

REMEDY = "An Unreal dialogue script does not say its language: keep it in the culture's folder, as it was exported (de/Game.csv), " \
         "or give --default locale=de."

_TELLING = frozenset({"speakingvoice", "spokendialogue", "audiofilename"})
_NAMES = {"audio": "AudioFileName", "character": "SpeakingVoice", "text": "SpokenDialogue"}
_FOLDER = "culture folder"  # a column that no file has

# Names of cultures: ISO 639 language, script, ISO 3166 country or UN M.49 area ('de', 'pt-BR', 'zh-Hans', 'es-419').
_CULTURE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Z]{2}|\d{3}))?")


def columns_for(header: Sequence[str], columns: Columns, path: Path) -> Columns:
    """Return the columns of a dialogue script at `path`, or `columns` itself if `header` is of none.

    What the project names itself and is there wins; the locale is the culture's folder unless there is a default.
    """
    found = {cell.strip().lower() for cell in header}
    if not found >= _TELLING:
        return columns
    own = {ours: theirs for ours, theirs in columns.names.items() if theirs.strip().lower() in found}
    names = {**_NAMES, **own}
    if "locale" not in {*names, *columns.defaults} and constants(path):
        names["locale"] = _FOLDER
    return replace(columns, names=names, id_from_audio=True)


def constants(path: Path) -> dict[str, str]:
    """Return what the place of a dialogue script says of all its lines: the culture, if its folder is named for one."""
    culture = path.absolute().parent.name
    return {_FOLDER: culture} if _CULTURE.fullmatch(culture) else {}
