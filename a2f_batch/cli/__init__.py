"""The command line `a2f-batch`: one file a command, imported when the command is called."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module

import click

# Every command with its first line of help, so that `--help` imports none of them.
_COMMANDS = {
    "render": "Render a manifest of voice lines to animation files.",
    "status": "Show how far an output folder is, also while a run goes on.",
    "qc": "Show which lines of an output folder deserve a look, and why.",
    "report": "Make pages of an output folder, to hear, watch and judge its lines.",
    "merge": "Merge the journals of shards, with their files.",
    "check": "Check a manifest and its sound files; render nothing.",
    "bake": "Render one sound file to one animation file.",
    "convert": "Convert a clip or an exported animation to another format.",
    "post": "Post-process a raw clip again, without an engine.",
    "farm": "Write a job file for a render farm: OpenJD, OpenCue or Slurm.",
    "profile": "List the post-processing profiles, or show one.",
    "weights": "List, check, convert and export the networks' weights.",
    "dcc": "Build, install or take away the add-ons for Blender and Maya.",
    "serve": "Render what programs send over HTTP: a small local service.",
    "bridge": "Answer one request of an add-on, as JSON; for programs.",
    "preview": "Make review videos and a contact sheet of rendered lines.",
    "plot": "Draw the curves of a clip, or how two clips differ.",
    "info": "Show what a clip or an exported animation holds.",
    "train": "Train the embedded network again, or on data of your own.",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"{__package__}.{name}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from a2f_batch import __version__

        click.echo(f"a2f-batch {__version__}")
        context.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version.")
def main() -> None:
    """Voice lines in; glTF, FBX, CSV and Maya .anim out.

    \b
    Exit codes: 0 all done; 1 some lines failed; 2 the call or the manifest is wrong; 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped, and is no reason to stop.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logging.getLogger("a2f_batch").addHandler(logging.NullHandler())  # the commands print the warnings themselves
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":  # https://no-color.org; a command's own --color wins
        click.get_current_context().color = False
