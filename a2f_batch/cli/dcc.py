"""`a2f-batch dcc`: the add-ons of Blender and Maya, built as files or put where the host looks for them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

import click

from a2f_batch.cli.errors import DONE, reported

HOSTS = ("blender", "maya")


class Host(Protocol):
    """What `a2f_batch.dcc.blender` and `a2f_batch.dcc.maya` offer; each returns what it did, in sentences."""

    def install(self, version: str | None, *, link: bool) -> list[str]:
        """Put the add-on where the host `version` ('4.5', '2025'; None = the newest found) looks."""

    def uninstall(self, version: str | None) -> list[str]:
        """Take it away; None = from every version found."""


def _host(name: str) -> Host:
    host: Host = import_module(f"a2f_batch.dcc.{name}")
    return host


@click.group("dcc")
def command() -> None:
    """Build, install or take away the add-ons for Blender and Maya."""


@command.group()
def build() -> None:
    """Write an add-on as a file that can be given to others."""


@build.command("blender")
@click.argument("out", metavar="OUT.zip", type=click.Path(path_type=Path))
@click.option("--platform", "platforms", multiple=True, help="linux-x64, windows-x64 or macos-arm64; may be repeated. [default: all]")
@click.option("--legacy", is_flag=True, help="An add-on for Blender 3.4 to 4.1, for one platform, not an extension.")
@click.option("--constraints", type=click.Path(path_type=Path), help="pip's constraints file, for builds that can be repeated.")
@reported
def build_blender(out: Path, platforms: tuple[str, ...], legacy: bool, constraints: Path | None) -> int:
    """Write the Blender extension, with the library's wheels, to OUT.zip."""
    from a2f_batch.dcc.blender import build as write

    for line in write(out, platforms=platforms, legacy=legacy, constraints=constraints):
        click.echo(line)
    return DONE


@command.command()
@click.argument("host", type=click.Choice(HOSTS))
@click.option("--version", help="The host's version, such as 4.5 or 2025. [default: the newest Blender that has settings here; every Maya]")
@click.option("--link", is_flag=True, help="Use this installation of a2f-batch through a helper process, and copy no library.")
@reported
def install(host: str, version: str | None, link: bool) -> int:
    """Put the add-on where HOST looks for it."""
    for line in _host(host).install(version, link=link):
        click.echo(line)
    return DONE


@command.command()
@click.argument("host", type=click.Choice(HOSTS))
@click.option("--version", help="The host's version, such as 4.5 or 2025. [default: all that have settings here]")
@reported
def uninstall(host: str, version: str | None) -> int:
    """Take the add-on away from HOST."""
    for line in _host(host).uninstall(version):
        click.echo(line)
    return DONE
