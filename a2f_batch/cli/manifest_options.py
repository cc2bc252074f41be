"""The manifest and what its file does not tell, on every command that reads one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from a2f_batch.batch.manifest import Manifest, read_manifest
from a2f_batch.batch.manifests import Layout
from a2f_batch.batch.manifests.columns import checked_default
from a2f_batch.batch.manifests.pattern import DEFAULT_PATTERN
from a2f_batch.cli.log import current
from a2f_batch.export import Format
from a2f_batch.export.options import ExportOptions
from a2f_batch.project import Project

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class ManifestSource:
    """A manifest that a command was called with, not yet read.

    Attributes:
        path: the file, or the folder of sounds.
        is_folder: whether it is a folder.
        audio_root: where audio paths start from; None for the manifest's folder.
        layout: what the command line says of it; the project's columns are not in it yet.
        defaults: what the command line says for empty columns.
    """

    path: Path
    is_folder: bool
    audio_root: Path | None
    layout: Layout
    defaults: tuple[str, ...]

    def read(self, project: Project, *, formats: tuple[Format, ...] = (), export: ExportOptions | None = None) -> Manifest:
        """Return the manifest, read and checked.

        Args:
            project: for its profiles and columns.
            formats: what will be written, and `export` how: rates that can't be are problems of their rows.

        Raises:
            A2FError: see `read_manifest`; a wrong --default (code 'default', or of its column).
        """
        columns = project.columns.with_defaults(dict(map(_default, self.defaults)))
        layout = Layout(columns, self.layout.delimiter, self.layout.encoding, self.layout.sheets, self.layout.pattern)
        manifest = read_manifest(self.path, audio_root=self.audio_root, formats=formats,
                                 check_fps=partial((export or ExportOptions()).check_fps, formats), find_profile=project.profile,
                                 layout=layout, is_folder=self.is_folder)
        if manifest.ignored:
            current().warning(f"{len(manifest.ignored)} of the files in {self.path} are taken for no sounds: "
                              f"{', '.join(manifest.ignored)}.", "files-ignored")
        return manifest


def manifest_options(command: _Command) -> _Command:
    """Add the manifest and the options of its reading to a command, which gets them as one `source: ManifestSource`."""

    @wraps(command)
    def with_source(*, manifest: Path | None, from_folder: Path | None, audio_root: Path | None, delimiter: str | None,
                    encoding: str | None, sheets: tuple[str, ...], pattern: str | None, default: tuple[str, ...], **arguments: Any) -> Any:
        if manifest is not None and from_folder is not None:
            raise click.UsageError("Give MANIFEST or --from-folder, not both.")
        path = from_folder if from_folder is not None else manifest
        if path is None:
            raise click.UsageError("Missing argument 'MANIFEST'; or give a folder of sound files with --from-folder.")
        layout = Layout(delimiter=delimiter, encoding=encoding, sheets=sheets, pattern=pattern)
        return command(**arguments, source=ManifestSource(path, from_folder is not None, audio_root, layout, default))

    for option in (
        click.option("--default", metavar="COLUMN=VALUE", multiple=True,
                     help="What a line has whose column is empty or missing, such as locale=de; may be given several times."),
        click.option("--sheet", "sheets", metavar="NAME", multiple=True,
                     help="Sheet of a workbook, all by default; may be given several times."),
        click.option("--encoding", help="Encoding of a text file that is neither UTF-8 nor UTF-16, such as cp1252."),
        click.option("--delimiter", metavar="CHARACTER",
                     help="Between the cells of a CSV: a character or tab, comma, semicolon, pipe; found by itself if left out."),
        click.option("--pattern", help=f"What a sound file's path says of its line: '{DEFAULT_PATTERN}' for --from-folder."),
        click.option("--from-folder", metavar="DIR", type=click.Path(path_type=Path), help="Take a folder's sound files as the lines."),
        click.option("--audio-root", type=click.Path(path_type=Path),
                     help="Folder that the audio paths start from; the manifest's by default."),
        click.argument("manifest", required=False, type=click.Path(path_type=Path)),
    ):
        with_source = option(with_source)
    return with_source  # type: ignore[return-value]


def _default(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--default takes COLUMN=VALUE, such as locale=de, not '{text}'.")
    return name.strip(), checked_default(name.strip(), value.strip())
