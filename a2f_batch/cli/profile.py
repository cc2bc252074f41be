"""`a2f-batch profile`: which post-processing profiles there are, and what one of them does."""

from __future__ import annotations

from pathlib import Path

import click

from a2f_batch.cli.errors import DONE, reported
from a2f_batch.cli.options import project_option
from a2f_batch.post import pipeline
from a2f_batch.post.profile_text import profile_text
from a2f_batch.project import load_project


@click.group("profile")
def command() -> None:
    """List the post-processing profiles, or show one.

    Profiles are those that ship and those of the project file (a2f.toml).
    """


@command.command("list")
@project_option
@reported
def list_profiles(project: Path | None) -> int:
    """List every profile, and which characters have one of their own."""
    profiles = load_project(project)
    width = max(map(len, profiles.drafts))
    for name, draft in profiles.drafts.items():
        origin = "ships with a2f_batch" if draft is pipeline.drafts().get(name) else str(profiles.path)
        click.echo(f"{name:{width}}  {draft.description or 'no description'} ({origin})")
    for character, name in profiles.characters.items():
        click.echo(f"character {character}: {name}")
    return DONE


@command.command("show")
@click.argument("name")
@project_option
@reported
def show_profile(name: str, project: Path | None) -> int:
    """Print profile NAME as TOML: its stages in order, every parameter, and where each was set."""
    click.echo(profile_text(load_project(project).draft(name)), nl=False)
    return DONE
