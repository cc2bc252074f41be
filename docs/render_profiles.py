"""Write the tables of stages and parameters in docs/profiles.md from the stages themselves.

    python docs/render_profiles.py docs
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path

from a2f_batch.post import STAGES, pipeline
from a2f_batch.post.context import Stage
from a2f_batch.post.parameters import asked, kinds
from a2f_batch.post.profile_text import toml_value

BLANK = "\n\n"
BEGIN, END = "<!-- made by render_profiles.py -->\n", "<!-- end -->\n"


def main(folder: Path) -> None:
    """Write the tables of profiles.md in `folder`."""
    page = folder / "profiles.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(text: str) -> str:
    """Return a page with the part between the marks made anew."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


def tables() -> str:
    """Return the order of the default profile, and one Markdown table a stage."""
    order = " → ".join(f"`{step.stage}`" for step in pipeline.drafts()["default"].steps)
    lines = ["", f"The default profile: {order}.", ""]
    for name, stage in STAGES.items():
        docstring = inspect.getdoc(stage) or ""
        lines += [f"### {name}", "", f"{_purpose(stage)} {_escaped(docstring.partition(BLANK)[0])}", "",
                  f"![{name}, before and after](images/stages/{name}.png)", "",
                  "| parameter | what to give | default | meaning |", "| --- | --- | --- | --- |"]
        meanings = _meanings(docstring)
        for field in fields(stage):  # type: ignore[arg-type]
            lines.append(f"| `{field.name}` | {asked(kinds(stage)[field.name])} | `{_default(field)}` | {meanings[field.name]} |")
        lines.append("")
    return "\n".join(lines)


def _purpose(stage: type[Stage]) -> str:
    module = inspect.getmodule(stage)
    assert module is not None and module.__doc__ is not None
    purpose = module.__doc__.partition(": ")[2].splitlines()[0]
    return purpose[0].upper() + purpose[1:]


def _meanings(docstring: str) -> dict[str, str]:
    """Return parameter -> its text in the docstring's 'Attributes:'; 'a, b: text' is for both."""
    meanings = {}
    for entry in re.split(r"\n    (?=\S)", docstring.partition("Attributes:")[2]):
        names, _, text = entry.strip().partition(": ")
        for name in names.split(", "):
            meanings[name] = _escaped(text)
    return meanings


def _escaped(text: str) -> str:
    """Return a docstring's text as a line of Markdown."""
    return re.sub(r"([|<>*_])", r"\\\1", " ".join(text.split()))


def _default(field: Field[object]) -> str:
    return toml_value(field.default if field.default_factory is MISSING else field.default_factory())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
