"""The table [manifest] of a project file: how its manifests call their columns."""

from __future__ import annotations

from collections.abc import Collection

from a2f_batch.batch.manifests.columns import DEFAULTS, KNOWN, Columns, checked_default
from a2f_batch.errors import A2FError
from a2f_batch.post.pipeline import nearest
from a2f_batch.toml_file import TomlFile

_TABLES = ("columns", "defaults")


def read_columns(file: TomlFile, profiles: Collection[str]) -> Columns:
    """Return what [manifest.columns] and [manifest.defaults] say.

    Args:
        profiles: names of those that a default may name.

    Raises:
        ProfileError: an unknown key (code 'project-key'), a value of the wrong type ('profile-type'), one column for two of ours
            ('column-duplicate'), a default that is wrong ('default', or the code of what is wrong with it).
    """
    manifest = file.table(file.content, ("manifest",))
    file.keys(manifest, ("manifest",), _TABLES)
    names: dict[str, str] = {}
    table = file.table(manifest, ("manifest", "columns"))
    file.keys(table, ("manifest", "columns"), KNOWN)
    for ours, value in table.items():
        path = ("manifest", "columns", ours)
        theirs = file.typed(value, str, path, f'the name of a column in quotes: {ours} = "VO_{ours}"').strip()
        if not theirs:
            raise file.error(path, f"'{ours}' is called nothing.", "Give the column's name, or leave it out.", "profile-type")
        if theirs.lower() in (name.lower() for name in names.values()):
            raise file.error(path, f"the column '{theirs}' stands for two of ours.", "Give each a column of its own.", "column-duplicate")
        names[ours] = theirs
    defaults: dict[str, str] = {}
    table = file.table(manifest, ("manifest", "defaults"))
    file.keys(table, ("manifest", "defaults"), DEFAULTS)
    for name, value in table.items():
        path = ("manifest", "defaults", name)
        text = str(value) if name == "fps" and type(value) in (int, float) else value
        try:
            defaults[name] = checked_default(name, file.typed(text, str, path, f'a text in quotes: {name} = "..."'))
        except A2FError as error:
            if error.code == "profile-type":
                raise
            raise file.error(path, error.problem, error.remedy, error.code) from None
        if name == "profile" and value not in profiles:
            raise file.error(path, f"there is no profile '{value}'.", nearest(value, profiles), "profile-unknown")
    origin = file.where("manifest", "columns")() if names else "a2f.toml"
    return Columns(names, defaults, origin)
