"""Lines of a TOML text: every path that tomllib gives has one, and it is the right one."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from a2f_batch.toml_lines import line_numbers

TEXT = '''# a comment = "with" [brackets]
top = 1
a.b.'c d' = [1, [2,
  3, # three ]
  """x ]
"" """"], { k = 'v # no comment', "k\\"2" = """
""" }]

[table]   # after
"k.e.y" = 1979-05-27 07:32:00
  [table.sub]
text = \'\'\'
[not.a.table]
''\'\'\'

[[list]]
x = "]"
[[list.inner]]
[list.inner.deep]
y = true
[[list.inner]]
[[list]]
z = [
]
'''
LINES = {
    ("top",): 2, ("a",): 3, ("a", "b"): 3, ("a", "b", "c d"): 3, ("a", "b", "c d", 0): 3, ("a", "b", "c d", 1): 3,
    ("a", "b", "c d", 1, 0): 3, ("a", "b", "c d", 1, 1): 4, ("a", "b", "c d", 1, 2): 5, ("a", "b", "c d", 2): 6,
    ("a", "b", "c d", 2, "k"): 6,
    ("a", "b", "c d", 2, 'k"2'): 6, ("table",): 9, ("table", "k.e.y"): 10, ("table", "sub"): 11, ("table", "sub", "text"): 12,
    ("list",): 16, ("list", 0): 16, ("list", 0, "x"): 17, ("list", 0, "inner"): 18, ("list", 0, "inner", 0): 18,
    ("list", 0, "inner", 0, "deep"): 19, ("list", 0, "inner", 0, "deep", "y"): 20, ("list", 0, "inner", 1): 21,
    ("list", 1): 22, ("list", 1, "z"): 23,
}


def paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return ({path} if path else set()).union(*(paths(one, (*path, key)) for key, one in entries))


def test_every_way_to_write_a_key_has_its_line() -> None:
    assert paths(tomllib.loads(TEXT)) == set(LINES)
    assert line_numbers(TEXT) == LINES


KEYS = st.text(alphabet="ab-_.\"'# =[]", max_size=4)
VALUES = st.recursive(st.sampled_from(["1", "true", "1.5e3", "'a # b'", '"""\n]"""', "'''\n'''", '"\\""', "1979-05-27 07:32:00"]),
                      lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=6)


def written(value: Any, breaks: str) -> str:
    if isinstance(value, list):
        return f"[{breaks}{f',{breaks}'.join(written(one, breaks) for one in value)}{breaks}]"
    if isinstance(value, dict):  # one line, but for its values
        return "{ " + ", ".join(f"{json.dumps(key)} = {written(one, breaks)}" for key, one in value.items()) + " }"
    return str(value)


@settings(max_examples=150, deadline=None)
@given(tables=st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3), repeated=st.booleans(),
       breaks=st.sampled_from(["", " ", "\n", " # [ \" note\n\n"]))
def test_every_path_of_a_text_has_a_line_and_the_line_holds_its_key(tables: dict[str, Any], repeated: bool, breaks: str) -> None:
    head = "[[{}]]" if repeated else "[{}]"
    text = ""
    for name, table in tables.items():
        text += f"{head.format(json.dumps(name))}\n"
        text += "".join(f"{json.dumps(key)} = {written(value, breaks)}\n" for key, value in table.items())
    lines = line_numbers(text)
    assert set(lines) == paths(tomllib.loads(text))
    shown = text.split("\n")
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert re.search(re.escape(json.dumps(path[-1])), shown[line - 1]), (path, line, text)
