"""The section [qc] of a2f.toml: where the flags of a line's figures begin."""

from __future__ import annotations

import math

from a2f_batch.qc.checks import CHECKS, Levels
from a2f_batch.toml_file import TomlFile

SOURCE = "source_locale"


def read_levels(file: TomlFile) -> Levels:
    """Return what the section says, or the checks' own levels where there is none.

    Raises:
        ProfileError: a key that is no reason code (code 'project-key'), a level that is neither a number nor false ('profile-type').
    """
    table = file.table(file.content, ("qc",))
    file.keys(table, ("qc",), (SOURCE, *CHECKS))
    levels: dict[str, float | None] = {}
    for code, value in table.items():
        if code == SOURCE:
            continue
        check = CHECKS[code]
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not False and not number:
            raise file.error(("qc", code), f"'{code}' is {value!r}.", f"Give a number ({code} = {check.level:g}), or false for no check.",
                             "profile-type")
        # A level on the wrong side of what is ideal would flag every line.
        if number and check.level != check.ideal and (value - check.ideal) * (check.level - check.ideal) <= 0:
            side = "over" if check.level > check.ideal else "under"
            raise file.error(("qc", code), f"'{code}' is {value:g}, and every line would be flagged.",
                             f"Give a number {side} {check.ideal:g}.", "qc-level")
        levels[code] = None if value is False else float(value)
    source = file.typed(table[SOURCE], str, ("qc", SOURCE), f'a locale in quotes: {SOURCE} = "en-US"') if SOURCE in table else None
    return Levels(levels, source)
